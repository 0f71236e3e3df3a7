//! The one who makes a data set: scans, plans, has units built by threads or by others, and commits.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::builder::assemble::{self, Finished};
use crate::builder::inputs::Inputs;
use crate::builder::kept;
use crate::builder::lock::{self, Lock};
use crate::builder::options::Options;
use crate::builder::plan::Plan;
use crate::builder::previous::Previous;
use crate::builder::rejects;
use crate::builder::report::Report;
use crate::builder::seal::Built;
use crate::builder::strays::{refuse_foreign, remove_strays};
use crate::builder::task::UnitTask;
use crate::builder::unit::{Workshop, build_units};
use crate::dataset::manifest::Manifest;
use crate::dataset::record::{REJECTS, WORK_FOLDER};
use crate::error::{Error, Result};
use crate::progress::Stage;
use crate::scan::model::{Depth, Run, Scan, Source};
use crate::scan::scan;
use crate::shown::Shown;
use crate::store::fault::is_of_the_file;
use crate::store::folder_sink::FolderSink;
use crate::store::own_folder::create_folder;
use crate::store::{self, Sink, Store};

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
    Unchanged(Box<Report>),
    /// There is something to do.
    Build(Box<Build>),
}

/// Builds, goes on with, or updates a data set.
pub fn build(request: Request, run: Run<'_>) -> Result<Report> {
    match Build::begin(request, run)? {
        Begun::Unchanged(report) => Ok(*report),
        Begun::Build(mut build) => {
            build.run(run)?;
            build.commit(run)
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
            let path = Shown::path(&scan.sources[source].path);
            return Err(Error::usage(format!(
                "{path}: the whole file is one JSON value; write one object per line, for example with `jq -c '.[]'`"
            )));
        }
        let plan = Plan::new(&scan, &options)?;
        create_folder(&out)?;
        let work = out.join(WORK_FOLDER);
        let lock = Lock::take(&work)?;
        lock::clear(&work)?;
        let before = match Manifest::open_if_there(&*store, options.update) {
            Err(error) => {
                lock.release(&work)?;
                return Err(error);
            }
            before => before?,
        };
        let kept = kept::find(&*store, &plan.units, before.as_ref(), options.trust_previous, run)?;
        let pending = kept.built.iter().filter(|unit| unit.is_none()).count() as u64;
        let report = Report {
            roots: scan.roots_used(),
            examples: scan.examples(),
            stored_again: plan.units.iter().map(|unit| unit.again).sum(),
            kept: kept.built.len() as u64 - pending,
            built: pending,
            repaired: kept.damaged,
            ..Report::default()
        };
        Self {
            before,
            inputs: Inputs::of_build(plan.setting())?,
            sink: FolderSink::new(&out, &work),
            store,
            work,
            lock,
            options,
            scan,
            plan,
            built: kept.built,
            report,
        }
        .unless_unchanged()
    }

    /// Nothing is left to do where the data set is there already; another one is replaced only on request.
    fn unless_unchanged(mut self) -> Result<Begun> {
        let Some(before) = &self.before else {
            return Ok(Begun::Build(Box::new(self)));
        };
        let same_rows = assemble::is_of_the_same_rows(before, &self.scan, &self.options);
        let same = same_rows && assemble::has_shards_of(before, &self.plan);
        let may_replace = same || self.options.update || same_rows && self.has_passed(before)?;
        if !may_replace {
            self.lock.release(&self.work)?;
            let message = "holds a data set of other rows, pictures or settings; say --update to replace it, or name another folder";
            return Err(Error::usage(format!("{}: {message}", Shown::path(&self.store.label("")))));
        }
        let all: Option<Vec<Built>> = self.built.iter().cloned().collect();
        let Some(all) = all.filter(|_| same) else {
            return Ok(Begun::Build(Box::new(self)));
        };
        let made = self.finished(&all).assemble(&self.inputs, &*self.store, before.trusted_previous)?;
        if !before.is_of_the_same_data(&made.manifest) {
            return Ok(Begun::Build(Box::new(self)));
        }
        self.report.repaired.extend(made.mend(before, &*self.store, &self.sink)?);
        self.report.unchanged = self.report.repaired.is_empty();
        self.report.fill(before);
        self.report.rejects = made.rejected();
        // Left by an update that was killed after its commit.
        self.report.removed = remove_strays(&*self.store, &self.sink, before)?;
        self.lock.release(&self.work)?;
        Ok(Begun::Unchanged(Box::new(self.report)))
    }

    /// Whether rows of the data set before were rejected for pictures that could not be had then, and are not rejected for that any more.
    fn has_passed(&self, before: &Manifest) -> Result<bool> {
        let (name, mut rejects) = (before.name_of(REJECTS), Vec::new());
        let most = before.file(REJECTS).map_or(0, |file| file.bytes);
        match self.store.read(name, most, &mut rejects) {
            Err(error) if is_of_the_file(&error) => return Ok(false),
            read => read.map_err(|error| Error::io("read", &self.store.label(name), error))?,
        }
        Ok(before.rejects_are(&rejects) && rejects::has_passed(&rejects, &self.scan))
    }

    fn finished<'a>(&'a self, built: &'a [Built]) -> Finished<'a> {
        Finished {
            scan: &self.scan,
            plan: &self.plan,
            built,
            options: &self.options,
        }
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
        let spec = &self.options.scan.spec;
        let previous = Previous::open(&*self.store, self.before.as_ref(), spec, self.options.trust_previous)?;
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
        let known: HashSet<String> = self.report.repaired.iter().cloned().collect();
        let more = previous.damaged().filter(|name| !known.contains(*name));
        self.report.repaired.extend(more.map(str::to_owned));
        Ok(())
    }

    /// Makes the shards a data set. All must be there, whoever has built them.
    pub fn commit(mut self, run: Run<'_>) -> Result<Report> {
        let mut built = Vec::with_capacity(self.built.len());
        for (unit, known) in self.plan.units.iter().zip(std::mem::take(&mut self.built)) {
            let unit = match known {
                Some(known) => known,
                None => kept::find_one(&*self.store, unit, self.options.trust_previous, run)?.ok_or_else(|| {
                    let path = self.store.label(&unit.folder);
                    Error::shard(&path, "expected a whole shard, found none; build its unit before the commit")
                })?,
            };
            built.push(unit);
        }
        run.counters.enter(Stage::Commit, 1);
        let made = self.finished(&built).assemble(&self.inputs, &*self.store, self.is_trusting())?;
        made.publish(&self.sink)?;
        let mut report = self.report;
        report.fill(&made.manifest);
        report.rejects = made.rejected();
        report.removed = remove_strays(&*self.store, &self.sink, &made.manifest)?;
        self.lock.release(&self.work)?;
        Ok(report)
    }

    /// Whether something was taken over whose hash nobody has compared: in this build, or in the one that it takes over from.
    fn is_trusting(&self) -> bool {
        let report = &self.report;
        let takes_over = report.kept > 0 || report.linked > 0 || report.copied > 0;
        takes_over && (self.options.trust_previous || self.before.as_ref().is_some_and(|before| before.trusted_previous))
    }
}
