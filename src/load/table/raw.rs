//! JSONL and pictures as a table, without a build: rows are read and pictures decoded when a batch needs them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use bytes::Bytes;

use crate::dataset::manifest::Manifest;
use crate::dataset::pictures::{KnownPicture, pictures_batch};
use crate::dataset::record::hex;
use crate::dataset::rejects::RejectedRow;
use crate::dataset::rows::RowsBuilder;

use crate::error::{Error, Result};
use crate::finding::Code;
use crate::jsonl::judge::judge;
use crate::jsonl::source::{JsonLines, RowSource, row_hash};
use crate::load::output::Shape;
use crate::load::stats::{LoadStage, Stats};
use crate::load::table::data_set::{DataSet, SourceIdentity};
use crate::load::table::{PictureId, Table, WorkerBuffers};
use crate::picture::{Fault, ImageSpec, KEPT_BUFFER_BYTES, Preparer, Size, keep_at_most};
use crate::scan::model::{Picture, RowEntry, Scan};
use crate::scan::options::ScanOptions;
use crate::store::read::{KnownFile, read_known};

/// What is said of input that is not what it was.
const CHANGED: &str = "changed since the data set was opened; leave the input alone, and open it again";

/// The text that one batch may hold: JSON escapes grow to no more than three times their length, and offsets count 2 GiB.
const MAX_TEXT_BYTES: u64 = 640 << 20;

/// A scan whose accepted rows are numbered. It is never changed, so any thread may use it, in a forked child as well.
pub struct Raw {
    scan: Scan,
    options: ScanOptions,
    /// The spec as it was given; that of `options` decodes files that a build would keep.
    given: ImageSpec,
    files: Vec<JsonLines>,
    /// Of each accepted row its place in the scan.
    accepted: Vec<u32>,
    /// The names of each picture by accepted rows, in the order of first use.
    picture_names: Vec<Vec<u32>>,
}

impl Raw {
    /// Numbers the accepted rows of a scan. `rejects` are further rows (source, line) that a build has rejected.
    pub fn new(mut scan: Scan, mut options: ScanOptions, rejects: &[(String, u64)]) -> Result<Self> {
        let given = options.spec.clone();
        if options.spec.size == Size::Encoded {
            // Files as they are become the pictures that they hold.
            options.spec.size = Size::Original;
        }
        if let Some(source) = scan.infos.iter().position(|info| info.not_lines) {
            return Err(Error::data(
                &scan.sources[source].path,
                None,
                None,
                "expected one JSON object a line, found one JSON value; convert it to JSON Lines (source.not_lines)",
            ));
        }
        if !rejects.is_empty() {
            let numbers: HashMap<&str, u32> = scan
                .sources
                .iter()
                .zip(0..)
                .map(|(source, number)| (source.name.as_str(), number))
                .collect();
            for (source, line) in rejects {
                let known = numbers.get(source.as_str()).copied();
                let row = known.and_then(|own| scan.rows.binary_search_by_key(&(own, *line), |row| (row.source, row.line)).ok());
                let Some(row) = row else {
                    return Err(Error::usage(format!(
                        "rejects: {source}:{line} is no row of these sources; give the rejects.jsonl of a build of the same data"
                    )));
                };
                scan.rows[row].rejected = true;
            }
        }
        let accepted = (0..scan.rows.len() as u32)
            .filter(|row| !scan.rows[*row as usize].rejected)
            .collect();
        let files = scan
            .sources
            .iter()
            .map(|source| JsonLines::open(&source.path))
            .collect::<Result<_>>()?;
        Ok(Self {
            picture_names: scan.names_by_picture(),
            scan,
            options,
            given,
            files,
            accepted,
        })
    }

    /// The scan.
    pub fn scan(&self) -> &Scan {
        &self.scan
    }

    fn planned_size(&self, picture: &Picture) -> (u32, u32) {
        self.options.spec.output_size(&picture.probe)
    }

    fn row(&self, row: u64) -> Result<&RowEntry> {
        let entry = usize::try_from(row).ok().and_then(|row| self.accepted.get(row));
        entry
            .and_then(|entry| self.scan.rows.get(*entry as usize))
            .ok_or_else(|| Error::usage(format!("row {row} of {}", self.accepted.len())))
    }

    fn picture(&self, picture: PictureId) -> Result<&Picture> {
        usize::try_from(picture)
            .ok()
            .and_then(|picture| self.scan.pictures.get(picture))
            .ok_or_else(|| Error::usage(format!("picture {picture} of {}", self.scan.pictures.len())))
    }

    fn read_picture(&self, picture: &Picture, into: &mut Vec<u8>) -> Result<PathBuf> {
        let store = self.scan.resolver.as_ref().and_then(|resolver| resolver.store(picture.root));
        let store = store.ok_or_else(|| Error::internal("a picture of a root that is not there"))?;
        let known = KnownFile {
            file: &picture.file,
            hash: &picture.hash,
            changed: CHANGED,
        };
        read_known(store, known, into)
    }
}

impl Table for Raw {
    fn rows(&self) -> u64 {
        self.accepted.len() as u64
    }

    fn pictures_of(&self, row: u64, into: &mut Vec<PictureId>) -> Result<()> {
        let names = self.scan.names_of(self.row(row)?);
        into.extend(names.iter().filter_map(|name| self.scan.picture_of(*name)).map(u64::from));
        Ok(())
    }

    fn size_of(&self, picture: PictureId) -> Result<(u32, u32)> {
        Ok(self.planned_size(self.picture(picture)?))
    }

    fn hash_of(&self, picture: PictureId) -> Result<[u8; 32]> {
        Ok(self.picture(picture)?.hash)
    }

    fn decodes(&self) -> bool {
        true
    }

    fn with_pixels(
        &self,
        picture: PictureId,
        buffers: &mut WorkerBuffers,
        stats: &Stats,
        then: &mut dyn FnMut(&[u8], Shape),
    ) -> Result<()> {
        let picture = self.picture(picture)?;
        let path = stats.time(LoadStage::Read, || self.read_picture(picture, &mut buffers.file))?;
        let refuse = |fault: Fault| Error::picture(&path, fault.code, &fault.message);
        let budget = buffers.budget.clone();
        let bytes = self.options.spec.working_bytes(&picture.probe);
        let share = budget.as_ref().map(|budget| stats.time(LoadStage::Decode, || budget.take(bytes)));
        let preparer = buffers.preparer.get_or_insert_with(Preparer::new);
        let (file, pixels) = (&buffers.file, &mut buffers.pixels);
        let made = stats.time(LoadStage::Decode, || {
            preparer.prepare(file, &picture.probe, &self.options.spec, pixels)
        });
        let made = made.map_err(refuse)?;
        stats.decoded.fetch_add(1, Ordering::Relaxed);
        let [height, width, channels] = [made.height, made.width, made.channels].map(|n| n as usize);
        then(&buffers.pixels, Shape { height, width, channels });
        keep_at_most(KEPT_BUFFER_BYTES, &mut buffers.file);
        keep_at_most(KEPT_BUFFER_BYTES, &mut buffers.pixels);
        drop(share);
        Ok(())
    }

    fn will_need(&self, _pictures: &[PictureId]) {
        // Files are read whole, by several threads: that is read-ahead enough.
    }

    fn read_rows(&self, rows: &[u64]) -> Result<RecordBatch> {
        let names: Vec<&str> = self.scan.sources.iter().map(|source| source.name.as_str()).collect();
        let mut builder = RowsBuilder::new(&names);
        let (mut line, mut bytes) = (Vec::new(), 0u64);
        for row in rows {
            let entry = self.row(*row)?;
            bytes += entry.length;
            if bytes > MAX_TEXT_BYTES && rows.len() > 1 {
                return Err(Error::too_much_text());
            }
            let source = &self.scan.sources[entry.source as usize];
            self.files[entry.source as usize].read(entry.place(), &mut line)?;
            let judged = judge(&line, entry.offset, &self.options.rows, &mut Vec::new());
            let Some((parsed, meaning)) = judged.filter(|_| row_hash(&line) == entry.hash) else {
                return Err(Error::data(&source.path, Some(entry.line), None, CHANGED));
            };
            builder.push(entry.source, entry.line, &parsed, &meaning, &[]);
        }
        let failed = |error: ArrowError| Error::internal(format!("rows cannot be read: {error}"));
        let mut batch = builder.finish().map_err(failed)?;
        // Whoever wants pictures has their numbers.
        let at = batch.schema().index_of("pictures").map_err(failed)?;
        batch.remove_column(at);
        Ok(batch)
    }

    fn identity(&self, row: u64) -> Result<(String, u64)> {
        let entry = self.row(row)?;
        Ok((self.scan.sources[entry.source as usize].name.clone(), entry.line))
    }
}

impl DataSet for Raw {
    fn spec(&self) -> &ImageSpec {
        &self.given
    }

    fn sources(&self) -> Vec<SourceIdentity> {
        let known = self.scan.sources.iter().zip(&self.scan.infos);
        known
            .map(|(source, info)| SourceIdentity {
                name: source.name.clone(),
                blake3: hex(&info.hash),
            })
            .collect()
    }

    fn rejected(&self) -> Result<Vec<RejectedRow>> {
        let rows = self.scan.rows.iter().filter(|row| row.rejected);
        let mut rejected: Vec<RejectedRow> = rows
            .map(|row| RejectedRow {
                source: self.scan.sources[row.source as usize].name.clone(),
                line: row.line,
            })
            .collect();
        rejected.sort();
        Ok(rejected)
    }

    fn stored_pictures(&self) -> Result<Vec<PictureId>> {
        Ok((0..self.scan.pictures.len() as u64).collect())
    }

    fn describe(&self, pictures: &[PictureId]) -> Result<RecordBatch> {
        let mut rows = Vec::with_capacity(pictures.len());
        for id in pictures {
            let picture = self.picture(*id)?;
            let (height, width) = self.planned_size(picture);
            let own = self.picture_names.get(*id as usize).map(Vec::as_slice).unwrap_or_default();
            rows.push(KnownPicture {
                names: own.iter().map(|name| &*self.scan.names[*name as usize]).collect(),
                hash: picture.hash,
                format: picture.probe.format.as_str(),
                mode: picture.probe.mode.as_str(),
                source_size: (picture.probe.height, picture.probe.width),
                orientation: picture.probe.orientation,
                size: (height, width),
                stored: None,
            });
        }
        pictures_batch(&rows).map_err(|error| Error::internal(format!("pictures cannot be described: {error}")))
    }

    fn pixels_in_place(&self, _picture: PictureId) -> Result<Option<(Bytes, Shape)>> {
        Ok(None)
    }

    fn file_of(&self, picture: PictureId) -> Result<Bytes> {
        let mut file = Vec::new();
        self.read_picture(self.picture(picture)?, &mut file)?;
        Ok(file.into())
    }

    fn rows_in_place(&self) -> Result<Option<Vec<RecordBatch>>> {
        Ok(None)
    }

    fn rejected_for(&self) -> Result<Vec<(RejectedRow, Vec<Code>)>> {
        let named = self.scan.rejected().map(|(row, codes)| {
            let source = self.scan.sources[row.source as usize].name.clone();
            (RejectedRow { source, line: row.line }, codes)
        });
        Ok(named.collect())
    }

    fn remembered_pictures(&self) -> u64 {
        self.scan.pictures.len() as u64
    }

    fn manifest(&self) -> Option<(&Manifest, &str)> {
        None
    }

    fn after_fork(self: Arc<Self>) -> Arc<dyn DataSet> {
        self
    }
}
