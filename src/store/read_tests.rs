use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::error::Kind;
use crate::store::folder::FolderStore;
use crate::store::{Entry, FolderId, Region};

/// A folder whose calls fail so often before they work.
struct Failing {
    inner: FolderStore,
    number: i32,
    left: Arc<AtomicUsize>,
}

impl Failing {
    fn fail(&self) -> io::Result<()> {
        let left = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map_or(Ok(()), |_| Err(io::Error::from_raw_os_error(self.number)))
    }
}

impl Store for Failing {
    fn has(&self, name: &str) -> io::Result<bool> {
        self.fail().and_then(|()| self.inner.has(name))
    }
    fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
        self.fail().and_then(|()| self.inner.list(folder))
    }
    fn identity(&self, folder: &str) -> io::Result<FolderId> {
        self.fail().and_then(|()| self.inner.identity(folder))
    }
    fn length(&self, name: &str) -> io::Result<u64> {
        self.inner.length(name)
    }
    fn read(&self, name: &str, most: u64, into: &mut Vec<u8>) -> io::Result<()> {
        self.fail().and_then(|()| self.inner.read(name, most, into))
    }
    fn read_range(&self, name: &str, range: Range<u64>, into: &mut Vec<u8>) -> io::Result<()> {
        self.inner.read_range(name, range, into)
    }
    fn stream(&self, name: &str) -> io::Result<(Box<dyn io::Read + Send>, u64)> {
        self.inner.stream(name)
    }
    #[expect(unsafe_code, reason = "handed on")]
    unsafe fn map(&self, name: &str, most: u64) -> io::Result<Region> {
        // SAFETY: the caller's promise.
        unsafe { self.inner.map(name, most) }
    }
    fn below(&self, folder: &str) -> Box<dyn Store> {
        self.inner.below(folder)
    }
    fn label(&self, name: &str) -> PathBuf {
        self.inner.label(name)
    }
}

fn resolver(folders: &[&Path]) -> Resolver {
    let open = |folder: &&Path| -> (PathBuf, Box<dyn Store>) { ((*folder).to_owned(), Box::new(FolderStore::open(folder, true).unwrap())) };
    Resolver::new(folders.iter().map(open).collect(), std::iter::empty()).unwrap()
}

#[test]
fn bytes_of_all_roots_must_agree() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for dir in &dirs {
        fs::write(dir.path().join("a.png"), b"same").unwrap();
        fs::write(dir.path().join("b.png"), dir.path().as_os_str().as_encoded_bytes()).unwrap();
    }
    let resolver = resolver(&[dirs[0].path(), dirs[1].path()]);
    let mut bytes = Vec::new();
    let found = find(&resolver, "a.PNG", &mut bytes).unwrap().unwrap();
    assert_eq!((found.root, found.file.as_str(), found.renamed, found.read), (0, "a.png", true, 8));
    assert_eq!(found.hash, *blake3::hash(b"same").as_bytes());
    assert_eq!(bytes, b"same");
    assert_eq!(find(&resolver, "b.png", &mut bytes).unwrap().unwrap_err().0, Code::ImagesTwoRoots);
    assert_eq!(find(&resolver, "c.png", &mut bytes).unwrap().unwrap_err().0, Code::ImagesMissing);
}

#[test]
fn a_file_that_is_known_must_be_there_and_the_same() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.png"), b"bytes").unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    let store = FolderStore::open(dir.path(), true).unwrap();
    let (hash, mut bytes) = (*blake3::hash(b"bytes").as_bytes(), Vec::new());
    let mut read = |file: &str, hash: &[u8; 32]| {
        let known = KnownFile {
            file,
            hash,
            changed: "changed meanwhile",
        };
        read_known(&store, known, &mut bytes)
    };
    assert_eq!(read("a.png", &hash).unwrap(), dir.path().join("a.png"));
    let error = read("a.png", &[0; 32]).unwrap_err();
    assert!(matches!(error.kind(), Kind::Data { code: None, .. }) && error.to_string().ends_with("changed meanwhile"));
    for name in ["gone.png", "folder"] {
        let error = read(name, &hash).unwrap_err();
        assert!(
            matches!(
                error.kind(),
                Kind::Data {
                    code: Some(Code::PictureUnreadable),
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[test]
fn a_fault_of_the_machine_ends_the_job() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.png"), b"bytes").unwrap();
    for (name, failures, works) in [("a.png", 0, true), ("a.png", 1, false), ("a.jpg", 1, false), ("b.png", 9, false)] {
        let left = Arc::new(AtomicUsize::new(0));
        let store = Failing {
            inner: FolderStore::open(dir.path(), true).unwrap(),
            number: libc::EIO,
            left: Arc::clone(&left),
        };
        let resolver = Resolver::new(vec![("x".into(), Box::new(store))], std::iter::empty()).unwrap();
        left.store(failures, Ordering::Relaxed);
        match find(&resolver, name, &mut Vec::new()) {
            Ok(found) => assert!(works && found.is_ok(), "{name}, {failures}"),
            Err(error) => assert!(!works && matches!(error.kind(), Kind::Io { .. }), "{name}, {failures}: {error}"),
        }
    }
}
