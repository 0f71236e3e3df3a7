//! A shard whose pixels are all there is sealed: tables, hashes, its record, and its name in the data set.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::builder::inputs::Inputs;
use crate::builder::task::{TaskRow, UnitTask};
use crate::dataset::pictures::{KnownPicture, PixelPlace, write_pictures};
use crate::dataset::pixels::{PIXEL_FILES, PixelWriter};
use crate::dataset::record::{FileInfo, SHARD_FORMAT, UNIT_FILE, UnitFile, UnitReject};
use crate::dataset::rows::RowsWriter;
use crate::error::{Error, Result};
use crate::finding::Code;
use crate::jsonl::judge::judge;
use crate::jsonl::source::{RowSource, row_hash};
use crate::picture::Fault;
use crate::store::folder::FolderStore;
use crate::store::hash::hash;
use crate::store::own_folder::write_file;
use crate::store::{Sink, Store};

/// A picture of a unit as its shard holds it, or why it does not.
pub type Outcome = std::result::Result<Stored, Fault>;

/// A stored picture.
#[derive(Debug, Clone, Copy)]
pub struct Stored {
    /// Rows of pixels.
    pub height: u32,
    /// Columns.
    pub width: u32,
    /// 1 or 3.
    pub channels: u32,
    /// Where the pixels lie.
    pub place: PixelPlace,
}

/// A shard whose pictures are all there, or are taken over by linking.
pub struct Sealing {
    /// The unit.
    pub task: Arc<UnitTask>,
    /// Where the shard is being made.
    pub folder: PathBuf,
    /// The pixel files, still open; `None` where they are linked.
    pub pixels: Option<PixelWriter>,
    /// What became of each picture of the unit, in order.
    pub outcomes: Vec<Outcome>,
}

/// The record of a shard that has its name in the data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// What it holds.
    pub record: UnitFile,
    /// The entry of the record's own file.
    pub own: FileInfo,
}

/// Which of the pixel files a picture is in: its number in [`PIXEL_FILES`].
pub(super) fn pixel_file(place: PixelPlace) -> usize {
    match place {
        PixelPlace::Gray(_) => 0,
        PixelPlace::Rgb(_) => 1,
        PixelPlace::Pixels(..) => 2,
    }
}

impl Sealing {
    /// Writes the tables, hashes everything, and gives the shard its name.
    pub fn seal(self, inputs: &Inputs, sink: &dyn Sink, scratch: &mut Vec<u8>) -> Result<Built> {
        if let Some(pixels) = self.pixels {
            pixels.finish()?;
        }
        let (task, folder) = (&*self.task, &*self.folder);
        let mut counts = [0u64; 3];
        for stored in self.outcomes.iter().flatten() {
            counts[pixel_file(stored.place)] += 1;
        }
        let pictures = picture_rows(task, &self.outcomes);
        write_pictures(&folder.join("pictures.arrow"), &pictures)?;
        let (rows, rejects) = write_rows(task, &self.outcomes, inputs, &folder.join("rows.arrow"), scratch)?;

        let mut names: Vec<&str> = vec!["pictures.arrow", "rows.arrow"];
        names.extend(
            PIXEL_FILES
                .iter()
                .zip(counts)
                .filter(|(_, count)| *count > 0)
                .map(|(name, _)| *name),
        );
        names.sort_unstable();
        let made = FolderStore::new(folder);
        let files = names
            .into_iter()
            .map(|name| hashed(&made, name, scratch))
            .collect::<Result<Vec<_>>>()?;
        let [gray, rgb, pixels] = counts;
        let record = UnitFile {
            format: SHARD_FORMAT,
            fingerprint: task.fingerprint().to_owned(),
            rows,
            pictures: pictures.len() as u64,
            gray,
            rgb,
            pixels,
            files,
            rejects,
        };
        let bytes = record.to_bytes();
        write_file(&folder.join(UNIT_FILE), &bytes)?;
        sink.publish(folder, task.folder())?;
        let own = FileInfo::of(UNIT_FILE, &bytes);
        Ok(Built { record, own })
    }
}

/// The entry of a file that has just been written.
fn hashed(store: &dyn Store, name: &str, scratch: &mut Vec<u8>) -> Result<FileInfo> {
    let hashed = store.stream(name).and_then(|(file, length)| hash(file, length, scratch));
    let (bytes, hash) = hashed.map_err(|error| Error::io("read", &store.label(name), error))?;
    Ok(FileInfo {
        name: name.to_owned(),
        bytes,
        blake3: hash.to_hex().to_string(),
    })
}

/// The pictures that could be decoded.
fn picture_rows<'t>(task: &'t UnitTask, outcomes: &[Outcome]) -> Vec<KnownPicture<'t>> {
    let pictures = task.pictures().iter().zip(outcomes);
    pictures
        .filter_map(|(picture, outcome)| {
            let stored = outcome.as_ref().ok()?;
            let header = &picture.header;
            Some(KnownPicture {
                names: picture.names.iter().map(|name| &**name).collect(),
                hash: picture.hash,
                format: header.format.as_str(),
                mode: header.mode.as_str(),
                source_size: (header.height, header.width),
                orientation: header.orientation,
                size: (stored.height, stored.width),
                stored: Some((stored.channels, stored.place)),
            })
        })
        .collect()
}

/// Writes `rows.arrow` from the texts as they are now; they must be what the scan saw. Rows whose pictures cannot be decoded are left out.
fn write_rows(task: &UnitTask, outcomes: &[Outcome], inputs: &Inputs, path: &Path, text: &mut Vec<u8>) -> Result<(u64, Vec<UnitReject>)> {
    let broken = || Error::internal("a row of a unit has a source or a picture that the unit has not");
    let setting = task.setting();
    let mut used: Vec<u32> = task.rows().iter().map(|(row, _)| row.source).collect();
    used.sort_unstable();
    used.dedup();
    let name_of = |source: u32| setting.sources.get(source as usize).map(|source| source.name.as_str());
    let names: Vec<&str> = used
        .iter()
        .map(|&source| name_of(source).ok_or_else(broken))
        .collect::<Result<_>>()?;
    // Pictures that could not be decoded are left out, so later ones move up.
    let mut places: Vec<Option<u32>> = Vec::with_capacity(outcomes.len());
    let mut stored = 0;
    for outcome in outcomes {
        places.push(outcome.is_ok().then_some(stored));
        stored += u32::from(outcome.is_ok());
    }
    let mut writer = RowsWriter::create(path, &names)?;
    let mut rejected: Vec<(&TaskRow, Vec<Code>)> = Vec::new();
    let (mut count, mut own) = (0, Vec::new());
    for (row, positions) in task.rows().iter() {
        own.clear();
        let mut codes: Vec<Code> = Vec::new();
        for &position in positions {
            match (outcomes.get(position as usize), places.get(position as usize)) {
                (Some(Err(fault)), _) => codes.push(fault.code),
                (Some(Ok(_)), Some(Some(place))) => own.push(*place),
                _ => return Err(broken()),
            }
        }
        if !codes.is_empty() {
            codes.sort_unstable();
            codes.dedup();
            rejected.push((row, codes));
            continue;
        }
        let source = inputs.source(row.source)?;
        read_row(source, row, text)?;
        let judged = judge(text, row.place.offset(), &setting.options.rows, &mut Vec::new());
        let (parsed, meaning) = judged.ok_or_else(|| changed(source, row))?;
        let number = used.binary_search(&row.source).map_err(|_| broken())? as u32;
        writer.push(number, row.record, &parsed, &meaning, &own, row.place.length())?;
        count += 1;
    }
    writer.finish()?;
    rejected.sort_by_key(|(row, _)| (row.source, row.record));
    let rejects = rejected.into_iter().map(|(row, codes)| {
        Ok(UnitReject {
            source: name_of(row.source).ok_or_else(broken)?.to_owned(),
            line: row.record,
            codes: codes.iter().map(|code| code.name().to_owned()).collect(),
        })
    });
    Ok((count, rejects.collect::<Result<_>>()?))
}

fn read_row(source: &dyn RowSource, row: &TaskRow, text: &mut Vec<u8>) -> Result<()> {
    source.read(row.place, text)?;
    if row_hash(text) == row.hash {
        Ok(())
    } else {
        Err(changed(source, row))
    }
}

fn changed(source: &dyn RowSource, row: &TaskRow) -> Error {
    Error::data(
        source.path(),
        Some(row.record),
        Some(row.place.offset()),
        "the line has changed since it was scanned; leave the input alone and run again",
    )
}
