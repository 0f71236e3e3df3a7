//! Units become shards: the pictures of all pending units are one stream of items; the consumer appends them, in order, to the open shard; sealing a
//! shard is an item of its own.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::builder::plan::Unit;
use crate::builder::previous::Previous;
use crate::builder::seal::{Sealed, Sealer, Sealing, Stored};
use crate::builder::{Report, kept};
use crate::dataset::pixels::{PIXEL_FILES, PixelWriter};
use crate::dataset::record::{FileInfo, UNIT_FILE, UnitFile, hash_file};
use crate::error::{Error, Result};
use crate::ordered::{self, Pool, Turn};
use crate::picture::{Fault, Preparer};
use crate::progress::{Counters, Stage};
use crate::scan::{Options, Scan};
use crate::store::MAX_FILE_BYTES;

enum Item {
    Picture { unit: usize, position: usize },
    Seal(Box<Sealing>),
}

enum Done {
    Picture {
        unit: usize,
        bytes: Vec<u8>,
        size: std::result::Result<(u32, u32, u32), Fault>,
        copied: bool,
    },
    Sealed(Box<Sealed>),
}

/// What a worker keeps.
#[derive(Default)]
struct Scratch {
    file: Vec<u8>,
    preparer: Option<Preparer>,
}

/// What every item needs.
struct Job<'a> {
    scan: &'a Scan,
    units: &'a [Unit],
    work: &'a Path,
    options: &'a Options,
    previous: &'a Previous,
    sealer: Sealer<'a>,
    /// Buffers that the consumer has emptied, to be filled again.
    spare: Mutex<Vec<Vec<u8>>>,
}

/// Builds what is not there yet; the record of every unit, and the entry of that record's own file.
#[expect(clippy::too_many_arguments, reason = "one call site; the job is made of them")]
pub fn build_units(
    scan: &Scan,
    units: &[Unit],
    out: &Path,
    work: &Path,
    options: &Options,
    previous: &Previous,
    pool: Pool<'_>,
    counters: &Counters,
    report: &mut Report,
) -> Result<Vec<(UnitFile, FileInfo)>> {
    let job = Job {
        scan,
        units,
        work,
        options,
        previous,
        sealer: Sealer::new(scan, units, out, options)?,
        spare: Mutex::default(),
    };
    let mut records: Vec<Option<(UnitFile, FileInfo)>> = Vec::new();
    for unit in units {
        records.push(match kept(out, unit) {
            Some(record) => Some((record, hash_file(&out.join(&unit.folder).join(UNIT_FILE), &mut Vec::new())?)),
            None => None,
        });
    }
    let pending: Vec<usize> = (0..units.len()).filter(|&i| records[i].is_none()).collect();
    report.kept = (units.len() - pending.len()) as u64;
    report.built = pending.len() as u64;
    counters.enter(Stage::Build, pending.iter().map(|&i| units[i].pictures.len() as u64).sum());

    let seals: RefCell<VecDeque<Box<Sealing>>> = RefCell::default();
    let mut stream = Vec::new();
    for &unit in &pending {
        match job.take_over(unit)? {
            Some(sealing) => {
                report.linked += 1;
                seals.borrow_mut().push_back(Box::new(sealing));
            }
            None if units[unit].pictures.is_empty() => seals.borrow_mut().push_back(Box::new(job.open(unit)?)),
            None => stream.extend((0..units[unit].pictures.len()).map(|position| Item::Picture { unit, position })),
        }
    }
    let mut stream = stream.into_iter();
    let items = std::iter::from_fn(|| seals.borrow_mut().pop_front().map(Item::Seal).or_else(|| stream.next()));

    let mut open: Option<Sealing> = None;
    ordered::map(
        pool,
        items,
        |item| job.turn(item),
        Scratch::default,
        |scratch, item| job.work(scratch, item),
        |done| {
            match done? {
                Done::Picture { unit, bytes, size, copied } => {
                    if open.is_none() {
                        open = Some(job.open(unit)?);
                    }
                    let Some(shard) = open.as_mut() else { return Ok(()) };
                    let outcome = match (size, shard.pixels.as_mut()) {
                        (Ok((height, width, channels)), Some(pixels)) => Ok(Stored {
                            height,
                            width,
                            channels,
                            place: pixels.push(&bytes, channels)?,
                        }),
                        (Err(fault), _) => Err(fault),
                        (Ok(_), None) => return Err(Error::internal("a shard without pixels was given a picture")),
                    };
                    shard.outcomes.push(outcome);
                    let counter = if copied { &mut report.copied } else { &mut report.decoded };
                    *counter += 1;
                    Counters::add(&counters.decoded, u64::from(!copied));
                    Counters::add(&counters.done, 1);
                    Counters::add(&counters.bytes, bytes.len() as u64);
                    job.spare.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
                    if shard.outcomes.len() == units[unit].pictures.len()
                        && let Some(shard) = open.take()
                    {
                        seals.borrow_mut().push_back(Box::new(shard));
                    }
                }
                Done::Sealed(sealed) => {
                    Counters::add(&counters.rejects, sealed.record.rejects.len() as u64);
                    records[sealed.unit] = Some((sealed.record, sealed.own));
                }
            }
            Ok(())
        },
    )?;
    records
        .into_iter()
        .map(|record| record.ok_or_else(|| Error::internal("a unit was left out")))
        .collect()
}

impl Job<'_> {
    /// Pictures are appended in their order, and weigh what they hold while they are under way; nobody waits for a seal.
    fn turn(&self, item: &Item) -> Turn {
        match item {
            Item::Picture { unit, position } => {
                let picture = &self.scan.pictures[self.units[*unit].pictures[*position] as usize];
                let decoded = u64::from(picture.probe.width) * u64::from(picture.probe.height) * 3;
                Turn::InOrder(decoded + self.options.spec.planned_bytes(&picture.probe))
            }
            Item::Seal(_) => Turn::WhenDone,
        }
    }

    /// An empty shard in the work folder.
    fn open(&self, unit: usize) -> Result<Sealing> {
        let folder = self.work.join(&self.units[unit].folder);
        fs::create_dir(&folder).map_err(|error| Error::io("create", &folder, error))?;
        let pixels = Some(PixelWriter::new(&folder, self.options.spec.target()));
        Ok(Sealing {
            unit,
            folder,
            pixels,
            outcomes: Vec::new(),
        })
    }

    /// A shard whose pixel files are linked from the data set before, if that has just these pictures.
    fn take_over(&self, unit: usize) -> Result<Option<Sealing>> {
        let hashes = self.units[unit]
            .pictures
            .iter()
            .map(|&picture| &self.scan.pictures[picture as usize].hash);
        if self.units[unit].pictures.is_empty() {
            return Ok(None);
        }
        let Some((from, pictures)) = self.previous.same_pictures(hashes) else {
            return Ok(None);
        };
        let outcomes = pictures
            .iter()
            .map(|p| {
                Ok(Stored {
                    height: p.size.0,
                    width: p.size.1,
                    channels: p.channels,
                    place: p.place,
                })
            })
            .collect();
        let mut sealing = Sealing {
            outcomes,
            ..self.open(unit)?
        };
        sealing.pixels = None;
        for name in PIXEL_FILES.iter().filter(|name| from.join(name).exists()) {
            let path = from.join(name);
            fs::hard_link(&path, sealing.folder.join(name)).map_err(|error| Error::io("link", &path, error))?;
        }
        Ok(Some(sealing))
    }

    fn work(&self, scratch: &mut Scratch, item: Item) -> Result<Done> {
        match item {
            Item::Picture { unit, position } => self.picture(scratch, unit, position),
            Item::Seal(sealing) => Ok(Done::Sealed(Box::new(self.sealer.seal(*sealing, &mut scratch.file)?))),
        }
    }

    /// Reads and prepares one picture, or copies its pixels from the data set before.
    fn picture(&self, scratch: &mut Scratch, unit: usize, position: usize) -> Result<Done> {
        let picture = &self.scan.pictures[self.units[unit].pictures[position] as usize];
        let mut bytes = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        if let Some((stored, held)) = self.previous.find(&picture.hash) {
            bytes.clear();
            bytes.extend_from_slice(held);
            return Ok(Done::Picture {
                unit,
                bytes,
                size: Ok((stored.size.0, stored.size.1, stored.channels)),
                copied: true,
            });
        }
        let resolver = self.scan.resolver.as_ref();
        let Some(store) = resolver.and_then(|resolver| resolver.store(picture.root)) else {
            return Err(Error::internal("a picture of a root that is not there"));
        };
        let path = store.label(&picture.file);
        store
            .read(&picture.file, MAX_FILE_BYTES, &mut scratch.file)
            .map_err(|error| Error::io("read", &path, error))?;
        if blake3::hash(&scratch.file) != picture.hash {
            return Err(Error::data(
                &path,
                None,
                None,
                "the picture has changed since it was scanned; leave the input alone and run again",
            ));
        }
        let prepared =
            scratch
                .preparer
                .get_or_insert_with(Preparer::new)
                .prepare(&scratch.file, &picture.probe, &self.options.spec, &mut bytes);
        if prepared.is_err() {
            bytes.clear();
        }
        Ok(Done::Picture {
            unit,
            bytes,
            size: prepared.map(|p| (p.height, p.width, p.channels)),
            copied: false,
        })
    }
}
