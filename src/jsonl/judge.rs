//! A line as a row and what it means: the one way in for whoever scans, builds or reads rows.

use crate::finding::Finding;
use crate::jsonl::options::RowOptions;
use crate::jsonl::parse::parse;
use crate::jsonl::row::Row;
use crate::jsonl::rules::{self, Meaning};

/// A line that begins at byte `offset` of its source as a row and its meaning: here the dialects part. What is wrong with it goes into `findings`; without a row, that
/// is never nothing.
pub fn judge<'a>(line: &'a [u8], offset: u64, options: &RowOptions, findings: &mut Vec<Finding>) -> Option<(Row<'a>, Meaning)> {
    let row = parse(line, offset, findings)?;
    let meaning = rules::read(&row, offset, options, findings);
    Some((row, meaning))
}
