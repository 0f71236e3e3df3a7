//! A folder on a file system.

#![expect(unsafe_code, reason = "files are mapped: see `map`")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use crate::error::{Error, Result};
use crate::shown::Shown;
use crate::store::fault::is_of_the_file;
use crate::store::{Entry, FolderId, Region, Store, own_folder};

/// A folder on a file system.
#[derive(Debug, Clone)]
pub struct FolderStore {
    root: PathBuf,
    /// The real path of the root that was given; set where links may not leave it.
    fence: Option<PathBuf>,
}

impl FolderStore {
    /// A folder that need not be there yet. Links are followed.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            fence: None,
        }
    }

    /// Opens a root of pictures. Without `follow_links`, links that lead out of it are as good as absent.
    pub fn open(root: &Path, follow_links: bool) -> Result<Self> {
        let refuse = |error| Error::io("open the folder of pictures", root, error);
        let real = fs::canonicalize(root).map_err(refuse)?;
        if !fs::metadata(&real).map_err(refuse)?.is_dir() {
            return Err(Error::usage(format!(
                "{}: expected a folder of pictures, found a file",
                Shown::path(root)
            )));
        }
        Ok(Self {
            root: root.to_owned(),
            fence: (!follow_links).then_some(real),
        })
    }

    fn allowed(&self, path: &Path) -> io::Result<bool> {
        let Some(fence) = &self.fence else { return Ok(true) };
        absent_if_of_the_file(fs::canonicalize(path).map(|real| real.starts_with(fence)))
    }
}

/// What is wrong with the file itself makes it as good as absent.
fn absent_if_of_the_file<T: Default>(found: io::Result<T>) -> io::Result<T> {
    match found {
        Err(error) if is_of_the_file(&error) => Ok(T::default()),
        other => other,
    }
}

/// Opens a regular file, and says its length.
///
/// Opening a pipe would wait for a writer, so the file is opened without blocking, and looked at before it is read.
pub fn open_regular(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let meta = file.metadata()?;
    if meta.is_file() {
        return Ok((file, meta.len()));
    }
    let kind = meta.file_type();
    let found = if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a pipe"
    } else {
        "a device"
    };
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("expected a regular file, found {found}"),
    ))
}

/// As [`open_regular`], of a file that has `most` bytes at most.
fn open_at_most(path: &Path, most: u64) -> io::Result<(File, u64)> {
    let (file, length) = open_regular(path)?;
    if length > most {
        let message = format!("the file has {length} bytes; at most {most} are read");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok((file, length))
}

/// Replaces `into` with the bytes of a regular file, which must have `most` bytes at most.
pub fn read_at_most(path: &Path, most: u64, into: &mut Vec<u8>) -> io::Result<()> {
    into.clear();
    let (file, length) = open_at_most(path, most)?;
    into.try_reserve_exact(length as usize + 1)
        .map_err(|_| io::ErrorKind::OutOfMemory)?;
    file.take(most).read_to_end(into)?;
    Ok(())
}

impl Store for FolderStore {
    fn has(&self, name: &str) -> io::Result<bool> {
        let path = self.root.join(name);
        match fs::metadata(&path) {
            Ok(meta) => Ok(meta.is_file() && self.allowed(&path)?),
            // It may be there: reading it says what is wrong.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(true),
            Err(error) => absent_if_of_the_file(Err(error)),
        }
    }

    fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
        let mut found = Vec::new();
        let folder = self.root.join(folder);
        for (name, is_folder) in own_folder::entries(&folder)? {
            // A link to a folder counts as one.
            let is_folder = is_folder || absent_if_of_the_file(fs::metadata(folder.join(&name)).map(|meta| meta.is_dir()))?;
            found.push(Entry { name, is_folder });
        }
        found.sort();
        Ok(found)
    }

    fn identity(&self, folder: &str) -> io::Result<FolderId> {
        let meta = fs::metadata(self.root.join(folder))?;
        Ok(FolderId::Inode {
            device: meta.dev(),
            number: meta.ino(),
        })
    }

    fn length(&self, name: &str) -> io::Result<u64> {
        open_regular(&self.root.join(name)).map(|(_, length)| length)
    }

    fn read(&self, name: &str, most: u64, into: &mut Vec<u8>) -> io::Result<()> {
        read_at_most(&self.root.join(name), most, into)
    }

    fn read_range(&self, name: &str, range: Range<u64>, into: &mut Vec<u8>) -> io::Result<()> {
        let (file, length) = open_regular(&self.root.join(name))?;
        if range.start > range.end || range.end > length {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the file has {length} bytes; bytes {} to {} are needed", range.start, range.end),
            ));
        }
        let length = (range.end - range.start) as usize;
        let more = length.saturating_sub(into.len());
        into.try_reserve_exact(more).map_err(|_| io::ErrorKind::OutOfMemory)?;
        into.resize(length, 0);
        file.read_exact_at(into, range.start)
    }

    fn stream(&self, name: &str) -> io::Result<(Box<dyn Read + Send>, u64)> {
        let (file, length) = open_regular(&self.root.join(name))?;
        Ok((Box::new(file), length))
    }

    unsafe fn map(&self, name: &str, most: u64) -> io::Result<Region> {
        let (file, length) = open_at_most(&self.root.join(name), most)?;
        if length == 0 {
            return Ok(Region::read(Vec::new())); // nothing can be mapped
        }
        // SAFETY: the caller promises that nobody changes the file. The mapping needs no open file, so many shards take no descriptors.
        let mapping = unsafe { Mmap::map(&file) }?;
        Ok(Region::mapped(mapping))
    }

    fn below(&self, folder: &str) -> Box<dyn Store> {
        Box::new(Self {
            root: self.root.join(folder),
            fence: self.fence.clone(),
        })
    }

    fn label(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.root.clone() } else { self.root.join(name) }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn only_regular_files_are_opened_and_nobody_waits() {
        let dir = tempfile::tempdir().unwrap();
        let store = FolderStore::new(dir.path());
        fs::write(dir.path().join("file"), b"0123456789").unwrap();
        std::os::unix::fs::symlink("file", dir.path().join("link")).unwrap();
        std::os::unix::fs::symlink("loop", dir.path().join("loop")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", dir.path().join("device")).unwrap();
        fs::create_dir(dir.path().join("folder")).unwrap();
        let pipe = std::ffi::CString::new(dir.path().join("pipe").to_str().unwrap()).unwrap();
        // SAFETY: a C string that lives as long as the call.
        assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
        let mut bytes = Vec::new();
        for name in ["file", "link"] {
            assert_eq!(store.length(name).unwrap(), 10);
            store.read(name, 10, &mut bytes).unwrap();
            assert_eq!(bytes, b"0123456789");
            store.read_range(name, 2..5, &mut bytes).unwrap();
            assert_eq!(bytes, b"234");
            // SAFETY: nobody else knows the folder.
            assert_eq!(unsafe { store.map(name, 10) }.unwrap().as_slice(), b"0123456789");
            let (mut file, length) = store.stream(name).unwrap();
            assert_eq!((file.read_to_end(&mut bytes).unwrap(), length), (10, 10));
        }
        for name in ["pipe", "socket", "device", "folder", "loop", "nothing"] {
            assert!(store.length(name).is_err(), "{name}");
            assert!(store.read(name, 10, &mut bytes).is_err(), "{name}");
            assert!(store.stream(name).is_err(), "{name}");
            // SAFETY: there is nothing to map.
            assert!(unsafe { store.map(name, 10) }.is_err(), "{name}");
        }
        assert!(store.read("file", 9, &mut bytes).is_err());
        // SAFETY: nobody else knows the folder.
        assert!(unsafe { store.map("file", 9) }.is_err());
        assert!(store.read_range("file", 8..11, &mut bytes).is_err());
    }

    #[test]
    fn lists_leave_nothing_out() {
        let dir = tempfile::tempdir().unwrap();
        let store = FolderStore::new(dir.path());
        let odd = OsStr::from_bytes(b"odd\xff");
        fs::write(dir.path().join(odd), b"").unwrap();
        fs::create_dir(dir.path().join("folder")).unwrap();
        std::os::unix::fs::symlink("nothing", dir.path().join("link")).unwrap();
        let found: Vec<(OsString, bool)> = store
            .list("")
            .unwrap()
            .into_iter()
            .map(|entry| (entry.name, entry.is_folder))
            .collect();
        assert_eq!(found, [("folder".into(), true), ("link".into(), false), (odd.to_owned(), false)]);
        assert!(store.list("folder").unwrap().is_empty());
        for name in ["nothing", "link"] {
            assert!(store.list(name).is_err(), "{name}");
        }
    }

    #[test]
    fn links_that_leave_the_root_can_be_refused() {
        let (outside, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("secret.jpg"), b"x").unwrap();
        fs::write(dir.path().join("a.jpg"), b"x").unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret.jpg"), dir.path().join("link.jpg")).unwrap();
        assert!(FolderStore::open(dir.path(), true).unwrap().has("link.jpg").unwrap());
        assert!(!FolderStore::open(dir.path(), false).unwrap().has("link.jpg").unwrap());
        assert!(FolderStore::open(dir.path(), false).unwrap().has("a.jpg").unwrap());
    }
}
