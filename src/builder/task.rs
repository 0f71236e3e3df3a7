//! A unit of work as a value: all that building one shard needs, whoever does it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::builder::fingerprint::fingerprint;
use crate::error::Result;
use crate::jsonl::source::RowPlace;
use crate::picture::Probe;
use crate::scan::model::Source;
use crate::scan::options::ScanOptions;

/// What all tasks of a build share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// What the scan did; its spec is the data set's.
    pub options: ScanOptions,
    /// The sources, in the order given.
    pub sources: Vec<Source>,
    /// Where pictures lie.
    pub roots: Vec<TaskRoot>,
}

/// A root of pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRoot {
    /// What the caller named.
    pub given: PathBuf,
    /// The folder below it that holds the pictures, one name a level.
    pub below: Vec<String>,
}

/// One row of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskRow {
    /// Its source, by number.
    pub source: u32,
    /// The record of the source that it is made of: its line, from 1.
    pub record: u64,
    /// Which of that record's rows it is. A line is one row, so it is 0.
    pub part: u32,
    /// Where its text lies.
    pub place: RowPlace,
    /// [`crate::jsonl::source::row_hash`] of its text.
    pub hash: [u8; 16],
}

/// The rows of a task, and for each the positions of its pictures in the task. Flat: there may be millions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskRows {
    rows: Vec<TaskRow>,
    /// Where the positions of each row end.
    ends: Vec<u32>,
    positions: Vec<u32>,
}

impl TaskRows {
    /// Room for so many rows.
    pub(super) fn with_capacity(rows: usize) -> Self {
        Self {
            rows: Vec::with_capacity(rows),
            ends: Vec::with_capacity(rows),
            positions: Vec::with_capacity(rows),
        }
    }

    /// Appends a row. False where there are more positions than are numbered.
    pub(super) fn push(&mut self, row: TaskRow, positions: &[u32]) -> bool {
        self.positions.extend_from_slice(positions);
        self.rows.push(row);
        let end = u32::try_from(self.positions.len());
        self.ends.extend(end.ok());
        end.is_ok()
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Each row, and the positions of its pictures.
    pub fn iter(&self) -> impl Iterator<Item = (&TaskRow, &[u32])> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        self.rows
            .iter()
            .zip(starts.zip(&self.ends))
            .map(|(row, (start, &end))| (row, self.positions.get(start as usize..end as usize).unwrap_or_default()))
    }
}

/// One picture of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskPicture {
    /// The root that holds its file, by number.
    pub root: u32,
    /// The file below that root.
    pub file: Box<str>,
    /// BLAKE3 of the file's bytes.
    pub hash: [u8; 32],
    /// What its header says.
    pub header: Probe,
    /// Every name that accepted rows of the data set use for it.
    pub names: Vec<Box<str>>,
}

/// Everything that the bytes of one shard follow from, and where it is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitTask {
    pub(super) fingerprint: String,
    pub(super) setting: Arc<Setting>,
    pub(super) rows: TaskRows,
    pub(super) pictures: Vec<TaskPicture>,
}

impl UnitTask {
    /// 64 hex digits over everything that the shard's bytes follow from.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The shard's folder: the first 16 digits.
    pub fn folder(&self) -> &str {
        self.fingerprint.get(..16).unwrap_or_default()
    }

    /// What it shares with the other tasks of its build.
    pub fn setting(&self) -> &Setting {
        &self.setting
    }

    /// Its rows, in the order of the shard.
    pub fn rows(&self) -> &TaskRows {
        &self.rows
    }

    /// Its pictures, in the order of the shard.
    pub fn pictures(&self) -> &[TaskPicture] {
        &self.pictures
    }

    /// The bytes of memory that it takes, roughly.
    pub(super) fn weight(&self) -> u64 {
        let rows = self.rows.len() * (size_of::<TaskRow>() + size_of::<u32>()) + self.rows.positions.len() * size_of::<u32>();
        let pictures = self
            .pictures
            .iter()
            .map(|picture| size_of::<TaskPicture>() + 2 * picture.file.len());
        rows as u64 + pictures.sum::<usize>() as u64
    }

    /// The fingerprint that its rows and pictures have.
    pub(super) fn computed_fingerprint(&self) -> Result<String> {
        let pictures = self
            .pictures
            .iter()
            .map(|picture| (&picture.hash, picture.names.iter().map(|name| &**name).collect()));
        let rows = self.rows.iter().map(|(row, positions)| {
            let source = self.setting.sources.get(row.source as usize);
            (source.map_or("", |source| source.name.as_str()), row.record, &row.hash, positions)
        });
        fingerprint(&self.setting.options.spec, pictures, rows)
    }
}
