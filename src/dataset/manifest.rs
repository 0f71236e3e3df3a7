//! `manifest.json`: the one file that makes a folder of shards a data set. Written last.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::dataset::record::{FORMAT, FileInfo, MANIFEST, REJECTS};
use crate::error::{Error, Result};
use crate::jsonl::options::RowOptions;
use crate::picture::ImageSpec;

/// Which program wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `mmno_fast`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What else shaped the data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestOptions {
    /// Pixels of a shard, counted at three channels, in bytes.
    pub shard_bytes: u64,
    /// The order of pictures, where it is not that of first use.
    pub shuffle_seed: Option<u64>,
    /// How lines and rows were judged.
    #[serde(flatten)]
    pub rows: RowOptions,
}

/// A source as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// BLAKE3 of its bytes.
    pub blake3: String,
    /// Lines that hold something.
    pub lines: u64,
    /// Of those, accepted.
    pub rows: u64,
    /// Of those, rejected.
    pub rejected: u64,
}

/// A shard of the data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardRecord {
    /// Its folder.
    pub folder: String,
    /// Its rows.
    pub rows: u64,
    /// Its pictures.
    pub pictures: u64,
    /// Of those, in `gray.npy`.
    pub gray: u64,
    /// Of those, in `rgb.npy`.
    pub rgb: u64,
    /// Of those, in `pixels.npy`.
    pub pixels: u64,
    /// Its files, by name.
    pub files: Vec<FileInfo>,
}

/// Counts over the data set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Lines that hold something.
    pub lines: u64,
    /// Accepted.
    pub rows: u64,
    /// Rejected.
    pub rejected: u64,
    /// Pictures as stored.
    pub pictures: u64,
    /// Pictures by hash.
    pub distinct_pictures: u64,
}

/// How many pictures rows have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PicturesPerRow {
    /// The most.
    pub largest: u64,
    /// Rows by their number of pictures.
    pub histogram: BTreeMap<u64, u64>,
}

/// The whole manifest, members in the order of `docs/format.md`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Major, minor.
    pub format: [u32; 2],
    /// Which program wrote it.
    pub tool: Tool,
    /// What was made of the pictures.
    pub spec: ImageSpec,
    /// The version of the arithmetic behind the pixels.
    pub pixels_version: u32,
    /// What else shaped the data set.
    pub options: ManifestOptions,
    /// In the order given.
    pub sources: Vec<SourceRecord>,
    /// In the order of their units.
    pub shards: Vec<ShardRecord>,
    /// Counts.
    pub totals: Totals,
    /// How many pictures rows have.
    pub pictures_per_row: PicturesPerRow,
    /// `rejects.jsonl` and `rows.index.npy`.
    pub files: Vec<FileInfo>,
    /// BLAKE3 of the file with these digits as zeros.
    pub manifest_blake3: String,
}

impl Manifest {
    /// As it is written: pretty-printed, with a final newline.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads the one in `out`, if there is one.
    pub fn read_if_there(out: &Path) -> Result<Option<Self>> {
        if out.join(MANIFEST).exists() {
            Self::read(out).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Reads the one in `out`; it must be of a format that this version knows, and its own hash must agree.
    pub fn read(out: &Path) -> Result<Self> {
        let path = out.join(MANIFEST);
        let bytes = fs::read(&path).map_err(|error| Error::io("read", &path, error))?;
        let value: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| Error::shard(&path, format!("expected a manifest, found {error}")))?;
        let major = value
            .get("format")
            .and_then(|format| format.get(0))
            .and_then(serde_json::Value::as_u64);
        if major != Some(u64::from(FORMAT[0])) {
            let found = major.map_or_else(|| "no format".to_owned(), |major| format!("format {major}"));
            return Err(Error::shard(
                &path,
                format!("expected format {}, found {found}; a newer mmno_fast may read it", FORMAT[0]),
            ));
        }
        let own = value
            .get("manifest_blake3")
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let text = String::from_utf8_lossy(&bytes);
        let blanked = text
            .rfind(&own)
            .filter(|_| own.len() == 64)
            .map(|at| text[..at].to_owned() + &"0".repeat(64) + &text[at + 64..]);
        if blanked.is_none_or(|text| blake3::hash(text.as_bytes()).to_hex().as_str() != own) {
            return Err(Error::shard(
                &path,
                "its own hash does not agree: the manifest was changed or damaged",
            ));
        }
        serde_json::from_value(value).map_err(|error| Error::shard(&path, format!("expected a manifest, found {error}")))
    }

    /// Whether these are the bytes of its `rejects.jsonl`.
    pub fn rejects_are(&self, bytes: &[u8]) -> bool {
        let hash = blake3::hash(bytes).to_hex();
        self.files.iter().any(|file| file.name == REJECTS && file.blake3 == hash.as_str())
    }
}
