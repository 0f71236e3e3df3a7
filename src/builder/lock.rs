//! One builder at a time per folder: an OS lock, which dies with its process.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::{Error, Result};

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
            fs::create_dir_all(work).map_err(refuse)?;
            let mut file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(refuse)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    let _ = file.read_to_string(&mut holder);
                    let message = format!(
                        "another builder is at work here (process {}); wait for it, or name another folder",
                        holder.trim()
                    );
                    return Err(Error::shard(work, message));
                }
                Err(TryLockError::Error(error)) => return Err(refuse(error)),
            }
            // The builder before us may have removed the very file we have just locked: then the name is gone, or another file's.
            let ours = file.metadata().map_err(refuse)?;
            if fs::metadata(&path).is_ok_and(|named| (named.dev(), named.ino()) == (ours.dev(), ours.ino())) {
                file.set_len(0)
                    .and_then(|()| write!(file, "{}", std::process::id()))
                    .map_err(refuse)?;
                return Ok(Self { _file: file });
            }
        }
    }

    /// Removes the folder with the lock in it, and lets go.
    pub fn release(self, work: &Path) -> Result<()> {
        fs::remove_dir_all(work).map_err(|error| Error::io("remove", work, error))
    }
}

/// Removes what a killed builder has left, the lock aside.
pub fn clear(work: &Path) -> Result<()> {
    let refuse = |error| Error::io("clear", work, error);
    for entry in fs::read_dir(work).map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        if entry.file_name() == LOCK_FILE {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        }
        .map_err(refuse)?;
    }
    Ok(())
}
