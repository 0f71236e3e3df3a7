//! A folder of shards as a table: rows and pixels are views of mapped files.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, UInt64Type};
use arrow_schema::ArrowError;
use arrow_select::interleave::interleave_record_batch;
use bytes::Bytes;

use crate::dataset::index::{IndexEntry, RowIndex};
use crate::dataset::manifest::Manifest;
use crate::dataset::pictures::pictures_schema;
use crate::dataset::pixels::PIXEL_FILES;
use crate::dataset::record::INDEX;
use crate::dataset::rejects::{self, RejectedRow};
use crate::dataset::rows::rows_schema;
use crate::dataset::view::View;
use crate::error::{Error, Result};
use crate::finding::Code;
use crate::load::output::Shape;
use crate::load::stats::{LoadStage, Stats};
use crate::load::table::data_set::{DataSet, SourceIdentity};
use crate::load::table::{PictureId, Table, WorkerBuffers};
use crate::picture::{ImageSpec, Preparer, Size, probe};
use crate::store::paging::{Hints, major_faults};
use crate::store::{self, Store};

/// The bits of a picture's number that count within its shard.
const WITHIN: u32 = 32;

/// A finished data set. Shards are opened when they are first touched, and checked then.
pub struct Shards {
    whole: Arc<Whole>,
    open: Vec<OnceLock<View>>,
    hints: Hints,
}

/// What is read when a data set is opened; nothing in it changes.
struct Whole {
    store: Box<dyn Store>,
    manifest: Manifest,
    manifest_text: String,
    index: RowIndex,
    /// How the files are decoded, where shards keep files.
    files: Option<ImageSpec>,
}

impl Shards {
    /// Opens the data set at `location`: its manifest and its index.
    pub fn open(location: &Path) -> Result<Self> {
        let store = store::open::data_set(location)?;
        let (manifest, manifest_text) = Manifest::open_with_text(&*store)?;
        let files = (manifest.spec.size == Size::Encoded).then(|| ImageSpec {
            size: Size::Original,
            ..manifest.spec.clone()
        });
        let whole = Whole {
            index: RowIndex::open(&*store, &manifest)?,
            store,
            manifest,
            manifest_text,
            files,
        };
        Ok(Self::of(Arc::new(whole)))
    }

    fn of(whole: Arc<Whole>) -> Self {
        Self {
            open: whole.manifest.shards.iter().map(|_| OnceLock::new()).collect(),
            whole,
            hints: Hints::default(),
        }
    }

    /// The same data set, none of whose shards is open.
    #[must_use]
    pub fn unopened(&self) -> Self {
        Self::of(Arc::clone(&self.whole))
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.whole.manifest
    }

    fn place(&self, row: u64) -> Result<IndexEntry> {
        let place = self.whole.index.place(row);
        let place = place.ok_or_else(|| Error::usage(format!("row {row} of {}", self.whole.index.len())))?;
        match self.whole.manifest.shards.get(place.shard as usize) {
            Some(record) if u64::from(place.row) < record.rows => Ok(place),
            _ => Err(Error::shard(
                &self.whole.store.label(self.whole.manifest.name_of(INDEX)),
                format!(
                    "row {row} points to row {} of shard {}, which is not there; run mmno-fast verify",
                    place.row, place.shard
                ),
            )),
        }
    }

    fn shard(&self, number: u32) -> Result<&View> {
        let (Some(record), Some(slot)) = (self.whole.manifest.shards.get(number as usize), self.open.get(number as usize)) else {
            return Err(Error::shard(
                &self.whole.store.label(self.whole.manifest.name_of(INDEX)),
                format!("a row points to shard {number} of {}; run mmno-fast verify", self.open.len()),
            ));
        };
        if let Some(view) = slot.get() {
            return Ok(view);
        }
        // Two threads may both open it; one of the views stays.
        let view = View::open(&*self.whole.store.below(&record.folder), record, &self.whole.manifest.spec)?;
        Ok(slot.get_or_init(|| view))
    }

    /// The shard of a picture, and the picture's number there.
    fn shard_of(&self, picture: PictureId) -> Result<(&View, u32)> {
        Ok((self.shard((picture >> WITHIN) as u32)?, picture as u32))
    }

    /// Rows at these places, brought together; Arrow merges the dictionaries of their batches.
    fn interleave(&self, batches: &[&RecordBatch], places: &[(usize, usize)]) -> Result<RecordBatch> {
        interleave_record_batch(batches, places).map_err(|error| match error {
            ArrowError::OffsetOverflowError(_) => Error::too_much_text(),
            error => Error::shard(
                &self.whole.store.label(""),
                format!("rows cannot be brought together: {error}; run mmno-fast verify"),
            ),
        })
    }
}

fn fault(shard: &View, what: &str) -> Error {
    Error::shard(shard.folder(), format!("{what} is not there; run mmno-fast verify"))
}

impl Table for Shards {
    fn rows(&self) -> u64 {
        self.whole.index.len()
    }

    fn pictures_of(&self, row: u64, into: &mut Vec<PictureId>) -> Result<()> {
        let place = self.place(row)?;
        let shard = self.shard(place.shard)?;
        let pictures = shard.pictures_of(place.row).ok_or_else(|| fault(shard, "a row"))?;
        into.extend(
            pictures
                .iter()
                .map(|picture| u64::from(place.shard) << WITHIN | u64::from(*picture)),
        );
        Ok(())
    }

    fn size_of(&self, picture: PictureId) -> Result<(u32, u32)> {
        let (shard, number) = self.shard_of(picture)?;
        let found = shard.pictures().get(number).ok_or_else(|| fault(shard, "a picture"))?;
        Ok(found.0.size)
    }

    fn hash_of(&self, picture: PictureId) -> Result<[u8; 32]> {
        let (shard, number) = self.shard_of(picture)?;
        let found = shard.pictures().get(number).ok_or_else(|| fault(shard, "a picture"))?;
        Ok(found.0.hash)
    }

    fn decodes(&self) -> bool {
        self.whole.files.is_some()
    }

    fn with_pixels(
        &self,
        picture: PictureId,
        buffers: &mut WorkerBuffers,
        stats: &Stats,
        then: &mut dyn FnMut(&[u8], Shape),
    ) -> Result<()> {
        let shard = self.shard((picture >> WITHIN) as u32)?;
        let (stored, bytes) = shard.pictures().get(picture as u32).ok_or_else(|| fault(shard, "a picture"))?;
        let shape = |height: u32, width: u32, channels: u32| Shape {
            height: height as usize,
            width: width as usize,
            channels: channels as usize,
        };
        let Some(spec) = &self.whole.files else {
            then(bytes, shape(stored.size.0, stored.size.1, stored.channels));
            return Ok(());
        };
        // The build decoded it, so other bytes are damage to the shard, not a fault of the data.
        let refuse = |fault: crate::picture::Fault| {
            let (number, code) = (picture as u32, fault.code.name());
            let message = format!(
                "picture {number} cannot be decoded: {} ({code}); run mmno-fast verify",
                fault.message
            );
            Error::shard(&shard.folder().join(PIXEL_FILES[2]), message)
        };
        let header = probe(bytes).map_err(refuse)?;
        let preparer = buffers.preparer.get_or_insert_with(Preparer::new);
        let made = stats.time(LoadStage::Decode, || preparer.prepare(bytes, &header, spec, &mut buffers.pixels));
        let made = made.map_err(refuse)?;
        stats.decoded.fetch_add(1, Ordering::Relaxed);
        if (made.height, made.width) != stored.size {
            return Err(Error::shard(
                shard.folder(),
                format!(
                    "pictures.arrow says {} x {} of a picture whose file has {} x {}; run mmno-fast verify",
                    stored.size.1, stored.size.0, made.width, made.height
                ),
            ));
        }
        then(&buffers.pixels, shape(made.height, made.width, made.channels));
        Ok(())
    }

    fn will_need(&self, pictures: &[PictureId]) {
        if !self.hints.are_of_use(major_faults()) {
            return;
        }
        for picture in pictures {
            if let Ok(shard) = self.shard((picture >> WITHIN) as u32) {
                shard.pictures().will_need(*picture as u32);
            }
        }
    }

    fn read_rows(&self, rows: &[u64]) -> Result<RecordBatch> {
        let mut batches: Vec<&RecordBatch> = Vec::new();
        let mut places = Vec::with_capacity(rows.len());
        for row in rows {
            let place = self.place(*row)?;
            let shard = self.shard(place.shard)?;
            let (batch, at) = shard.row(place.row).ok_or_else(|| fault(shard, "a row"))?;
            // The batch of the row before is the likeliest.
            let known = batches.iter().rposition(|other| std::ptr::eq(*other, batch));
            places.push((known.unwrap_or(batches.len()), at));
            if known.is_none() {
                batches.push(batch);
            }
        }
        if batches.is_empty() {
            let mut none = RecordBatch::new_empty(rows_schema());
            if let Ok(at) = none.schema().index_of("pictures") {
                none.remove_column(at);
            }
            return Ok(none);
        }
        self.interleave(&batches, &places)
    }

    fn identity(&self, row: u64) -> Result<(String, u64)> {
        let place = self.place(row)?;
        let shard = self.shard(place.shard)?;
        let (batch, at) = shard.row(place.row).ok_or_else(|| fault(shard, "a row"))?;
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

impl DataSet for Shards {
    fn spec(&self) -> &ImageSpec {
        &self.whole.manifest.spec
    }

    fn sources(&self) -> Vec<SourceIdentity> {
        let sources = self.whole.manifest.sources.iter();
        sources
            .map(|source| SourceIdentity {
                name: source.name.clone(),
                blake3: source.blake3.clone(),
            })
            .collect()
    }

    fn rejected(&self) -> Result<Vec<RejectedRow>> {
        if self.whole.manifest.totals.rejected == 0 {
            return Ok(Vec::new());
        }
        let mut rejected = rejects::read(&*self.whole.store, &self.whole.manifest)?;
        rejected.sort();
        Ok(rejected)
    }

    fn stored_pictures(&self) -> Result<Vec<PictureId>> {
        let mut pictures = Vec::new();
        for number in 0..self.open.len() as u32 {
            let count = self.shard(number)?.pictures().all().len() as u64;
            pictures.extend((0..count).map(|picture| u64::from(number) << WITHIN | picture));
        }
        Ok(pictures)
    }

    fn describe(&self, pictures: &[PictureId]) -> Result<RecordBatch> {
        let mut batches: Vec<&RecordBatch> = Vec::new();
        let mut places = Vec::with_capacity(pictures.len());
        for picture in pictures {
            let (shard, number) = self.shard_of(*picture)?;
            let (batch, at) = shard.pictures().row(number).ok_or_else(|| fault(shard, "a picture"))?;
            let known = batches.iter().rposition(|other| std::ptr::eq(*other, batch));
            places.push((known.unwrap_or(batches.len()), at));
            if known.is_none() {
                batches.push(batch);
            }
        }
        if batches.is_empty() {
            return Ok(RecordBatch::new_empty(pictures_schema()));
        }
        self.interleave(&batches, &places)
    }

    fn pixels_in_place(&self, picture: PictureId) -> Result<Option<(Bytes, Shape)>> {
        if self.whole.files.is_some() {
            return Ok(None);
        }
        let (shard, number) = self.shard_of(picture)?;
        let (stored, bytes) = shard.pictures().get_shared(number).ok_or_else(|| fault(shard, "a picture"))?;
        let shape = Shape {
            height: stored.size.0 as usize,
            width: stored.size.1 as usize,
            channels: stored.channels as usize,
        };
        Ok(Some((bytes, shape)))
    }

    fn file_of(&self, picture: PictureId) -> Result<Bytes> {
        if self.whole.files.is_none() {
            return Err(Error::usage(
                "this data set holds pixels, not files: it was not built with Encoded()",
            ));
        }
        let (shard, number) = self.shard_of(picture)?;
        let (_, bytes) = shard.pictures().get_shared(number).ok_or_else(|| fault(shard, "a picture"))?;
        Ok(bytes)
    }

    fn rows_in_place(&self) -> Result<Option<Vec<RecordBatch>>> {
        let mut numbers = 0..self.whole.index.len();
        let shards = self.whole.manifest.shards.iter().zip(0..);
        let mut in_order = shards.flat_map(|(record, shard)| (0..record.rows as u32).map(move |row| IndexEntry { shard, row }));
        if !numbers.all(|number| self.whole.index.place(number) == in_order.next()) {
            return Ok(None);
        }
        let mut batches = Vec::new();
        for number in 0..self.open.len() as u32 {
            batches.extend(self.shard(number)?.row_batches().cloned());
        }
        Ok(Some(batches))
    }

    fn rejected_for(&self) -> Result<Vec<(RejectedRow, Vec<Code>)>> {
        Err(Error::usage(
            "shards hold accepted rows only; rejects.jsonl beside them has the others",
        ))
    }

    fn remembered_pictures(&self) -> u64 {
        0
    }

    fn manifest(&self) -> Option<(&Manifest, &str)> {
        Some((&self.whole.manifest, &self.whole.manifest_text))
    }

    fn after_fork(self: Arc<Self>) -> Arc<dyn DataSet> {
        Arc::new(self.unopened())
    }
}
