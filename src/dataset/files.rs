//! The files of a finished data set: mapped with the length that the manifest says, or refused, each kind of fault in one way.

#![expect(unsafe_code, reason = "files are mapped: see `region`")]

use std::io::{self, ErrorKind};

use crate::dataset::record::FileInfo;
use crate::error::{Error, Result};
use crate::shown::Shown;
use crate::store::fault::is_of_the_file;
use crate::store::hash::hash;
use crate::store::{Region, Store};

/// A file of a data set, as a [`ShardError`](crate::error::Kind::Shard) names it.
pub(super) fn damaged(store: &dyn Store, name: &str, message: &str) -> Error {
    Error::shard(&store.label(name), format!("{message}; run mmno-fast verify"))
}

/// What to say of a file of a data set that cannot be opened or read.
///
/// What is the file's own fault (it is gone, no regular file, too long, a loop of links) is damage to the data set. What may be the machine's
/// stays an error of the system, and so does a refused permission: the file may be whole.
pub(super) fn refused(store: &dyn Store, name: &str, error: io::Error) -> Error {
    let path = store.label(name);
    match error.kind() {
        ErrorKind::NotFound => Error::shard(
            &path,
            "the file is gone: if the data set was built anew since it was opened, open it again; else run mmno-fast verify",
        ),
        ErrorKind::OutOfMemory => {
            let bytes = store.length(name).unwrap_or_default();
            Error::memory(bytes, format!("{} is as long; give the process more memory", Shown::path(&path)))
        }
        ErrorKind::PermissionDenied => Error::io("open", &path, error),
        ErrorKind::IsADirectory | ErrorKind::NotADirectory => damaged(store, name, &error.to_string()),
        _ if is_of_the_file(&error) => damaged(store, name, &error.to_string()),
        _ => Error::io("open", &path, error),
    }
}

/// Maps a file of a data set that has `most` bytes at most.
fn region(store: &dyn Store, name: &str, most: u64) -> io::Result<Region> {
    // SAFETY: the files of a finished data set are never changed in place, nor cut off: whoever writes them makes them elsewhere and moves
    // them here by rename, which leaves the old file to those who have mapped it. `docs/format.md` asks this of every writer ("for whoever
    // writes"). It cannot be enforced against somebody who writes into the folder by hand; `docs/architecture.md` says so.
    unsafe { store.map(name, most) }
}

fn other_length(store: &dyn Store, name: &str, expected: u64, found: u64) -> Error {
    damaged(store, name, &format!("expected {expected} bytes, found {found}"))
}

/// The bytes of a file, which has this length. It is looked at before the file is mapped: what is too long takes no memory.
pub(super) fn map(store: &dyn Store, name: &str, length: u64) -> Result<Region> {
    let region = region(store, name, length).map_err(|error| match (error.kind(), store.length(name)) {
        (ErrorKind::FileTooLarge, Ok(found)) => other_length(store, name, length, found),
        _ => refused(store, name, error),
    })?;
    let found = region.as_slice().len() as u64;
    if found == length {
        Ok(region)
    } else {
        Err(other_length(store, name, length, found))
    }
}

/// The bytes of a file whose length nobody knows yet: for a builder, before there is a manifest.
pub(super) fn map_unlisted(store: &dyn Store, name: &str) -> Result<Region> {
    region(store, name, u64::MAX).map_err(|error| refused(store, name, error))
}

/// Refuses a file whose length or hash is another than the one that is listed. Its bytes are read; a longer file's are not.
pub(super) fn check_small(store: &dyn Store, listed: &FileInfo) -> Result<()> {
    let name = &*listed.name;
    let (file, length) = store.stream(name).map_err(|error| refused(store, name, error))?;
    if length != listed.bytes {
        return Err(other_length(store, name, listed.bytes, length));
    }
    let (found, hash) = hash(file, length, &mut Vec::new()).map_err(|error| refused(store, name, error))?;
    if found == length && hash.to_hex().as_str() == listed.blake3 {
        return Ok(());
    }
    let message = "these are other bytes than the manifest lists: if the data set was built anew since it was opened, open it again; \
                   else run mmno-fast verify";
    Err(Error::shard(&store.label(name), message))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::error::Kind;
    use crate::store::folder::FolderStore;

    #[test]
    fn the_file_s_own_faults_are_damage_and_the_machine_s_are_not() {
        let store = FolderStore::new(std::path::Path::new("/nowhere"));
        let kind = |number: i32| refused(&store, "x", io::Error::from_raw_os_error(number));
        for number in [
            libc::ENOENT,
            libc::ENOTDIR,
            libc::EISDIR,
            libc::ELOOP,
            libc::ENXIO,
            libc::ENODEV,
            libc::EINVAL,
            libc::EFBIG,
            libc::ENAMETOOLONG,
        ] {
            assert!(matches!(kind(number).kind(), Kind::Shard { .. }), "{number}");
        }
        for number in [libc::EACCES, libc::EPERM, libc::EIO, libc::EMFILE, libc::ESTALE] {
            assert!(matches!(kind(number).kind(), Kind::Io { .. }), "{number}");
        }
        assert!(matches!(kind(libc::ENOMEM).kind(), Kind::Memory { .. }));
        for said in [ErrorKind::FileTooLarge, ErrorKind::InvalidInput, ErrorKind::IsADirectory] {
            let error = refused(&store, "x", io::Error::new(said, "said by a store"));
            assert!(matches!(error.kind(), Kind::Shard { .. }), "{said}");
        }
    }

    #[test]
    fn a_file_of_another_length_is_never_mapped() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), b"0123").unwrap();
        // More addresses than any process has.
        fs::File::create(dir.path().join("long")).unwrap().set_len(1 << 43).unwrap();
        let store = FolderStore::new(dir.path());
        assert_eq!(map(&store, "file", 4).unwrap().as_slice(), b"0123");
        assert_eq!(map_unlisted(&store, "file").unwrap().as_slice(), b"0123");
        assert!(check_small(&store, &FileInfo::of("file", b"0123")).is_ok());
        let error = check_small(&store, &FileInfo::of("file", b"0124")).unwrap_err();
        assert!(error.to_string().contains("open it again"), "{error}");
        for (name, length, said) in [("file", 5, "found 4"), ("file", 3, "found 4"), ("long", 4, "expected 4 bytes")] {
            let error = map(&store, name, length).err().unwrap();
            assert!(
                matches!(error.kind(), Kind::Shard { .. }) && error.to_string().contains(said),
                "{error}"
            );
            let listed = FileInfo {
                name: name.to_owned(),
                bytes: length,
                ..FileInfo::default()
            };
            assert!(check_small(&store, &listed).is_err());
        }
    }
}
