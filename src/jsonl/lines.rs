//! The lines that begin in a range of a source's bytes.
//!
//! A range owns the lines whose first byte lies in it, so ranges can be read by different threads, and together they give every line once. Lines
//! are not numbered here: only the consumer, who sees the ranges in order, can count. Sources are read by `pread`, never mapped: a file
//! that shrinks under us is an error, not a signal.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::shown::Shown;

/// UTF-8's byte-order mark; skipped at the very start of a source.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How much is read at a time to find the end of a line that leaves its range.
const STEP: usize = 64 << 10;

/// One line, without its newline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Bytes from the start of the source.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
    /// The bytes; `None` where there are more than the limit.
    pub bytes: Option<&'a [u8]>,
}

/// Cuts a file of `size` bytes into ranges of `step`.
pub fn ranges(size: u64, step: u64) -> impl Iterator<Item = Range<u64>> {
    let step = step.max(1);
    (0..size.div_ceil(step)).map(move |i| i * step..((i + 1) * step).min(size))
}

/// Calls `each` on every line that begins in `range`, in order. Lines of more than `limit` bytes are measured, not kept. `buffer` is scratch.
///
/// `size` is the file's length as the caller saw it; a file that has become shorter is an error.
pub fn for_each(
    file: &File,
    path: &Path,
    size: u64,
    range: Range<u64>,
    limit: u64,
    buffer: &mut Vec<u8>,
    mut each: impl FnMut(Line<'_>),
) -> Result<()> {
    // The mark belongs to no line; what is kept of a line that begins with it may be that much longer.
    let mut head = [0; BYTE_ORDER_MARK.len()];
    let marked = range.start == 0 && size >= head.len() as u64 && {
        read_exact(file, path, 0, &mut head)?;
        head == BYTE_ORDER_MARK
    };
    let keep = limit.saturating_add(head.len() as u64);
    let mut emit = |offset: u64, length: u64, line: Option<&[u8]>| {
        let mark = if marked && offset == 0 { head.len() } else { 0 };
        let length = length - mark as u64;
        let bytes = line.and_then(|line| line.get(mark..)).filter(|_| length <= limit);
        each(Line {
            offset: offset + mark as u64,
            length,
            bytes,
        });
    };
    // One byte more in front tells whether the range begins with a line.
    let start = range.start.saturating_sub(1);
    let length = (range.end - start) as usize;
    buffer.resize(length, 0);
    read_exact(file, path, start, buffer)?;
    let mut at = if range.start > 0 {
        match memchr::memchr(b'\n', buffer) {
            Some(newline) => newline + 1,
            None => return Ok(()),
        }
    } else {
        0
    };

    while at < length {
        let rest = buffer.get(at..).unwrap_or_default();
        let offset = start + at as u64;
        let Some(newline) = memchr::memchr(b'\n', rest) else {
            break;
        };
        emit(offset, newline as u64, rest.get(..newline));
        at += newline + 1;
    }
    if at >= length {
        return Ok(());
    }

    // The last line leaves the range: read on to its end, but keep no more of it than the limit.
    let offset = start + at as u64;
    buffer.drain(..at);
    let mut position = range.end;
    let mut length = buffer.len() as u64;
    let mut step = Vec::new();
    while position < size {
        step.resize(STEP.min((size - position) as usize), 0);
        read_exact(file, path, position, &mut step)?;
        let found = memchr::memchr(b'\n', &step);
        let part = step.get(..found.unwrap_or(step.len())).unwrap_or_default();
        length += part.len() as u64;
        if length <= keep {
            // Amortised, because a line comes in many steps.
            buffer.try_reserve(part.len()).map_err(|_| {
                let message = format!("a line of {} is as long; give the process more memory", Shown::path(path));
                Error::memory(length, message)
            })?;
            buffer.extend_from_slice(part);
        }
        if found.is_some() {
            break;
        }
        position += step.len() as u64;
    }
    emit(offset, length, (length <= keep).then_some(buffer));
    Ok(())
}

/// Reads the bytes of one line that an earlier pass has found; an error if the file has become shorter.
pub fn read_exact(file: &File, path: &Path, at: u64, into: &mut [u8]) -> Result<()> {
    file.read_exact_at(into, at).map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            shorter(path, at)
        } else {
            Error::io("read", path, error)
        }
    })
}

/// The file ends before what is read at `at`.
pub(super) fn shorter(path: &Path, at: u64) -> Error {
    Error::data(
        path,
        None,
        Some(at),
        "the file has become shorter while it was read; leave it alone and run again",
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    /// Every line by `split`, the obviously right way.
    fn naive(bytes: &[u8], limit: u64) -> Vec<(u64, u64, Option<Vec<u8>>)> {
        let mut offset = if bytes.starts_with(BYTE_ORDER_MARK) { 3 } else { 0 };
        let mut lines = Vec::new();
        for line in bytes[offset..].split(|&b| b == b'\n') {
            let length = line.len() as u64;
            lines.push((offset as u64, length, (length <= limit).then(|| line.to_vec())));
            offset += line.len() + 1;
        }
        if bytes.last() == Some(&b'\n') || bytes.is_empty() {
            lines.pop();
        }
        lines
    }

    fn by_ranges(bytes: &[u8], step: u64, limit: u64) -> Vec<(u64, u64, Option<Vec<u8>>)> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let (mut lines, mut buffer) = (Vec::new(), Vec::new());
        for range in ranges(bytes.len() as u64, step) {
            let size = bytes.len() as u64;
            for_each(&file, Path::new("x"), size, range, limit, &mut buffer, |line| {
                lines.push((line.offset, line.length, line.bytes.map(<[u8]>::to_vec)));
            })
            .unwrap();
        }
        lines
    }

    proptest! {
        #[test]
        fn ranges_give_every_line_once(parts in prop::collection::vec("[ab]{0,12}|\n{1,3}|\u{feff}", 0..20), limit in 0u64..20) {
            let bytes = parts.concat().into_bytes();
            for step in [1, 2, 3, 5, 8, 1000] {
                prop_assert_eq!(by_ranges(&bytes, step, limit), naive(&bytes, limit));
            }
        }
    }

    #[test]
    fn a_long_line_is_measured_and_not_kept() {
        let bytes = [b"short\n".as_slice(), &vec![b'x'; 300_000], b"\nend"].concat();
        let lines = by_ranges(&bytes, 1000, 1024);
        assert_eq!(lines[1], (6, 300_000, None));
        assert_eq!(lines[2], (300_007, 3, Some(b"end".to_vec())));
    }

    #[test]
    fn a_file_that_shrinks_is_an_error() {
        let file = tempfile::tempfile().unwrap();
        let broken = for_each(&file, Path::new("rows.jsonl"), 10, 0..10, 100, &mut Vec::new(), |_| {});
        assert!(broken.unwrap_err().to_string().contains("has become shorter"));
    }
}
