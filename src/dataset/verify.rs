//! Is a data set whole, to the last byte? Every hash and every invariant of the format is computed anew.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::dataset::manifest::{Manifest, ShardRecord};
use crate::dataset::npy::{DATA_OFFSET, header};
use crate::dataset::pictures::Place;
use crate::dataset::read::{read_pictures, read_row_pictures};
use crate::dataset::record::{FileInfo, INDEX, MANIFEST, REJECTS, UnitFile, WORK_FOLDER, hash_file, is_shard_name};
use crate::error::{Error, Result};
use crate::ordered::{self, Pool, Turn};
use crate::picture::Size;
use crate::progress::{Counters, Stage};

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file or folder, below the data set's.
    pub path: String,
    /// What was expected and what was found.
    pub message: String,
}

/// What `verify` read, and what it found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Verdict {
    /// Every problem, by path.
    pub problems: Vec<Problem>,
    /// Shards read.
    pub shards: u64,
    /// Rows of the data set.
    pub rows: u64,
    /// Pictures as stored.
    pub pictures: u64,
    /// Bytes read.
    pub bytes: u64,
}

/// Reads the data set in `out` whole.
pub fn verify(out: &Path, pool: Pool<'_>, counters: &Counters) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    if !out.join(MANIFEST).exists() {
        let message = "expected a data set, found no manifest.json; an unfinished build goes on when it is run again";
        return Err(Error::shard(out, message));
    }
    let manifest = match Manifest::read(out) {
        Ok(manifest) => manifest,
        Err(error) => {
            verdict.problems.push(Problem {
                path: MANIFEST.to_owned(),
                message: error.to_string(),
            });
            return Ok(verdict);
        }
    };
    verdict.shards = manifest.shards.len() as u64;
    verdict.rows = manifest.totals.rows;
    verdict.pictures = manifest.totals.pictures;
    let mut problems = Vec::new();
    find_strays(out, &manifest, &mut problems);

    let top = manifest.files.iter().map(|file| (String::new(), file));
    let files: Vec<(String, &FileInfo)> = top
        .chain(
            manifest
                .shards
                .iter()
                .flat_map(|shard| shard.files.iter().map(|file| (shard.folder.clone(), file))),
        )
        .collect();
    counters.enter(Stage::Verify, files.iter().map(|(_, file)| file.bytes).sum());
    let mut damaged: HashSet<String> = HashSet::new();
    ordered::map(
        pool,
        files.iter(),
        |_| Turn::InOrder(0),
        Vec::new,
        |buffer, (folder, file)| {
            let problem = check_file(&out.join(folder).join(&file.name), file, buffer);
            Counters::add(&counters.done, file.bytes);
            problem
        },
        {
            let mut next = files.iter();
            let (problems, damaged, bytes) = (&mut problems, &mut damaged, &mut verdict.bytes);
            move |problem| {
                if let Some((folder, file)) = next.next() {
                    *bytes += file.bytes;
                    if let Some(message) = problem {
                        damaged.insert(folder.clone());
                        let path = if folder.is_empty() {
                            file.name.clone()
                        } else {
                            format!("{folder}/{}", file.name)
                        };
                        problems.push(Problem { path, message });
                    }
                }
                Ok(())
            }
        },
    )?;
    for shard in manifest.shards.iter().filter(|shard| !damaged.contains(&shard.folder)) {
        if let Err(message) = check_shard(out, &manifest, shard) {
            problems.push(Problem {
                path: shard.folder.clone(),
                message,
            });
        }
    }
    if !damaged.contains("")
        && let Err(message) = check_index(out, &manifest)
    {
        problems.push(Problem {
            path: INDEX.to_owned(),
            message,
        });
    }
    problems.sort_by(|a, b| (&a.path, &a.message).cmp(&(&b.path, &b.message)));
    verdict.problems = problems;
    Ok(verdict)
}

/// What the manifest does not name.
fn find_strays(out: &Path, manifest: &Manifest, problems: &mut Vec<Problem>) {
    let listed = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    let mut stray = |path: String| {
        problems.push(Problem {
            path,
            message: "the manifest does not name this".to_owned(),
        });
    };
    for name in listed(out) {
        let shard = manifest.shards.iter().find(|shard| shard.folder == name);
        match shard {
            Some(shard) => {
                for file in listed(&out.join(&name)) {
                    if !shard.files.iter().any(|known| known.name == file) {
                        stray(format!("{name}/{file}"));
                    }
                }
            }
            None if [MANIFEST, REJECTS, INDEX, WORK_FOLDER].contains(&name.as_str()) => {}
            None => stray(name),
        }
    }
}

fn check_file(path: &Path, expected: &FileInfo, buffer: &mut Vec<u8>) -> Option<String> {
    match hash_file(path, buffer) {
        Err(_) if !path.exists() => Some("the file is missing".to_owned()),
        Err(error) => Some(error.to_string()),
        Ok(found) if found.bytes != expected.bytes => Some(format!("expected {} bytes, found {}", expected.bytes, found.bytes)),
        Ok(found) if found.blake3 != expected.blake3 => {
            Some("the bytes are not those that were written: the hash does not agree".to_owned())
        }
        Ok(_) => None,
    }
}

/// The invariants within a shard whose files have the right hashes.
fn check_shard(out: &Path, manifest: &Manifest, shard: &ShardRecord) -> std::result::Result<(), String> {
    let folder = out.join(&shard.folder);
    let record = UnitFile::read(&folder).map_err(|error| error.to_string())?;
    if !is_shard_name(&shard.folder) || !record.fingerprint.starts_with(&shard.folder) {
        return Err(format!("the folder is not named by its unit's fingerprint, {}", record.fingerprint));
    }
    let counts = (record.rows, record.pictures, record.gray, record.rgb, record.pixels);
    if counts != (shard.rows, shard.pictures, shard.gray, shard.rgb, shard.pixels) {
        return Err("unit.json and the manifest count differently".to_owned());
    }
    let pictures = read_pictures(&folder).map_err(|error| error.to_string())?;
    let mut found = [0u64; 3];
    let mut filled = 0u64;
    let encoded = manifest.spec.size == Size::Encoded;
    for (i, picture) in pictures.iter().enumerate() {
        let (store, expected, given) = match picture.place {
            Place::Gray(index) => (0, found[0], index),
            Place::Rgb(index) => (1, found[1], index),
            Place::Pixels(offset, length) if encoded || length == picture.pixels() => (2, filled, offset),
            Place::Pixels(..) => return Err(format!("picture {i} has a length that is not its size")),
        };
        if expected != given {
            return Err(format!(
                "picture {i} is expected at {expected} of its store, and said to be at {given}"
            ));
        }
        found[store] += 1;
        filled = filled.saturating_add(if store == 2 { picture.bytes() } else { 0 });
    }
    if (pictures.len() as u64, found) != (shard.pictures, [shard.gray, shard.rgb, shard.pixels]) {
        return Err("pictures.arrow and the manifest count differently".to_owned());
    }
    let (height, width) = manifest.spec.target().map_or((0, 0), |(h, w)| (u64::from(h), u64::from(w)));
    let shapes = [
        ("gray.npy", vec![shard.gray, height, width]),
        ("rgb.npy", vec![shard.rgb, height, width, 3]),
        ("pixels.npy", vec![filled]),
    ];
    for (name, shape) in shapes.iter().zip(found).filter(|(_, count)| *count > 0).map(|(shape, _)| shape) {
        let bytes = fs::File::open(folder.join(name)).and_then(|file| {
            use std::os::unix::fs::FileExt;
            let mut head = vec![0; DATA_OFFSET as usize];
            file.read_exact_at(&mut head, 0)?;
            Ok((head, file.metadata()?.len()))
        });
        let (head, length) = bytes.map_err(|error| format!("{name}: {error}"))?;
        if head != header("|u1", shape) || length != DATA_OFFSET + shape.iter().product::<u64>() {
            return Err(format!("{name} does not hold the shape that its pictures need"));
        }
    }
    let rows = read_row_pictures(&folder).map_err(|error| error.to_string())?;
    if rows.len() as u64 != shard.rows {
        return Err(format!("expected {} rows, found {}", shard.rows, rows.len()));
    }
    if let Some(bad) = rows
        .iter()
        .position(|row| row.iter().any(|&picture| picture as usize >= pictures.len()))
    {
        return Err(format!("row {bad} names a picture that is not there"));
    }
    Ok(())
}

/// Every row of every shard has one row number.
fn check_index(out: &Path, manifest: &Manifest) -> std::result::Result<(), String> {
    let bytes = fs::read(out.join(INDEX)).map_err(|error| error.to_string())?;
    let total: u64 = manifest.shards.iter().map(|shard| shard.rows).sum();
    let data = bytes
        .strip_prefix(header("<u8", &[total]).as_slice())
        .ok_or("the header does not say the number of rows")?;
    let mut seen: Vec<Vec<bool>> = manifest.shards.iter().map(|shard| vec![false; shard.rows as usize]).collect();
    for (number, place) in data.chunks_exact(8).enumerate() {
        let place = u64::from_le_bytes(place.try_into().unwrap_or_default());
        let slot = seen
            .get_mut((place >> 32) as usize)
            .and_then(|shard| shard.get_mut((place & 0xffff_ffff) as usize));
        match slot {
            Some(slot) if !*slot => *slot = true,
            _ => return Err(format!("row number {number} points at no row, or at one that another has")),
        }
    }
    if data.len() as u64 == total * 8 && total == manifest.totals.rows {
        Ok(())
    } else {
        Err("rows are missing".to_owned())
    }
}
