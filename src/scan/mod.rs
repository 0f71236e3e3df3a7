//! Everything that is known about the input before a pixel is made: rows, pictures, findings.
//!
//! Two passes, never nested. *Rows*: every line is parsed and judged once, in byte ranges. *Pictures*: every distinct name is resolved, read,
//! hashed and probed. What stays in memory per row is offset, length, hash and picture numbers, not its text.

pub mod options;
pub mod findings;
pub mod model;
mod one_value;
mod rows;
mod pictures;
pub mod report;

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use crate::error::{Error, Result};
use crate::finding::{Code, Finding, quote};
use crate::scan::findings::{Collector, Listener, Located};
use crate::scan::model::{Depth, Run, Scan, Source};
use crate::scan::options::ScanOptions;
use crate::shown::Shown;

/// Scans `sources`, as deep as is wanted.
pub fn scan(sources: Vec<Source>, depth: Depth<'_>, options: &ScanOptions, run: Run<'_>) -> Result<Scan> {
    scan_telling(sources, depth, options, run, None)
}

/// Bytes of a source in one piece of work, where every finding is wanted: all those of a piece are held at once.
const TOLD_CHUNK_BYTES: u64 = 128 << 10;

/// As [`scan`]. `listener` gets every finding, kept or not: first those of rows, then those of pictures, then unknown members.
pub fn scan_telling(
    sources: Vec<Source>,
    depth: Depth<'_>,
    options: &ScanOptions,
    mut run: Run<'_>,
    listener: Option<&mut Listener<'_>>,
) -> Result<Scan> {
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
    if listener.is_some() {
        run.chunk_bytes = run.chunk_bytes.min(TOLD_CHUNK_BYTES);
    }
    let mut said = Collector::new(listener);
    let mut scan = rows::scan_rows(sources, &options.rows, run, &mut said)?;
    match depth {
        Depth::Rows => {}
        Depth::Headers(roots) => pictures::scan_pictures(&mut scan, roots, false, options, run, &mut said)?,
        Depth::Pixels(roots) => pictures::scan_pictures(&mut scan, roots, true, options, run, &mut said)?,
    }
    warn_unknown(&scan, &mut said)?;
    scan.findings = said.finish();
    for (row, _) in scan.findings.rejections() {
        if let Some(row) = scan.rows.get_mut(row) {
            row.rejected = true;
        }
    }
    let rejects = scan.rows.iter().filter(|row| row.rejected).count() as u64;
    run.counters.rejects.store(rejects, Ordering::Relaxed);
    Ok(scan)
}

/// Unknown members are said once per key and source, at the first row that has one.
fn warn_unknown(scan: &Scan, said: &mut Collector<'_, '_>) -> Result<()> {
    for field in &scan.unknown {
        let count = field.count;
        let finding = Finding {
            code: Code::RowUnknownField,
            byte: field.byte,
            pointer: field.first.clone(),
            message: format!("nobody knows this member; {count} rows of this source have it (kept in `extra`)").into(),
        };
        let (source, line) = (field.source, field.line);
        said.say(None, Located { source, line, finding })?;
    }
    Ok(())
}
