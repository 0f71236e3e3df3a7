//! Where the text of a row lies in its source, and how it is read again.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, reserve};
use crate::jsonl::lines::{self, Line, read_exact};
use crate::shown::Shown;
use crate::store::hash::hash;

/// Where the text of a row lies. A new kind of source is one arm here and one [`RowSource`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowPlace {
    /// A run of bytes: a line of a file.
    Bytes {
        /// Bytes from the start of the source.
        offset: u64,
        /// How many.
        length: u64,
    },
}

impl RowPlace {
    /// Where findings about the row begin to count, in bytes.
    pub fn offset(self) -> u64 {
        match self {
            Self::Bytes { offset, .. } => offset,
        }
    }

    /// The length of the text, in bytes.
    pub fn length(self) -> u64 {
        match self {
            Self::Bytes { length, .. } => length,
        }
    }
}

/// What rows are read from once their places are known.
pub trait RowSource: Send + Sync {
    /// Replaces `into` with the text of a row. A place that the source does not have is an error.
    fn read(&self, place: RowPlace, into: &mut Vec<u8>) -> Result<()>;

    /// What to call the source in a message.
    fn path(&self) -> &Path;
}

/// The first half of BLAKE3 of a row's text: how a row is known again.
pub fn row_hash(text: &[u8]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&blake3::hash(text).as_bytes()[..16]);
    half
}

/// A file of JSON Lines.
#[derive(Debug)]
pub struct JsonLines {
    path: PathBuf,
    file: File,
    length: u64,
}

impl JsonLines {
    /// Opens the file.
    pub fn open(path: &Path) -> Result<Self> {
        let refuse = |error| Error::io("open the source", path, error);
        // Looked at before it is opened: opening a pipe waits until somebody writes to it.
        if !std::fs::metadata(path).map_err(refuse)?.is_file() {
            return Err(Error::usage(format!(
                "{}: expected a JSONL file; pipes and devices cannot be read twice",
                Shown::path(path)
            )));
        }
        let file = File::open(path).map_err(refuse)?;
        let length = file.metadata().map_err(refuse)?.len();
        Ok(Self {
            path: path.to_owned(),
            file,
            length,
        })
    }

    /// Its length when it was opened.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Calls `each` on every line that begins in `range`, as [`lines::for_each`] does.
    pub fn for_each_line(&self, range: Range<u64>, limit: u64, buffer: &mut Vec<u8>, each: impl FnMut(Line<'_>)) -> Result<()> {
        lines::for_each(&self.file, &self.path, self.length, range, limit, buffer, each)
    }

    /// BLAKE3 of its bytes, up to the length that it had when it was opened. `buffer` is scratch.
    pub fn hash(&self, buffer: &mut Vec<u8>) -> Result<[u8; 32]> {
        let from = FromStart { file: &self.file, at: 0 };
        let (read, hash) = hash(from, self.length, buffer).map_err(|error| Error::io("read", &self.path, error))?;
        if read < self.length {
            return Err(lines::shorter(&self.path, read));
        }
        Ok(*hash.as_bytes())
    }
}

/// Reads a file from its beginning on, without the position that all who use the file share.
struct FromStart<'a> {
    file: &'a File,
    at: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(into, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl RowSource for JsonLines {
    fn read(&self, place: RowPlace, into: &mut Vec<u8>) -> Result<()> {
        let RowPlace::Bytes { offset, length } = place;
        // Looked at before memory is asked for.
        if offset.checked_add(length).is_none_or(|end| end > self.length) {
            return Err(lines::shorter(&self.path, offset));
        }
        let more = (length as usize).saturating_sub(into.len());
        reserve(into, more, || format!("a line of {} is as long", Shown::path(&self.path)))?;
        into.resize(length as usize, 0);
        read_exact(&self.file, &self.path, offset, into)
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_not_there_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.jsonl");
        std::fs::write(&path, b"{}\n[1]\n").unwrap();
        let source = JsonLines::open(&path).unwrap();
        let mut text = Vec::new();
        source.read(RowPlace::Bytes { offset: 3, length: 3 }, &mut text).unwrap();
        assert_eq!(text, b"[1]");
        for (offset, length) in [(0, 8), (7, 1), (u64::MAX, 2), (0, u64::MAX)] {
            let error = source.read(RowPlace::Bytes { offset, length }, &mut text).unwrap_err();
            assert!(error.to_string().contains("has become shorter"), "{error}");
        }
    }

    #[test]
    fn a_folder_is_no_source() {
        let dir = tempfile::tempdir().unwrap();
        assert!(
            JsonLines::open(dir.path())
                .unwrap_err()
                .to_string()
                .contains("expected a JSONL file")
        );
        assert!(JsonLines::open(&dir.path().join("nothing")).is_err());
    }
}
