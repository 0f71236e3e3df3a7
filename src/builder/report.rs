//! What a build did.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::dataset::manifest::Manifest;
use crate::scan::model::RootUse;

/// What a build did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Accepted rows.
    pub rows: u64,
    /// Rejected rows.
    pub rejected: u64,
    /// Lines that hold something.
    pub lines: u64,
    /// Pictures as stored.
    pub pictures: u64,
    /// Pictures by hash.
    pub distinct_pictures: u64,
    /// Pictures decoded by this run.
    pub decoded: u64,
    /// Shards of the data set.
    pub shards: u64,
    /// Bytes of their files.
    pub bytes: u64,
    /// Rejected rows by code (a row with two codes counts for both).
    pub rejects: BTreeMap<String, u64>,
    /// Of each code for which the scan rejects, the first row: where it stands, and what was found.
    pub examples: BTreeMap<String, String>,
    /// Pictures stored in a further shard, because rows there need them.
    pub stored_again: u64,
    /// Shards built by this run.
    pub built: u64,
    /// Shards that were there already.
    pub kept: u64,
    /// Shards whose pixel files were linked from the data set before.
    pub linked: u64,
    /// Pictures copied from the data set before.
    pub copied: u64,
    /// Shards of the data set before that are gone.
    pub removed: u64,
    /// Shards, and files beside them, that were there and damaged; they were made anew.
    pub repaired: Vec<String>,
    /// Whether the data set was there already, whole.
    pub unchanged: bool,
    /// The roots as used.
    pub roots: Vec<RootUse>,
}

impl Report {
    /// Copies the totals of a manifest.
    pub fn fill(&mut self, manifest: &Manifest) {
        self.rows = manifest.totals.rows;
        self.rejected = manifest.totals.rejected;
        self.lines = manifest.totals.lines;
        self.pictures = manifest.totals.pictures;
        self.distinct_pictures = manifest.totals.distinct_pictures;
        self.shards = manifest.shards.len() as u64;
        let files = manifest.shards.iter().flat_map(|shard| &shard.files).chain(&manifest.files);
        self.bytes = files.map(|file| file.bytes).sum();
    }
}
