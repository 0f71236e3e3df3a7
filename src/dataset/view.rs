//! A shard mapped into memory: its tables and stores, every length and number checked once when it is opened.

#![expect(
    unsafe_code,
    reason = "files are mapped, see `map`; and the system is asked how often they had to be read"
)]

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::{convert::try_fb_to_schema, root_as_footer};
use bytes::Bytes;
use memmap2::{Advice, Mmap};

use crate::dataset::npy::DATA_OFFSET;
use crate::dataset::pictures::Place;
use crate::dataset::read::{StoredPicture, check_columns, guarded, read_pictures};
use crate::dataset::rows::rows_schema;
use crate::error::{Error, Result};

/// What stands behind the footer of an Arrow file: its length, and the magic.
const TRAILER: usize = 10;

/// Maps a whole file.
///
/// Shards are never changed once they are there, only replaced by rename (`docs/format.md`), so a mapping stays what it was. Somebody who
/// cuts a file off by hand takes it from under every reader, as with any mapped file.
pub fn map(path: &Path) -> Result<Mmap> {
    let refuse = |error| Error::io("map", path, error);
    let file = File::open(path).map_err(refuse)?;
    // SAFETY: see above: nobody writes to a finished shard.
    unsafe { Mmap::map(&file) }.map_err(refuse)
}

/// How often this process has waited for the disk because a page of a mapped file was not there; 0 where the system does not say.
pub fn major_faults() -> u64 {
    #[cfg(unix)]
    {
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: memory of the right size, which the call fills; all bits zero are a value of it, too.
        let usage = unsafe {
            libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
            usage.assume_init()
        };
        usage.ru_majflt as u64
    }
    #[cfg(not(unix))]
    0
}

/// Some rows of a shard, and how their pictures lie in the columns.
struct Part {
    /// The columns of `rows.arrow` that readers get.
    batch: RecordBatch,
    /// Column `pictures`.
    pictures: ArrayRef,
}

/// An open shard. Nothing is copied; pages are read when they are touched.
pub struct View {
    folder: PathBuf,
    parts: Vec<Part>,
    pictures: Vec<StoredPicture>,
    gray: Option<Mmap>,
    rgb: Option<Mmap>,
    pixels: Option<Mmap>,
}

impl View {
    /// Opens the shard in `folder`, which has so many rows and pictures.
    pub fn open(folder: &Path, rows: u64, pictures: u64) -> Result<Self> {
        let path = folder.join("rows.arrow");
        let parts = guarded(&path, || read_parts(&path))?;
        let found: usize = parts.iter().map(|part| part.batch.num_rows()).sum();
        if found as u64 != rows {
            return Err(Error::shard(
                &path,
                format!("expected {rows} rows, found {found}; run mmno-fast verify"),
            ));
        }
        let view = Self {
            folder: folder.to_owned(),
            parts,
            pictures: read_pictures(folder)?,
            gray: map_store(folder, "gray.npy")?,
            rgb: map_store(folder, "rgb.npy")?,
            pixels: map_store(folder, "pixels.npy")?,
        };
        view.check(pictures)?;
        Ok(view)
    }

    /// Every picture lies in its store, and every row names pictures that are there.
    fn check(&self, pictures: u64) -> Result<()> {
        let path = self.folder.join("pictures.arrow");
        let refuse = |message: String| Err(Error::shard(&path, format!("{message}; run mmno-fast verify")));
        if self.pictures.len() as u64 != pictures {
            return refuse(format!("expected {pictures} pictures, found {}", self.pictures.len()));
        }
        for (number, picture) in self.pictures.iter().enumerate() {
            if !matches!(picture.channels, 1 | 3) || self.stored(picture).is_none() {
                return refuse(format!("picture {number} lies outside {}.npy", picture.place.store()));
            }
        }
        for part in &self.parts {
            let values = part.pictures.as_list::<i32>().values();
            let most = arrow_array::Array::len(values);
            let numbers = values.as_primitive::<UInt32Type>();
            if numbers.null_count() > 0 || (0..most).any(|i| u64::from(numbers.value(i)) >= pictures) {
                return Err(Error::shard(
                    &self.folder.join("rows.arrow"),
                    "a row names a picture that is not there; run mmno-fast verify",
                ));
            }
        }
        Ok(())
    }

    /// The bytes of a picture in its store.
    fn stored(&self, picture: &StoredPicture) -> Option<&[u8]> {
        let store = match picture.place {
            Place::Gray(_) => &self.gray,
            Place::Rgb(_) => &self.rgb,
            Place::Pixels(..) => &self.pixels,
        };
        let (_, at) = picture.locate(&self.folder);
        let at = usize::try_from(at).ok()?;
        store.as_ref()?.get(at..)?.get(..usize::try_from(picture.bytes()).ok()?)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is stored of a picture, and its bytes: pixels, or the file where that is kept as it was.
    pub fn picture(&self, number: u32) -> Option<(&StoredPicture, &[u8])> {
        let picture = self.pictures.get(number as usize)?;
        Some((picture, self.stored(picture)?))
    }

    /// Asks the system to read a picture's bytes.
    pub fn will_need(&self, number: u32) {
        let Some(picture) = self.pictures.get(number as usize) else {
            return;
        };
        let store = match picture.place {
            Place::Gray(_) => &self.gray,
            Place::Rgb(_) => &self.rgb,
            Place::Pixels(..) => &self.pixels,
        };
        let (_, at) = picture.locate(&self.folder);
        if let (Some(store), Ok(at), Ok(length)) = (store, usize::try_from(at), usize::try_from(picture.bytes())) {
            // A hint: whether it can be followed changes nothing.
            let _ = store.advise_range(Advice::WillNeed, at, length);
        }
    }

    /// The part that holds a row, and the row in it.
    fn place(&self, row: u32) -> Option<(usize, usize)> {
        let mut left = row as usize;
        for (number, part) in self.parts.iter().enumerate() {
            if left < part.batch.num_rows() {
                return Some((number, left));
            }
            left -= part.batch.num_rows();
        }
        None
    }

    /// The batch that holds a row, and the row in it.
    pub fn row(&self, row: u32) -> Option<(&RecordBatch, usize)> {
        let (number, at) = self.place(row)?;
        Some((&self.parts[number].batch, at))
    }

    /// The pictures of a row, by their numbers in this shard.
    pub fn pictures_of(&self, row: u32) -> Option<&[u32]> {
        let (number, at) = self.place(row)?;
        let lists = self.parts[number].pictures.as_list::<i32>();
        let offsets = lists.value_offsets();
        let (start, end) = (offsets[at] as usize, offsets[at + 1] as usize);
        lists.values().as_primitive::<UInt32Type>().values().get(start..end)
    }
}

fn map_store(folder: &Path, name: &str) -> Result<Option<Mmap>> {
    let path = folder.join(name);
    if !path.exists() {
        return Ok(None);
    }
    let store = map(&path)?;
    if store.len() < DATA_OFFSET as usize || !store.starts_with(b"\x93NUMPY") {
        return Err(Error::shard(&path, "not a NumPy file; run mmno-fast verify"));
    }
    Ok(Some(store))
}

/// `rows.arrow`, its buffers in the mapped file.
fn read_parts(path: &Path) -> Result<Vec<Part>> {
    let refuse =
        |error: &dyn std::fmt::Display| Error::shard(path, format!("expected an Arrow file, found: {error}; run mmno-fast verify"));
    let buffer = Buffer::from(Bytes::from_owner(map(path)?));
    let cut = || refuse(&"it is cut off");
    let footer_end = buffer.len().checked_sub(TRAILER).ok_or_else(cut)?;
    let trailer = buffer[footer_end..].first_chunk::<TRAILER>().ok_or_else(cut)?;
    let footer_length = read_footer_length(*trailer).map_err(|error| refuse(&error))?;
    let footer_start = footer_end.checked_sub(footer_length).ok_or_else(cut)?;
    let footer = root_as_footer(&buffer[footer_start..footer_end]).map_err(|error| refuse(&error))?;
    let schema = try_fb_to_schema(footer.schema().ok_or_else(|| refuse(&"no schema"))?).map_err(|error| refuse(&error))?;
    check_columns(path, &schema, &rows_schema())?;
    let mut decoder = FileDecoder::new(schema.into(), footer.version());
    let part = |block: &arrow_ipc::Block| -> Result<Buffer> {
        let length = usize::try_from(block.bodyLength())
            .ok()
            .zip(usize::try_from(block.metaDataLength()).ok());
        let (offset, length) = usize::try_from(block.offset())
            .ok()
            .zip(length.and_then(|(body, head)| body.checked_add(head)))
            .ok_or_else(cut)?;
        if offset.checked_add(length).is_none_or(|end| end > footer_start) {
            return Err(cut());
        }
        Ok(buffer.slice_with_length(offset, length))
    };
    for block in footer.dictionaries().into_iter().flatten() {
        decoder.read_dictionary(block, &part(block)?).map_err(|error| refuse(&error))?;
    }
    let (mut parts, known) = (Vec::new(), rows_schema());
    for block in footer.recordBatches().into_iter().flatten() {
        let batch = decoder.read_record_batch(block, &part(block)?).map_err(|error| refuse(&error))?;
        let Some(batch) = batch else { continue };
        let Some(pictures) = batch.column_by_name("pictures").cloned() else {
            continue;
        };
        // Columns that a later version may have added are left out.
        let shown: Vec<usize> = known
            .fields()
            .iter()
            .filter(|field| field.name() != "pictures")
            .filter_map(|field| batch.schema().index_of(field.name()).ok())
            .collect();
        let batch = batch.project(&shown).map_err(|error| refuse(&error))?;
        parts.push(Part { batch, pictures });
    }
    Ok(parts)
}
