//! `rejects.jsonl`: the rows that a build has rejected, read back.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::dataset::record::REJECTS;
use crate::error::{Error, Result};
use crate::store::Store;
use crate::store::folder::open_regular;

/// Where a rejected row stands in its source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct RejectedRow {
    /// The source's name.
    pub source: String,
    /// The line, from 1.
    pub line: u64,
}

/// The rejected rows of the data set in `store`, in the order of the file.
pub fn read(store: &dyn Store) -> Result<Vec<RejectedRow>> {
    let path = store.label(REJECTS);
    let region = store.map(REJECTS).map_err(|error| Error::io("read", &path, error))?;
    parse(region.as_slice(), &path)
}

/// The rejected rows that the file at `path` names.
pub fn read_file(path: &Path) -> Result<Vec<RejectedRow>> {
    let refuse = |error| Error::io("read", path, error);
    let (mut file, length) = open_regular(path).map_err(refuse)?;
    let mut bytes = Vec::with_capacity(length as usize);
    file.read_to_end(&mut bytes).map_err(refuse)?;
    parse(&bytes, path)
}

/// The lines of a `rejects.jsonl`, one after the other, so that a large file takes no memory.
pub struct Lines {
    file: BufReader<File>,
    path: PathBuf,
}

impl Lines {
    /// Opens the file at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let (file, _) = open_regular(path).map_err(|error| Error::io("read", path, error))?;
        Ok(Self {
            file: BufReader::new(file),
            path: path.to_owned(),
        })
    }
}

impl Iterator for Lines {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        match self.file.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(Ok(line)),
            Err(error) => Some(Err(Error::io("read", &self.path, error))),
        }
    }
}

/// The rejected rows that the bytes of a `rejects.jsonl` name; `path` is what to call it.
pub fn parse(bytes: &[u8], path: &Path) -> Result<Vec<RejectedRow>> {
    let lines = bytes
        .split(|&byte| byte == b'\n')
        .zip(1..)
        .filter(|(line, _)| !line.trim_ascii().is_empty());
    lines
        .map(|(line, number)| {
            serde_json::from_slice(line).map_err(|error| {
                Error::shard(
                    path,
                    format!("line {number}: expected a rejected row with its source and line, found {error}; run mmno-fast verify"),
                )
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_one_after_the_other() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("r"), b"{}\n\n{\"a\":1}").unwrap();
        let lines: Vec<_> = Lines::open(&dir.path().join("r")).unwrap().map(Result::unwrap).collect();
        assert_eq!(lines, [&b"{}\n"[..], b"\n", b"{\"a\":1}"]);
        assert!(Lines::open(dir.path()).is_err());
    }

    #[test]
    fn every_line_is_one_row_or_an_error_with_its_number() {
        let row = |source: &str, line| RejectedRow {
            source: source.to_owned(),
            line,
        };
        let text = b"{\"source\":\"a\",\"line\":3,\"codes\":[]}\n\n{\"line\":1,\"source\":\"b\"}\n";
        assert_eq!(parse(text, Path::new("r")).unwrap(), [row("a", 3), row("b", 1)]);
        let error = parse(b"{\"source\":\"a\",\"line\":3}\n[1]\n", Path::new("r")).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
