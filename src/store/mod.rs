//! Where files lie, and how they are read and written: a folder now; archives and object stores are further files here.
//!
//! Everything that reads a picture or a shard asks a [`Store`] for it, by a relative name. A new kind of store is one file beside
//! `folder.rs` and one arm in `open.rs`. Everything that makes a data set writes it through a [`Sink`].

pub mod fault;
pub mod own_folder;
pub mod folder;
pub mod folder_sink;
pub mod hash;
pub mod open;
pub mod paging;
pub mod resolve;
pub mod read;

use std::ffi::OsString;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use memmap2::{Advice, Mmap};

use crate::error::Result;

/// The most bytes that a picture's file may have. It keeps a mistaken root (a folder of archives, say) from filling memory.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// One entry of a folder in a store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name, without the folder. It need not be UTF-8: nothing may be left out of a list in silence.
    pub name: OsString,
    /// Whether it is a folder itself.
    pub is_folder: bool,
}

/// What tells a folder of a store from all others, whatever names and links lead to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FolderId {
    /// Its numbers on this machine.
    Inode {
        /// The file system.
        device: u64,
        /// The folder there.
        number: u64,
    },
    /// Its name, in a store without links.
    Name(String),
}

/// A place that holds files under relative names with `/`.
///
/// Only regular files count. A pipe, a socket or a device is refused at once, and is never waited for. A link to a regular file is followed.
pub trait Store: Send + Sync {
    /// Whether there is a file of this very name. One that may not be read counts: reading it says what is wrong. An error means that it
    /// cannot be known now.
    fn has(&self, name: &str) -> io::Result<bool>;

    /// The entries of a folder (`""`: the root), by name. A folder that is not there, or may not be read, is an error.
    fn list(&self, folder: &str) -> io::Result<Vec<Entry>>;

    /// What tells a folder (`""`: the root) from all others. A store with links must follow them here.
    fn identity(&self, folder: &str) -> io::Result<FolderId> {
        Ok(FolderId::Name(folder.to_owned()))
    }

    /// The length of a file.
    fn length(&self, name: &str) -> io::Result<u64>;

    /// Replaces `into` with the bytes of a file, which must have `most` bytes at most.
    fn read(&self, name: &str, most: u64, into: &mut Vec<u8>) -> io::Result<()>;

    /// Replaces `into` with some bytes of a file. It is an error if the file ends before them.
    fn read_range(&self, name: &str, range: Range<u64>, into: &mut Vec<u8>) -> io::Result<()>;

    /// Opens a file, to be read from its beginning on; also its length.
    fn stream(&self, name: &str) -> io::Result<(Box<dyn Read + Send>, u64)>;

    /// The bytes of a file, which must have `most` bytes at most, as memory that stays. A store that cannot map reads.
    ///
    /// # Safety
    ///
    /// While the region or a clone of it lives, nobody changes the file's bytes in place, or cuts it off. To replace the file by rename, or
    /// to remove it, is no change of it.
    #[expect(unsafe_code, reason = "what a mapping holds is for its caller to know")]
    unsafe fn map(&self, name: &str, most: u64) -> io::Result<Region>;

    /// The same store, one folder further down.
    fn below(&self, folder: &str) -> Box<dyn Store>;

    /// What to call a file (`""`: the store itself) in a message. Nobody opens it: that is what the other functions are for.
    fn label(&self, name: &str) -> PathBuf;
}

/// Where a data set is written.
///
/// A shard is made in a folder of this machine, below [`Sink::scratch`]: its files are written bit by bit. It gets its name when it is whole.
pub trait Sink: Send + Sync {
    /// The folder of this machine that shards are made in. It is there, and what lies in it is nobody else's.
    fn scratch(&self) -> &Path;

    /// Writes small files of the data set, and makes them last. Readers see each whole or not at all. They appear in the order given, as close
    /// together as can be: those in front are whole when the last one appears.
    fn put(&self, files: &[(&str, &[u8])]) -> Result<()>;

    /// Gives a finished shard its name in the data set. `made` is its folder below [`Sink::scratch`], which is gone then; a shard that has the
    /// name already is replaced.
    fn publish(&self, made: &Path, name: &str) -> Result<()>;

    /// Removes a shard, or a file beside the shards, that the data set does not name any more. One that is gone already is fine.
    ///
    /// A shard goes as a whole: it is never seen without some of its files.
    fn remove(&self, name: &str) -> Result<()>;

    /// Makes the file `name` of the data set (`shard/file`) a file of a shard under construction, too. `into` is that file's path.
    ///
    /// The bytes are shared where the store can do that, else copied.
    fn link(&self, name: &str, into: &Path) -> Result<()>;
}

/// The bytes of a whole file. Clones share the memory, which stays until the last of them is gone.
#[derive(Debug, Clone)]
pub struct Region {
    bytes: Bytes,
    /// The mapping behind the bytes; `None` where they were read.
    mapping: Option<Arc<Mmap>>,
}

/// A mapping as the owner of bytes.
struct Mapped(Arc<Mmap>);

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Region {
    /// The bytes of a mapped file.
    pub fn mapped(mapping: Mmap) -> Self {
        let mapping = Arc::new(mapping);
        Self {
            bytes: Bytes::from_owner(Mapped(Arc::clone(&mapping))),
            mapping: Some(mapping),
        }
    }

    /// Bytes that were read.
    pub fn read(bytes: Vec<u8>) -> Self {
        Self {
            bytes: bytes.into(),
            mapping: None,
        }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, which hold on to the memory.
    pub fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    /// Asks the system to read some of the bytes soon. It is a hint: whether the system can follow it changes nothing.
    pub fn will_need(&self, range: Range<usize>) {
        if let Some(mapping) = &self.mapping {
            let _ = mapping.advise_range(Advice::WillNeed, range.start, range.len());
        }
    }
}
