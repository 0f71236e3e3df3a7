//! The first pass: every line of every source, in parallel byte ranges.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;

use serde::de::IgnoredAny;

use crate::error::{Error, Result};
use crate::finding::{Code, Finding};
use crate::jsonl::rules::{Meaning, Variant};
use crate::jsonl::{json, lines, row, rules};
use crate::ordered::{self, Pool, Turn};
use crate::progress::{Counters, Stage};
use crate::scan::{Located, Options, RowEntry, Scan, Source, SourceInfo, UnknownField, open_source};

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
    Parsed(usize, Chunk),
}

/// The rows of one range. Lines are numbered from 0, names are its own.
#[derive(Default)]
struct Chunk {
    lines: u64,
    rows: Vec<RowEntry>,
    row_names: Vec<u32>,
    names: Names,
    findings: Vec<(u64, Finding)>,
    unknown: HashMap<String, (u64, u64, Finding)>,
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

struct Open {
    file: File,
    size: u64,
}

/// Parses and judges every line.
#[expect(clippy::too_many_lines, reason = "one pass over one stream of items")]
pub fn scan_rows(sources: Vec<Source>, options: &Options, pool: Pool<'_>, counters: &Counters) -> Result<Scan> {
    let mut open = Vec::new();
    for source in &sources {
        let (file, size) = open_source(&source.path)?;
        open.push(Open { file, size });
    }
    counters.enter(Stage::Rows, open.iter().map(|source| source.size).sum());
    let mut infos = vec![SourceInfo::default(); sources.len()];
    let mut findings = Vec::new();
    for (i, (source, opened)) in sources.iter().zip(&open).enumerate() {
        infos[i].bytes = opened.size;
        if is_one_value(source, options.max_line_bytes)? {
            infos[i].not_lines = true;
            let message = "expected one JSON object per line, found one JSON value in the whole file".into();
            let finding = Finding {
                code: Code::SourceNotLines,
                byte: 0,
                pointer: "".into(),
                message,
            };
            findings.push(Located {
                source: i as u32,
                line: 0,
                finding,
            });
        }
    }
    let items: Vec<Item> = (0..sources.len())
        .flat_map(|i| {
            let size = if infos[i].not_lines { 0 } else { open[i].size };
            std::iter::once(Item::Hash(i)).chain(lines::ranges(size, options.chunk_bytes).map(move |range| Item::Lines(i, range)))
        })
        .collect();

    let mut rows: Vec<RowEntry> = Vec::new();
    let mut row_names: Vec<u32> = Vec::new();
    let mut names = Names::default();
    let mut unknown: Vec<UnknownField> = Vec::new();
    let mut line_base = vec![0u64; sources.len()];
    ordered::map(
        pool,
        items.into_iter(),
        |item| match item {
            Item::Hash(_) => Turn::WhenDone,
            Item::Lines(_, range) => Turn::InOrder(range.end - range.start),
        },
        Vec::new,
        |buffer, item| -> Result<Outcome> {
            match item {
                Item::Hash(i) => Ok(Outcome::Hashed(i, hash_file(&open[i].file, &sources[i], open[i].size, buffer)?)),
                Item::Lines(i, range) => {
                    let bytes = range.end - range.start;
                    let chunk = parse_chunk(&open[i], &sources[i], range, options, buffer)?;
                    Counters::add(&counters.done, bytes);
                    Counters::add(&counters.rows, chunk.rows.len() as u64);
                    Ok(Outcome::Parsed(i, chunk))
                }
            }
        },
        |outcome| {
            match outcome? {
                Outcome::Hashed(i, hash) => infos[i].hash = hash,
                Outcome::Parsed(i, chunk) => {
                    let (source, base) = (i as u32, line_base[i]);
                    let numbers: Vec<u32> = chunk.names.list.iter().map(|name| names.number(name)).collect();
                    let first = row_names.len() as u32;
                    row_names.extend(chunk.row_names.iter().map(|&name| numbers[name as usize]));
                    for mut row in chunk.rows {
                        row.source = source;
                        row.line += base + 1;
                        row.names.0 += first;
                        rows.push(row);
                        infos[i].lines += 1;
                    }
                    let located = |(line, finding)| Located {
                        source,
                        line: base + line + 1,
                        finding,
                    };
                    findings.extend(chunk.findings.into_iter().map(located));
                    let mut members: Vec<_> = chunk.unknown.into_iter().collect();
                    members.sort_by(|a, b| (a.1.1, &a.0).cmp(&(b.1.1, &b.0)));
                    for (pointer, (count, line, finding)) in members {
                        if let Some(field) = unknown.iter_mut().find(|field| field.source == source && field.pointer == pointer) {
                            field.count += count;
                        } else {
                            unknown.push(UnknownField { source, pointer, count });
                            findings.push(located((line, finding)));
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
        findings,
        unknown,
        resolver: None,
    })
}

/// A pointer without the number of the message: `/messages/3/name` becomes `/messages/*/name`.
pub fn pattern(pointer: &str) -> String {
    match pointer.strip_prefix("/messages/").and_then(|rest| rest.split_once('/')) {
        Some((_, key)) => format!("/messages/*/{key}"),
        None => pointer.to_owned(),
    }
}

fn parse_chunk(open: &Open, source: &Source, range: Range<u64>, options: &Options, buffer: &mut Vec<u8>) -> Result<Chunk> {
    let mut chunk = Chunk::default();
    lines::for_each(&open.file, &source.path, open.size, range, options.max_line_bytes, buffer, |line| {
        let number = chunk.lines;
        chunk.lines += 1;
        if !line.bytes.is_some_and(json::is_blank) {
            chunk.add(number, line, options);
        }
    })?;
    Ok(chunk)
}

impl Chunk {
    fn add(&mut self, number: u64, line: lines::Line<'_>, options: &Options) {
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
            entry.hash.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
            if let Some((row, meaning)) = judge(bytes, line.offset, options, &mut findings) {
                entry.variant = meaning.variant;
                entry.names.1 = row.images.len() as u32;
                for name in &row.images {
                    let number = self.names.number(name);
                    self.row_names.push(number);
                }
                for member in &row.unknown {
                    let pointer = member.pointer();
                    let first = || {
                        let finding = Finding {
                            code: Code::RowUnknownField,
                            byte: line.offset,
                            pointer: pointer.as_str().into(),
                            message: "".into(),
                        };
                        (0, number, finding)
                    };
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
        self.rows.push(entry);
        self.findings.extend(findings.into_iter().map(|finding| (number, finding)));
    }
}

/// A line as a row and its meaning, or findings.
pub fn judge<'a>(line: &'a [u8], offset: u64, options: &Options, findings: &mut Vec<Finding>) -> Option<(row::Row<'a>, Meaning)> {
    let row = row::parse(line, offset, findings)?;
    let meaning = rules::read(&row, offset, options.strip_prefix.as_deref(), options.placeholders, findings);
    Some((row, meaning))
}

fn hash_file(file: &File, source: &Source, size: u64, buffer: &mut Vec<u8>) -> Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    for range in lines::ranges(size, 1 << 20) {
        buffer.resize((range.end - range.start) as usize, 0);
        lines::read_exact(file, &source.path, range.start, buffer)?;
        hasher.update(buffer);
    }
    Ok(*hasher.finalize().as_bytes())
}

/// Whether the whole file is one JSON array, or one object over several lines (`source.not_lines`).
fn is_one_value(source: &Source, max_line_bytes: u64) -> Result<bool> {
    let refuse = |error| Error::io("read", &source.path, error);
    let file = File::open(&source.path).map_err(refuse)?;
    let mut reader = BufReader::new(&file);
    let mut first = Vec::new();
    if reader.fill_buf().map_err(refuse)?.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    // The first line that holds something, as far as a line may go.
    while first.is_empty() || (json::trim(&first).is_empty() && first.ends_with(b"\n")) {
        first.clear();
        if reader
            .by_ref()
            .take(max_line_bytes + 4)
            .read_until(b'\n', &mut first)
            .map_err(refuse)?
            == 0
        {
            return Ok(false);
        }
    }
    let head = json::trim(&first);
    let is_list = head.first() == Some(&b'[');
    if !(is_list || head.first() == Some(&b'{')) {
        return Ok(false);
    }
    let alone = serde_json::from_slice::<IgnoredAny>(head).is_ok();
    if alone && !is_list {
        return Ok(false);
    }
    if !first.ends_with(b"\n") {
        skip_line(&mut reader).map_err(refuse)?;
    }
    let is_last = rest_is_blank(&mut reader).map_err(refuse)?;
    if alone || (is_last && !is_list) {
        // A list alone in the file; or an object on one line, however long, which is a row.
        return Ok(is_last && is_list);
    }
    let mut whole = BufReader::new(File::open(&source.path).map_err(refuse)?);
    if whole.fill_buf().map_err(refuse)?.starts_with(b"\xef\xbb\xbf") {
        whole.consume(3);
    }
    Ok(serde_json::from_reader::<_, IgnoredAny>(whole).is_ok())
}

/// Reads on to the end of the line.
fn skip_line(reader: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        let (used, ends) = match memchr::memchr(b'\n', buffer) {
            Some(newline) => (newline + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(used);
        if ends {
            return Ok(());
        }
    }
}

/// Whether nothing else stands in the file.
fn rest_is_blank(reader: &mut impl BufRead) -> std::io::Result<bool> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(true);
        }
        if !json::trim(buffer).is_empty() {
            return Ok(false);
        }
        let length = buffer.len();
        reader.consume(length);
    }
}
