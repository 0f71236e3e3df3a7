//! `manifest.json`: the one file that makes a folder of shards a data set. Written last.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::dataset::files::refused;
use crate::dataset::record::{FORMAT, FileInfo, MANIFEST, REJECTS, TOP_FILES, TopFile, WORK_FOLDER, is_shard_name};
use crate::error::{Error, Result};
use crate::finding::quote;
use crate::jsonl::options::RowOptions;
use crate::picture::{ImageSpec, PIXELS_VERSION};
use crate::store::Store;

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
    /// The version of the arithmetic behind the pixels. 0: the manifest does not say, as those of the reference engine do not.
    #[serde(default)]
    pub pixels_version: u32,
    /// What else shaped the data set.
    pub options: ManifestOptions,
    /// Whether something was taken over from an earlier build and its hash was not compared. Written only where it is true.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trusted_previous: bool,
    /// In the order given.
    pub sources: Vec<SourceRecord>,
    /// In the order of their units.
    pub shards: Vec<ShardRecord>,
    /// Counts.
    pub totals: Totals,
    /// How many pictures rows have.
    pub pictures_per_row: PicturesPerRow,
    /// The rejects and the index of rows, under the names that [`TopFile::name`] gives them.
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

    /// Reads and checks the one in a store, if there is one. One that cannot be read is an error, unless it may be replaced: one that is damaged
    /// is then as good as absent. One that a newer program wrote never is.
    pub fn open_if_there(store: &dyn Store, replace_damaged: bool) -> Result<Option<Self>> {
        let mut bytes = Vec::new();
        match store.read(MANIFEST, MAX_MANIFEST_BYTES, &mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|error| absent(store, error))?,
        }
        let is_damaged = || {
            let found = serde_json::from_slice::<Version>(&bytes);
            !found.is_ok_and(|found| hash_agrees(&bytes, &found.manifest_blake3))
        };
        match Self::parse(&bytes, &store.label(MANIFEST)) {
            Err(_) if replace_damaged && is_damaged() => Ok(None),
            parsed => parsed.map(Some),
        }
    }

    /// Reads and checks the one in a store: its own hash, every version, every name, every sum.
    ///
    /// What it says of files is checked when they are opened; whether it is all true, [`crate::dataset::verify`] tells.
    pub fn open(store: &dyn Store) -> Result<Self> {
        Self::open_with_text(store).map(|(manifest, _)| manifest)
    }

    /// As [`Self::open`]; also the text of the file, which may say more than this version knows.
    pub fn open_with_text(store: &dyn Store) -> Result<(Self, String)> {
        let mut bytes = Vec::new();
        store
            .read(MANIFEST, MAX_MANIFEST_BYTES, &mut bytes)
            .map_err(|error| absent(store, error))?;
        let manifest = Self::parse(&bytes, &store.label(MANIFEST))?;
        let text = String::from_utf8(bytes).map_err(|_| Error::shard(&store.label(MANIFEST), "expected a manifest, found no UTF-8"))?;
        Ok((manifest, text))
    }

    /// Parses and checks the bytes of a manifest; `path` is what to call it.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        let found: Version = serde_json::from_slice(bytes).map_err(|error| {
            Error::shard(
                path,
                format!("expected a manifest, found {error}: the file is damaged, or another program's"),
            )
        })?;
        if found.format[0] != FORMAT[0] {
            return Err(Error::shard(
                path,
                format!(
                    "written in format {}.{}, this version reads format {}: install a newer mmno_fast",
                    found.format[0], found.format[1], FORMAT[0]
                ),
            ));
        }
        let damaged = |what: &str| {
            Error::shard(
                path,
                format!("the manifest is damaged: {what}; the build of this data set makes it anew, with --update"),
            )
        };
        if !hash_agrees(bytes, &found.manifest_blake3) {
            return Err(damaged("its own hash does not agree"));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| damaged(&error.to_string()))?;
        if manifest.pixels_version > PIXELS_VERSION {
            return Err(Error::shard(
                path,
                format!(
                    "expected pixels of version {PIXELS_VERSION} or older, found version {}: install a newer mmno_fast",
                    manifest.pixels_version
                ),
            ));
        }
        manifest.check().map_err(|what| damaged(&what))?;
        Ok(manifest)
    }

    /// Whether names are single plain components, and numbers fit together.
    fn check(&self) -> std::result::Result<(), String> {
        let same = |what: &str, said: u64, summed: Option<u64>| {
            if summed == Some(said) {
                return Ok(());
            }
            let summed = summed.map_or_else(|| "more than 64 bits hold".to_owned(), |sum| sum.to_string());
            Err(format!("{what} should be {summed}, found {said}"))
        };
        for source in &self.sources {
            same("the lines of a source", source.lines, source.rows.checked_add(source.rejected))?;
        }
        same(
            "totals.lines",
            self.totals.lines,
            sum(self.sources.iter().map(|source| source.lines)),
        )?;
        same("totals.rows", self.totals.rows, sum(self.sources.iter().map(|source| source.rows)))?;
        same(
            "totals.rejected",
            self.totals.rejected,
            sum(self.sources.iter().map(|source| source.rejected)),
        )?;
        same("totals.rows", self.totals.rows, sum(self.shards.iter().map(|shard| shard.rows)))?;
        same(
            "totals.pictures",
            self.totals.pictures,
            sum(self.shards.iter().map(|shard| shard.pictures)),
        )?;
        let histogram = &self.pictures_per_row.histogram;
        same("the rows of the histogram", self.totals.rows, sum(histogram.values().copied()))?;
        let largest = histogram.keys().next_back().copied();
        same("pictures_per_row.largest", self.pictures_per_row.largest, largest.or(Some(0)))?;
        if self.totals.distinct_pictures > self.totals.pictures {
            return Err("it counts more distinct pictures than pictures".to_owned());
        }
        let mut folders = HashSet::new();
        for shard in &self.shards {
            if !is_shard_name(&shard.folder) || !folders.insert(&shard.folder) {
                return Err(format!("{} is not the name of one shard", quote(&shard.folder)));
            }
            same(
                "the pictures of a shard",
                shard.pictures,
                sum([shard.gray, shard.rgb, shard.pixels].into_iter()),
            )?;
            if u32::try_from(shard.rows).is_err() || u32::try_from(shard.pictures).is_err() {
                return Err(format!("shard {} has more rows or pictures than 32 bits count", shard.folder));
            }
            check_files(&shard.files)?;
        }
        check_files(&self.files)?;
        match TOP_FILES.into_iter().find(|kind| self.file(*kind).is_none()) {
            Some(kind) => Err(format!(
                "it does not list {} under the name that format 1.{} gives it",
                kind.plain, self.format[1]
            )),
            None => Ok(()),
        }
    }

    /// The entry of a file over all shards. Every manifest that was read has it.
    pub fn file(&self, kind: TopFile) -> Option<&FileInfo> {
        self.files.iter().find(|file| file.name == kind.name(self.format, &file.blake3))
    }

    /// The name of a file over all shards; the plain one where the manifest lists none.
    pub fn name_of(&self, kind: TopFile) -> &str {
        self.file(kind).map_or(kind.plain, |file| &file.name)
    }

    /// Whether these are the bytes of its rejects.
    pub fn rejects_are(&self, bytes: &[u8]) -> bool {
        self.file(REJECTS)
            .is_some_and(|file| file.blake3 == blake3::hash(bytes).to_hex().as_str())
    }

    /// Whether the other one describes the same rows and pixels in the same bytes. Who wrote it, and in which minor format, does not matter.
    pub fn is_of_the_same_data(&self, other: &Self) -> bool {
        let hashes = |manifest: &Self| TOP_FILES.map(|kind| manifest.file(kind).map(|file| file.blake3.clone()));
        self.spec == other.spec
            && self.pixels_version == other.pixels_version
            && self.options == other.options
            && self.sources == other.sources
            && self.shards == other.shards
            && self.totals == other.totals
            && self.pictures_per_row == other.pictures_per_row
            && hashes(self) == hashes(other)
    }
}

/// The most bytes of a manifest: some 400,000 shards.
pub const MAX_MANIFEST_BYTES: u64 = 256 << 20;

/// What is read first: the rest may be of another format.
#[derive(Deserialize)]
struct Version {
    format: [u32; 2],
    manifest_blake3: String,
}

/// Whether `own` is the hash of these bytes with its digits as zeros.
fn hash_agrees(bytes: &[u8], own: &str) -> bool {
    if own.len() != 64 {
        return false;
    }
    let Some(at) = memchr::memmem::rfind(bytes, own.as_bytes()) else {
        return false;
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[..at]).update(&[b'0'; 64]).update(&bytes[at + own.len()..]);
    hasher.finalize().to_hex().as_str() == own
}

/// What to say where the manifest cannot be read.
fn absent(store: &dyn Store, error: io::Error) -> Error {
    let folder = store.label("");
    let path = store.label(MANIFEST);
    match error.kind() {
        io::ErrorKind::NotADirectory => Error::shard(&folder, "expected the folder of a data set, found a file"),
        io::ErrorKind::NotFound if store.length("").is_err_and(|error| error.kind() == io::ErrorKind::NotFound) => {
            Error::io("open it", &folder, io::Error::new(error.kind(), "no such data set"))
        }
        io::ErrorKind::NotFound
            if store
                .list("")
                .is_ok_and(|entries| entries.iter().any(|entry| entry.name == WORK_FOLDER)) =>
        {
            Error::shard(
                &folder,
                "no manifest.json: its build has not finished; run the same build again, it goes on where it stopped",
            )
        }
        io::ErrorKind::NotFound => Error::shard(&folder, "no manifest.json: not a data set"),
        // Reading it fails where the kernel makes up its content: no such file has a length.
        _ if store.length(MANIFEST).is_ok_and(|length| length == 0) => Error::shard(&path, "expected a manifest, found no length"),
        _ => refused(store, MANIFEST, error),
    }
}

/// The sum, if 64 bits hold it.
fn sum(mut numbers: impl Iterator<Item = u64>) -> Option<u64> {
    numbers.try_fold(0, u64::checked_add)
}

/// Whether each name is one plain component of a path, and stands once, so that no manifest leads a reader out of its folder.
fn check_files(files: &[FileInfo]) -> std::result::Result<(), String> {
    let mut names = HashSet::new();
    for file in files {
        let name = file.name.as_str();
        let is_plain = !matches!(name, "" | "." | "..") && !name.contains(['/', '\\', '\0']);
        if !is_plain || !names.insert(name) {
            return Err(format!("{} is not the name of one file", quote(name)));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
