//! What a check found: totals as JSON, findings as Arrow or JSON Lines.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{Field, Schema};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::finding::{Code, Finding};
use crate::jsonl::rules::Variant;
use crate::picture::{ImageSpec, tokens};
use crate::scan::findings::Located;
use crate::scan::model::{Scan, Source};

/// What a check found.
pub struct CheckReport {
    scan: Scan,
    spec: ImageSpec,
}

impl CheckReport {
    /// The report of a scan; `spec` is what it was made for.
    pub fn new(scan: Scan, spec: ImageSpec) -> Self {
        Self { scan, spec }
    }

    /// How many findings are kept.
    pub fn findings(&self) -> usize {
        self.scan.findings.kept.len()
    }

    /// Totals and counts, in the shape that the Python layer shows.
    pub fn summary(&self) -> Value {
        summarise(&self.scan, &self.spec)
    }

    fn source(&self, number: u32) -> &str {
        self.scan.sources.get(number as usize).map_or("", |source| &source.name)
    }

    /// Every finding that is kept: code, severity, source, line, byte, pointer, message, hint.
    pub fn to_arrow(&self) -> Result<RecordBatch> {
        let findings = &self.scan.findings.kept;
        let text = |value: fn(&Finding) -> &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(
                findings.iter().map(|located| value(&located.finding)),
            ))
        };
        let sources = StringArray::from_iter_values(findings.iter().map(|located| self.source(located.source)));
        let lines = UInt64Array::from_iter_values(findings.iter().map(|located| located.line));
        let bytes = UInt64Array::from_iter_values(findings.iter().map(|located| located.finding.byte));
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("code", text(|finding| finding.code.name())),
            ("severity", text(|finding| finding.code.severity().letter())),
            ("source", Arc::new(sources)),
            ("line", Arc::new(lines)),
            ("byte", Arc::new(bytes)),
            ("pointer", text(|finding| &finding.pointer)),
            ("message", text(|finding| &finding.message)),
            ("hint", text(|finding| finding.code.entry().hint)),
        ];
        let fields: Vec<Field> = columns
            .iter()
            .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
            .collect();
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .map_err(|error| Error::internal(format!("findings are no table: {error}")))
    }

    /// Writes every finding that is kept to `path`, one JSON object a line.
    pub fn write_jsonl(&self, path: &Path) -> Result<()> {
        let mut file = FindingsFile::create(path, &self.scan.sources)?;
        for located in &self.scan.findings.kept {
            file.write(located)?;
        }
        file.finish()
    }
}

/// A file of findings, one JSON object a line.
pub struct FindingsFile {
    path: PathBuf,
    file: BufWriter<File>,
    sources: Vec<String>,
}

impl FindingsFile {
    /// An empty one; `sources` are those that findings are about.
    pub fn create(path: &Path, sources: &[Source]) -> Result<Self> {
        let file = File::create(path).map_err(|error| Error::io("write", path, error))?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
            sources: sources.iter().map(|source| source.name.clone()).collect(),
        })
    }

    /// Writes one.
    pub fn write(&mut self, located: &Located) -> Result<()> {
        let finding = &located.finding;
        let source = self.sources.get(located.source as usize).map_or("", String::as_str);
        let line = json!({
            "code": finding.code.name(), "severity": finding.code.severity().letter(), "source": source, "line": located.line,
            "byte": finding.byte, "pointer": finding.pointer, "message": finding.message, "hint": finding.code.entry().hint,
        });
        writeln!(self.file, "{line}").map_err(|error| Error::io("write", &self.path, error))
    }

    /// Writes what is left.
    pub fn finish(mut self) -> Result<()> {
        self.file.flush().map_err(|error| Error::io("write", &self.path, error))
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
fn summarise(scan: &Scan, spec: &ImageSpec) -> Value {
    let accepted: Vec<_> = scan.rows.iter().filter(|row| !row.rejected).collect();
    let rejected_in = count(scan.rows.iter().filter(|row| row.rejected).map(|row| row.source as usize));
    let sources: Vec<Value> = scan
        .sources
        .iter()
        .zip(&scan.infos)
        .enumerate()
        .map(|(i, (source, info))| {
            let rejected = rejected_in.get(&i).copied().unwrap_or(0);
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
    let counts: BTreeMap<&str, Value> = scan
        .findings
        .counts()
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
        "decoded": scan.decoded,
        "names": scan.names.len(),
        "distinct_pictures": pictures.len(),
        "rows_per_picture": if pictures.is_empty() { 0.0 } else { pictured as f64 / pictures.len() as f64 },
        "formats": count(pictures.iter().map(|picture| picture.probe.format.as_str())),
        "modes": count(pictures.iter().map(|picture| picture.probe.mode.as_str())),
        "sizes": count(pictures.iter().map(|picture| format!("{}x{}", picture.probe.width, picture.probe.height))),
        "gray": scan.decoded.then(|| pictures.iter().filter(|picture| picture.channels == 1).count()),
        "tokens": tokens_of(scan, spec),
        "roots": scan.roots_used(),
        "missing_folders": missing,
        "unknown_fields": scan.unknown.iter().map(|field| json!({"source": scan.sources[field.source as usize].name, "key": field.pointer, "count": field.count})).collect::<Vec<_>>(),
        "counts": counts,
        "findings": {"all": scan.findings.count(), "kept": scan.findings.kept.len()},
    })
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
