//! A folder of shards as a table: rows and pixels are views of mapped files.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, UInt64Type};
use arrow_select::interleave::interleave_record_batch;
use memmap2::Mmap;

use crate::error::{Error, Kind, Result};
use crate::load::output::Shape;
use crate::load::stats::{LoadStage, Stats};
use crate::load::table::{PictureId, Table, WorkerBuffers};
use crate::picture::{ImageSpec, Preparer, Size, probe};
use crate::shard::npy::DATA_OFFSET;
use crate::shard::view::{View, major_faults, map};

/// The bits of a picture's number that count within its shard.
const WITHIN: u32 = 32;

/// So many batches are hinted at after the disk was last waited for.
const HINTED: u32 = 64;

/// Whether hints are worth their price. Each is a call of the system; of data that its cache holds, all together are a tenth of a batch. So
/// there are some for as long as the process has lately waited for the disk, for whatever.
struct Hints {
    faults: AtomicU64,
    left: AtomicU32,
}

impl Hints {
    fn new() -> Self {
        Self {
            faults: AtomicU64::new(0),
            left: AtomicU32::new(HINTED),
        }
    }

    /// `faults`: how often the process has waited for the disk so far. (Two threads that ask at once may each count for the other: a hint
    /// more or less.)
    fn are_of_use(&self, faults: u64) -> bool {
        if self.faults.swap(faults, Ordering::Relaxed) != faults {
            self.left.store(HINTED, Ordering::Relaxed);
        }
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        left > 0
    }
}

/// One entry of the manifest.
#[derive(Debug, Clone)]
pub struct ShardEntry {
    /// Its folder, below the data set's.
    pub folder: String,
    /// Its rows.
    pub rows: u64,
    /// Its pictures.
    pub pictures: u64,
}

/// A finished data set. Shards are opened when they are first needed.
pub struct Shards {
    folder: PathBuf,
    entries: Vec<ShardEntry>,
    open: Vec<OnceLock<View>>,
    hints: Hints,
    rows: u64,
    /// `rows.index.npy`; none for no rows.
    index: Option<Mmap>,
    /// How the files are decoded, where shards keep files.
    files: Option<ImageSpec>,
}

impl Shards {
    /// Opens the data set in `folder`, of which the manifest says `entries` and `spec`.
    pub fn open(folder: &Path, entries: Vec<ShardEntry>, spec: &ImageSpec) -> Result<Self> {
        let rows = entries.iter().map(|entry| entry.rows).sum();
        let path = folder.join("rows.index.npy");
        let index = if rows == 0 { None } else { Some(map(&path)?) };
        if index.as_ref().is_some_and(|index| index.len() as u64 != DATA_OFFSET + 8 * rows) {
            return Err(Error::shard(&path, format!("expected {rows} numbers; run mmno-fast verify")));
        }
        let files = (spec.size == Size::Encoded).then(|| ImageSpec {
            size: Size::Original,
            ..spec.clone()
        });
        Ok(Self {
            folder: folder.to_owned(),
            open: entries.iter().map(|_| OnceLock::new()).collect(),
            hints: Hints::new(),
            entries,
            rows,
            index,
            files,
        })
    }

    /// The shard and the row in it of a row number.
    fn place(&self, row: u64) -> Result<(u32, u32)> {
        let number = || {
            let at = usize::try_from(row).ok()?.checked_mul(8)?.checked_add(DATA_OFFSET as usize)?;
            let bytes = self.index.as_ref()?.get(at..)?.first_chunk::<8>()?;
            Some(u64::from_le_bytes(*bytes))
        };
        let place = number().ok_or_else(|| Error::usage(format!("row {row} of {}", self.rows)))?;
        Ok(((place >> 32) as u32, place as u32))
    }

    fn shard(&self, number: u32) -> Result<&View> {
        let (Some(entry), Some(place)) = (self.entries.get(number as usize), self.open.get(number as usize)) else {
            return Err(Error::shard(
                &self.folder.join("rows.index.npy"),
                format!("a row points to shard {number} of {}; run mmno-fast verify", self.entries.len()),
            ));
        };
        if let Some(view) = place.get() {
            return Ok(view);
        }
        // Two threads may both open it; one of the views stays.
        let view = View::open(&self.folder.join(&entry.folder), entry.rows, entry.pictures).map_err(|error| match error.kind() {
            Kind::Io { path, source, .. } if source.kind() == ErrorKind::NotFound => Error::shard(
                path,
                "it is gone: if the data set was built anew since it was opened, open it again; else run mmno-fast verify",
            ),
            _ => error,
        })?;
        Ok(place.get_or_init(|| view))
    }
}

fn fault(shard: &View, what: &str) -> Error {
    Error::shard(shard.folder(), format!("{what} is not there; run mmno-fast verify"))
}

impl Table for Shards {
    fn rows(&self) -> u64 {
        self.rows
    }

    fn pictures_of(&self, row: u64, into: &mut Vec<PictureId>) -> Result<()> {
        let (number, at) = self.place(row)?;
        let shard = self.shard(number)?;
        let pictures = shard.pictures_of(at).ok_or_else(|| fault(shard, "a row"))?;
        into.extend(pictures.iter().map(|picture| u64::from(number) << WITHIN | u64::from(*picture)));
        Ok(())
    }

    fn size_of(&self, picture: PictureId) -> Result<(u32, u32)> {
        let shard = self.shard((picture >> WITHIN) as u32)?;
        let found = shard.picture(picture as u32).ok_or_else(|| fault(shard, "a picture"))?;
        Ok(found.0.size)
    }

    fn hash_of(&self, picture: PictureId) -> Result<[u8; 32]> {
        let shard = self.shard((picture >> WITHIN) as u32)?;
        let found = shard.picture(picture as u32).ok_or_else(|| fault(shard, "a picture"))?;
        Ok(found.0.hash)
    }

    fn decodes(&self) -> bool {
        self.files.is_some()
    }

    fn with_pixels(
        &self,
        picture: PictureId,
        buffers: &mut WorkerBuffers,
        stats: &Stats,
        then: &mut dyn FnMut(&[u8], Shape),
    ) -> Result<()> {
        let shard = self.shard((picture >> WITHIN) as u32)?;
        let (stored, bytes) = shard.picture(picture as u32).ok_or_else(|| fault(shard, "a picture"))?;
        let shape = |height: u32, width: u32, channels: u32| Shape {
            height: height as usize,
            width: width as usize,
            channels: channels as usize,
        };
        let Some(spec) = &self.files else {
            then(bytes, shape(stored.size.0, stored.size.1, stored.channels));
            return Ok(());
        };
        let refuse = |fault: crate::picture::Fault| Error::picture(shard.folder(), fault.code.name(), &fault.message);
        let header = probe(bytes).map_err(refuse)?;
        let preparer = buffers.preparer.get_or_insert_with(Preparer::new);
        let made = stats.time(LoadStage::Decode, || preparer.prepare(bytes, &header, spec, &mut buffers.pixels));
        let made = made.map_err(refuse)?;
        stats.decoded.fetch_add(1, Ordering::Relaxed);
        then(&buffers.pixels, shape(made.height, made.width, made.channels));
        Ok(())
    }

    fn will_need(&self, pictures: &[PictureId]) {
        if !self.hints.are_of_use(major_faults()) {
            return;
        }
        for picture in pictures {
            if let Ok(shard) = self.shard((picture >> WITHIN) as u32) {
                shard.will_need(*picture as u32);
            }
        }
    }

    fn read_rows(&self, rows: &[u64]) -> Result<RecordBatch> {
        let mut batches: Vec<&RecordBatch> = Vec::new();
        let mut places = Vec::with_capacity(rows.len());
        for row in rows {
            let (number, at) = self.place(*row)?;
            let shard = self.shard(number)?;
            let (batch, at) = shard.row(at).ok_or_else(|| fault(shard, "a row"))?;
            let known = batches.iter().position(|other| std::ptr::eq(*other, batch));
            places.push((known.unwrap_or(batches.len()), at));
            if known.is_none() {
                batches.push(batch);
            }
        }
        interleave_record_batch(&batches, &places).map_err(|error| Error::shard(&self.folder, format!("rows cannot be read: {error}")))
    }

    fn identity(&self, row: u64) -> Result<(String, u64)> {
        let (number, at) = self.place(row)?;
        let shard = self.shard(number)?;
        let (batch, at) = shard.row(at).ok_or_else(|| fault(shard, "a row"))?;
        let line = batch
            .column_by_name("line")
            .map(|column| column.as_primitive::<UInt64Type>().value(at));
        let source = batch.column_by_name("source").and_then(|column| {
            let column = column.as_dictionary::<Int32Type>();
            let names = column.values().as_string::<i32>();
            column
                .key(at)
                .filter(|key| *key < arrow_array::Array::len(names))
                .map(|key| names.value(key).to_owned())
        });
        line.zip(source)
            .map(|(line, source)| (source, line))
            .ok_or_else(|| fault(shard, "a row's source"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_end_where_nobody_waits_for_the_disk_and_come_back() {
        let hints = Hints::new();
        assert!((0..HINTED).all(|_| hints.are_of_use(0)));
        assert!(!hints.are_of_use(0));
        assert!((0..HINTED).all(|_| hints.are_of_use(3)));
        assert!((0..1000).all(|_| !hints.are_of_use(3)));
        assert!((4..1000).all(|faults| hints.are_of_use(faults)));
    }
}
