//! A data set that is written into a folder: shards are made in a folder within, and moved into place.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::store::Sink;

/// A folder on a file system that a data set is written into.
#[derive(Debug, Clone)]
pub struct FolderSink {
    out: PathBuf,
    scratch: PathBuf,
}

impl FolderSink {
    /// The data set in `out`, whose shards are made in `scratch`. Both folders are there, on one file system.
    pub fn new(out: &Path, scratch: &Path) -> Self {
        Self {
            out: out.to_owned(),
            scratch: scratch.to_owned(),
        }
    }
}

impl Sink for FolderSink {
    fn scratch(&self) -> &Path {
        &self.scratch
    }

    fn put(&self, files: &[(&str, Vec<u8>)]) -> Result<()> {
        for (name, bytes) in files {
            write_file(&self.scratch.join(name), bytes)?;
        }
        for (name, _) in files {
            let target = self.out.join(name);
            fs::rename(self.scratch.join(name), &target).map_err(|error| Error::io("move into place", &target, error))?;
        }
        sync_folder(&self.out)
    }

    fn publish(&self, made: &Path, name: &str) -> Result<()> {
        sync_folder(made)?;
        self.remove(name)?;
        let target = self.out.join(name);
        fs::rename(made, &target).map_err(|error| Error::io("move into place", &target, error))?;
        sync_folder(&self.out)
    }

    fn remove(&self, name: &str) -> Result<()> {
        let target = self.out.join(name);
        match fs::remove_dir_all(&target) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove an old shard", &target, error)),
            _ => Ok(()),
        }
    }

    fn link(&self, name: &str, into: &Path) -> Result<()> {
        let path = self.out.join(name);
        fs::hard_link(&path, into).map_err(|error| Error::io("link", &path, error))
    }
}

/// Writes a small file and makes its bytes last.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let refuse = |error| Error::io("write", path, error);
    let mut file = File::create(path).map_err(refuse)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(refuse)
}

/// Makes a folder's entries last.
fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|file| file.sync_all())
        .map_err(|error| Error::io("sync", folder, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_and_published_is_there_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let (out, scratch) = (dir.path().join("out"), dir.path().join("out/.build"));
        fs::create_dir_all(&scratch).unwrap();
        let sink = FolderSink::new(&out, &scratch);
        sink.put(&[("a", b"1".to_vec()), ("b", b"2".to_vec())]).unwrap();
        sink.put(&[("a", b"3".to_vec())]).unwrap();
        for text in ["first", "second"] {
            let made = sink.scratch().join("shard");
            fs::create_dir(&made).unwrap();
            fs::write(made.join(text), text).unwrap();
            sink.publish(&made, "shard").unwrap();
        }
        fs::create_dir(scratch.join("next")).unwrap();
        sink.link("shard/second", &scratch.join("next/linked")).unwrap();
        assert_eq!(fs::read(out.join("a")).unwrap(), b"3");
        assert_eq!(fs::read(out.join("b")).unwrap(), b"2");
        assert_eq!(fs::read(scratch.join("next/linked")).unwrap(), b"second");
        assert!(!out.join("shard/first").exists());
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), 1);
        assert!(sink.link("shard/first", &scratch.join("next/other")).is_err());
        for _ in 0..2 {
            sink.remove("shard").unwrap();
            assert!(!out.join("shard").exists());
        }
        assert!(sink.remove("a").is_err(), "a file is no shard");
        assert!(out.join("a").exists());
    }
}
