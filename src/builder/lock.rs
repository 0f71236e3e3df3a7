//! One builder at a time per folder: an OS lock, which dies with its process.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::error::{Error, Kind, Result};
use crate::shown::Shown;
use crate::store::own_folder::{entries, remove_tree};

const LOCK_FILE: &str = "lock";

/// The lock on a folder, held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock in `work`, creating the folder. Another builder's is an error that names it.
    pub fn take(work: &Path) -> Result<Self> {
        let path = work.join(LOCK_FILE);
        let refuse = |error| Error::io("lock", &path, error);
        loop {
            create_work(work)?;
            let opened = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
                .open(&path);
            let mut file = match opened {
                // The builder before us has removed the folder in between.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) if matches!(error.raw_os_error(), Some(libc::ELOOP | libc::ENXIO)) => {
                    return Err(foreign(&path, "the lock of a builder"));
                }
                opened => opened.map_err(refuse)?,
            };
            let ours = file.metadata().map_err(refuse)?;
            // Of a file with two names the other one may be a user's.
            if !ours.is_file() || ours.nlink() > 1 {
                return Err(foreign(&path, "the lock of a builder"));
            }
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    let _ = (&file).take(32).read_to_string(&mut holder);
                    let message = format!(
                        "another builder is at work here (process {}); wait for it, or name another folder",
                        holder.trim()
                    );
                    return Err(Error::shard(work, message));
                }
                Err(TryLockError::Error(error)) => return Err(no_lock(&path, error)),
            }
            // The builder before us may have removed the very file we have just locked: then the name is gone, or another file's.
            match fs::symlink_metadata(&path) {
                Ok(named) if (named.dev(), named.ino()) == (ours.dev(), ours.ino()) => {}
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(refuse(error)),
            }
            file.set_len(0)
                .and_then(|()| write!(file, "{}", std::process::id()))
                .map_err(refuse)?;
            return Ok(Self { _file: file });
        }
    }

    /// Removes the folder with the lock in it, and lets go.
    pub fn release(self, work: &Path) -> Result<()> {
        match remove_tree(work) {
            // The next builder is at work here already.
            Err(error) if matches!(error.kind(), Kind::Io { source, .. } if source.kind() == io::ErrorKind::DirectoryNotEmpty) => Ok(()),
            done => done,
        }
    }
}

/// Makes the folder of a builder, or finds it. A link is refused: what is in the folder will be removed.
fn create_work(work: &Path) -> Result<()> {
    let refuse = |error| Error::io("create the folder", work, error);
    match fs::create_dir(work) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        done => return done.map_err(refuse),
    }
    match fs::symlink_metadata(work) {
        Ok(found) if !found.is_dir() => Err(foreign(work, "the folder of a builder")),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(refuse(error)),
        _ => Ok(()),
    }
}

/// What to say of a link, a device or a file of the user's where only something of our own may be.
fn foreign(path: &Path, expected: &str) -> Error {
    Error::usage(format!(
        "{}: expected {expected}, found something else, perhaps a link; look at it, and remove it, or name another folder",
        Shown::path(path)
    ))
}

fn no_lock(path: &Path, error: io::Error) -> Error {
    match error.raw_os_error() {
        Some(libc::ENOSYS | libc::ENOTSUP | libc::ENOLCK) => Error::usage(format!(
            "{}: the file system has no locks ({error}), so two builders could not be kept apart; name a folder on another one, and copy the finished data set",
            Shown::path(path)
        )),
        _ => Error::io("lock", path, error),
    }
}

/// Removes what a killed builder has left, the lock aside.
pub fn clear(work: &Path) -> Result<()> {
    for (name, _) in entries(work).map_err(|error| Error::io("clear", work, error))? {
        if name != LOCK_FILE {
            remove_tree(&work.join(name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_folders_and_files_of_our_own_are_written_and_emptied() {
        let dir = tempfile::tempdir().unwrap();
        let (work, user) = (dir.path().join(".build"), dir.path().join("user"));
        let refused = || {
            let error = Lock::take(&work).unwrap_err().to_string();
            assert!(error.contains("found something else"), "{error}");
            assert_eq!(fs::read(user.join("thesis")).unwrap(), b"years");
        };
        fs::create_dir(&user).unwrap();
        fs::write(user.join("thesis"), b"years").unwrap();
        symlink(&user, &work).unwrap();
        refused();
        fs::remove_file(&work).unwrap();
        fs::write(&work, b"").unwrap();
        refused();
        fs::remove_file(&work).unwrap();
        fs::create_dir(&work).unwrap();
        symlink(user.join("thesis"), work.join("lock")).unwrap();
        refused();
        fs::remove_file(work.join("lock")).unwrap();
        fs::hard_link(user.join("thesis"), work.join("lock")).unwrap();
        refused();
        fs::remove_file(work.join("lock")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(work.join("lock")).unwrap();
        refused();
        fs::remove_file(work.join("lock")).unwrap();
        symlink(&user, work.join("left")).unwrap();
        let lock = Lock::take(&work).unwrap();
        assert!(Lock::take(&work).unwrap_err().to_string().contains("another builder"));
        clear(&work).unwrap();
        assert_eq!(fs::read(work.join("lock")).unwrap(), std::process::id().to_string().as_bytes());
        lock.release(&work).unwrap();
        assert!(fs::symlink_metadata(&work).is_err());
        assert_eq!(fs::read(user.join("thesis")).unwrap(), b"years");
    }

    #[test]
    fn a_file_system_without_locks_is_named() {
        let error = no_lock(Path::new("x"), io::Error::from_raw_os_error(libc::ENOLCK));
        assert!(error.to_string().contains("has no locks"));
        let error = no_lock(Path::new("x"), io::Error::from_raw_os_error(libc::EIO));
        assert!(error.to_string().contains("cannot lock"));
    }
}
