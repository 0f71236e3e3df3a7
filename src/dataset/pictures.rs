//! Rows and pictures as Arrow files, and the columns of pictures; those of rows are in `rows.rs`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{FixedSizeBinaryBuilder, ListBuilder, StringBuilder, UInt32Builder, UInt64Builder};
use arrow_array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray};
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_schema::{ArrowError, DataType, SchemaRef};

use crate::dataset::rows::{RowsBuilder, dictionary, list, rows_schema, schema};
use crate::error::{Error, Result};
use crate::jsonl::row::Row;
use crate::jsonl::rules::Meaning;

/// The most rows of a batch.
const BATCH_ROWS: usize = 65_536;

/// The most text of a batch, in bytes: far below what 32-bit offsets reach.
const BATCH_BYTES: usize = 256 << 20;

/// The schema of `pictures.arrow`.
pub fn pictures_schema() -> SchemaRef {
    let numbers = ["source_height", "source_width", "orientation", "height", "width", "channels"];
    let mut columns = vec![
        ("names", list(DataType::Utf8)),
        ("hash", DataType::FixedSizeBinary(32)),
        ("format", dictionary()),
        ("mode", dictionary()),
    ];
    columns.extend(numbers.map(|name| (name, DataType::UInt32)));
    columns.push(("store", dictionary()));
    columns.extend(["index", "offset", "length"].map(|name| (name, DataType::UInt64)));
    schema(columns)
}

/// An Arrow file being written. Uncompressed, buffers aligned to 64 bytes.
struct ArrowFile<'p> {
    writer: FileWriter<BufWriter<File>>,
    path: &'p Path,
}

impl<'p> ArrowFile<'p> {
    fn create(path: &'p Path, schema: &SchemaRef) -> Result<Self> {
        let file = File::create(path).map_err(|error| Error::io("create", path, error))?;
        let options = IpcWriteOptions::try_new(64, false, arrow_ipc::MetadataVersion::V5).map_err(|error| refuse(path, error))?;
        let writer = FileWriter::try_new_with_options(BufWriter::with_capacity(1 << 20, file), schema, options);
        Ok(Self {
            writer: writer.map_err(|error| refuse(path, error))?,
            path,
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(|error| refuse(self.path, error))
    }

    fn finish(mut self) -> Result<()> {
        self.writer.finish().map_err(|error| refuse(self.path, error))?;
        let mut buffered = self.writer.into_inner().map_err(|error| refuse(self.path, error))?;
        buffered
            .flush()
            .and_then(|()| buffered.get_ref().sync_all())
            .map_err(|error| Error::io("write", self.path, error))
    }
}

/// What Arrow says, as an error of ours; a full disk stays a full disk.
fn refuse(path: &Path, error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, source) => Error::io("write", path, source),
        other => Error::shard(path, format!("cannot be written: {other}")),
    }
}

/// Writes `rows.arrow`, batch by batch.
pub struct RowsWriter<'p> {
    file: ArrowFile<'p>,
    rows: RowsBuilder,
    bytes: usize,
}

impl<'p> RowsWriter<'p> {
    /// Begins the file; `sources` are the values of the dictionary.
    pub fn create(path: &'p Path, sources: &[&str]) -> Result<Self> {
        Ok(Self {
            file: ArrowFile::create(path, &rows_schema())?,
            rows: RowsBuilder::new(sources),
            bytes: 0,
        })
    }

    /// Appends a row, as [`RowsBuilder::push`] does; `length` is its line's, for the batch's bound.
    pub fn push(&mut self, source: u32, line: u64, row: &Row<'_>, meaning: &Meaning, pictures: &[u32], length: u64) -> Result<()> {
        if self.rows.len() >= BATCH_ROWS || (self.bytes > 0 && self.bytes + length as usize > BATCH_BYTES) {
            self.flush()?;
        }
        self.bytes += length as usize;
        self.rows.push(source, line, row, meaning, pictures);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.bytes = 0;
        let batch = self.rows.finish().map_err(|error| refuse(self.file.path, error))?;
        self.file.write(&batch)
    }

    /// Writes what is left, and makes it last.
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.file.finish()
    }
}

/// Where a picture's pixels lie in its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `gray.npy`, at this index.
    Gray(u64),
    /// `rgb.npy`, at this index.
    Rgb(u64),
    /// `pixels.npy`: offset and length in bytes.
    Pixels(u64, u64),
}

impl Place {
    /// The name of the store, as in the column `store`.
    pub fn store(self) -> &'static str {
        match self {
            Self::Gray(_) => "gray",
            Self::Rgb(_) => "rgb",
            Self::Pixels(..) => "pixels",
        }
    }
}

/// One row of `pictures.arrow`.
#[derive(Debug, Clone)]
pub struct PictureRow<'a> {
    /// Every name that accepted rows use for it.
    pub names: Vec<&'a str>,
    /// BLAKE3 of the file's bytes.
    pub hash: [u8; 32],
    /// The file's format.
    pub format: &'a str,
    /// The file's own mode.
    pub mode: &'a str,
    /// `source_height`, `source_width`, `orientation`, `height`, `width`, `channels`.
    pub numbers: [u32; 6],
    /// Where its pixels lie.
    pub place: Place,
}

/// Values in the order of first appearance, and each row's number among them.
fn encode<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    let mut known: Vec<&str> = Vec::new();
    let keys: Vec<i32> = values
        .map(|value| {
            let at = known.iter().position(|other| *other == value).unwrap_or_else(|| {
                known.push(value);
                known.len() - 1
            });
            at as i32
        })
        .collect();
    Arc::new(DictionaryArray::new(
        Int32Array::from(keys),
        Arc::new(StringArray::from_iter_values(known)) as ArrayRef,
    ))
}

/// Writes `pictures.arrow`.
pub fn write_pictures(path: &Path, pictures: &[PictureRow<'_>]) -> Result<()> {
    let schema = pictures_schema();
    let mut file = ArrowFile::create(path, &schema)?;
    let (formats, modes) = (encode(pictures.iter().map(|p| p.format)), encode(pictures.iter().map(|p| p.mode)));
    let stores = encode(pictures.iter().map(|p| p.place.store()));
    for start in (0..pictures.len().max(1)).step_by(BATCH_ROWS) {
        let part = pictures.get(start..(start + BATCH_ROWS).min(pictures.len())).unwrap_or_default();
        let mut names = ListBuilder::new(StringBuilder::new());
        let mut hashes = FixedSizeBinaryBuilder::with_capacity(part.len(), 32);
        let mut numbers: [UInt32Builder; 6] = std::array::from_fn(|_| UInt32Builder::new());
        let mut places: [UInt64Builder; 3] = std::array::from_fn(|_| UInt64Builder::new());
        for picture in part {
            for name in &picture.names {
                names.values().append_value(name);
            }
            names.append(true);
            hashes.append_value(picture.hash).map_err(|error| refuse(path, error))?;
            for (builder, number) in numbers.iter_mut().zip(picture.numbers) {
                builder.append_value(number);
            }
            let place = match picture.place {
                Place::Gray(index) | Place::Rgb(index) => [Some(index), None, None],
                Place::Pixels(offset, length) => [None, Some(offset), Some(length)],
            };
            for (builder, value) in places.iter_mut().zip(place) {
                builder.append_option(value);
            }
        }
        let mut arrays: Vec<ArrayRef> = vec![
            Arc::new(names.finish()),
            Arc::new(hashes.finish()),
            formats.slice(start, part.len()),
            modes.slice(start, part.len()),
        ];
        arrays.extend(numbers.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef));
        arrays.push(stores.slice(start, part.len()));
        arrays.extend(places.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef));
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(|error| refuse(path, error))?;
        file.write(&batch)?;
    }
    file.finish()
}
