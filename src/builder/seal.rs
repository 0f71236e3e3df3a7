//! A shard whose pixels are all there is sealed: tables, hashes, its record, and the move into place.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::builder::plan::{Unit, names_by_picture};
use crate::dataset::pictures::{KnownPicture, PixelPlace, write_pictures};
use crate::dataset::pixels::{PIXEL_FILES, PixelWriter};
use crate::dataset::record::{FORMAT, FileInfo, UNIT_FILE, UnitFile, UnitReject, hash_file};
use crate::dataset::rows::RowsWriter;
use crate::error::{Error, Result};
use crate::finding::Code;
use crate::jsonl::lines::read_exact;
use crate::picture::Fault;
use crate::scan::{Options, RowEntry, Scan, open_source, rows};

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
    /// The unit, by number.
    pub unit: usize,
    /// Where the shard is being made.
    pub folder: PathBuf,
    /// The pixel files, still open; `None` where they are linked.
    pub pixels: Option<PixelWriter>,
    /// What became of each picture of the unit, in order.
    pub outcomes: Vec<Outcome>,
}

/// A shard in its place.
pub struct Sealed {
    /// The unit, by number.
    pub unit: usize,
    /// Its record.
    pub record: UnitFile,
    /// The entry of the record's own file.
    pub own: FileInfo,
}

/// What sealing any shard needs.
pub struct Sealer<'a> {
    scan: &'a Scan,
    units: &'a [Unit],
    out: &'a Path,
    options: &'a Options,
    /// The names of each picture.
    names: Vec<Vec<u32>>,
    sources: Vec<File>,
}

impl<'a> Sealer<'a> {
    /// Opens the sources, whose lines are read again.
    pub fn new(scan: &'a Scan, units: &'a [Unit], out: &'a Path, options: &'a Options) -> Result<Self> {
        let mut sources = Vec::new();
        for source in &scan.sources {
            sources.push(open_source(&source.path)?.0);
        }
        let names = names_by_picture(scan);
        Ok(Self {
            scan,
            units,
            out,
            options,
            names,
            sources,
        })
    }

    /// Writes the tables, hashes everything, and moves the shard into place.
    pub fn seal(&self, sealing: Sealing, scratch: &mut Vec<u8>) -> Result<Sealed> {
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
                    PixelPlace::Gray(_) => 0,
                    PixelPlace::Rgb(_) => 1,
                    PixelPlace::Pixels(..) => 2,
                }] += 1;
                pictures.push(KnownPicture {
                    names: self.names[number as usize]
                        .iter()
                        .map(|&name| &*self.scan.names[name as usize])
                        .collect(),
                    hash: picture.hash,
                    format: probe.format.as_str(),
                    mode: probe.mode.as_str(),
                    source_size: (probe.height, probe.width),
                    orientation: probe.orientation,
                    size: (stored.height, stored.width),
                    stored: Some((stored.channels, stored.place)),
                });
            }
        }
        write_pictures(&folder.join("pictures.arrow"), &pictures)?;
        let (rows, rejects) = self.write_rows(unit, &folder.join("rows.arrow"), &sealing.outcomes, &places, scratch)?;

        let mut names: Vec<&str> = vec!["pictures.arrow", "rows.arrow"];
        names.extend(PIXEL_FILES.iter().filter(|name| folder.join(name).exists()));
        names.sort_unstable();
        let files = names
            .into_iter()
            .map(|name| hash_file(&folder.join(name), scratch))
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
        Ok(Sealed {
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
        let mut used: Vec<u32> = unit.rows.numbers().iter().map(|&row| self.scan.rows[row as usize].source).collect();
        used.sort_unstable();
        used.dedup();
        let names: Vec<&str> = used
            .iter()
            .map(|&source| self.scan.sources[source as usize].name.as_str())
            .collect();
        let mut writer = RowsWriter::create(path, &names)?;
        let mut rejected: Vec<(u32, Vec<Code>)> = Vec::new();
        let mut count = 0;
        for (number, positions) in unit.rows.iter() {
            let mut codes: Vec<Code> = positions
                .iter()
                .filter_map(|&position| outcomes[position as usize].as_ref().err().map(|fault| fault.code))
                .collect();
            if !codes.is_empty() {
                codes.sort_unstable();
                codes.dedup();
                rejected.push((number, codes));
                continue;
            }
            let entry = &self.scan.rows[number as usize];
            self.read_line(entry, line)?;
            let mut findings = Vec::new();
            let Some((row, meaning)) = rows::judge(line, entry.offset, self.options, &mut findings) else {
                return Err(self.changed(entry));
            };
            let own: Vec<u32> = positions.iter().filter_map(|&position| places[position as usize]).collect();
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
