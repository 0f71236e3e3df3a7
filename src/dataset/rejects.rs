//! `rejects.jsonl`: the rows that a build has rejected, read back.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::de::{Deserializer, Read};

use crate::dataset::files::{damaged, map};
use crate::dataset::manifest::Manifest;
use crate::dataset::record::REJECTS;
use crate::error::{Error, Result};
use crate::shown::Shown;
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

/// The rejected rows of the data set in `store`, in the order of the file: its bytes are those that `manifest` describes.
///
/// They are part of the data set's identity, so the hash is compared as well: another number of the same length would be another identity.
pub fn read(store: &dyn Store, manifest: &Manifest) -> Result<Vec<RejectedRow>> {
    let name = manifest.name_of(REJECTS);
    let listed = manifest.file(REJECTS);
    let listed = listed.ok_or_else(|| damaged(store, name, "the manifest does not list this file"))?;
    let region = map(store, name, listed.bytes)?;
    if !manifest.rejects_are(region.as_slice()) {
        return Err(damaged(
            store,
            name,
            "the bytes are not those that were written: the hash does not agree",
        ));
    }
    let expected = manifest.totals.rejected;
    let rows = parse(Deserializer::from_slice(region.as_slice()), expected, &store.label(name))?;
    if rows.len() as u64 == expected {
        Ok(rows)
    } else {
        Err(damaged(
            store,
            name,
            &format!("expected {expected} rejected rows, found {}", rows.len()),
        ))
    }
}

/// The rejected rows that the file at `path` names. It is read in pieces, so a long file takes no memory by its length.
pub fn read_file(path: &Path) -> Result<Vec<RejectedRow>> {
    let (file, _) = open_regular(path).map_err(|error| Error::io("read", path, error))?;
    let file = BufReader::with_capacity(1 << 18, file);
    parse(Deserializer::from_reader(file), u64::MAX, path)
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

/// The rejected rows of a text, `most` at most; `path` is what to call it.
fn parse<'de, R: Read<'de>>(text: Deserializer<R>, most: u64, path: &Path) -> Result<Vec<RejectedRow>> {
    let mut rows = Vec::new();
    for row in text.into_iter::<RejectedRow>() {
        let row = row.map_err(|error| {
            if error.is_io() {
                return Error::io("read", path, error.into());
            }
            let message = format!("expected a rejected row with its source and line, found {error}; run mmno-fast verify");
            Error::shard(path, message)
        })?;
        if rows.len() as u64 == most {
            let message = format!("expected {most} rejected rows, found more; run mmno-fast verify");
            return Err(Error::shard(path, message));
        }
        if rows.len() == rows.capacity() {
            let more = rows.len().max(64);
            rows.try_reserve(more).map_err(|_| {
                let bytes = (rows.len() + more) * size_of::<RejectedRow>();
                Error::memory(bytes as u64, format!("{} names as many rows", Shown::path(path)))
            })?;
        }
        rows.push(row);
    }
    Ok(rows)
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
        let parse = |text: &[u8], most| parse(Deserializer::from_slice(text), most, Path::new("r"));
        let text = b"{\"source\":\"a\",\"line\":3,\"codes\":[]}\n\n{\"line\":1,\"source\":\"b\"}\n";
        assert_eq!(parse(text, 2).unwrap(), [row("a", 3), row("b", 1)]);
        assert!(parse(text, 1).is_err());
        let error = parse(b"{\"source\":\"a\",\"line\":3}\n[1]\n", 9).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }

    #[test]
    fn a_file_takes_no_more_memory_than_its_rows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rejects.jsonl");
        std::fs::write(&path, "{\"source\":\"a\",\"line\":3}\n").unwrap();
        assert_eq!(read_file(&path).unwrap().len(), 1);
        // A file system may refuse so long a file.
        let length = 1 << 43;
        std::fs::File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
        assert!(read_file(&path).unwrap_err().to_string().contains("line 2"));
    }
}
