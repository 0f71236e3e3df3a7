//! Units become shards: the pictures of all pending units are one stream of items; the consumer appends them, in order, to the open shard; sealing a
//! shard is an item of its own.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::build::plan::{Unit, names_by_picture};
use crate::build::previous::Previous;
use crate::build::{Report, kept};
use crate::error::{Error, Result};
use crate::finding::Code;
use crate::jsonl::lines::read_exact;
use crate::ordered::{self, Pool, Turn};
use crate::picture::{Fault, Preparer};
use crate::scan::{Counters, Options, RowEntry, Scan, open_source, rows};
use crate::shard::FORMAT;
use crate::shard::columns::{PictureRow, Place, RowsWriter, write_pictures};
use crate::shard::unit_file::{FileInfo, UNIT_FILE, UnitFile, UnitReject, hash_file};
use crate::shard::write::{PIXEL_FILES, PixelWriter};

/// A picture of a shard: size, channels and place; or why it is not there.
type Outcome = std::result::Result<Stored, Fault>;

#[derive(Debug, Clone, Copy)]
struct Stored {
    height: u32,
    width: u32,
    channels: u32,
    place: Place,
}

/// A shard whose pictures are all there, or are taken over by linking.
struct Sealing {
    unit: usize,
    folder: PathBuf,
    pixels: Option<PixelWriter>,
    outcomes: Vec<Outcome>,
}

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
    Sealed {
        unit: usize,
        record: UnitFile,
        own: FileInfo,
    },
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
    out: &'a Path,
    work: &'a Path,
    options: &'a Options,
    previous: &'a Previous,
    names: Vec<Vec<u32>>,
    sources: Vec<File>,
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
    let mut sources = Vec::new();
    for source in &scan.sources {
        sources.push(open_source(&source.path)?.0);
    }
    let job = Job {
        scan,
        units,
        out,
        work,
        options,
        previous,
        names: names_by_picture(scan),
        sources,
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
    counters.enter(2, pending.iter().map(|&i| units[i].pictures.len() as u64).sum());

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
                        (Ok(_), None) => return Err(Error::usage("a shard without pixels was given a picture")),
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
                Done::Sealed { unit, record, own } => {
                    Counters::add(&counters.rejects, record.rejects.len() as u64);
                    records[unit] = Some((record, own));
                }
            }
            Ok(())
        },
    )?;
    records
        .into_iter()
        .map(|record| record.ok_or_else(|| Error::usage("a unit was left out")))
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
            Item::Seal(sealing) => self.seal(scratch, *sealing),
        }
    }

    /// Reads and prepares one picture, or copies its pixels from the data set before.
    fn picture(&self, scratch: &mut Scratch, unit: usize, position: usize) -> Result<Done> {
        let picture = &self.scan.pictures[self.units[unit].pictures[position] as usize];
        let mut bytes = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        if let Some((folder, stored)) = self.previous.find(&picture.hash) {
            stored.read(folder, &mut bytes)?;
            return Ok(Done::Picture {
                unit,
                bytes,
                size: Ok((stored.size.0, stored.size.1, stored.channels)),
                copied: true,
            });
        }
        let resolver = self.scan.resolver.as_ref();
        let Some(store) = resolver.and_then(|resolver| resolver.store(picture.root)) else {
            return Err(Error::usage("a picture of a root that is not there"));
        };
        let path = PathBuf::from(store.describe()).join(&picture.file);
        store
            .read(&picture.file, &mut scratch.file)
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

    /// Writes the tables, hashes everything, and moves the shard into place.
    fn seal(&self, scratch: &mut Scratch, sealing: Sealing) -> Result<Done> {
        let unit = &self.units[sealing.unit];
        let folder = &sealing.folder;
        if let Some(pixels) = sealing.pixels {
            pixels.finish()?;
        }
        // Pictures that could not be decoded are left out, so later ones move up.
        let mut places = Vec::with_capacity(sealing.outcomes.len());
        let mut pictures = Vec::new();
        let mut counts = [0u64; 3];
        for (&number, outcome) in unit.pictures.iter().zip(&sealing.outcomes) {
            places.push(outcome.as_ref().ok().map(|_| pictures.len() as u32));
            if let Ok(stored) = outcome {
                let picture = &self.scan.pictures[number as usize];
                let probe = &picture.probe;
                counts[match stored.place {
                    Place::Gray(_) => 0,
                    Place::Rgb(_) => 1,
                    Place::Pixels(..) => 2,
                }] += 1;
                pictures.push(PictureRow {
                    names: self.names[number as usize]
                        .iter()
                        .map(|&name| &*self.scan.names[name as usize])
                        .collect(),
                    hash: picture.hash,
                    format: probe.format.as_str(),
                    mode: probe.mode.as_str(),
                    numbers: [
                        probe.height,
                        probe.width,
                        probe.orientation,
                        stored.height,
                        stored.width,
                        stored.channels,
                    ],
                    place: stored.place,
                });
            }
        }
        write_pictures(&folder.join("pictures.arrow"), &pictures)?;
        let (rows, rejects) = self.write_rows(unit, &folder.join("rows.arrow"), &sealing.outcomes, &places, &mut scratch.file)?;

        let mut names: Vec<&str> = vec!["pictures.arrow", "rows.arrow"];
        names.extend(PIXEL_FILES.iter().filter(|name| folder.join(name).exists()));
        names.sort_unstable();
        let files = names
            .into_iter()
            .map(|name| hash_file(&folder.join(name), &mut scratch.file))
            .collect::<Result<Vec<_>>>()?;
        let [gray, rgb, pixels] = counts;
        let stored = pictures.len() as u64;
        let record = UnitFile {
            format: FORMAT,
            fingerprint: unit.fingerprint.clone(),
            rows,
            pictures: stored,
            gray,
            rgb,
            pixels,
            files,
            rejects,
        };
        let bytes = record.to_bytes();
        write_file(&folder.join(UNIT_FILE), &bytes)?;
        sync_folder(folder)?;
        let target = self.out.join(&unit.folder);
        if target.exists() {
            fs::remove_dir_all(&target).map_err(|error| Error::io("replace", &target, error))?;
        }
        fs::rename(folder, &target).map_err(|error| Error::io("move into place", &target, error))?;
        sync_folder(self.out)?;
        let own = FileInfo {
            name: UNIT_FILE.to_owned(),
            bytes: bytes.len() as u64,
            blake3: blake3::hash(&bytes).to_hex().to_string(),
        };
        Ok(Done::Sealed {
            unit: sealing.unit,
            record,
            own,
        })
    }

    /// Writes `rows.arrow` from the lines as they are now; they must be what the scan saw.
    fn write_rows(
        &self,
        unit: &Unit,
        path: &Path,
        outcomes: &[Outcome],
        places: &[Option<u32>],
        line: &mut Vec<u8>,
    ) -> Result<(u64, Vec<UnitReject>)> {
        let mut used: Vec<u32> = unit.rows.iter().map(|row| self.scan.rows[row.row as usize].source).collect();
        used.sort_unstable();
        used.dedup();
        let names: Vec<&str> = used
            .iter()
            .map(|&source| self.scan.sources[source as usize].name.as_str())
            .collect();
        let mut writer = RowsWriter::create(path, &names)?;
        let mut rejected: Vec<(u32, Vec<Code>)> = Vec::new();
        let mut count = 0;
        for unit_row in &unit.rows {
            let mut codes: Vec<Code> = unit_row
                .pictures
                .iter()
                .filter_map(|&position| outcomes[position as usize].as_ref().err().map(|fault| fault.code))
                .collect();
            if !codes.is_empty() {
                codes.sort_unstable();
                codes.dedup();
                rejected.push((unit_row.row, codes));
                continue;
            }
            let entry = &self.scan.rows[unit_row.row as usize];
            self.read_line(entry, line)?;
            let mut findings = Vec::new();
            let Some((row, meaning)) = rows::judge(line, entry.offset, self.options, &mut findings) else {
                return Err(self.changed(entry));
            };
            let own: Vec<u32> = unit_row.pictures.iter().filter_map(|&position| places[position as usize]).collect();
            let source = used.binary_search(&entry.source).unwrap_or(0) as u32;
            writer.push(source, entry.line, &row, &meaning, &own, entry.length)?;
            count += 1;
        }
        writer.finish()?;
        rejected.sort_by_key(|reject| reject.0);
        let rejects = rejected.into_iter().map(|(row, codes)| {
            let entry = &self.scan.rows[row as usize];
            let source = self.scan.sources[entry.source as usize].name.clone();
            UnitReject {
                source,
                line: entry.line,
                codes: codes.iter().map(|code| code.name().to_owned()).collect(),
            }
        });
        Ok((count, rejects.collect()))
    }

    fn read_line(&self, entry: &RowEntry, line: &mut Vec<u8>) -> Result<()> {
        line.resize(entry.length as usize, 0);
        read_exact(
            &self.sources[entry.source as usize],
            &self.scan.sources[entry.source as usize].path,
            entry.offset,
            line,
        )?;
        if blake3::hash(line).as_bytes().first_chunk() == Some(&entry.hash) {
            Ok(())
        } else {
            Err(self.changed(entry))
        }
    }

    fn changed(&self, entry: &RowEntry) -> Error {
        let path = &self.scan.sources[entry.source as usize].path;
        Error::data(
            path,
            Some(entry.line),
            Some(entry.offset),
            "the line has changed since it was scanned; leave the input alone and run again",
        )
    }
}

/// Writes a small file and makes it last.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    let refuse = |error| Error::io("write", path, error);
    let mut file = File::create(path).map_err(refuse)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(refuse)
}

/// Makes a folder's entries last.
pub fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|file| file.sync_all())
        .map_err(|error| Error::io("sync", folder, error))
}
