//! From a scan to shards: plan, units, commit. What a unit becomes is a function of the unit alone.

pub mod plan;
pub mod lock;
pub mod previous;
pub mod seal;
pub mod unit;
pub mod commit;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::builder::lock::Lock;
use crate::builder::plan::Unit;
use crate::builder::previous::Previous;
use crate::dataset::manifest::Manifest;
use crate::dataset::record::{FileInfo, INDEX, MANIFEST, REJECTS, UNIT_FILE, UnitFile, WORK_FOLDER, is_shard_name};
use crate::error::{Error, Result};
use crate::ordered::Pool;
use crate::progress::{Counters, Stage};
use crate::scan::{self, Scan, Source};
use crate::store::resolve::Resolver;

/// What to build, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the scan is to do; its spec is the data set's. `decode` is ignored: units decode.
    pub scan: scan::Options,
    /// Pixels of a shard, counted at three channels, in bytes.
    pub shard_bytes: u64,
    /// Orders pictures by a keyed hash instead of by first use.
    pub shuffle_seed: Option<u64>,
    /// Whether a finished data set of another plan may be replaced.
    pub update: bool,
}

/// What a build did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Accepted rows.
    pub rows: u64,
    /// Rejected rows.
    pub rejected: u64,
    /// Lines that hold something.
    pub lines: u64,
    /// Pictures as stored.
    pub pictures: u64,
    /// Pictures by hash.
    pub distinct_pictures: u64,
    /// Pictures decoded by this run.
    pub decoded: u64,
    /// Shards of the data set.
    pub shards: u64,
    /// Bytes of their files.
    pub bytes: u64,
    /// Rejected rows by code (a row with two codes counts for both).
    pub rejects: BTreeMap<String, u64>,
    /// Pictures stored in a further shard, because rows there need them.
    pub stored_again: u64,
    /// Shards built by this run.
    pub built: u64,
    /// Shards that were there already.
    pub kept: u64,
    /// Shards whose pixel files were linked from the data set before.
    pub linked: u64,
    /// Pictures copied from the data set before.
    pub copied: u64,
    /// Shards of the data set before that are gone.
    pub removed: u64,
    /// Whether the data set was there already, whole.
    pub unchanged: bool,
    /// The roots as used.
    pub roots: Vec<RootUse>,
}

/// A root as given and as used.
#[derive(Debug, Clone, Serialize)]
pub struct RootUse {
    /// What the caller named.
    pub given: String,
    /// The folder that names are looked for in.
    pub used: String,
    /// How many folders further down that is.
    pub descended: usize,
}

/// The roots of a scan, for a report.
pub fn roots_of(scan: &Scan) -> Vec<RootUse> {
    let roots = scan.resolver.iter().flat_map(Resolver::roots);
    roots
        .map(|root| RootUse {
            given: root.given.clone(),
            used: root.store.label("").display().to_string(),
            descended: root.descended,
        })
        .collect()
}

/// Builds, goes on with, or updates the data set in `out`.
pub fn build(
    sources: Vec<Source>,
    roots: &[PathBuf],
    out: &Path,
    options: &Options,
    pool: Pool<'_>,
    counters: &Counters,
) -> Result<Report> {
    let out = &absolute(out)?;
    refuse_foreign(out)?;
    let mut scan_options = options.scan.clone();
    scan_options.decode = false;
    let scan = scan::scan(sources, Some(roots), &scan_options, pool, counters)?;
    if let Some(source) = scan.infos.iter().position(|info| info.not_lines) {
        let path = scan.sources[source].path.display();
        return Err(Error::usage(format!(
            "{path}: the whole file is one JSON value; write one object per line, for example with `jq -c '.[]'`"
        )));
    }
    let units = plan::plan(&scan, &options.scan.spec, options.shard_bytes, options.shuffle_seed);
    let mut report = Report {
        roots: roots_of(&scan),
        stored_again: units.iter().map(|unit| unit.again).sum(),
        ..Report::default()
    };

    fs::create_dir_all(out).map_err(|error| Error::io("create the folder of shards", out, error))?;
    let work = out.join(WORK_FOLDER);
    let lock = Lock::take(&work)?;
    lock::clear(&work)?;
    let before = Manifest::read_if_there(out)?;
    let written_options = commit::manifest_options(options);
    if let Some(before) = &before {
        let same = commit::describes(before, &scan, &options.scan.spec, &written_options, &units);
        let records: Option<Vec<_>> = units
            .iter()
            .map(|unit| kept(out, unit).map(|record| (record, FileInfo::default())))
            .collect();
        if same && records.is_some_and(|records| before.rejects_are(&commit::rejects(&scan, &records).unwrap_or_default())) {
            report.unchanged = true;
            report.kept = units.len() as u64;
            commit::fill(before, &mut report);
            report.rejects = commit::count_rejects(out)?;
            // Left by an update that was killed behind its commit.
            report.removed = remove_strays(out, &units)?;
            lock.release(&work)?;
            return Ok(report);
        }
        if !same && !options.update {
            lock.release(&work)?;
            let message = "holds a data set of other rows, pictures or settings; say --update to replace it, or name another folder";
            return Err(Error::usage(format!("{}: {message}", out.display())));
        }
    }

    let previous = Previous::open(out, before.as_ref(), &options.scan.spec);
    let records = unit::build_units(&scan, &units, out, &work, &options.scan, &previous, pool, counters, &mut report)?;
    counters.enter(Stage::Commit, 1);
    let manifest = commit::commit(
        &scan,
        &units,
        &records,
        out,
        &work,
        &options.scan.spec,
        written_options,
        &mut report.rejects,
    )?;
    commit::fill(&manifest, &mut report);
    report.removed = remove_strays(out, &units)?;
    lock.release(&work)?;
    Ok(report)
}

/// The record of a unit's shard, if the shard is there and whole.
pub fn kept(out: &Path, unit: &Unit) -> Option<UnitFile> {
    let folder = out.join(&unit.folder);
    let record = UnitFile::read(&folder).ok()?;
    (record.fingerprint == unit.fingerprint && record.is_whole(&folder)).then_some(record)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Error::io("find", path, error))
}

/// A folder with anything in it that is not ours is left alone.
fn refuse_foreign(out: &Path) -> Result<()> {
    let entries = match fs::read_dir(out) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("open the folder of shards", out, error)),
        Ok(entries) => entries,
    };
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("open the folder of shards", out, error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let ours = [MANIFEST, REJECTS, INDEX, WORK_FOLDER].contains(&name.as_str())
            || (is_shard_name(&name) && entry.path().join(UNIT_FILE).is_file());
        if !ours {
            let message = format!(
                "{}: expected an empty folder or shards, found {name:?}; name another folder",
                out.display()
            );
            return Err(Error::usage(message));
        }
    }
    Ok(())
}

/// Removes shards that the data set does not name (of an older plan, say).
fn remove_strays(out: &Path, units: &[Unit]) -> Result<u64> {
    let named: HashSet<&str> = units.iter().map(|unit| unit.folder.as_str()).collect();
    let refuse = |error| Error::io("remove an old shard from", out, error);
    let mut removed = 0;
    for entry in fs::read_dir(out).map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_shard_name(&name) && !named.contains(name.as_str()) {
            fs::remove_dir_all(entry.path()).map_err(refuse)?;
            removed += 1;
        }
    }
    Ok(removed)
}
