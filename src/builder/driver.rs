//! The one who makes a data set: scans, plans, has units built by threads or by others, and commits.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use crate::builder::commit::{self, Finished};
use crate::builder::inputs::Inputs;
use crate::builder::lock::{self, Lock};
use crate::builder::options::Options;
use crate::builder::plan::{Plan, Unit};
use crate::builder::previous::Previous;
use crate::builder::rejects;
use crate::builder::report::Report;
use crate::builder::seal::Built;
use crate::builder::task::UnitTask;
use crate::builder::unit::{Workshop, build_units};
use crate::dataset::manifest::Manifest;
use crate::dataset::record::{INDEX, MANIFEST, REJECTS, UNIT_FILE, UnitFile, WORK_FOLDER, is_shard_name};
use crate::error::{Error, Result};
use crate::progress::{Counters, Stage};
use crate::scan::model::{Depth, Run, Scan, Source};
use crate::scan::scan;
use crate::store::folder_sink::FolderSink;
use crate::store::retry::is_of_the_file;
use crate::store::{self, MAX_FILE_BYTES, Sink, Store};

/// What a build is made of, and where it goes.
#[derive(Debug, Clone)]
pub struct Request {
    /// The sources of rows.
    pub sources: Vec<Source>,
    /// The roots of pictures.
    pub roots: Vec<PathBuf>,
    /// The folder of the data set.
    pub out: PathBuf,
    /// What is asked for.
    pub options: Options,
}

/// A build that has begun: rows and pictures are scanned, units are planned, and the folder is locked until this is dropped or committed.
pub struct Build {
    /// The data set as it lies there.
    store: Box<dyn Store>,
    work: PathBuf,
    sink: FolderSink,
    lock: Lock,
    options: Options,
    scan: Scan,
    plan: Plan,
    inputs: Inputs,
    before: Option<Manifest>,
    /// The shards that are there, by unit.
    built: Vec<Option<Built>>,
    report: Report,
}

/// How a build begins.
pub enum Begun {
    /// The data set is there already.
    Unchanged(Report),
    /// There is something to do.
    Build(Box<Build>),
}

/// Builds, goes on with, or updates a data set.
pub fn build(request: Request, run: Run<'_>) -> Result<Report> {
    match Build::begin(request, run)? {
        Begun::Unchanged(report) => Ok(report),
        Begun::Build(mut build) => {
            build.run(run)?;
            build.commit(run.counters)
        }
    }
}

impl Build {
    /// Scans, plans, and takes the lock.
    pub fn begin(request: Request, run: Run<'_>) -> Result<Begun> {
        let out = std::path::absolute(&request.out).map_err(|error| Error::io("find", &request.out, error))?;
        let options = request.options;
        let store = store::open::data_set(&out)?;
        refuse_foreign(&*store)?;
        let scan = scan(request.sources, Depth::Headers(&request.roots), &options.scan, run)?;
        if let Some(source) = scan.infos.iter().position(|info| info.not_lines) {
            let path = scan.sources[source].path.display();
            return Err(Error::usage(format!(
                "{path}: the whole file is one JSON value; write one object per line, for example with `jq -c '.[]'`"
            )));
        }
        let plan = Plan::new(&scan, &options)?;
        fs::create_dir_all(&out).map_err(|error| Error::io("create the folder of shards", &out, error))?;
        let work = out.join(WORK_FOLDER);
        let lock = Lock::take(&work)?;
        lock::clear(&work)?;
        let built: Vec<Option<Built>> = plan.units.iter().map(|unit| kept(&*store, unit)).collect();
        let pending = built.iter().filter(|unit| unit.is_none()).count() as u64;
        let report = Report {
            roots: scan.roots_used(),
            stored_again: plan.units.iter().map(|unit| unit.again).sum(),
            kept: built.len() as u64 - pending,
            built: pending,
            ..Report::default()
        };
        Self {
            before: Manifest::open_if_there(&*store)?,
            inputs: Inputs::of_build(plan.setting())?,
            sink: FolderSink::new(&out, &work),
            store,
            work,
            lock,
            options,
            scan,
            plan,
            built,
            report,
        }
        .unless_unchanged()
    }

    /// Nothing is left to do where the data set is there already; another one is replaced only on request.
    fn unless_unchanged(mut self) -> Result<Begun> {
        let Some(before) = &self.before else {
            return Ok(Begun::Build(Box::new(self)));
        };
        let same = commit::describes(before, &self.scan, &self.plan, &self.options);
        let all: Option<Vec<Built>> = self.built.iter().cloned().collect();
        if let Some(all) = all.filter(|_| same)
            && before.rejects_are(&rejects::rejects(&self.scan, &all, &self.inputs)?)
        {
            self.report.unchanged = true;
            self.report.fill(before);
            self.report.rejects = rejects::count(&read(&*self.store, REJECTS)?);
            // Left by an update that was killed after its commit.
            self.report.removed = remove_strays(&*self.store, &self.sink, &self.plan.units)?;
            self.lock.release(&self.work)?;
            return Ok(Begun::Unchanged(self.report));
        }
        if !same && !self.options.update {
            self.lock.release(&self.work)?;
            let message = "holds a data set of other rows, pictures or settings; say --update to replace it, or name another folder";
            return Err(Error::usage(format!("{}: {message}", self.store.label("").display())));
        }
        Ok(Begun::Build(Box::new(self)))
    }

    /// The units whose shards are not there yet, by number.
    pub fn pending(&self) -> Vec<usize> {
        (0..self.built.len()).filter(|&unit| self.built[unit].is_none()).collect()
    }

    /// All that building a unit needs, whoever does it.
    pub fn task(&self, unit: usize) -> Result<UnitTask> {
        self.plan.task(&self.scan, unit)
    }

    /// Where shards go that others have built.
    pub fn sink(&self) -> &dyn Sink {
        &self.sink
    }

    /// Builds the pending units in this process. Whatever can be is taken over from the data set before.
    pub fn run(&mut self, run: Run<'_>) -> Result<()> {
        let pending = self.pending();
        let pictures = pending.iter().map(|&unit| self.plan.units[unit].pictures.len() as u64);
        run.counters.enter(Stage::Build, pictures.sum());
        let previous = Previous::open(&*self.store, self.before.as_ref(), &self.options.scan.spec);
        let workshop = Workshop {
            inputs: &self.inputs,
            sink: &self.sink,
            previous: &previous,
        };
        let (plan, scan, built) = (&self.plan, &self.scan, &mut self.built);
        let tasks = pending.iter().map(|&unit| plan.task(scan, unit));
        let tally = build_units(tasks, workshop, run, &mut |number, unit| {
            let place = pending.get(number).and_then(|&unit| built.get_mut(unit));
            *place.ok_or_else(|| Error::internal("a unit was built that is none"))? = Some(unit);
            Ok(())
        })?;
        self.report.decoded += tally.decoded;
        self.report.copied += tally.copied;
        self.report.linked += tally.linked;
        Ok(())
    }

    /// Makes the shards a data set. All must be there, whoever has built them.
    pub fn commit(self, counters: &Counters) -> Result<Report> {
        counters.enter(Stage::Commit, 1);
        let mut report = self.report;
        let mut built = Vec::with_capacity(self.built.len());
        for (unit, known) in self.plan.units.iter().zip(self.built) {
            let unit = known.or_else(|| kept(&*self.store, unit)).ok_or_else(|| {
                let path = self.store.label(&unit.folder);
                Error::shard(&path, "expected a whole shard, found none; build its unit before the commit")
            })?;
            built.push(unit);
        }
        let finished = Finished {
            scan: &self.scan,
            plan: &self.plan,
            built: &built,
            options: &self.options,
        };
        let (manifest, rejects) = finished.commit(&self.inputs, &*self.store, &self.sink)?;
        report.fill(&manifest);
        report.rejects = rejects;
        report.removed = remove_strays(&*self.store, &self.sink, &self.plan.units)?;
        self.lock.release(&self.work)?;
        Ok(report)
    }
}

fn read(store: &dyn Store, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    store
        .read(name, MAX_FILE_BYTES, &mut bytes)
        .map_err(|error| Error::io("read", &store.label(name), error))?;
    Ok(bytes)
}

/// A unit's shard, if it is there and whole. What its files hold is the business of `verify`. One that cannot be read is built anew.
fn kept(store: &dyn Store, unit: &Unit) -> Option<Built> {
    let shard = store.below(&unit.folder);
    let (record, own) = UnitFile::open(&*shard).ok()?;
    let is_whole = record
        .files
        .iter()
        .all(|file| shard.length(&file.name).is_ok_and(|length| length == file.bytes));
    (record.fingerprint == unit.fingerprint && is_whole).then_some(Built { record, own })
}

/// A folder with anything in it that is not ours is left alone.
fn refuse_foreign(store: &dyn Store) -> Result<()> {
    let entries = match store.list("") {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| Error::io("open the folder of shards", &store.label(""), error))?,
    };
    for entry in entries {
        let name = entry.name.to_str();
        let ours = match name {
            Some(MANIFEST | REJECTS | INDEX | WORK_FOLDER) => true,
            Some(name) => is_shard_name(name) && is_shard(store, name)?,
            None => false,
        };
        if !ours {
            let message = format!(
                "{}: expected an empty folder or shards, found {:?}; name another folder",
                store.label("").display(),
                entry.name.to_string_lossy()
            );
            return Err(Error::usage(message));
        }
    }
    Ok(())
}

/// Whether a folder with the name of a shard holds the record of one. Not to know is an error.
fn is_shard(store: &dyn Store, name: &str) -> Result<bool> {
    let record = format!("{name}/{UNIT_FILE}");
    match store.length(&record) {
        Ok(_) => Ok(true),
        Err(error) if is_of_the_file(&error) && error.kind() != ErrorKind::PermissionDenied => Ok(false),
        Err(error) => Err(Error::io("open", &store.label(&record), error)),
    }
}

/// Removes shards that the data set does not name (of an older plan, say).
fn remove_strays(store: &dyn Store, sink: &dyn Sink, units: &[Unit]) -> Result<u64> {
    let named: HashSet<&str> = units.iter().map(|unit| unit.folder.as_str()).collect();
    let entries = store.list("");
    let mut removed = 0;
    for entry in entries.map_err(|error| Error::io("look for old shards in", &store.label(""), error))? {
        if let Some(name) = entry.name.to_str().filter(|name| is_shard_name(name) && !named.contains(name)) {
            sink.remove(name)?;
            removed += 1;
        }
    }
    Ok(removed)
}
