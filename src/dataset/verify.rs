//! Is a data set whole, to the last byte? Every hash and every invariant of the format is computed anew.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::Path;

use arrow_array::cast::AsArray;
use serde::Serialize;
use serde::de::IgnoredAny;

use crate::dataset::compare::difference;
use crate::dataset::index::RowIndex;
use crate::dataset::manifest::{Manifest, ShardRecord};
use crate::dataset::record::{
    FileInfo, INDEX, MANIFEST, REJECTS, SHARD_FORMAT, TOP_FILES, UNIT_FILE, UnitFile, WORK_FOLDER, is_named_by_content, is_shard_name,
};
use crate::dataset::rejects;
use crate::dataset::view::View;
use crate::error::{Error, Result};
use crate::ordered::{self, Pool, Turn};
use crate::progress::{Counters, Stage};
use crate::shown::text_of;
use crate::store::{self, Entry, Store};

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
    /// Whether a builder is at work in the folder, or was stopped there. Shards that the manifest does not name are then its business.
    pub unfinished: bool,
}

/// Reads the data set in `out` whole.
pub fn verify(out: &Path, pool: Pool<'_>, counters: &Counters) -> Result<Verdict> {
    verify_store(&*store::open::data_set(out)?, pool, counters)
}

/// Reads the data set that `store` holds whole.
pub fn verify_store(store: &dyn Store, pool: Pool<'_>, counters: &Counters) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    if let Err(error) = store.length(MANIFEST)
        && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
    {
        let message = "expected a data set, found no manifest.json; an unfinished build goes on when it is run again";
        return Err(Error::shard(&store.label(""), message));
    }
    let manifest = match Manifest::open(store) {
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
    verdict.unfinished = find_strays(store, &manifest, &mut problems);

    let top = manifest.files.iter().map(|file| (String::new(), file));
    let files: Vec<(String, &FileInfo)> = top
        .chain(
            manifest
                .shards
                .iter()
                .flat_map(|shard| shard.files.iter().map(|file| (shard.folder.clone(), file))),
        )
        .collect();
    counters.enter(Stage::Verify, files.iter().fold(0, |sum, (_, file)| sum.saturating_add(file.bytes)));
    let mut damaged: HashSet<String> = HashSet::new();
    ordered::map(
        pool,
        files.iter(),
        |_| Turn::InOrder(0),
        Vec::new,
        |buffer, (folder, file)| {
            let problem = check_file(store, &path_of(folder, &file.name), file, buffer);
            Counters::add(&counters.done, file.bytes);
            problem
        },
        {
            let mut next = files.iter();
            let (problems, damaged, bytes) = (&mut problems, &mut damaged, &mut verdict.bytes);
            move |problem| {
                if let Some((folder, file)) = next.next() {
                    *bytes = bytes.saturating_add(file.bytes);
                    if let Some(message) = problem {
                        damaged.insert(folder.clone());
                        problems.push(Problem {
                            path: path_of(folder, &file.name),
                            message,
                        });
                    }
                }
                Ok(())
            }
        },
    )?;
    for shard in manifest.shards.iter().filter(|shard| !damaged.contains(&shard.folder)) {
        if let Err(message) = check_shard(store, &manifest, shard) {
            problems.push(Problem {
                path: shard.folder.clone(),
                message,
            });
        }
    }
    if !verdict.unfinished {
        check_copies(store, &manifest, &mut problems);
    }
    if !damaged.contains("")
        && let Err(message) = check_index(store, &manifest)
    {
        problems.push(Problem {
            path: manifest.name_of(INDEX).to_owned(),
            message,
        });
    }
    if !damaged.contains("")
        && let Err(error) = rejects::read(store, &manifest)
    {
        problems.push(Problem {
            path: manifest.name_of(REJECTS).to_owned(),
            message: error.to_string(),
        });
    }
    problems.sort_by(|a, b| (&a.path, &a.message).cmp(&(&b.path, &b.message)));
    verdict.problems = problems;
    Ok(verdict)
}

/// The name of a file within the data set; no folder: the data set's own.
fn path_of(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// What the manifest does not name. Whether there is the folder of a builder.
///
/// What an update adds before its commit, or has not yet removed after it, is no damage to the data set that stands.
fn find_strays(store: &dyn Store, manifest: &Manifest, problems: &mut Vec<Problem>) -> bool {
    let shards: HashMap<&OsStr, &ShardRecord> = manifest.shards.iter().map(|shard| (OsStr::new(&shard.folder), shard)).collect();
    let known: HashSet<&str> = manifest
        .files
        .iter()
        .map(|file| &*file.name)
        .chain(TOP_FILES.map(|kind| kind.plain))
        .chain([MANIFEST, WORK_FOLDER])
        .collect();
    let listed = store.list("");
    let unfinished = listed
        .as_ref()
        .is_ok_and(|entries| entries.iter().any(|entry| entry.name == WORK_FOLDER));
    let of_a_builder = |name: &str| is_shard_name(name) || is_named_by_content(name);
    let mut shards_found: Vec<&ShardRecord> = Vec::new();
    find_strays_in(store, "", listed, problems, &mut |name| {
        shards_found.extend(shards.get(name));
        shards.contains_key(name)
            || name
                .to_str()
                .is_some_and(|name| known.contains(name) || unfinished && of_a_builder(name))
    });
    for shard in shards_found {
        find_strays_in(store, &shard.folder, store.list(&shard.folder), problems, &mut |name| {
            shard.files.iter().any(|file| name == file.name.as_str())
        });
    }
    unfinished
}

/// The copies under plain names hold what the manifest names. An update that is not finished may have left the ones of the data set before.
fn check_copies(store: &dyn Store, manifest: &Manifest, problems: &mut Vec<Problem>) {
    let mut scratch = Vec::new();
    for kind in TOP_FILES {
        let Some(listed) = manifest.file(kind).filter(|file| file.name != kind.plain) else {
            continue;
        };
        if let Some(message) = check_file(store, kind.plain, listed, &mut scratch) {
            problems.push(Problem {
                path: kind.plain.to_owned(),
                message: format!(
                    "{message}; it should be a copy of {}: run the same build again, which mends it",
                    listed.name
                ),
            });
        }
    }
}

/// What is in a folder and not known there. Bytes of a name that are not UTF-8 are shown as such.
fn find_strays_in(
    store: &dyn Store,
    folder: &str,
    listed: io::Result<Vec<Entry>>,
    problems: &mut Vec<Problem>,
    is_known: &mut dyn FnMut(&OsStr) -> bool,
) {
    match listed {
        Err(error) => problems.push(Problem {
            path: if folder.is_empty() { "." } else { folder }.to_owned(),
            message: Error::io("list", &store.label(folder), error).to_string(),
        }),
        Ok(entries) => {
            let strays = entries.iter().filter(|entry| !is_known(&entry.name));
            problems.extend(strays.map(|entry| Problem {
                path: path_of(folder, &text_of(&entry.name)),
                message: "the manifest does not name this".to_owned(),
            }));
        }
    }
}

/// What is wrong with a file.
fn check_file(store: &dyn Store, path: &str, expected: &FileInfo, buffer: &mut Vec<u8>) -> Option<String> {
    match difference(store, path, expected, true, buffer) {
        Err(error) => Some(Error::io("read", &store.label(path), error).to_string()),
        Ok(differs) => differs,
    }
}

/// The invariants within a shard whose files have the right hashes.
fn check_shard(store: &dyn Store, manifest: &Manifest, shard: &ShardRecord) -> std::result::Result<(), String> {
    let folder = store.below(&shard.folder);
    let (record, _) = UnitFile::open(&*folder).map_err(|error| error.to_string())?;
    if record.format[0] != SHARD_FORMAT[0] {
        return Err(format!("unit.json is of format {}.{}", record.format[0], record.format[1]));
    }
    if !is_shard_name(&shard.folder) || !record.fingerprint.starts_with(&shard.folder) {
        return Err(format!("the folder is not named by its unit's fingerprint, {}", record.fingerprint));
    }
    let counts = (record.rows, record.pictures, record.gray, record.rgb, record.pixels);
    if counts != (shard.rows, shard.pictures, shard.gray, shard.rgb, shard.pixels) {
        return Err("unit.json and the manifest count differently".to_owned());
    }
    if !record.files.iter().eq(shard.files.iter().filter(|file| file.name != UNIT_FILE)) {
        return Err("unit.json and the manifest list different files".to_owned());
    }
    let view = View::open(&*folder, shard, &manifest.spec).map_err(|error| error.to_string())?;
    check_json(&view)
}

/// The columns `meta` and `extra` hold JSON.
fn check_json(view: &View) -> std::result::Result<(), String> {
    for batch in view.row_batches() {
        for name in ["meta", "extra"] {
            let column = batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
            let column = column.ok_or_else(|| format!("rows.arrow has no texts in the column {name}"))?;
            for text in column.iter().flatten() {
                serde_json::from_str::<IgnoredAny>(text).map_err(|error| format!("rows.arrow: {name} is not JSON: {error}"))?;
            }
        }
    }
    Ok(())
}

/// Every row of every shard has one row number.
fn check_index(store: &dyn Store, manifest: &Manifest) -> std::result::Result<(), String> {
    let index = RowIndex::open(store, manifest).map_err(|error| error.to_string())?;
    // The sum of all shards' rows is the index's length, so that these bits take no more memory than the index takes.
    let mut seen: Vec<Vec<bool>> = manifest.shards.iter().map(|shard| vec![false; shard.rows as usize]).collect();
    for number in 0..index.len() {
        let place = index.place(number);
        let slot = place.and_then(|place| seen.get_mut(place.shard as usize)?.get_mut(place.row as usize));
        match slot {
            Some(slot) if !*slot => *slot = true,
            _ => return Err(format!("row number {number} points at no row, or at one that another has")),
        }
    }
    Ok(())
}
