//! The pictures of a shard as Arrow columns, and where the pixels of each lie.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use arrow_array::builder::{FixedSizeBinaryBuilder, Int32Builder, ListBuilder, StringBuilder, UInt32Builder, UInt64Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, DictionaryArray, RecordBatch, StringArray};
use arrow_schema::{ArrowError, DataType, SchemaRef};

use crate::dataset::arrow_file::{ArrowFile, BATCH_ROWS, refuse};
use crate::dataset::rows::{dictionary, list, schema};
use crate::error::{Error, Result};

/// The columns that may hold nulls.
pub const NULLABLE_PICTURE_COLUMNS: [&str; 3] = ["index", "offset", "length"];

/// The schema of `pictures.arrow`.
pub fn pictures_schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
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
    });
    Arc::clone(&SCHEMA)
}

/// Where a picture's pixels lie in its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelPlace {
    /// `gray.npy`, at this index.
    Gray(u64),
    /// `rgb.npy`, at this index.
    Rgb(u64),
    /// `pixels.npy`: offset and length in bytes.
    Pixels(u64, u64),
}

impl PixelPlace {
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
pub struct KnownPicture<'a> {
    /// Every name that accepted rows use for it.
    pub names: Vec<&'a str>,
    /// BLAKE3 of the file's bytes.
    pub hash: [u8; 32],
    /// The file's format.
    pub format: &'a str,
    /// The file's own mode.
    pub mode: &'a str,
    /// Height and width of the file's picture.
    pub source_size: (u32, u32),
    /// EXIF orientation, 1 where there is none.
    pub orientation: u32,
    /// Height and width of its pixels.
    pub size: (u32, u32),
    /// Channels (1 or 3), and where the pixels lie; `None` where they are not stored.
    pub stored: Option<(u32, PixelPlace)>,
}

/// A column of few different values: these in the order of first appearance, and each row's number among them.
fn encode<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    let mut known: Vec<&str> = Vec::new();
    let mut keys = Int32Builder::new();
    for value in values {
        keys.append_option(value.map(|value| {
            let at = known.iter().position(|other| *other == value).unwrap_or_else(|| {
                known.push(value);
                known.len() - 1
            });
            at as i32
        }));
    }
    Arc::new(DictionaryArray::new(
        keys.finish(),
        Arc::new(StringArray::from_iter_values(known)) as ArrayRef,
    ))
}

/// The columns that are encoded as dictionaries: format, mode, store. They are made of all pictures, so that all batches share them.
fn encoded(pictures: &[KnownPicture<'_>]) -> [ArrayRef; 3] {
    [
        encode(pictures.iter().map(|picture| Some(picture.format))),
        encode(pictures.iter().map(|picture| Some(picture.mode))),
        encode(pictures.iter().map(|picture| picture.stored.map(|(_, place)| place.store()))),
    ]
}

/// Pictures as one batch.
pub fn pictures_batch(pictures: &[KnownPicture<'_>]) -> std::result::Result<RecordBatch, ArrowError> {
    batch_of(pictures, encoded(pictures))
}

fn batch_of(pictures: &[KnownPicture<'_>], [formats, modes, stores]: [ArrayRef; 3]) -> std::result::Result<RecordBatch, ArrowError> {
    let mut names = ListBuilder::new(StringBuilder::new());
    let mut hashes = FixedSizeBinaryBuilder::with_capacity(pictures.len(), 32);
    let mut numbers: [UInt32Builder; 6] = std::array::from_fn(|_| UInt32Builder::new());
    let mut places: [UInt64Builder; 3] = std::array::from_fn(|_| UInt64Builder::new());
    for picture in pictures {
        for name in &picture.names {
            names.values().append_value(name);
        }
        names.append(true);
        hashes.append_value(picture.hash)?;
        let own = [
            Some(picture.source_size.0),
            Some(picture.source_size.1),
            Some(picture.orientation),
            Some(picture.size.0),
            Some(picture.size.1),
            picture.stored.map(|(channels, _)| channels),
        ];
        for (builder, number) in numbers.iter_mut().zip(own) {
            builder.append_option(number);
        }
        let place = match picture.stored.map(|(_, place)| place) {
            Some(PixelPlace::Gray(index) | PixelPlace::Rgb(index)) => [Some(index), None, None],
            Some(PixelPlace::Pixels(offset, length)) => [None, Some(offset), Some(length)],
            None => [None; 3],
        };
        for (builder, value) in places.iter_mut().zip(place) {
            builder.append_option(value);
        }
    }
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(names.finish()), Arc::new(hashes.finish()), formats, modes];
    arrays.extend(numbers.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef));
    arrays.push(stores);
    arrays.extend(places.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef));
    RecordBatch::try_new(pictures_schema(), arrays)
}

/// Writes `pictures.arrow`.
pub fn write_pictures(path: &Path, pictures: &[KnownPicture<'_>]) -> Result<()> {
    let mut file = ArrowFile::create(path, &pictures_schema())?;
    let columns = encoded(pictures);
    for start in (0..pictures.len().max(1)).step_by(BATCH_ROWS) {
        let part = pictures.get(start..(start + BATCH_ROWS).min(pictures.len())).unwrap_or_default();
        let own = columns.each_ref().map(|column| column.slice(start, part.len()));
        file.write(&batch_of(part, own).map_err(|error| refuse(path, error))?)?;
    }
    file.finish()
}

/// What `pictures.arrow` says about one picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPicture {
    /// BLAKE3 of the file it came from.
    pub hash: [u8; 32],
    /// (H, W) of the pixels.
    pub size: (u32, u32),
    /// 1 or 3.
    pub channels: u32,
    /// Where the pixels lie.
    pub place: PixelPlace,
}

impl StoredPicture {
    /// The pictures of a batch of `pictures.arrow`; `path` is what to call the file.
    pub fn of_batch(batch: &RecordBatch, path: &Path) -> Result<Vec<Self>> {
        let column = |name: &str| {
            let found = batch.column_by_name(name).map(|column| &**column);
            found.ok_or_else(|| Error::shard(path, format!("the column {name} is missing")))
        };
        let numbers = |name: &str| Ok::<_, Error>(column(name)?.as_primitive::<UInt32Type>());
        let places = |name: &str| Ok::<_, Error>(column(name)?.as_primitive::<UInt64Type>());
        let hashes = column("hash")?.as_fixed_size_binary();
        let stores = column("store")?.as_dictionary::<Int32Type>();
        let names = stores.values().as_string::<i32>();
        let (height, width, channels) = (numbers("height")?, numbers("width")?, numbers("channels")?);
        let (index, offset, length) = (places("index")?, places("offset")?, places("length")?);
        let some = |column: &arrow_array::UInt64Array, i: usize| column.is_valid(i).then(|| column.value(i));
        let mut pictures = Vec::with_capacity(batch.num_rows());
        for i in 0..batch.num_rows() {
            let store = stores.key(i).filter(|&key| key < names.len()).map(|key| names.value(key));
            let place = match (store, some(index, i), some(offset, i), some(length, i)) {
                (Some("gray"), Some(at), None, None) => PixelPlace::Gray(at),
                (Some("rgb"), Some(at), None, None) => PixelPlace::Rgb(at),
                (Some("pixels"), None, Some(at), Some(length)) => PixelPlace::Pixels(at, length),
                _ => return Err(Error::shard(path, format!("picture {i} is in no store; run mmno-fast verify"))),
            };
            let hash = <[u8; 32]>::try_from(hashes.value(i)).map_err(|_| Error::shard(path, "a hash has no 32 bytes"))?;
            pictures.push(Self {
                hash,
                size: (height.value(i), width.value(i)),
                channels: channels.value(i),
                place,
            });
        }
        Ok(pictures)
    }

    /// The bytes that it takes in its store: its pixels, or those of its file where that is kept as it was.
    pub fn bytes(&self) -> u64 {
        match self.place {
            PixelPlace::Pixels(_, length) => length,
            PixelPlace::Gray(_) | PixelPlace::Rgb(_) => self.pixels().unwrap_or(u64::MAX),
        }
    }

    /// The bytes of its pixels, if 64 bits count them.
    pub fn pixels(&self) -> Option<u64> {
        (u64::from(self.size.0) * u64::from(self.size.1)).checked_mul(u64::from(self.channels))
    }
}
