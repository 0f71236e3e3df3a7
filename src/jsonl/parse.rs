//! One line as a row, or everything that is wrong with its shape.
//!
//! Two ways lead to the same row. The fast one (`row_fast.rs`) lets `serde` build the row straight from the text; nearly every line takes it.
//! Whatever it stumbles over goes through the slow one (`row_slow.rs`), which decides alone and names every fault.

use crate::finding::Finding;
use crate::jsonl::row::Row;
use crate::jsonl::{json, row_fast, row_slow};

/// Reads a line that begins at byte `offset` of its source. Every fault of its shape goes into `findings`.
///
/// An object is a row, also when a part of it has no shape: what is whole can still be judged.
pub fn parse<'a>(line: &'a [u8], offset: u64, findings: &mut Vec<Finding>) -> Option<Row<'a>> {
    let text = match json::text(line) {
        Ok(text) => text,
        Err(fault) => {
            findings.push(fault.into_finding(offset));
            return None;
        }
    };
    row_fast::parse(text).or_else(|| row_slow::parse(text, offset, findings))
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
