//! A shard's tables and pixels, read back: checked once, so that what uses them need not doubt.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, UInt32Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use arrow_ipc::reader::FileReader;

use crate::dataset::npy::DATA_OFFSET;
use crate::dataset::pictures::{Place, pictures_schema};
use crate::dataset::rows::rows_schema;
use crate::error::{Error, Result};

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
    pub place: Place,
}

/// Reads an Arrow file by way of `read`. `arrow-ipc` checks nearly everything, but some lengths of a damaged file make it panic.
pub(super) fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T>) -> Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(Error::shard(
            path,
            "expected an Arrow file, found lengths that cannot be; run mmno-fast verify",
        ))
    })
}

/// The batches of an Arrow file, of the expected columns.
fn batches(path: &Path, expected: &arrow_schema::Schema) -> Result<Vec<RecordBatch>> {
    guarded(path, || read_batches(path, expected))
}

fn read_batches(path: &Path, expected: &arrow_schema::Schema) -> Result<Vec<RecordBatch>> {
    let file = File::open(path).map_err(|error| Error::io("open", path, error))?;
    let refuse = |error: &dyn std::fmt::Display| Error::shard(path, format!("expected an Arrow file, found: {error}"));
    let reader = FileReader::try_new(file, None).map_err(|error| refuse(&error))?;
    check_columns(path, &reader.schema(), expected)?;
    reader.map(|batch| batch.map_err(|error| refuse(&error))).collect()
}

/// Refuses a file that lacks a column, or has it of another type; others may be there.
pub(super) fn check_columns(path: &Path, found: &arrow_schema::Schema, expected: &arrow_schema::Schema) -> Result<()> {
    for field in expected.fields() {
        let same = found
            .field_with_name(field.name())
            .is_ok_and(|own| own.data_type() == field.data_type());
        if !same {
            return Err(Error::shard(
                path,
                format!("expected a column {} of type {}", field.name(), field.data_type()),
            ));
        }
    }
    Ok(())
}

fn column<'b>(batch: &'b RecordBatch, name: &str, path: &Path) -> Result<&'b dyn Array> {
    batch
        .column_by_name(name)
        .map(|column| &**column)
        .ok_or_else(|| Error::shard(path, format!("the column {name} is missing")))
}

/// Reads `pictures.arrow` of a shard.
pub fn read_pictures(folder: &Path) -> Result<Vec<StoredPicture>> {
    let path = folder.join("pictures.arrow");
    let mut pictures = Vec::new();
    for batch in batches(&path, &pictures_schema())? {
        let numbers = |name: &str| Ok::<_, Error>(column(&batch, name, &path)?.as_primitive::<UInt32Type>());
        let places = |name: &str| Ok::<_, Error>(column(&batch, name, &path)?.as_primitive::<UInt64Type>());
        let hashes = column(&batch, "hash", &path)?.as_fixed_size_binary();
        let stores = column(&batch, "store", &path)?.as_dictionary::<Int32Type>();
        let store_names = stores.values().as_string::<i32>();
        let (height, width, channels) = (numbers("height")?, numbers("width")?, numbers("channels")?);
        let (index, offset, length) = (places("index")?, places("offset")?, places("length")?);
        for i in 0..batch.num_rows() {
            let store = stores
                .key(i)
                .filter(|&key| key < store_names.len())
                .map(|key| store_names.value(key));
            let place = match store {
                Some("gray") if index.is_valid(i) => Place::Gray(index.value(i)),
                Some("rgb") if index.is_valid(i) => Place::Rgb(index.value(i)),
                Some("pixels") if offset.is_valid(i) && length.is_valid(i) => Place::Pixels(offset.value(i), length.value(i)),
                _ => return Err(Error::shard(&path, format!("picture {i} is in no store"))),
            };
            let hash = <[u8; 32]>::try_from(hashes.value(i)).map_err(|_| Error::shard(&path, "a hash has no 32 bytes"))?;
            pictures.push(StoredPicture {
                hash,
                size: (height.value(i), width.value(i)),
                channels: channels.value(i),
                place,
            });
        }
    }
    Ok(pictures)
}

/// The pictures of each row of a shard, as positions in `pictures.arrow`; each row's names are counted against them.
pub fn read_row_pictures(folder: &Path) -> Result<Vec<Vec<u32>>> {
    let path = folder.join("rows.arrow");
    let mut rows = Vec::new();
    for batch in batches(&path, &rows_schema())? {
        let pictures = column(&batch, "pictures", &path)?.as_list::<i32>();
        let images = column(&batch, "images", &path)?.as_list::<i32>();
        for i in 0..batch.num_rows() {
            let own = pictures.value(i);
            if images.value(i).len() != own.len() {
                return Err(Error::shard(
                    &path,
                    format!("row {i} has {} names and {} pictures", images.value(i).len(), own.len()),
                ));
            }
            rows.push(own.as_primitive::<UInt32Type>().values().to_vec());
        }
    }
    Ok(rows)
}

impl StoredPicture {
    /// The bytes that it takes in its store: its pixels, or those of its file where that is kept as it was.
    pub fn bytes(&self) -> u64 {
        match self.place {
            Place::Pixels(_, length) => length,
            Place::Gray(_) | Place::Rgb(_) => self.pixels(),
        }
    }

    /// The bytes of its pixels.
    pub fn pixels(&self) -> u64 {
        u64::from(self.size.0) * u64::from(self.size.1) * u64::from(self.channels)
    }

    /// Its file, and where in it the pixels begin.
    pub fn locate(&self, folder: &Path) -> (PathBuf, u64) {
        match self.place {
            Place::Gray(index) => (
                folder.join("gray.npy"),
                DATA_OFFSET.saturating_add(index.saturating_mul(self.bytes())),
            ),
            Place::Rgb(index) => (
                folder.join("rgb.npy"),
                DATA_OFFSET.saturating_add(index.saturating_mul(self.bytes())),
            ),
            Place::Pixels(offset, _) => (folder.join("pixels.npy"), DATA_OFFSET.saturating_add(offset)),
        }
    }

    /// Replaces `into` with its pixels.
    pub fn read(&self, folder: &Path, into: &mut Vec<u8>) -> Result<()> {
        let (path, at) = self.locate(folder);
        let refuse = |error| Error::io("read", &path, error);
        let file = File::open(&path).map_err(refuse)?;
        let held = file.metadata().map_err(refuse)?.len();
        if at.checked_add(self.bytes()).is_none_or(|end| end > held) {
            return Err(Error::shard(&path, "the file is shorter than its pictures need"));
        }
        into.resize(self.bytes() as usize, 0);
        file.read_exact_at(into, at).map_err(refuse)
    }
}
