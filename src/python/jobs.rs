//! `check`, `build`, `verify`, and looking at one line.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::builder::driver::{self, Request};
use crate::builder::options::Options;
use crate::dataset::verify as verifier;
use crate::error::{Error, Result};
use crate::finding::CATALOGUE;
use crate::jsonl::inspect::inspect;

use crate::ordered::{Pool, Window};
use crate::progress::{Counters, Stage};
use crate::python::gate::{attached, enter, raise};
use crate::python::report::CheckReport;
use crate::scan;
use crate::scan::model::{Depth, Run, Source};
use crate::scan::options::ScanOptions;
use crate::scan::report::{CheckReport as CoreReport, FindingsFile};

/// How far a job is.
#[pyclass(frozen, module = "mmno_fast._core")]
pub(super) struct Progress {
    counters: Arc<Counters>,
}

#[pymethods]
impl Progress {
    #[new]
    fn new() -> Self {
        Self { counters: Arc::default() }
    }

    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        let c = &self.counters;
        dict.set_item("stage", c.stage().map_or("", Stage::name))?;
        let counters = [
            ("done", &c.done),
            ("total", &c.total),
            ("rows", &c.rows),
            ("pictures", &c.pictures),
            ("bytes", &c.bytes),
            ("rejects", &c.rejects),
            ("decoded", &c.decoded),
        ];
        for (name, counter) in counters {
            dict.set_item(name, counter.load(Ordering::Relaxed))?;
        }
        Ok(dict)
    }
}

pub(super) fn counters(progress: Option<&Bound<'_, Progress>>) -> Arc<Counters> {
    progress.map(|progress| Arc::clone(&progress.get().counters)).unwrap_or_default()
}

pub(super) fn sources_of(sources: Vec<(String, PathBuf)>) -> Vec<Source> {
    sources.into_iter().map(|(name, path)| Source { name, path }).collect()
}

/// How a job runs: `threads`, the bytes of an item of work, and the items under way.
pub(super) fn run_of<'a>(
    (threads, chunk_bytes, window): (usize, u64, usize),
    monitor: &'a dyn Fn() -> Result<()>,
    counters: &'a Counters,
) -> Run<'a> {
    Run {
        pool: Pool {
            threads,
            window: Window::of(window),
            monitor,
        },
        chunk_bytes,
        counters,
    }
}

#[pyfunction]
pub(super) fn catalogue(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let rows = CATALOGUE.iter().map(|entry| {
        let dict = PyDict::new(py);
        dict.set_item("code", entry.code)?;
        dict.set_item("severity", entry.severity.letter())?;
        dict.set_item("when", entry.when)?;
        dict.set_item("hint", entry.hint)?;
        dict.set_item("silenced_by", entry.silenced_by)?;
        Ok(dict)
    });
    rows.collect()
}

#[pyfunction]
#[pyo3(signature = (decode_limit = None))]
pub(super) fn limits(py: Python<'_>, decode_limit: Option<u64>) -> PyResult<Vec<(&'static str, u64, &'static str, &'static str)>> {
    let limits = attached(py, || crate::limits::limits(decode_limit).map_err(|error| raise(py, &error)))?;
    Ok(limits
        .into_iter()
        .map(|limit| (limit.name, limit.value, limit.unit, limit.what))
        .collect())
}

#[pyfunction]
pub(super) fn build_info(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("version", env!("CARGO_PKG_VERSION"))?;
    dict.set_item("profile", env!("MMNO_PROFILE"))?;
    dict.set_item("target", env!("MMNO_TARGET"))?;
    dict.set_item("libjpeg_turbo", env!("MMNO_JPEG_VERSION"))?;
    dict.set_item("jpeg_simd", env!("MMNO_JPEG_SIMD"))?;
    dict.set_item("resample", attached(py, || Ok(crate::picture::resample_path()))?)?;
    Ok(dict)
}

#[pyfunction]
#[pyo3(signature = (sources, roots, *, scan, decode, all_findings, threads, chunk_bytes, window, progress))]
#[expect(
    clippy::too_many_arguments,
    reason = "keyword arguments of a private function; the Python layer names and documents them"
)]
pub(super) fn check(
    py: Python<'_>,
    sources: Vec<(String, PathBuf)>,
    roots: Option<Vec<PathBuf>>,
    scan: &str,
    decode: bool,
    all_findings: Option<PathBuf>,
    threads: usize,
    chunk_bytes: u64,
    window: usize,
    progress: Option<&Bound<'_, Progress>>,
) -> PyResult<CheckReport> {
    let counters = counters(progress);
    enter(py, |monitor| {
        let options = ScanOptions::from_json(scan)?;
        let depth = Depth::of(roots.as_deref(), decode);
        let run = run_of((threads, chunk_bytes, window), monitor, &counters);
        let sources = sources_of(sources);
        let scanned = match all_findings {
            None => scan::scan(sources, depth, &options, run)?,
            Some(path) => {
                let mut file = FindingsFile::create(&path, &sources)?;
                let scanned = scan::scan_telling(sources, depth, &options, run, Some(&mut |located| file.write(located)))?;
                file.finish()?;
                scanned
            }
        };
        Ok(CheckReport::new(CoreReport::new(scanned, options.spec)))
    })
}

#[pyfunction]
#[pyo3(signature = (sources, roots, out, *, scan, shard_bytes, shuffle_seed, update, trust_previous, threads, chunk_bytes, window, progress))]
#[expect(
    clippy::too_many_arguments,
    reason = "keyword arguments of a private function; the Python layer names and documents them"
)]
pub(super) fn build(
    py: Python<'_>,
    sources: Vec<(String, PathBuf)>,
    roots: Vec<PathBuf>,
    out: PathBuf,
    scan: &str,
    shard_bytes: u64,
    shuffle_seed: Option<u64>,
    update: bool,
    trust_previous: bool,
    threads: usize,
    chunk_bytes: u64,
    window: usize,
    progress: Option<&Bound<'_, Progress>>,
) -> PyResult<String> {
    let counters = counters(progress);
    enter(py, |monitor| {
        let options = Options {
            scan: ScanOptions::from_json(scan)?,
            shard_bytes,
            shuffle_seed,
            update,
            trust_previous,
        };
        let request = Request {
            sources: sources_of(sources),
            roots,
            out,
            options,
        };
        let report = driver::build(request, run_of((threads, chunk_bytes, window), monitor, &counters))?;
        serde_json::to_string(&report).map_err(|error| Error::internal(error.to_string()))
    })
}

#[pyfunction]
#[pyo3(signature = (out, *, threads, progress))]
pub(super) fn verify(py: Python<'_>, out: PathBuf, threads: usize, progress: Option<&Bound<'_, Progress>>) -> PyResult<String> {
    let counters = counters(progress);
    enter(py, |monitor| {
        let pool = Pool {
            threads,
            window: Window::default(),
            monitor,
        };
        let verdict = verifier::verify(&out, pool, &counters)?;
        serde_json::to_string(&verdict).map_err(|error| Error::internal(error.to_string()))
    })
}

#[pyfunction]
#[pyo3(signature = (line, *, scan))]
pub(super) fn inspect_line(py: Python<'_>, line: &[u8], scan: &str) -> PyResult<String> {
    let line = line.to_vec();
    enter(py, |_| Ok(inspect(&line, &ScanOptions::from_json(scan)?.rows).to_string()))
}
