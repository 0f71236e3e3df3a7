//! Folders of our own: listed, made, emptied and removed without following a link, and made to last.
//!
//! `std::fs::read_dir` panics where the system refuses to close a folder, and so does all in std that is made of it. `rustix` does not.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::{Dir, FileType, Mode, OFlags};

use crate::error::{Error, Result};
use crate::shown::Shown;

/// The names in a folder, and whether each is a folder itself. A link is none.
pub fn entries(folder: &Path) -> io::Result<Vec<(OsString, bool)>> {
    let opened = rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut found = Vec::new();
    for entry in Dir::new(opened)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let name = OsString::from_vec(name.to_vec());
        let is_folder = match entry.file_type() {
            // Some file systems do not say.
            FileType::Unknown => fs::symlink_metadata(folder.join(&name))?.is_dir(),
            kind => kind == FileType::Directory,
        };
        found.push((name, is_folder));
    }
    Ok(found)
}

/// Removes a folder with all that is in it, or a file. What a link points to stays. What is gone already is fine.
pub fn remove_tree(path: &Path) -> Result<()> {
    let refuse = |error| Error::io("remove", path, error);
    let is_folder = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found.map_err(refuse)?.is_dir(),
    };
    let removed = if is_folder {
        for (name, _) in entries(path).map_err(refuse)? {
            remove_tree(&path.join(name))?;
        }
        fs::remove_dir(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done.map_err(refuse),
    }
}

/// Makes a folder, and those above it that are missing. Each that is made lasts. A link to a folder counts as one.
pub fn create_folder(path: &Path) -> Result<()> {
    let refuse = |error| Error::io("create the folder", path, error);
    let above = path.parent();
    match (fs::create_dir(path), above) {
        (Ok(()), Some(above)) => sync_folder(above),
        (Err(error), Some(above)) if error.kind() == ErrorKind::NotFound => {
            create_folder(above)?;
            fs::create_dir(path).map_err(refuse)?;
            sync_folder(above)
        }
        (Err(error), _) if error.kind() == ErrorKind::AlreadyExists => {
            if fs::metadata(path).map_err(refuse)?.is_dir() {
                Ok(())
            } else {
                let message = format!("{}: expected a folder, found a file; name another one", Shown::path(path));
                Err(Error::usage(message))
            }
        }
        (done, _) => done.map_err(refuse),
    }
}

/// Makes the names in a folder last, where its file system can.
pub fn sync_folder(folder: &Path) -> Result<()> {
    match File::open(folder).and_then(|file| file.sync_all()) {
        Err(error) if cannot(&error) => Ok(()),
        done => done.map_err(|error| Error::io("sync the folder", folder, error)),
    }
}

/// Whether the file system does not know what was asked of it.
pub(super) fn cannot(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::ENOTSUP)) || error.kind() == ErrorKind::Unsupported
}

/// Writes a small file and makes its bytes last.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let refuse = |error| Error::io("write", path, error);
    let mut file = File::create(path).map_err(refuse)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_a_link_points_to_stays() {
        let (outside, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("thesis"), b"years").unwrap();
        fs::create_dir_all(dir.path().join("a/b/c")).unwrap();
        fs::write(dir.path().join("a/b/file"), b"x").unwrap();
        symlink(outside.path(), dir.path().join("a/b/link")).unwrap();
        symlink(outside.path(), dir.path().join("top")).unwrap();
        let mut found = entries(&dir.path().join("a/b")).unwrap();
        found.sort();
        assert_eq!(found, [("c".into(), true), ("file".into(), false), ("link".into(), false)]);
        for name in ["a", "top", "nothing"] {
            remove_tree(&dir.path().join(name)).unwrap();
        }
        assert!(entries(dir.path()).unwrap().is_empty());
        assert_eq!(fs::read(outside.path().join("thesis")).unwrap(), b"years");
    }

    #[test]
    fn folders_are_made_and_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("real")).unwrap();
        symlink("real", dir.path().join("link")).unwrap();
        fs::write(dir.path().join("file"), b"x").unwrap();
        for name in ["a/b/c", "a/b/c", "real", "link", "link/d"] {
            create_folder(&dir.path().join(name)).unwrap();
        }
        assert!(dir.path().join("real/d").is_dir());
        assert!(
            create_folder(&dir.path().join("file"))
                .unwrap_err()
                .to_string()
                .contains("found a file")
        );
        assert!(create_folder(&dir.path().join("file/x")).is_err());
    }
}
