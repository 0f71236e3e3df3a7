//! What a check found: totals as JSON, findings as an Arrow stream.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchIterator, StringArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use serde_json::{Value, json};

use crate::builder::roots_of;
use crate::error::{Error, Result};
use crate::finding::Code;
use crate::jsonl::rules::Variant;
use crate::picture::ImageSpec;
use crate::picture::tokens;
use crate::python::gate::{enter, raise};
use crate::scan::Scan;

/// What a check found.
#[pyclass(frozen, module = "mmno_fast._core")]
pub(super) struct CheckReport {
    scan: Scan,
    spec: ImageSpec,
    decoded: bool,
}

impl CheckReport {
    pub(super) fn new(scan: Scan, spec: ImageSpec, decoded: bool) -> Self {
        Self { scan, spec, decoded }
    }

    fn source(&self, number: u32) -> &str {
        self.scan.sources.get(number as usize).map_or("", |source| &source.name)
    }

    fn to_batch(&self) -> std::result::Result<RecordBatch, arrow_schema::ArrowError> {
        let findings = &self.scan.findings;
        let text = |value: fn(&crate::finding::Finding) -> &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(
                findings.iter().map(|located| value(&located.finding)),
            ))
        };
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("code", text(|finding| finding.code.name())),
            ("severity", text(|finding| finding.code.severity().letter())),
            (
                "source",
                Arc::new(StringArray::from_iter_values(
                    findings.iter().map(|located| self.source(located.source)),
                )),
            ),
            (
                "line",
                Arc::new(UInt64Array::from_iter_values(findings.iter().map(|located| located.line))),
            ),
            (
                "byte",
                Arc::new(UInt64Array::from_iter_values(findings.iter().map(|located| located.finding.byte))),
            ),
            ("pointer", text(|finding| &finding.pointer)),
            ("message", text(|finding| &finding.message)),
            ("hint", text(|finding| finding.code.entry().hint)),
        ];
        let fields: Vec<Field> = columns
            .iter()
            .map(|(name, column)| {
                Field::new(
                    *name,
                    if column.data_type() == &DataType::UInt64 {
                        DataType::UInt64
                    } else {
                        DataType::Utf8
                    },
                    true,
                )
            })
            .collect();
        RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            columns.into_iter().map(|(_, column)| column).collect(),
        )
    }

    fn write(&self, path: &PathBuf) -> Result<()> {
        let refuse = |error| Error::io("write", path, error);
        let mut file = BufWriter::new(File::create(path).map_err(refuse)?);
        for located in &self.scan.findings {
            let finding = &located.finding;
            let line = json!({
                "code": finding.code.name(), "severity": finding.code.severity().letter(), "source": self.source(located.source), "line": located.line,
                "byte": finding.byte, "pointer": finding.pointer, "message": finding.message, "hint": finding.code.entry().hint,
            });
            writeln!(file, "{line}").map_err(refuse)?;
        }
        file.flush().map_err(refuse)
    }
}

#[pymethods]
impl CheckReport {
    #[getter]
    fn summary(&self) -> String {
        summarise(&self.scan, &self.spec, self.decoded).to_string()
    }

    #[getter]
    fn length(&self) -> usize {
        self.scan.findings.len()
    }

    fn write_jsonl(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        enter(py, |_| self.write(&path))
    }

    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(&self, py: Python<'py>, requested_schema: Option<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyCapsule>> {
        drop(requested_schema); // the protocol lets a producer ignore it
        let batch = self.to_batch().map_err(|error| raise(py, &Error::internal(error.to_string())))?;
        let schema = batch.schema();
        let stream = FFI_ArrowArrayStream::new(Box::new(RecordBatchIterator::new(std::iter::once(Ok(batch)), schema)));
        PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
    }
}

fn count<K: Ord>(items: impl Iterator<Item = K>) -> BTreeMap<K, u64> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(item).or_insert(0) += 1;
    }
    counts
}

/// How many tokens the pictures become, where the spec is a profile whose pictures become tokens.
fn tokens_of(scan: &Scan, spec: &ImageSpec) -> Value {
    let Ok(known) = tokens::profile(spec) else {
        return Value::Null;
    };
    let of_picture: Vec<u64> = scan
        .pictures
        .iter()
        .map(|picture| tokens::plan(spec, known, &picture.probe).map_or(0, |plan| u64::from(plan.tokens)))
        .collect();
    let of_row = |first: u32, count: u32| -> u64 {
        let names = scan.row_names.iter().skip(first as usize).take(count as usize);
        names.filter_map(|name| of_picture.get(scan.picture_of(*name)? as usize)).sum()
    };
    let rows: Vec<u64> = scan
        .rows
        .iter()
        .filter(|row| !row.rejected)
        .map(|row| of_row(row.names.0, row.names.1))
        .collect();
    json!({
        "profile": known.name,
        "counts": count(of_picture.iter().map(ToString::to_string)),
        "largest_row": rows.iter().max().unwrap_or(&0),
        "all_rows": rows.iter().sum::<u64>(),
    })
}

/// Totals, in the shape that the Python layer shows.
fn summarise(scan: &Scan, spec: &ImageSpec, decoded: bool) -> Value {
    let accepted: Vec<_> = scan.rows.iter().filter(|row| !row.rejected).collect();
    let rejected_in = |source: usize| scan.rows.iter().filter(|row| row.rejected && row.source as usize == source).count() as u64;
    let sources: Vec<Value> = scan
        .sources
        .iter()
        .zip(&scan.infos)
        .enumerate()
        .map(|(i, (source, info))| {
            let rejected = rejected_in(i);
            json!({"name": source.name, "bytes": info.bytes, "lines": info.lines, "rows": info.lines - rejected, "rejected": rejected, "not_lines": info.not_lines})
        })
        .collect();
    let variants: BTreeMap<&str, usize> = Variant::ALL
        .into_iter()
        .map(|v| (v.as_str(), accepted.iter().filter(|row| row.variant == v).count()))
        .collect();
    let mut missing: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, outcome) in scan.names.iter().zip(&scan.outcomes) {
        if outcome.as_ref().is_err_and(|fault| fault.code == Code::ImagesMissing) {
            *missing.entry(name.rsplit_once('/').map_or("", |(folder, _)| folder)).or_insert(0) += 1;
        }
    }
    let counts: BTreeMap<&str, Value> = count(scan.findings.iter().map(|located| located.finding.code))
        .into_iter()
        .map(|(code, count)| (code.name(), json!({"severity": code.severity().letter(), "count": count})))
        .collect();
    let pictured = accepted.iter().filter(|row| row.names.1 > 0).count();
    let pictures = &scan.pictures;
    json!({
        "sources": sources,
        "lines": scan.rows.len(),
        "rows": accepted.len(),
        "rejected": scan.rows.len() - accepted.len(),
        "variants": variants,
        "pictures_checked": scan.resolver.is_some(),
        "decoded": decoded && scan.resolver.is_some(),
        "names": scan.names.len(),
        "distinct_pictures": pictures.len(),
        "rows_per_picture": if pictures.is_empty() { 0.0 } else { pictured as f64 / pictures.len() as f64 },
        "formats": count(pictures.iter().map(|picture| picture.probe.format.as_str())),
        "modes": count(pictures.iter().map(|picture| picture.probe.mode.as_str())),
        "sizes": count(pictures.iter().map(|picture| format!("{}x{}", picture.probe.width, picture.probe.height))),
        "gray": (decoded && scan.resolver.is_some()).then(|| pictures.iter().filter(|picture| picture.channels == 1).count()),
        "tokens": tokens_of(scan, spec),
        "roots": roots_of(scan),
        "missing_folders": missing,
        "unknown_fields": scan.unknown.iter().map(|field| json!({"source": scan.sources[field.source as usize].name, "key": field.pointer, "count": field.count})).collect::<Vec<_>>(),
        "counts": counts,
    })
}
