//! Everything that is known about the input before a pixel is made: rows, pictures, findings.
//!
//! Two passes, never nested. *Rows*: every line is parsed and judged once, in byte ranges. *Pictures*: every distinct name is resolved, read,
//! hashed and probed. What stays in memory per row is offset, length, hash and picture numbers, not its text.

pub mod rows;
pub mod pictures;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use crate::error::{Error, Result};
use crate::finding::{Code, Finding};
use crate::jsonl::rules::{Placeholders, Variant};
use crate::ordered::Pool;
use crate::picture::{Fault, ImageSpec, Probe};
use crate::progress::Counters;
use crate::store::resolve::Resolver;

/// One JSONL file, by the name that identifies its rows.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its file name, or the caller's name for it.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
}

/// What the scan is to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// What will be made of the pictures; its limits decide what is refused.
    pub spec: ImageSpec,
    /// Whether to decode every picture, so that "clean" means clean.
    pub decode: bool,
    /// Whether rows with pictures must have placeholders.
    pub placeholders: Placeholders,
    /// Cut off the front of names.
    pub strip_prefix: Option<String>,
    /// Whether links may leave the roots.
    pub follow_links: bool,
    /// The longest line, in bytes.
    pub max_line_bytes: u64,
    /// The bytes of a source that one item of work covers.
    pub chunk_bytes: u64,
}

/// What is known of a source.
#[derive(Debug, Clone, Default)]
pub struct SourceInfo {
    /// Its length.
    pub bytes: u64,
    /// BLAKE3 of its bytes.
    pub hash: [u8; 32],
    /// Lines that hold something.
    pub lines: u64,
    /// Whether it is one JSON value and not lines.
    pub not_lines: bool,
}

/// What stays in memory of a row.
#[derive(Debug, Clone, Copy)]
pub struct RowEntry {
    /// Its source, by number.
    pub source: u32,
    /// The variant; meaningless for a row that has no shape.
    pub variant: Variant,
    /// Whether a finding of severity E names it.
    pub rejected: bool,
    /// Its line, from 1.
    pub line: u64,
    /// Bytes from the start of the source.
    pub offset: u64,
    /// Length in bytes; lines beyond the limit are measured too.
    pub length: u64,
    /// The first half of BLAKE3 of its bytes; zero for a line beyond the limit.
    pub hash: [u8; 16],
    /// Where its names begin in [`Scan::row_names`], and how many there are.
    pub names: (u32, u32),
}

/// One distinct picture.
#[derive(Debug, Clone)]
pub struct Picture {
    /// BLAKE3 of the file's bytes.
    pub hash: [u8; 32],
    /// What its header says.
    pub probe: Probe,
    /// The root that holds it.
    pub root: usize,
    /// The file below that root.
    pub file: String,
    /// Channels after decoding (1 or 3); 0 where it was not decoded.
    pub channels: u32,
}

/// What a name came to: a picture's number, or why not.
pub type NameOutcome = std::result::Result<u32, Fault>;

/// A finding and the row it is about.
#[derive(Debug, Clone)]
pub struct Located {
    /// The source, by number.
    pub source: u32,
    /// The line, from 1; 0: the whole source.
    pub line: u64,
    /// What there is to say.
    pub finding: Finding,
}

/// A member that nobody knows, over a whole source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownField {
    /// The source, by number.
    pub source: u32,
    /// Its JSON pointer, with `*` for the number of a message.
    pub pointer: String,
    /// How many rows have it.
    pub count: u64,
}

/// The result of a scan.
pub struct Scan {
    /// The sources, in the order given.
    pub sources: Vec<Source>,
    /// What is known of each.
    pub infos: Vec<SourceInfo>,
    /// Every line that holds something, by (source, line).
    pub rows: Vec<RowEntry>,
    /// Names of pictures as rows give them; each once, in the order of first use.
    pub names: Vec<Box<str>>,
    /// The names of all rows, one behind the other.
    pub row_names: Vec<u32>,
    /// What each name came to; empty when no pictures were looked for.
    pub outcomes: Vec<NameOutcome>,
    /// The distinct pictures, in the order of their first name.
    pub pictures: Vec<Picture>,
    /// Everything there is to say, by (source, line, code).
    pub findings: Vec<Located>,
    /// Members that nobody knows.
    pub unknown: Vec<UnknownField>,
    /// The roots as used; `None` when no pictures were looked for.
    pub resolver: Option<Resolver>,
}

impl Scan {
    /// The names of a row.
    pub fn names_of(&self, row: &RowEntry) -> &[u32] {
        let (start, count) = (row.names.0 as usize, row.names.1 as usize);
        self.row_names.get(start..start + count).unwrap_or_default()
    }

    /// The picture that a name came to.
    pub fn picture_of(&self, name: u32) -> Option<u32> {
        self.outcomes.get(name as usize)?.as_ref().ok().copied()
    }
}

/// Scans `sources`; pictures are looked for below `roots`, if there are any to look in.
pub fn scan(sources: Vec<Source>, roots: Option<&[PathBuf]>, options: &Options, pool: Pool<'_>, counters: &Counters) -> Result<Scan> {
    for (i, source) in sources.iter().enumerate() {
        if sources.iter().take(i).any(|other| other.name == source.name) {
            return Err(Error::usage(format!(
                "two sources are called {:?}; name them apart, as in first={} ",
                source.name,
                source.path.display()
            )));
        }
    }
    let mut scan = rows::scan_rows(sources, options, pool, counters)?;
    if let Some(roots) = roots {
        pictures::scan_pictures(&mut scan, roots, options, pool, counters)?;
    }
    warn_unknown(&mut scan);
    scan.findings.sort_by(|a, b| {
        (a.source, a.line, a.finding.code, &a.finding.pointer).cmp(&(b.source, b.line, b.finding.code, &b.finding.pointer))
    });
    mark_rejected(&mut scan);
    counters
        .rejects
        .store(scan.rows.iter().filter(|row| row.rejected).count() as u64, Ordering::Relaxed);
    Ok(scan)
}

/// Unknown members are said once per key and source, at the first row that has one.
fn warn_unknown(scan: &mut Scan) {
    let counts: std::collections::HashMap<(u32, &str), u64> = scan
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

/// Opens a source; its length as of now.
pub fn open_source(path: &Path) -> Result<(File, u64)> {
    let refuse = |error| Error::io("open the source", path, error);
    // Looked at before it is opened: opening a pipe waits until somebody writes to it.
    if !std::fs::metadata(path).map_err(refuse)?.is_file() {
        return Err(Error::usage(format!(
            "{}: expected a JSONL file; pipes and devices cannot be read twice",
            path.display()
        )));
    }
    let file = File::open(path).map_err(refuse)?;
    let meta = file.metadata().map_err(refuse)?;
    Ok((file, meta.len()))
}
