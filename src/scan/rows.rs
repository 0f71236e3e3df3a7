//! The first pass: every line of every source, in parallel byte ranges.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::jsonl::judge::judge;
use crate::jsonl::options::RowOptions;
use crate::jsonl::rules::Variant;
use crate::jsonl::source::{JsonLines, row_hash};
use crate::jsonl::{json, lines};
use crate::ordered::{self, Turn};
use crate::progress::{Counters, Stage};
use crate::scan::findings::{Collector, Findings, Located, Said};
use crate::scan::model::{RowEntry, Run, Scan, Source, SourceInfo, UnknownField};
use crate::scan::one_value::is_one_value;

/// One item of this pass.
enum Item {
    /// Hash the whole source.
    Hash(usize),
    /// Parse the lines that begin here.
    Lines(usize, Range<u64>),
}

/// What came of it.
enum Outcome {
    Hashed(usize, [u8; 32]),
    Parsed(usize, Box<Chunk>),
}

/// The rows of one range. Lines are numbered from 0, names are its own.
struct Chunk {
    lines: u64,
    rows: Vec<RowEntry>,
    row_names: Vec<u32>,
    names: Names,
    said: Said,
    /// Of each unknown member how many rows have it, and the first: line, byte, pointer.
    unknown: HashMap<String, (u64, u64, u64, Box<str>)>,
}

/// Names, each once, in the order of first use.
#[derive(Default)]
struct Names {
    list: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u32, foldhash::fast::RandomState>,
}

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(&known) = self.numbers.get(name) {
            return known;
        }
        let number = self.list.len() as u32;
        self.list.push(name.into());
        self.numbers.insert(name.into(), number);
        number
    }
}

/// Parses and judges every line.
#[expect(clippy::too_many_lines, reason = "one pass over one stream of items")]
pub(super) fn scan_rows(sources: Vec<Source>, options: &RowOptions, run: Run<'_>, said: &mut Collector<'_, '_>) -> Result<Scan> {
    let counters = run.counters;
    let mut open = Vec::new();
    for source in &sources {
        open.push(JsonLines::open(&source.path)?);
    }
    counters.enter(Stage::Rows, open.iter().map(JsonLines::length).sum());
    let mut infos = vec![SourceInfo::default(); sources.len()];
    for (i, (source, opened)) in sources.iter().zip(&open).enumerate() {
        infos[i].bytes = opened.length();
        if is_one_value(source, options.max_line_bytes)? {
            infos[i].not_lines = true;
            let message = "expected one JSON object per line, found one JSON value in the whole file".into();
            let finding = Finding {
                code: Code::SourceNotLines,
                byte: 0,
                pointer: "".into(),
                message,
            };
            let source = i as u32;
            said.say(None, Located { source, line: 0, finding })?;
        }
    }
    let items: Vec<Item> = (0..sources.len())
        .flat_map(|i| {
            let size = if infos[i].not_lines { 0 } else { open[i].length() };
            std::iter::once(Item::Hash(i)).chain(lines::ranges(size, run.chunk_bytes).map(move |range| Item::Lines(i, range)))
        })
        .collect();

    let mut rows: Vec<RowEntry> = Vec::new();
    let mut row_names: Vec<u32> = Vec::new();
    let mut names = Names::default();
    let mut unknown: Vec<UnknownField> = Vec::new();
    let mut known: HashMap<(u32, String), usize> = HashMap::new(); // where each stands in `unknown`
    let mut line_base = vec![0u64; sources.len()];
    let all = said.wants_all();
    ordered::map(
        run.pool,
        items.into_iter(),
        |item| match item {
            Item::Hash(_) => Turn::WhenDone,
            Item::Lines(_, range) => Turn::InOrder(range.end - range.start),
        },
        Vec::new,
        |buffer, item| -> Result<Outcome> {
            match item {
                Item::Hash(i) => Ok(Outcome::Hashed(i, open[i].hash(buffer)?)),
                Item::Lines(i, range) => {
                    let bytes = range.end - range.start;
                    let chunk = parse_chunk(&open[i], range, options, all, buffer)?;
                    Counters::add(&counters.done, bytes);
                    Counters::add(&counters.rows, chunk.rows.len() as u64);
                    Ok(Outcome::Parsed(i, Box::new(chunk)))
                }
            }
        },
        |outcome| {
            match outcome? {
                Outcome::Hashed(i, hash) => infos[i].hash = hash,
                Outcome::Parsed(i, chunk) => {
                    let (source, base) = (i as u32, line_base[i]);
                    let numbers: Vec<u32> = chunk.names.list.iter().map(|name| names.number(name)).collect();
                    let (first, first_row) = (row_names.len() as u32, rows.len());
                    row_names.extend(chunk.row_names.iter().map(|&name| numbers[name as usize]));
                    for mut row in chunk.rows {
                        row.source = source;
                        row.line += base + 1;
                        row.names.0 += first;
                        rows.push(row);
                        infos[i].lines += 1;
                    }
                    said.take(source, base + 1, first_row, chunk.said)?;
                    let mut members: Vec<_> = chunk.unknown.into_iter().collect();
                    members.sort_by(|a, b| (a.1.1, &a.0).cmp(&(b.1.1, &b.0)));
                    for (pointer, (count, line, byte, first)) in members {
                        match known.entry((source, pointer)) {
                            Entry::Occupied(place) => unknown[*place.get()].count += count,
                            Entry::Vacant(place) => {
                                let pointer = place.key().1.clone();
                                place.insert(unknown.len());
                                unknown.push(UnknownField {
                                    source,
                                    pointer,
                                    count,
                                    line: base + line + 1,
                                    byte,
                                    first,
                                });
                            }
                        }
                    }
                    line_base[i] += chunk.lines;
                }
            }
            Ok(())
        },
    )?;
    rows.shrink_to_fit();
    Ok(Scan {
        sources,
        infos,
        rows,
        names: names.list,
        row_names,
        outcomes: Vec::new(),
        pictures: Vec::new(),
        findings: Findings::default(),
        unknown,
        resolver: None,
        decoded: false,
    })
}

/// A pointer without the number of the message: `/messages/3/name` becomes `/messages/*/name`.
fn pattern(pointer: &str) -> String {
    match pointer.strip_prefix("/messages/").and_then(|rest| rest.split_once('/')) {
        Some((_, key)) => format!("/messages/*/{key}"),
        None => pointer.to_owned(),
    }
}

fn parse_chunk(source: &JsonLines, range: Range<u64>, options: &RowOptions, all: bool, buffer: &mut Vec<u8>) -> Result<Chunk> {
    let mut chunk = Chunk {
        lines: 0,
        rows: Vec::new(),
        row_names: Vec::new(),
        names: Names::default(),
        said: Said::new(all),
        unknown: HashMap::new(),
    };
    source.for_each_line(range, options.max_line_bytes, buffer, |line| {
        let number = chunk.lines;
        chunk.lines += 1;
        if !line.bytes.is_some_and(json::is_blank) {
            chunk.add(number, line, options);
        }
    })?;
    Ok(chunk)
}

impl Chunk {
    fn add(&mut self, number: u64, line: lines::Line<'_>, options: &RowOptions) {
        let mut findings = Vec::new();
        let mut entry = RowEntry {
            source: 0,
            variant: Variant::Chat,
            rejected: false,
            line: number,
            offset: line.offset,
            length: line.length,
            hash: [0; 16],
            names: (self.row_names.len() as u32, 0),
        };
        if let Some(bytes) = line.bytes {
            entry.hash = row_hash(bytes);
            if let Some((row, meaning)) = judge(bytes, line.offset, options, &mut findings) {
                entry.variant = meaning.variant;
                entry.names.1 = row.images.len() as u32;
                for name in &row.images {
                    let number = self.names.number(name);
                    self.row_names.push(number);
                }
                for member in &row.unknown {
                    let pointer = member.pointer();
                    let first = || (0, number, line.offset, pointer.as_str().into());
                    self.unknown.entry(pattern(&pointer)).or_insert_with(first).0 += 1;
                }
            }
        } else {
            let message = format!("the line has {} bytes; at most {} are read", line.length, options.max_line_bytes).into();
            findings.push(Finding {
                code: Code::LineTooLong,
                byte: line.offset,
                pointer: "".into(),
                message,
            });
        }
        for finding in findings {
            self.said.say(self.rows.len(), number, finding);
        }
        self.rows.push(entry);
    }
}
