//! JSONL and pictures as a table, without a build: rows are read and pictures decoded when a batch needs them.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use arrow_array::RecordBatch;

use crate::error::{Error, Result};
use crate::finding::Code;
use crate::jsonl::lines::read_exact;
use crate::load::output::Shape;
use crate::load::stats::{LoadStage, Stats};
use crate::load::table::{PictureId, Table, WorkerBuffers};
use crate::picture::{Fault, Preparer, Size};
use crate::scan::rows::judge;
use crate::scan::{Options, Picture, RowEntry, Scan, open_source};
use crate::shard::rows::RowsBuilder;

/// A scan whose accepted rows are numbered. It is never changed, so any thread may use it, in a forked child as well.
pub struct Raw {
    scan: Scan,
    options: Options,
    files: Vec<File>,
    /// Of each accepted row its place in the scan.
    accepted: Vec<u32>,
    /// What `rejects` took out beyond what the scan did.
    withdrawn: Vec<(String, u64)>,
}

impl Raw {
    /// Numbers the accepted rows of a scan. `rejects` are further rows (source, line) that a build has rejected.
    pub fn new(mut scan: Scan, mut options: Options, rejects: &[(String, u64)]) -> Result<Self> {
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
        let mut withdrawn = Vec::new();
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
                if !std::mem::replace(&mut scan.rows[row].rejected, true) {
                    withdrawn.push((source.clone(), *line));
                }
            }
        }
        let accepted = (0..scan.rows.len() as u32)
            .filter(|row| !scan.rows[*row as usize].rejected)
            .collect();
        let files = scan
            .sources
            .iter()
            .map(|source| open_source(&source.path).map(|(file, _)| file))
            .collect::<Result<_>>()?;
        Ok(Self {
            scan,
            options,
            files,
            accepted,
            withdrawn,
        })
    }

    /// The scan.
    pub fn scan(&self) -> &Scan {
        &self.scan
    }

    /// Rows that only `rejects` took out.
    pub fn withdrawn(&self) -> &[(String, u64)] {
        &self.withdrawn
    }

    /// Names of each picture that accepted rows use, in the order of first use.
    pub fn names_of_pictures(&self) -> Vec<Vec<&str>> {
        let mut names: Vec<Vec<&str>> = vec![Vec::new(); self.scan.pictures.len()];
        let mut seen = vec![false; self.scan.names.len()];
        for row in &self.accepted {
            for name in self.scan.names_of(&self.scan.rows[*row as usize]) {
                if std::mem::replace(&mut seen[*name as usize], true) {
                    continue;
                }
                if let Some(picture) = self.scan.picture_of(*name) {
                    names[picture as usize].push(&self.scan.names[*name as usize]);
                }
            }
        }
        names
    }

    /// Height and width that each picture gets.
    pub fn planned_size(&self, picture: &Picture) -> (u32, u32) {
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
        let store = store.ok_or_else(|| Error::usage("a picture of a root that is not there"))?;
        let path = PathBuf::from(store.describe()).join(&picture.file);
        let unreadable = |error: std::io::Error| Error::picture(&path, Code::PictureUnreadable.name(), &format!("cannot be read: {error}"));
        store.read(&picture.file, into).map_err(unreadable)?;
        if blake3::hash(into) != picture.hash {
            return Err(changed(&path, None));
        }
        Ok(path)
    }

    /// All columns of `rows.arrow`; `pictures` counts in [`Scan::pictures`].
    pub fn read_all_columns(&self, rows: &[u64]) -> Result<RecordBatch> {
        let names: Vec<&str> = self.scan.sources.iter().map(|source| source.name.as_str()).collect();
        let mut builder = RowsBuilder::new(&names);
        let (mut line, mut pictures) = (Vec::new(), Vec::new());
        for row in rows {
            let entry = self.row(*row)?;
            let source = &self.scan.sources[entry.source as usize];
            line.resize(entry.length as usize, 0);
            read_exact(&self.files[entry.source as usize], &source.path, entry.offset, &mut line)?;
            let judged = judge(&line, entry.offset, &self.options, &mut Vec::new());
            let Some((parsed, meaning)) = judged.filter(|_| blake3::hash(&line).as_bytes()[..16] == entry.hash) else {
                return Err(changed(&source.path, Some(entry.line)));
            };
            pictures.clear();
            pictures.extend(self.scan.names_of(entry).iter().filter_map(|name| self.scan.picture_of(*name)));
            builder.push(entry.source, entry.line, &parsed, &meaning, &pictures);
        }
        builder
            .finish()
            .map_err(|error| Error::usage(format!("rows cannot be read: {error}")))
    }
}

fn changed(path: &Path, line: Option<u64>) -> Error {
    Error::data(
        path,
        line,
        None,
        "changed since the data set was opened; leave the input alone, and open it again",
    )
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
        let refuse = |fault: Fault| Error::picture(&path, fault.code.name(), &fault.message);
        let preparer = buffers.preparer.get_or_insert_with(Preparer::new);
        let (file, pixels) = (&buffers.file, &mut buffers.pixels);
        let made = stats.time(LoadStage::Decode, || {
            preparer.prepare(file, &picture.probe, &self.options.spec, pixels)
        });
        let made = made.map_err(refuse)?;
        stats.decoded.fetch_add(1, Ordering::Relaxed);
        let [height, width, channels] = [made.height, made.width, made.channels].map(|n| n as usize);
        then(&buffers.pixels, Shape { height, width, channels });
        Ok(())
    }

    fn will_need(&self, _pictures: &[PictureId]) {
        // Files are read whole, by several threads: that is read-ahead enough.
    }

    fn read_rows(&self, rows: &[u64]) -> Result<RecordBatch> {
        let mut batch = self.read_all_columns(rows)?;
        if let Ok(at) = batch.schema().index_of("pictures") {
            batch.remove_column(at);
        }
        Ok(batch)
    }

    fn identity(&self, row: u64) -> Result<(String, u64)> {
        let entry = self.row(row)?;
        Ok((self.scan.sources[entry.source as usize].name.clone(), entry.line))
    }
}
