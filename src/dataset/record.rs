//! `unit.json`: what a shard holds, file by file, and which of its rows a picture rejected; and the names that the format fixes.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::store::Store;

/// The format that this version writes: major, minor.
pub const FORMAT: [u32; 2] = [1, 1];

/// The format of a shard. It is part of each fingerprint, so it does not move with the format of what stands around the shards.
pub const SHARD_FORMAT: [u32; 2] = [1, 0];

/// The file that makes a folder of shards a data set.
pub const MANIFEST: &str = "manifest.json";

/// A file over all shards.
///
/// Its bytes lie under a name that follows from them, so a manifest never finds those of another data set. A copy under the plain name is for
/// people, and for readers of format 1.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopFile {
    /// The name of the copy, and of the file itself in format 1.0.
    pub plain: &'static str,
    stem: &'static str,
    suffix: &'static str,
}

/// One line per rejected row.
pub const REJECTS: TopFile = TopFile {
    plain: "rejects.jsonl",
    stem: "rejects-",
    suffix: ".jsonl",
};

/// Row number to shard and row in shard.
pub const INDEX: TopFile = TopFile {
    plain: "rows.index.npy",
    stem: "rows.index-",
    suffix: ".npy",
};

/// The files over all shards, in the order of the manifest.
pub const TOP_FILES: [TopFile; 2] = [REJECTS, INDEX];

impl TopFile {
    /// The name of such a file in a data set of this format; `hash` is the BLAKE3 hash of its bytes in hex.
    pub fn name(self, format: [u32; 2], hash: &str) -> String {
        if format == [1, 0] {
            return self.plain.to_owned();
        }
        format!("{}{}{}", self.stem, hash.get(..16).unwrap_or(hash), self.suffix)
    }

    fn is_named(self, name: &str) -> bool {
        name.strip_prefix(self.stem)
            .and_then(|name| name.strip_suffix(self.suffix))
            .is_some_and(is_shard_name)
    }
}

/// Whether a name is one that a file over all shards may have beside its plain one.
pub fn is_named_by_content(name: &str) -> bool {
    TOP_FILES.iter().any(|kind| kind.is_named(name))
}

/// Where a builder works; never part of a finished data set.
pub const WORK_FOLDER: &str = ".build";

/// Whether a folder's name is a shard's.
pub fn is_shard_name(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Small hex digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A file, its length and its BLAKE3 hash in hex.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// The name within its folder.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// 64 hex digits.
    pub blake3: String,
}

impl FileInfo {
    /// The entry of a file that holds these bytes.
    pub fn of(name: &str, bytes: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            bytes: bytes.len() as u64,
            blake3: blake3::hash(bytes).to_hex().to_string(),
        }
    }
}

/// A row that a picture rejected while its unit was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitReject {
    /// The source's name.
    pub source: String,
    /// The line, from 1.
    pub line: u64,
    /// Codes of severity E, in the catalogue's order.
    pub codes: Vec<String>,
}

/// The whole of `unit.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitFile {
    /// Major, minor.
    pub format: [u32; 2],
    /// 64 hex digits; the folder is named by the first 16.
    pub fingerprint: String,
    /// Rows in `rows.arrow`.
    pub rows: u64,
    /// Rows in `pictures.arrow`.
    pub pictures: u64,
    /// Pictures in `gray.npy`.
    pub gray: u64,
    /// Pictures in `rgb.npy`.
    pub rgb: u64,
    /// Pictures in `pixels.npy`.
    pub pixels: u64,
    /// Every other file of the folder, by name.
    pub files: Vec<FileInfo>,
    /// By (source, line).
    pub rejects: Vec<UnitReject>,
}

/// The most bytes of that file: some millions of rejected rows.
pub const MAX_RECORD_BYTES: u64 = 1 << 30;

/// The name of that file.
pub const UNIT_FILE: &str = "unit.json";

impl UnitFile {
    /// As it is written: pretty-printed, with a final newline.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads the one of the shard that `store` holds; also the entry of its own file.
    pub fn open(store: &dyn Store) -> Result<(Self, FileInfo)> {
        let path = store.label(UNIT_FILE);
        let mut bytes = Vec::new();
        store
            .read(UNIT_FILE, MAX_RECORD_BYTES, &mut bytes)
            .map_err(|error| Error::io("read", &path, error))?;
        let record =
            serde_json::from_slice(&bytes).map_err(|error| Error::shard(&path, format!("expected a unit's record, found {error}")))?;
        Ok((record, FileInfo::of(UNIT_FILE, &bytes)))
    }
}
