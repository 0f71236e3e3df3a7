//! Whether a source is one JSON value instead of lines (`source.not_lines`).

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use serde::de::IgnoredAny;

use crate::error::{Error, Result};
use crate::jsonl::json;
use crate::scan::model::Source;

/// Whether the whole file is one JSON array, or one object over several lines. Lines of more than `longest_line` bytes are not looked at whole.
pub(super) fn is_one_value(source: &Source, longest_line: u64) -> Result<bool> {
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
            .take(longest_line.saturating_add(4))
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
