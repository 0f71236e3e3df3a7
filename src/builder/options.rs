//! What to build, and how.

use crate::dataset::manifest::ManifestOptions;
use crate::scan::options::ScanOptions;

/// What to build, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the scan is to do; its spec is the data set's.
    pub scan: ScanOptions,
    /// Pixels of a shard, counted at three channels, in bytes.
    pub shard_bytes: u64,
    /// Orders pictures by a keyed hash instead of by first use.
    pub shuffle_seed: Option<u64>,
    /// Whether a finished data set of another plan may be replaced.
    pub update: bool,
    /// Whether what was written earlier is taken over by its length alone: its hash is not compared.
    pub trust_previous: bool,
}

impl Options {
    /// What of them the bytes depend on.
    pub fn recorded(&self) -> ManifestOptions {
        ManifestOptions {
            shard_bytes: self.shard_bytes,
            shuffle_seed: self.shuffle_seed,
            rows: self.scan.rows.clone(),
        }
    }
}
