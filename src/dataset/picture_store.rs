//! The pictures of an open shard: their table, and the mapped stores that hold their pixels or files.

use std::ops::Range;

use arrow_array::RecordBatch;
use bytes::Bytes;

use crate::dataset::files::{self, damaged};
use crate::dataset::manifest::ShardRecord;
use crate::dataset::npy::{DATA_OFFSET, header};
use crate::dataset::pictures::{NULLABLE_PICTURE_COLUMNS, PixelPlace, StoredPicture, pictures_schema};
use crate::dataset::pixels::PIXEL_FILES;
use crate::dataset::read::read_batches;
use crate::dataset::record::UNIT_FILE;
use crate::error::Result;
use crate::picture::{ImageSpec, Size};
use crate::store::{Region, Store};

/// The table of pictures.
const TABLE: &str = "pictures.arrow";

/// The length that the manifest says of a file of a shard.
fn listed(store: &dyn Store, record: &ShardRecord, name: &str) -> Result<u64> {
    let listed = record.files.iter().find(|file| file.name == name).map(|file| file.bytes);
    listed.ok_or_else(|| damaged(store, name, "the manifest does not list this file"))
}

/// The bytes of a file of a shard, which has the length that the manifest says.
pub(super) fn map(store: &dyn Store, record: &ShardRecord, name: &str) -> Result<Region> {
    files::map(store, name, listed(store, record, name)?)
}

/// Refuses a shard whose own record is not the one that the manifest means.
pub(super) fn check_record(store: &dyn Store, record: &ShardRecord) -> Result<()> {
    let listed = record.files.iter().find(|file| file.name == UNIT_FILE);
    let listed = listed.ok_or_else(|| damaged(store, UNIT_FILE, "the manifest does not list this file"))?;
    files::check_small(store, listed)
}

/// Parses a table of pictures.
fn parse(store: &dyn Store, region: &Region) -> Result<(Vec<RecordBatch>, Vec<StoredPicture>)> {
    let path = store.label(TABLE);
    let batches = read_batches(region, &path, &pictures_schema(), &NULLABLE_PICTURE_COLUMNS)?;
    let mut pictures = Vec::new();
    for batch in &batches {
        pictures.extend(StoredPicture::of_batch(batch, &path)?);
    }
    Ok((batches, pictures))
}

/// The pictures of the shard that `store` holds, by its table alone: for a builder, before there is a manifest.
pub fn read_pictures(store: &dyn Store) -> Result<Vec<StoredPicture>> {
    Ok(parse(store, &files::map_unlisted(store, TABLE)?)?.1)
}

/// Pictures, each with its bytes in a mapped store.
pub struct PictureStore {
    pictures: Vec<StoredPicture>,
    batches: Vec<RecordBatch>,
    stores: [Option<Region>; 3],
}

impl PictureStore {
    /// Opens the pictures of the shard that `store` holds and `record` describes, of a data set with this spec.
    pub fn open(store: &dyn Store, record: &ShardRecord, spec: &ImageSpec) -> Result<Self> {
        let (batches, pictures) = parse(store, &map(store, record, TABLE)?)?;
        if pictures.len() as u64 != record.pictures {
            let message = format!("expected {} pictures, found {}", record.pictures, pictures.len());
            return Err(damaged(store, TABLE, &message));
        }
        let filled = check_places(&pictures, record, spec).map_err(|message| damaged(store, TABLE, &message))?;
        Ok(Self {
            stores: open_stores(store, record, spec, filled)?,
            pictures,
            batches,
        })
    }

    /// What is known of each.
    pub fn all(&self) -> &[StoredPicture] {
        &self.pictures
    }

    /// The batch of `pictures.arrow` that holds a picture, and the row there.
    pub fn row(&self, number: u32) -> Option<(&RecordBatch, usize)> {
        let mut left = number as usize;
        for batch in &self.batches {
            if left < batch.num_rows() {
                return Some((batch, left));
            }
            left -= batch.num_rows();
        }
        None
    }

    /// The store of a picture, and where in it the picture lies.
    fn place(&self, picture: &StoredPicture) -> Option<(&Region, Range<usize>)> {
        let (store, at) = match picture.place {
            PixelPlace::Gray(index) => (0, index.checked_mul(picture.bytes())?),
            PixelPlace::Rgb(index) => (1, index.checked_mul(picture.bytes())?),
            PixelPlace::Pixels(offset, _) => (2, offset),
        };
        let start = usize::try_from(at.checked_add(DATA_OFFSET)?).ok()?;
        let end = start.checked_add(usize::try_from(picture.bytes()).ok()?)?;
        let region = self.stores[store].as_ref()?;
        (end <= region.as_slice().len()).then_some((region, start..end))
    }

    /// What is stored of a picture, and its bytes: pixels, or the file where that is kept as it was.
    pub fn get(&self, number: u32) -> Option<(&StoredPicture, &[u8])> {
        let picture = self.pictures.get(number as usize)?;
        let (region, range) = self.place(picture)?;
        Some((picture, region.as_slice().get(range)?))
    }

    /// As [`Self::get`], with bytes that hold on to the mapped file.
    pub fn get_shared(&self, number: u32) -> Option<(&StoredPicture, Bytes)> {
        let picture = self.pictures.get(number as usize)?;
        let (region, range) = self.place(picture)?;
        Some((picture, region.bytes().slice(range)))
    }

    /// Asks the system to read a picture's bytes.
    pub fn will_need(&self, number: u32) {
        if let Some((region, range)) = self.pictures.get(number as usize).and_then(|picture| self.place(picture)) {
            region.will_need(range);
        }
    }
}

/// Every picture has pixels, in the size that the spec says, and its place follows from those before it. The bytes that `pixels.npy` must hold.
fn check_places(pictures: &[StoredPicture], record: &ShardRecord, spec: &ImageSpec) -> std::result::Result<u64, String> {
    let target = spec.target();
    let is_encoded = spec.size == Size::Encoded;
    let (mut found, mut filled) = ([0u64; 3], 0u64);
    for (number, picture) in pictures.iter().enumerate() {
        let (store, expected, given, fits) = match picture.place {
            PixelPlace::Gray(index) => (0, found[0], index, picture.channels == 1 && target == Some(picture.size)),
            PixelPlace::Rgb(index) => (1, found[1], index, picture.channels == 3 && target == Some(picture.size)),
            PixelPlace::Pixels(offset, length) => {
                // Of a file that is kept as it was, only decoding tells the size. It is never above the limit.
                let pixels = u64::from(picture.size.0) * u64::from(picture.size.1);
                let fits =
                    matches!(picture.channels, 1 | 3) && (picture.pixels() == Some(length) || is_encoded && pixels <= spec.decode_limit);
                (2, filled, offset, fits && target.is_none())
            }
        };
        if picture.size.0 == 0 || picture.size.1 == 0 {
            return Err(format!("picture {number} has no pixels: its height or width is 0"));
        }
        if !fits {
            return Err(format!(
                "picture {number} has another size than the manifest says, or than its place holds"
            ));
        }
        if expected != given {
            return Err(format!(
                "picture {number} is expected at {expected} of {}, found at {given}",
                PIXEL_FILES[store]
            ));
        }
        found[store] += 1;
        if store == 2 {
            filled = filled
                .checked_add(picture.bytes())
                .ok_or("its pictures are longer than 64 bits count")?;
        }
    }
    if found == [record.gray, record.rgb, record.pixels] {
        Ok(filled)
    } else {
        Err("the manifest counts the pictures of each store differently".to_owned())
    }
}

/// Maps the stores. Their headers say just what their pictures need; `filled`: the bytes that `pixels.npy` must hold.
fn open_stores(store: &dyn Store, record: &ShardRecord, spec: &ImageSpec, filled: u64) -> Result<[Option<Region>; 3]> {
    let (height, width) = spec
        .target()
        .map_or((0, 0), |(height, width)| (u64::from(height), u64::from(width)));
    let counts = [record.gray, record.rgb, record.pixels];
    let shapes = [vec![record.gray, height, width], vec![record.rgb, height, width, 3], vec![filled]];
    let mut stores = [None, None, None];
    for (number, (count, shape)) in counts.into_iter().zip(shapes).enumerate().filter(|(_, (count, _))| *count > 0) {
        let name = PIXEL_FILES[number];
        let bytes = shape.iter().try_fold(1, |product: u64, side| product.checked_mul(*side));
        let length = bytes.and_then(|bytes| bytes.checked_add(DATA_OFFSET));
        if length != Some(listed(store, record, name)?) {
            let message = format!("it has not the length that {count} pictures need");
            return Err(damaged(store, name, &message));
        }
        let region = map(store, record, name)?;
        if !region.as_slice().starts_with(&header("|u1", &shape)) {
            return Err(damaged(store, name, "its header does not say the shape that its pictures need"));
        }
        stores[number] = Some(region);
    }
    Ok(stores)
}
