//! Everything that is known about the input before a pixel is made: rows, pictures, findings.
//!
//! Two passes, never nested. *Rows*: every line is parsed and judged once, in byte ranges. *Pictures*: every distinct name is resolved, read,
//! hashed and probed. What stays in memory per row is offset, length, hash and picture numbers, not its text.

pub mod options;
pub mod model;
mod one_value;
mod rows;
mod pictures;
pub mod report;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use crate::error::{Error, Result};
use crate::finding::{Code, quote};
use crate::scan::model::{Depth, Run, Scan, Source};
use crate::scan::options::ScanOptions;
use crate::shown::Shown;

/// Scans `sources`, as deep as is wanted.
pub fn scan(sources: Vec<Source>, depth: Depth<'_>, options: &ScanOptions, run: Run<'_>) -> Result<Scan> {
    let mut names = HashSet::new();
    for source in &sources {
        if !names.insert(source.name.as_str()) {
            return Err(Error::usage(format!(
                "two sources are called {}; name them apart, as in first={} ",
                quote(&source.name),
                Shown::path(&source.path)
            )));
        }
    }
    let mut scan = rows::scan_rows(sources, &options.rows, run)?;
    match depth {
        Depth::Rows => {}
        Depth::Headers(roots) => pictures::scan_pictures(&mut scan, roots, false, options, run)?,
        Depth::Pixels(roots) => pictures::scan_pictures(&mut scan, roots, true, options, run)?,
    }
    warn_unknown(&mut scan);
    scan.findings.sort_by(|a, b| {
        (a.source, a.line, a.finding.code, &a.finding.pointer).cmp(&(b.source, b.line, b.finding.code, &b.finding.pointer))
    });
    mark_rejected(&mut scan);
    let rejects = scan.rows.iter().filter(|row| row.rejected).count() as u64;
    run.counters.rejects.store(rejects, Ordering::Relaxed);
    Ok(scan)
}

/// Unknown members are said once per key and source, at the first row that has one.
fn warn_unknown(scan: &mut Scan) {
    let counts: HashMap<(u32, &str), u64> = scan
        .unknown
        .iter()
        .map(|field| ((field.source, field.pointer.as_str()), field.count))
        .collect();
    for located in scan
        .findings
        .iter_mut()
        .filter(|located| located.finding.code == Code::RowUnknownField)
    {
        let pattern = rows::pattern(&located.finding.pointer);
        let count = counts.get(&(located.source, pattern.as_str())).copied().unwrap_or(1);
        located.finding.message = format!("nobody knows this member; {count} rows of this source have it (kept in `extra`)").into();
    }
}

fn mark_rejected(scan: &mut Scan) {
    let mut bad = scan
        .findings
        .iter()
        .filter(|located| located.finding.code.rejects())
        .map(|located| (located.source, located.line))
        .peekable();
    for row in &mut scan.rows {
        while bad.next_if(|place| *place < (row.source, row.line)).is_some() {}
        row.rejected = bad.peek() == Some(&(row.source, row.line));
    }
}
