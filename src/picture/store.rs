//! Where pictures lie: a folder now; a ZIP archive or an object store later, through the same trait.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The most bytes a picture's file may have. Far beyond any slice; it keeps a mistaken root (a folder of archives, say) from filling memory.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// One entry of a folder in a store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name, without the folder.
    pub name: String,
    /// Whether it is a folder itself.
    pub is_folder: bool,
}

/// A place that holds files under relative names with `/`.
pub trait Store: Send + Sync {
    /// Whether there is a readable file of this very name.
    fn has(&self, name: &str) -> bool;
    /// The entries of a folder (`""`: the root), by name; empty where there is no such folder. Names that are not UTF-8 are left out.
    fn list(&self, folder: &str) -> Vec<Entry>;
    /// Replaces `into` with the bytes of a file.
    fn read(&self, name: &str, into: &mut Vec<u8>) -> io::Result<()>;
    /// The same store, one folder further down.
    fn descend(&self, folder: &str) -> Box<dyn Store>;
    /// What to call it in a message.
    fn describe(&self) -> String;
}

/// A folder on a file system.
#[derive(Debug, Clone)]
pub struct FolderStore {
    root: PathBuf,
    /// The real path of the root that was given; set where links may not leave it.
    fence: Option<PathBuf>,
}

impl FolderStore {
    /// Opens a folder. Without `follow_links`, links that lead out of it are as good as absent.
    pub fn open(root: &Path, follow_links: bool) -> Result<Self> {
        let real = fs::canonicalize(root).map_err(|error| Error::io("open the folder of pictures", root, error))?;
        if !real.is_dir() {
            return Err(Error::usage(format!(
                "{}: expected a folder of pictures, found a file",
                root.display()
            )));
        }
        Ok(Self {
            root: root.to_owned(),
            fence: (!follow_links).then_some(real),
        })
    }

    fn allowed(&self, path: &Path) -> bool {
        self.fence
            .as_ref()
            .is_none_or(|fence| fs::canonicalize(path).is_ok_and(|real| real.starts_with(fence)))
    }
}

impl Store for FolderStore {
    fn has(&self, name: &str) -> bool {
        let path = self.root.join(name);
        match fs::metadata(&path) {
            Ok(meta) => meta.is_file() && self.allowed(&path),
            // It may be there: reading it says what is wrong.
            Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
        }
    }

    fn list(&self, folder: &str) -> Vec<Entry> {
        let path = self.root.join(folder);
        let Ok(entries) = fs::read_dir(path) else {
            return Vec::new();
        };
        let mut found: Vec<Entry> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let name = entry.file_name().into_string().ok()?;
                let is_folder = fs::metadata(entry.path()).is_ok_and(|meta| meta.is_dir());
                Some(Entry { name, is_folder })
            })
            .collect();
        found.sort();
        found
    }

    fn read(&self, name: &str, into: &mut Vec<u8>) -> io::Result<()> {
        into.clear();
        let file = File::open(self.root.join(name))?;
        let length = file.metadata()?.len();
        if length > MAX_FILE_BYTES {
            return Err(io::Error::other(format!(
                "the file has {length} bytes; at most {MAX_FILE_BYTES} are read"
            )));
        }
        into.reserve(length as usize + 1);
        file.take(MAX_FILE_BYTES).read_to_end(into)?;
        Ok(())
    }

    fn descend(&self, folder: &str) -> Box<dyn Store> {
        Box::new(Self {
            root: self.root.join(folder),
            fence: self.fence.clone(),
        })
    }

    fn describe(&self) -> String {
        self.root.display().to_string()
    }
}
