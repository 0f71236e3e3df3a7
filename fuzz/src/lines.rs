//! The lines of a source: whatever the ranges and the limit, the same lines as by cutting the text at each newline.

use std::fs::File;
use std::io::Write;

use mmno_fast::jsonl::lines::{for_each, ranges};

/// Takes a step, a limit, and a text.
pub fn check(bytes: &[u8]) {
    let Some(([step, limit], text)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let (step, limit) = (u64::from(*step) + 1, u64::from(*limit) * 4);
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.as_file().write_all(text).expect("the text is written");
    let opened = File::open(file.path()).expect("the file is there");
    let size = text.len() as u64;
    let (mut found, mut buffer) = (Vec::new(), Vec::new());
    for range in ranges(size, step) {
        for_each(&opened, file.path(), size, range, limit, &mut buffer, |line| {
            found.push((line.offset, line.length, line.bytes.map(<[u8]>::to_vec)));
        })
        .expect("the file stays as it is");
    }
    assert_eq!(found, expected(text, limit));
}

/// The same by the definition: one line after the other.
fn expected(text: &[u8], limit: u64) -> Vec<(u64, u64, Option<Vec<u8>>)> {
    let mark = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let mut lines = Vec::new();
    let mut at = mark;
    if mark > 0 && text.len() == mark {
        return vec![(mark as u64, 0, Some(Vec::new()))]; // the mark stands in a line, which is empty without it
    }
    for line in text[mark..].split_inclusive(|&byte| byte == b'\n') {
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        let kept = (content.len() as u64 <= limit).then(|| content.to_vec());
        lines.push((at as u64, content.len() as u64, kept));
        at += line.len();
    }
    lines
}
