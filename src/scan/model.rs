//! What a scan reads, how it runs, and what it finds.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::finding::Code;
use crate::jsonl::rules::Variant;
use crate::jsonl::source::RowPlace;
use crate::ordered::Pool;
use crate::picture::{Fault, Probe};
use crate::progress::Counters;
use crate::scan::findings::Findings;
use crate::shown::text_of;
use crate::store::resolve::{Resolver, Root};

/// One JSONL file, by the name that identifies its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its file name, or the caller's name for it.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
}

/// How deep a scan looks.
#[derive(Debug, Clone, Copy)]
pub enum Depth<'a> {
    /// At rows alone.
    Rows,
    /// At the headers of the pictures below these roots, too.
    Headers(&'a [PathBuf]),
    /// At their pixels, too: each picture is decoded once, so that "clean" means clean.
    Pixels(&'a [PathBuf]),
}

impl<'a> Depth<'a> {
    /// As deep as `roots` let it look; at pixels only where they are to be decoded.
    pub fn of(roots: Option<&'a [PathBuf]>, decode: bool) -> Self {
        match roots {
            None => Self::Rows,
            Some(roots) if decode => Self::Pixels(roots),
            Some(roots) => Self::Headers(roots),
        }
    }
}

/// How a job runs. Nothing of it changes what comes out.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// Its threads.
    pub pool: Pool<'a>,
    /// The bytes of a source that one item of work covers.
    pub chunk_bytes: u64,
    /// Where it says how far it is.
    pub counters: &'a Counters,
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

impl RowEntry {
    /// Where its text lies.
    pub fn place(&self) -> RowPlace {
        RowPlace::Bytes {
            offset: self.offset,
            length: self.length,
        }
    }
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

/// A member that nobody knows, over a whole source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownField {
    /// The source, by number.
    pub source: u32,
    /// Its JSON pointer, with `*` for the number of a message.
    pub pointer: String,
    /// How many rows have it.
    pub count: u64,
    /// The first line that has it, from 1.
    pub line: u64,
    /// Where that line begins.
    pub byte: u64,
    /// Its JSON pointer there.
    pub first: Box<str>,
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
    /// Everything there is to say.
    pub findings: Findings,
    /// Members that nobody knows.
    pub unknown: Vec<UnknownField>,
    /// The roots as used; `None` when no pictures were looked for.
    pub resolver: Option<Resolver>,
    /// Whether every picture was decoded.
    pub decoded: bool,
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

    /// Names of each picture by the rows that the scan accepts, in the order of first use.
    pub fn names_by_picture(&self) -> Vec<Vec<u32>> {
        let mut seen = vec![false; self.names.len()];
        let mut names = vec![Vec::new(); self.pictures.len()];
        for row in self.rows.iter().filter(|row| !row.rejected) {
            for &name in self.names_of(row) {
                if !std::mem::replace(&mut seen[name as usize], true)
                    && let Some(picture) = self.picture_of(name)
                {
                    names[picture as usize].push(name);
                }
            }
        }
        names
    }

    /// Every rejected row in order, with the codes that reject it in the order of the catalogue. A row that something else has marked has none.
    pub fn rejected(&self) -> impl Iterator<Item = (&RowEntry, Vec<Code>)> {
        let mut rejections = self.findings.rejections().peekable();
        self.rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.rejected)
            .map(move |(number, row)| {
                let codes = rejections.next_if(|(rejected, _)| *rejected == number).map(|(_, codes)| codes);
                (row, codes.unwrap_or_default())
            })
    }

    /// Of each code that rejects, the first finding: where it stands, and what was found.
    pub fn examples(&self) -> BTreeMap<String, String> {
        let mut examples = BTreeMap::new();
        for located in self.findings.kept.iter().filter(|located| located.finding.code.rejects()) {
            let source = self.sources.get(located.source as usize).map_or("", |source| &source.name);
            let said = || format!("{source}:{}: {}", located.line, located.finding.message);
            examples.entry(located.finding.code.name().to_owned()).or_insert_with(said);
        }
        examples
    }

    /// The roots as given and as used.
    pub fn roots_used(&self) -> Vec<RootUse> {
        let roots = self.resolver.iter().flat_map(Resolver::roots);
        roots
            .map(|root| RootUse {
                given: text_of(root.given.as_os_str()),
                used: used(root),
                descended: root.below.len(),
            })
            .collect()
    }
}

/// The folder of a root that is used. Where that is not UTF-8, it begins as the root that was given is shown, and the names below it are exact.
fn used(root: &Root) -> String {
    let used = root.store.label("").into_os_string().into_string();
    used.unwrap_or_else(|_| [&[text_of(root.given.as_os_str())], &*root.below].concat().join("/"))
}

/// A root as given and as used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RootUse {
    /// What the caller named.
    pub given: String,
    /// The folder that names are looked for in.
    pub used: String,
    /// How many folders further down that is.
    pub descended: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_looks_at_pictures_where_they_have_roots_and_decodes_them_where_asked() {
        let roots = [PathBuf::from("pictures")];
        assert!(matches!(Depth::of(None, false), Depth::Rows));
        assert!(matches!(Depth::of(None, true), Depth::Rows));
        assert!(matches!(Depth::of(Some(&roots), false), Depth::Headers(own) if own == roots));
        assert!(matches!(Depth::of(Some(&roots), true), Depth::Pixels(own) if own == roots));
        assert!(matches!(Depth::of(Some(&[]), true), Depth::Pixels([])));
    }
}
