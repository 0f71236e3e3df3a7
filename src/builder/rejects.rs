//! `rejects.jsonl`: every rejected row, as it stood in its source.

use std::collections::{BTreeMap, HashMap, HashSet};

use base64::Engine;
use serde::{Deserialize, Serialize};

use crate::builder::inputs::Inputs;
use crate::builder::seal::Built;
use crate::error::{Error, Result};
use crate::finding::Code;
use crate::scan::model::{RowEntry, Scan};

#[derive(Serialize)]
struct Reject<'a> {
    source: &'a str,
    line: u64,
    byte: u64,
    codes: Vec<&'a str>,
    #[serde(flatten)]
    body: Body,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Body {
    Text(String),
    Base64(String),
    Length(u64),
}

/// The rejected rows of a scan and of its units, as `rejects.jsonl` holds them.
pub fn rejects(scan: &Scan, units: &[Built], inputs: &Inputs) -> Result<Vec<u8>> {
    let names = scan.sources.iter().map(|source| source.name.as_str());
    let numbers: HashMap<&str, u32> = names.zip(0..).collect();
    let mut lost: HashMap<(u32, u64), Vec<&str>> = HashMap::new();
    for reject in units.iter().flat_map(|unit| &unit.record.rejects) {
        if let Some(&source) = numbers.get(reject.source.as_str()) {
            lost.insert((source, reject.line), reject.codes.iter().map(String::as_str).collect());
        }
    }
    let mut of_scan = scan.rejected().peekable();
    let (mut text, mut line) = (Vec::new(), Vec::new());
    for row in &scan.rows {
        let codes = match of_scan.next_if(|(rejected, _)| (rejected.source, rejected.line) == (row.source, row.line)) {
            Some((_, codes)) => codes.iter().map(|code| code.name()).collect(),
            None => match lost.remove(&(row.source, row.line)) {
                Some(codes) => codes,
                None => continue,
            },
        };
        let reject = Reject {
            source: &scan.sources[row.source as usize].name,
            line: row.line,
            byte: row.offset,
            body: body(row, &codes, inputs, &mut line)?,
            codes,
        };
        serde_json::to_writer(&mut text, &reject).map_err(|error| Error::internal(format!("a rejected row is no JSON: {error}")))?;
        text.push(b'\n');
    }
    Ok(text)
}

fn body(row: &RowEntry, codes: &[&str], inputs: &Inputs, line: &mut Vec<u8>) -> Result<Body> {
    if codes.contains(&Code::LineTooLong.name()) {
        return Ok(Body::Length(row.length));
    }
    inputs.source(row.source)?.read(row.place(), line)?;
    Ok(match std::str::from_utf8(line) {
        Ok(text) => Body::Text(text.to_owned()),
        Err(_) => Body::Base64(base64::engine::general_purpose::STANDARD.encode(&line)),
    })
}

#[derive(Deserialize)]
struct Codes {
    codes: Vec<String>,
}

/// A rejected row as the file holds it, its text aside.
#[derive(Deserialize)]
struct Known {
    source: String,
    line: u64,
    codes: Vec<String>,
}

/// Whether the fault may lie outside the data: the picture's file is not there, or may not be read, at this moment.
fn may_pass(code: &str) -> bool {
    [Code::ImagesMissing, Code::PictureUnreadable]
        .iter()
        .any(|passing| passing.name() == code)
}

/// Whether a row of a `rejects.jsonl` whose picture could not be had is not rejected for that any more.
///
/// Then the same command goes on: nothing that the user gave has changed.
pub fn has_passed(rejects: &[u8], scan: &Scan) -> bool {
    let now: HashSet<(&str, u64)> = scan
        .rejected()
        .filter(|(_, codes)| codes.iter().any(|code| may_pass(code.name())))
        .map(|(row, _)| (scan.sources[row.source as usize].name.as_str(), row.line))
        .collect();
    let rows = rejects
        .split(|&byte| byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Known>(line).ok());
    rows.filter(|row| row.codes.iter().any(|code| may_pass(code)))
        .any(|row| !now.contains(&(row.source.as_str(), row.line)))
}

/// The rows of a `rejects.jsonl` by code.
pub fn count(rejects: &[u8]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for line in rejects.split(|&byte| byte == b'\n') {
        if let Ok(reject) = serde_json::from_slice::<Codes>(line) {
            for code in reject.codes {
                *counts.entry(code).or_insert(0) += 1;
            }
        }
    }
    counts
}
