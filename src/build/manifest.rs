//! `manifest.json`: the one file that makes a folder of shards a data set. Written last.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::build::plan::{Unit, hex};
use crate::build::{Options, Report};
use crate::error::{Error, Result};
use crate::picture::{ImageSpec, PIXELS_VERSION};
use crate::scan::Scan;
use crate::shard::FORMAT;
use crate::shard::unit_file::{FileInfo, UnitFile};

/// The name of that file.
pub const MANIFEST: &str = "manifest.json";

/// One line per rejected row.
pub const REJECTS: &str = "rejects.jsonl";

/// Row number to shard and row in shard.
pub const INDEX: &str = "rows.index.npy";

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
    /// `required` or `optional`.
    pub placeholders: String,
    /// Cut off the front of names.
    pub strip_prefix: Option<String>,
    /// The longest line.
    pub max_line_bytes: u64,
}

impl ManifestOptions {
    /// What of the options the bytes depend on.
    pub fn of(options: &Options) -> Self {
        Self {
            shard_bytes: options.shard_bytes,
            shuffle_seed: options.shuffle_seed,
            placeholders: options.scan.placeholders.as_str().to_owned(),
            strip_prefix: options.scan.strip_prefix.clone(),
            max_line_bytes: options.scan.max_line_bytes,
        }
    }
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
    /// Puts together what is known when every unit is done.
    pub fn assemble(
        scan: &Scan,
        units: &[Unit],
        records: &[(UnitFile, FileInfo)],
        spec: &ImageSpec,
        options: ManifestOptions,
        distinct_pictures: u64,
        files: Vec<FileInfo>,
    ) -> Self {
        let mut rejected: Vec<u64> = vec![0; scan.sources.len()];
        for row in scan.rows.iter().filter(|row| row.rejected) {
            rejected[row.source as usize] += 1;
        }
        let lost: HashSet<(&str, u64)> = records
            .iter()
            .flat_map(|(record, _)| &record.rejects)
            .map(|reject| (reject.source.as_str(), reject.line))
            .collect();
        let mut per_row = PicturesPerRow::default();
        for row in &scan.rows {
            if lost.contains(&(scan.sources[row.source as usize].name.as_str(), row.line)) {
                rejected[row.source as usize] += 1;
            } else if !row.rejected {
                let count = u64::from(row.names.1);
                per_row.largest = per_row.largest.max(count);
                *per_row.histogram.entry(count).or_insert(0) += 1;
            }
        }
        let sources: Vec<SourceRecord> = scan
            .sources
            .iter()
            .zip(&scan.infos)
            .zip(rejected)
            .map(|((source, info), rejected)| SourceRecord {
                name: source.name.clone(),
                bytes: info.bytes,
                blake3: hex(&info.hash),
                lines: info.lines,
                rows: info.lines - rejected,
                rejected,
            })
            .collect();
        let shards: Vec<ShardRecord> = units
            .iter()
            .zip(records)
            .map(|(unit, (record, own))| {
                let mut files = record.files.clone();
                files.push(own.clone());
                files.sort_by(|a, b| a.name.cmp(&b.name));
                let (rows, pictures) = (record.rows, record.pictures);
                ShardRecord {
                    folder: unit.folder.clone(),
                    rows,
                    pictures,
                    gray: record.gray,
                    rgb: record.rgb,
                    pixels: record.pixels,
                    files,
                }
            })
            .collect();
        let stored: u64 = shards.iter().map(|shard| shard.pictures).sum();
        let totals = Totals {
            lines: sources.iter().map(|source| source.lines).sum(),
            rows: sources.iter().map(|source| source.rows).sum(),
            rejected: sources.iter().map(|source| source.rejected).sum(),
            pictures: stored,
            distinct_pictures,
        };
        let mut manifest = Self {
            format: FORMAT,
            tool: Tool {
                name: "mmno_fast".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            spec: spec.clone(),
            pixels_version: PIXELS_VERSION,
            options,
            sources,
            shards,
            totals,
            pictures_per_row: per_row,
            files,
            manifest_blake3: "0".repeat(64),
        };
        manifest.manifest_blake3 = blake3::hash(&manifest.to_bytes()).to_hex().to_string();
        manifest
    }

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

    /// Whether a build of this scan would give this very data set.
    pub fn describes(&self, scan: &Scan, spec: &ImageSpec, options: &ManifestOptions, units: &[Unit]) -> bool {
        let sources = scan
            .sources
            .iter()
            .zip(&scan.infos)
            .map(|(source, info)| (source.name.as_str(), info.bytes, hex(&info.hash)));
        self.spec == *spec
            && self.pixels_version == PIXELS_VERSION
            && self.options == *options
            && sources.eq(self
                .sources
                .iter()
                .map(|source| (source.name.as_str(), source.bytes, source.blake3.clone())))
            && units
                .iter()
                .map(|unit| &unit.folder)
                .eq(self.shards.iter().map(|shard| &shard.folder))
    }

    /// Whether these are the bytes of its `rejects.jsonl`.
    pub fn rejects_are(&self, bytes: &[u8]) -> bool {
        let hash = blake3::hash(bytes).to_hex();
        self.files.iter().any(|file| file.name == REJECTS && file.blake3 == hash.as_str())
    }

    /// Copies the totals into a report.
    pub fn fill(&self, report: &mut Report) {
        report.rows = self.totals.rows;
        report.rejected = self.totals.rejected;
        report.lines = self.totals.lines;
        report.pictures = self.totals.pictures;
        report.distinct_pictures = self.totals.distinct_pictures;
        report.shards = self.shards.len() as u64;
        report.bytes = self
            .shards
            .iter()
            .flat_map(|shard| &shard.files)
            .chain(&self.files)
            .map(|file| file.bytes)
            .sum();
    }
}
