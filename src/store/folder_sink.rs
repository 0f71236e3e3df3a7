//! A data set that is written into a folder: shards are made in a folder within, and moved into place.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::store::Sink;
use crate::store::folder::open_regular;
use crate::store::own_folder::{cannot, remove_tree, sync_folder, write_file};

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

    fn put(&self, files: &[(&str, &[u8])]) -> Result<()> {
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
        self.set_aside(name)?;
        let target = self.out.join(name);
        fs::rename(made, &target).map_err(|error| Error::io("move into place", &target, error))?;
        sync_folder(&self.out)
    }

    fn remove(&self, name: &str) -> Result<()> {
        let aside = self.set_aside(name)?;
        remove_tree(&aside)
    }

    fn link(&self, name: &str, into: &Path) -> Result<()> {
        let path = self.out.join(name);
        // A hub's data set is links to files: the file is what is shared, and not the link.
        let shared = fs::canonicalize(&path).and_then(|real| fs::hard_link(real, into));
        match shared {
            Err(error) if cannot_link(&error) => copy(&path, into).map_err(|error| Error::io("copy", &path, error)),
            done => done.map_err(|error| Error::io("link", &path, error)),
        }
    }
}

impl FolderSink {
    /// Takes an old shard or file out of the data set, as a whole: where it lies now. It is then removed bit by bit, or with the scratch folder.
    fn set_aside(&self, name: &str) -> Result<PathBuf> {
        let (target, aside) = (self.out.join(name), self.scratch.join(format!("old-{name}")));
        remove_tree(&aside)?;
        match fs::rename(&target, &aside) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("take away", &target, error)),
            _ => Ok(aside),
        }
    }
}

/// Whether the file system has no hard links, has no more of them for this file, or is another one.
fn cannot_link(error: &io::Error) -> bool {
    cannot(error) || matches!(error.raw_os_error(), Some(libc::EPERM | libc::EXDEV | libc::EMLINK))
}

/// Copies a regular file and makes its bytes last.
fn copy(from: &Path, into: &Path) -> io::Result<()> {
    let (mut from, _) = open_regular(from)?;
    let mut into = File::create_new(into)?;
    io::copy(&mut from, &mut into)?;
    into.sync_all()
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
        sink.put(&[("a", b"1"), ("b", b"2")]).unwrap();
        sink.put(&[("a", b"3")]).unwrap();
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
        assert!(sink.link("shard/first", &scratch.join("next/other")).is_err());
        for _ in 0..2 {
            sink.remove("shard").unwrap();
            assert!(!out.join("shard").exists());
        }
        sink.remove("a").unwrap();
        assert!(!out.join("a").exists());
        let left: Vec<_> = fs::read_dir(&scratch).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["next"]);
    }

    #[test]
    fn what_a_link_points_to_is_shared_and_never_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (out, scratch, user) = (dir.path().join("out"), dir.path().join("out/.build"), dir.path().join("user"));
        fs::create_dir_all(&scratch).unwrap();
        fs::create_dir_all(&user).unwrap();
        fs::write(user.join("object"), b"pixels").unwrap();
        fs::create_dir(out.join("shard")).unwrap();
        std::os::unix::fs::symlink(user.join("object"), out.join("shard/file")).unwrap();
        std::os::unix::fs::symlink(&user, out.join("linked")).unwrap();
        let sink = FolderSink::new(&out, &scratch);
        sink.link("shard/file", &scratch.join("shared")).unwrap();
        assert!(fs::symlink_metadata(scratch.join("shared")).unwrap().is_file());
        copy(&out.join("shard/file"), &scratch.join("copied")).unwrap();
        for name in ["shared", "copied"] {
            assert_eq!(fs::read(scratch.join(name)).unwrap(), b"pixels");
        }
        for name in ["shard", "linked"] {
            sink.remove(name).unwrap();
            assert!(fs::symlink_metadata(out.join(name)).is_err());
        }
        assert_eq!(fs::read(user.join("object")).unwrap(), b"pixels");
    }

    #[test]
    fn what_a_file_system_cannot_do_is_done_otherwise() {
        for number in [libc::EPERM, libc::EXDEV, libc::EMLINK, libc::ENOTSUP, libc::ENOSYS] {
            assert!(cannot_link(&io::Error::from_raw_os_error(number)), "{number}");
        }
        for number in [libc::EIO, libc::ENOSPC, libc::EACCES, libc::ENOENT] {
            assert!(!cannot_link(&io::Error::from_raw_os_error(number)), "{number}");
        }
    }
}
