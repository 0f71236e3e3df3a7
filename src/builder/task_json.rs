//! A task as JSON, so that another process can be handed it. Whatever was changed on the way is an error.
//!
//! ```text
//! {"version": 1, "blake3": "<of the bytes of task>", "task": {
//!   "fingerprint": "<64 hex digits>",
//!   "options": {<the options of the scan>},
//!   "sources": [["name", "/path"], ...],
//!   "roots": [["/path", ["folder", ...]], ...],
//!   "rows": [[source, record, part, {"bytes": {"offset": 0, "length": 9}}, "<32 hex digits>", [position, ...]], ...],
//!   "pictures": [{"root": 0, "file": "a.png", "hash": "<64 hex digits>", "header": {...}, "names": ["a.png"]}, ...]}}
//! ```

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::builder::task::{Setting, TaskPicture, TaskRoot, TaskRow, TaskRows, UnitTask};
use crate::dataset::record::hex;
use crate::error::{Error, Result};
use crate::finding::quote;
use crate::jsonl::rules::check_name;
use crate::jsonl::source::RowPlace;
use crate::picture::{Format, Mode, Probe, Turns};
use crate::scan::model::Source;
use crate::scan::options::ScanOptions;
use crate::shown::Shown;

/// The version of this form. A process reads its own only.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    version: u32,
    blake3: String,
    #[serde(borrow)]
    task: &'a RawValue,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    fingerprint: String,
    options: ScanOptions,
    sources: Vec<(String, String)>,
    roots: Vec<(String, Vec<String>)>,
    rows: Rows,
    pictures: Vec<Picture>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Picture {
    root: u32,
    file: Box<str>,
    hash: Hex<32>,
    header: Header,
    names: Vec<Box<str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    mode: String,
    width: u32,
    height: u32,
    orientation: u32,
    turns: Turns,
    transparent: bool,
    animated: bool,
    decoder_bytes: u64,
}

/// A hash, in hex digits.
struct Hex<const N: usize>([u8; N]);

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(&self.0))
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        unhex(&text)
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("expected {} hex digits", 2 * N)))
    }
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut bytes = [0; N];
    let pairs = text.as_bytes().chunks_exact(2);
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let [high, low] = *pair.first_chunk::<2>()?;
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}

/// Rows, read one by one into flat arrays.
struct Rows(TaskRows);

impl Serialize for Rows {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let rows = self.0.iter();
        serializer.collect_seq(rows.map(|(row, positions)| (row.source, row.record, row.part, row.place, Hex(row.hash), positions)))
    }
}

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Flat;
        impl<'de> Visitor<'de> for Flat {
            type Value = Rows;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of rows")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Rows, A::Error> {
                let mut rows = TaskRows::default();
                while let Some(row) = list.next_element::<(u32, u64, u32, RowPlace, Hex<16>, Vec<u32>)>()? {
                    let (source, record, part, place, Hex(hash), positions) = row;
                    let row = TaskRow {
                        source,
                        record,
                        part,
                        place,
                        hash,
                    };
                    if !rows.push(row, &positions) {
                        return Err(A::Error::custom("more pictures of rows than can be numbered"));
                    }
                }
                Ok(Rows(rows))
            }
        }
        deserializer.deserialize_seq(Flat)
    }
}

fn refuse(what: impl fmt::Display) -> Error {
    Error::usage(format!(
        "the task cannot be used: {what}; hand over the very bytes that were made, to the same version of mmno_fast"
    ))
}

/// A path as another process, in another folder, finds it.
fn path_text(path: &Path) -> Result<String> {
    let absolute = std::path::absolute(path).map_err(|error| Error::io("find", path, error))?;
    absolute.into_os_string().into_string().map_err(|path| {
        let shown = Shown::path(path.as_ref());
        Error::usage(format!(
            "{shown}: expected a path in UTF-8, found other bytes; rename it, or build in this process"
        ))
    })
}

impl UnitTask {
    /// The task as JSON.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let setting = self.setting();
        let body = Body {
            fingerprint: self.fingerprint.clone(),
            options: setting.options.clone(),
            sources: setting
                .sources
                .iter()
                .map(|source| Ok((source.name.clone(), path_text(&source.path)?)))
                .collect::<Result<_>>()?,
            roots: setting
                .roots
                .iter()
                .map(|root| Ok((path_text(&root.given)?, root.below.clone())))
                .collect::<Result<_>>()?,
            rows: Rows(self.rows.clone()),
            pictures: self.pictures.iter().map(Picture::new).collect(),
        };
        let internal = |error: serde_json::Error| Error::internal(format!("a task is no JSON: {error}"));
        let task = serde_json::value::to_raw_value(&body).map_err(internal)?;
        let envelope = Envelope {
            version: VERSION,
            blake3: blake3::hash(task.get().as_bytes()).to_hex().to_string(),
            task: &task,
        };
        serde_json::to_vec(&envelope).map_err(internal)
    }

    /// The task that these bytes hold. Everything in them is checked.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let envelope: Envelope<'_> = serde_json::from_slice(bytes).map_err(refuse)?;
        if envelope.version != VERSION {
            return Err(refuse(format!("expected version {VERSION}, found {}", envelope.version)));
        }
        let text = envelope.task.get();
        if blake3::hash(text.as_bytes()).to_hex().as_str() != envelope.blake3 {
            return Err(refuse("its own hash does not agree"));
        }
        let body: Body = serde_json::from_str(text).map_err(refuse)?;
        let setting = Setting {
            options: body.options,
            sources: body
                .sources
                .into_iter()
                .map(|(name, path)| Source {
                    name,
                    path: PathBuf::from(path),
                })
                .collect(),
            roots: body
                .roots
                .into_iter()
                .map(|(given, below)| TaskRoot {
                    given: PathBuf::from(given),
                    below,
                })
                .collect(),
        };
        let task = Self {
            fingerprint: body.fingerprint,
            setting: Arc::new(setting),
            rows: body.rows.0,
            pictures: body.pictures.into_iter().map(Picture::read).collect::<Result<_>>()?,
        };
        task.check()?;
        Ok(task)
    }

    /// Numbers lead somewhere, names stay below their roots, and the fingerprint is that of the content.
    fn check(&self) -> Result<()> {
        let setting = self.setting();
        for root in &setting.roots {
            if let Some(name) = root.below.iter().find(|name| !is_plain(name)) {
                return Err(refuse(format!("expected the name of a folder, found {}", quote(name))));
            }
        }
        for picture in &self.pictures {
            if picture.root as usize >= setting.roots.len() {
                return Err(refuse(format!(
                    "a picture lies in root {} of {}",
                    picture.root,
                    setting.roots.len()
                )));
            }
            if let Err((_, message)) = check_name(&picture.file) {
                return Err(refuse(message));
            }
            setting.options.spec.admit(&picture.header).map_err(|fault| refuse(fault.message))?;
        }
        for (row, positions) in self.rows.iter() {
            if row.source as usize >= setting.sources.len() {
                return Err(refuse(format!(
                    "a row comes from source {} of {}",
                    row.source,
                    setting.sources.len()
                )));
            }
            if row.part != 0 {
                return Err(refuse(format!("expected part 0 of a record, found part {}", row.part)));
            }
            if !setting.options.rows.admits(row.place.length()) {
                return Err(refuse(format!("a row has {} bytes, more than a line may have", row.place.length())));
            }
            if let Some(position) = positions.iter().find(|position| **position as usize >= self.pictures.len()) {
                return Err(refuse(format!("a row has picture {position} of {}", self.pictures.len())));
            }
        }
        if self.computed_fingerprint()? != self.fingerprint {
            return Err(refuse("its fingerprint is not that of its content"));
        }
        Ok(())
    }
}

/// Whether a name is that of one folder, and leads nowhere else.
fn is_plain(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}

impl Picture {
    fn new(picture: &TaskPicture) -> Self {
        let header = &picture.header;
        Self {
            root: picture.root,
            file: picture.file.clone(),
            hash: Hex(picture.hash),
            header: Header {
                format: header.format.as_str().to_owned(),
                mode: header.mode.as_str().to_owned(),
                width: header.width,
                height: header.height,
                orientation: header.orientation,
                turns: header.turns,
                transparent: header.transparent,
                animated: header.animated,
                decoder_bytes: header.decoder_bytes,
            },
            names: picture.names.clone(),
        }
    }

    fn read(self) -> Result<TaskPicture> {
        let header = self.header;
        let format = Format::ALL.into_iter().find(|format| format.as_str() == header.format);
        let mode = Mode::ALL.into_iter().find(|mode| mode.as_str() == header.mode);
        let (Some(format), Some(mode)) = (format, mode) else {
            return Err(refuse(format!(
                "expected a format and a mode that are known, found {} and {}",
                quote(&header.format),
                quote(&header.mode)
            )));
        };
        if header.width == 0 || header.height == 0 || !(1..=8).contains(&header.orientation) {
            return Err(refuse("the header of a picture says a size or an orientation that none has"));
        }
        Ok(TaskPicture {
            root: self.root,
            file: self.file,
            hash: self.hash.0,
            header: Probe {
                format,
                mode,
                width: header.width,
                height: header.height,
                orientation: header.orientation,
                turns: header.turns,
                transparent: header.transparent,
                animated: header.animated,
                decoder_bytes: header.decoder_bytes,
            },
            names: self.names,
        })
    }
}

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;
