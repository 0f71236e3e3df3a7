//! `check`, `build`, `verify`, and looking at one line.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::json;

use crate::builder;
use crate::dataset::verify as verifier;
use crate::error::{Error, Result};
use crate::finding::CATALOGUE;
use crate::jsonl::rules::{Meaning, Placeholders};
use crate::jsonl::{row, rules};
use crate::ordered::{Pool, Window};
use crate::picture::ImageSpec;
use crate::progress::{Counters, Stage};
use crate::python::gate::enter;
use crate::python::report::CheckReport;
use crate::scan::{self, Source};

/// Bytes under way at most: decoded pictures and what becomes of them.
const WINDOW_BYTES: u64 = 256 << 20;

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

pub(super) fn pool(threads: usize, window: usize, monitor: &dyn Fn() -> Result<()>) -> Pool<'_> {
    Pool {
        threads,
        window: Window {
            items: window.max(1),
            bytes: WINDOW_BYTES,
        },
        monitor,
    }
}

pub(super) fn sources_of(sources: Vec<(String, PathBuf)>) -> Vec<Source> {
    sources.into_iter().map(|(name, path)| Source { name, path }).collect()
}

pub(super) fn placeholders_of(name: &str) -> Result<Placeholders> {
    Placeholders::from_name(name)
        .ok_or_else(|| Error::usage(format!("placeholders: expected \"required\" or \"optional\", found {name:?}")))
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
pub(super) fn build_info(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("version", env!("CARGO_PKG_VERSION"))?;
    dict.set_item("profile", env!("MMNO_PROFILE"))?;
    dict.set_item("target", env!("MMNO_TARGET"))?;
    dict.set_item("libjpeg_turbo", env!("MMNO_JPEG_VERSION"))?;
    dict.set_item("jpeg_simd", env!("MMNO_JPEG_SIMD"))?;
    dict.set_item("resample", crate::picture::resample_path())?;
    Ok(dict)
}

#[pyfunction]
#[pyo3(signature = (sources, roots, *, spec, decode, placeholders, strip_prefix, follow_links, max_line_bytes, threads, chunk_bytes, window, progress))]
#[expect(
    clippy::too_many_arguments,
    reason = "keyword arguments of a private function; the Python layer names and documents them"
)]
pub(super) fn check(
    py: Python<'_>,
    sources: Vec<(String, PathBuf)>,
    roots: Option<Vec<PathBuf>>,
    spec: &str,
    decode: bool,
    placeholders: &str,
    strip_prefix: Option<String>,
    follow_links: bool,
    max_line_bytes: u64,
    threads: usize,
    chunk_bytes: u64,
    window: usize,
    progress: Option<&Bound<'_, Progress>>,
) -> PyResult<CheckReport> {
    let counters = counters(progress);
    enter(py, |monitor| {
        let spec = ImageSpec::from_json(spec)?;
        let placeholders = placeholders_of(placeholders)?;
        let options = scan::Options {
            spec,
            decode,
            placeholders,
            strip_prefix,
            follow_links,
            max_line_bytes,
            chunk_bytes,
        };
        let scan = scan::scan(
            sources_of(sources),
            roots.as_deref(),
            &options,
            pool(threads, window, monitor),
            &counters,
        )?;
        Ok(CheckReport::new(scan, options.spec, decode))
    })
}

#[pyfunction]
#[pyo3(signature = (sources, roots, out, *, spec, shard_bytes, shuffle_seed, update, placeholders, strip_prefix, follow_links, max_line_bytes, threads, chunk_bytes, window, progress))]
#[expect(
    clippy::too_many_arguments,
    reason = "keyword arguments of a private function; the Python layer names and documents them"
)]
pub(super) fn build(
    py: Python<'_>,
    sources: Vec<(String, PathBuf)>,
    roots: Vec<PathBuf>,
    out: PathBuf,
    spec: &str,
    shard_bytes: u64,
    shuffle_seed: Option<u64>,
    update: bool,
    placeholders: &str,
    strip_prefix: Option<String>,
    follow_links: bool,
    max_line_bytes: u64,
    threads: usize,
    chunk_bytes: u64,
    window: usize,
    progress: Option<&Bound<'_, Progress>>,
) -> PyResult<String> {
    let counters = counters(progress);
    enter(py, |monitor| {
        let spec = ImageSpec::from_json(spec)?;
        let placeholders = placeholders_of(placeholders)?;
        let scan = scan::Options {
            spec,
            decode: false,
            placeholders,
            strip_prefix,
            follow_links,
            max_line_bytes,
            chunk_bytes,
        };
        let options = builder::Options {
            scan,
            shard_bytes,
            shuffle_seed,
            update,
        };
        let report = builder::build(
            sources_of(sources),
            &roots,
            &out,
            &options,
            pool(threads, window, monitor),
            &counters,
        )?;
        serde_json::to_string(&report).map_err(|error| Error::internal(error.to_string()))
    })
}

#[pyfunction]
#[pyo3(signature = (out, *, threads, progress))]
pub(super) fn verify(py: Python<'_>, out: PathBuf, threads: usize, progress: Option<&Bound<'_, Progress>>) -> PyResult<String> {
    let counters = counters(progress);
    enter(py, |monitor| {
        let verdict = verifier::verify(Path::new(&out), pool(threads, 16, monitor), &counters)?;
        serde_json::to_string(&verdict).map_err(|error| Error::internal(error.to_string()))
    })
}

#[pyfunction]
#[pyo3(signature = (line, *, placeholders))]
pub(super) fn inspect_line(py: Python<'_>, line: &[u8], placeholders: &str) -> PyResult<String> {
    let line = line.to_vec();
    enter(py, |_| Ok(inspect(&line, placeholders_of(placeholders)?)))
}

fn inspect(line: &[u8], placeholders: Placeholders) -> String {
    let mut findings = Vec::new();
    let mut held = None;
    if !crate::jsonl::json::is_blank(line) {
        held = row::parse(line, 0, &mut findings).map(|row| {
            let meaning = rules::read(&row, 0, None, placeholders, &mut findings);
            (row, meaning)
        });
    }
    if held.as_ref().is_some_and(|(row, _)| !row.unknown.is_empty()) {
        let (code, pointer) = (crate::finding::Code::RowUnknownField, "".into());
        findings.push(crate::finding::Finding {
            code,
            byte: 0,
            pointer,
            message: "".into(),
        });
    }
    findings.sort_by_key(|finding| finding.code);
    findings.dedup_by_key(|finding| finding.code);
    let names = |rejects: bool| -> Vec<&str> {
        findings
            .iter()
            .filter(|finding| finding.code.rejects() == rejects)
            .map(|finding| finding.code.name())
            .collect()
    };
    let row = held
        .filter(|_| names(true).is_empty())
        .map(|(row, meaning)| describe(&row, &meaning));
    json!({"codes": names(true), "warnings": names(false), "row": row}).to_string()
}

fn describe(row: &row::Row<'_>, meaning: &Meaning) -> serde_json::Value {
    let options = meaning.options.as_ref().map(|choices| {
        choices
            .iter()
            .map(|c| json!({"letter": c.letter, "text": c.text}))
            .collect::<Vec<_>>()
    });
    json!({
        "messages": row.messages.iter().map(|turn| json!({"role": turn.role, "content": turn.content})).collect::<Vec<_>>(),
        "images": row.images,
        "meta": row.meta,
        "extra": row.extra(),
        "variant": meaning.variant.as_str(),
        "options": options,
        "answer": meaning.answer,
        "answer_text": meaning.answer_text(),
    })
}
