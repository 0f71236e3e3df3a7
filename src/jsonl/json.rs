//! What counts as JSON: the checks that come before any row is looked at (`docs/rows.md`, "What counts as JSON").
//!
//! `serde_json` decides about the grammar. It is silent about the depth (it stops at 128), about keys said twice inside values that we keep as
//! text, and about lone surrogates there; those three are found by the scans below.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::de::IgnoredAny;

use crate::finding::{Code, Finding, quote};

/// The most brackets that may be open at once.
pub const MAX_DEPTH: usize = 64;

/// The bytes that JSON calls white space, less the newline, which ends a line.
pub fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

/// `bytes` without the white space of JSON at its ends.
pub fn trim(bytes: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let start = bytes.iter().position(is_text).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(is_text).map_or(start, |last| last + 1);
    bytes.get(start..end).unwrap_or_default()
}

/// What is wrong with a line as JSON. `at` counts from the start of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `json.utf8`, `json.depth`, `json.syntax` or `json.duplicate_key`.
    pub code: Code,
    /// The byte of the line.
    pub at: usize,
    /// What was found.
    pub message: String,
}

impl Fault {
    /// As a finding of the line that begins at byte `offset` of its source.
    pub fn into_finding(self, offset: u64) -> Finding {
        Finding {
            code: self.code,
            byte: offset + self.at as u64,
            pointer: "".into(),
            message: self.message.into(),
        }
    }
}

/// The line as text, if it is UTF-8 and nowhere deeper than [`MAX_DEPTH`].
pub fn text(line: &[u8]) -> Result<&str, Fault> {
    let text = simdutf8::compat::from_utf8(line).map_err(|error| Fault {
        code: Code::JsonUtf8,
        at: error.valid_up_to(),
        message: format!(
            "byte {:#04x} begins no UTF-8 character",
            line.get(error.valid_up_to()).copied().unwrap_or(0)
        ),
    })?;
    match too_deep(line) {
        Some(at) => Err(Fault {
            code: Code::JsonDepth,
            at,
            message: format!("more than {MAX_DEPTH} brackets are open"),
        }),
        None => Ok(text),
    }
}

/// The byte of the bracket that is one too many, if any. Knows strings, and nothing else of the grammar.
fn too_deep(line: &[u8]) -> Option<usize> {
    // No more than 64 brackets at all, in strings or not: the usual case, at the speed of memory.
    let brackets: usize = line
        .chunks(128)
        .map(|c| usize::from(c.iter().map(|&b| u8::from(b | 0x20 == b'{')).sum::<u8>()))
        .sum();
    if brackets <= MAX_DEPTH {
        return None;
    }
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for (at, &byte) in line.iter().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Some(at);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Whether `text` is one JSON value by grammar alone.
pub fn check_grammar(text: &str) -> Result<(), Fault> {
    serde_json::from_str::<IgnoredAny>(text)
        .map(|_| ())
        .map_err(|error| syntax(&error, text))
}

/// `serde_json`'s error about a text of one line, as a fault at a byte.
fn syntax(error: &serde_json::Error, text: &str) -> Fault {
    let full = error.to_string();
    let message = full.split(" at line ").next().unwrap_or(&full).to_owned();
    // Its columns count bytes from 1, and stand on the byte that was one too many.
    let at = if error.is_eof() {
        text.len()
    } else {
        error.column().saturating_sub(1).min(text.len())
    };
    Fault {
        code: Code::JsonSyntax,
        at,
        message,
    }
}

/// Finds a key said twice, or a lone surrogate, anywhere in `text`, which must be JSON by grammar.
///
/// One pass over the tokens, without recursion; the keys of each open object are kept until it closes.
pub fn check_keys(text: &str) -> Result<(), Fault> {
    let bytes = text.as_bytes();
    let mut open: Vec<Option<Keys<'_>>> = Vec::new(); // None: a list
    let mut want_key = false;
    let mut twice = None;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'{' => {
                open.push(Some(Keys::default()));
                want_key = true;
            }
            b'[' => {
                open.push(None);
                want_key = false;
            }
            b'}' | b']' => {
                open.pop();
                want_key = false;
            }
            b',' => want_key = matches!(open.last(), Some(Some(_))),
            b'"' => {
                let end = string_end(bytes, at);
                let token = text.get(at..end).unwrap_or_default();
                let escaped = has_escape(token);
                if want_key || escaped {
                    let Ok(string) = unescape(token) else {
                        return Err(Fault {
                            code: Code::JsonSyntax,
                            at,
                            message: "lone surrogate in a \\u escape".to_owned(),
                        });
                    };
                    if want_key && let Some(Some(keys)) = open.last_mut() {
                        if let Some(key) = keys.insert(string) {
                            // Escapes are judged before keys: a lone surrogate further on counts for more.
                            let message = format!("key {} stands twice", quote(&key));
                            twice.get_or_insert(Fault {
                                code: Code::JsonDuplicateKey,
                                at,
                                message,
                            });
                        }
                        want_key = false;
                    }
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    twice.map_or(Ok(()), Err)
}

/// Whether something in a string's token is escaped.
pub fn has_escape(token: &str) -> bool {
    memchr::memchr(b'\\', token.as_bytes()).is_some()
}

/// The string that a JSON token with its quotes means; an error for a lone surrogate.
pub fn unescape(token: &str) -> serde_json::Result<Cow<'_, str>> {
    match token.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) if !has_escape(inner) => Ok(Cow::Borrowed(inner)),
        _ => serde_json::from_str::<String>(token).map(Cow::Owned),
    }
}

/// The end (behind the closing quote) of the string that opens at `at`.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    loop {
        match memchr::memchr2(b'"', b'\\', bytes.get(end..).unwrap_or_default()) {
            None => return bytes.len(),
            Some(step) if bytes.get(end + step) == Some(&b'"') => return end + step + 1,
            Some(step) => end += step + 2,
        }
    }
}

/// The keys of one open object: a list while they are few, as they nearly always are.
#[derive(Default)]
struct Keys<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

/// From here on a set is faster than a walk over the list.
const FEW_KEYS: usize = 12;

impl<'a> Keys<'a> {
    /// Adds `key`; gives it back when it is there already.
    fn insert(&mut self, key: Cow<'a, str>) -> Option<Cow<'a, str>> {
        if !self.many.is_empty() {
            return if self.many.contains(&key) {
                Some(key)
            } else {
                self.many.insert(key);
                None
            };
        }
        if self.few.contains(&key) {
            return Some(key);
        }
        self.few.push(key);
        if self.few.len() > FEW_KEYS {
            self.many.extend(self.few.drain(..));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &str) -> Option<(Code, usize)> {
        let checked = text(line.as_bytes()).and_then(|t| check_grammar(t).and_then(|()| check_keys(t)));
        checked.err().map(|fault| (fault.code, fault.at))
    }

    #[test]
    fn each_fault_has_its_code_and_byte() {
        assert_eq!(code(r#"{"a": {"b": [1, {"c": "{[\"["}]}, "d": 1e999}"#), None);
        assert_eq!(code(r#"{"a": 1"#), Some((Code::JsonSyntax, 7)));
        assert_eq!(code(r#"{"a": 1,}"#), Some((Code::JsonSyntax, 8)));
        assert_eq!(code(r#"{"a": NaN}"#), Some((Code::JsonSyntax, 6)));
        assert_eq!(code(r#"{"a": 1, "b": {"x": 1, "\u0078": 2}}"#), Some((Code::JsonDuplicateKey, 23)));
        assert_eq!(code(r#"{"a": "\ud800"}"#), Some((Code::JsonSyntax, 6)));
        assert_eq!(code(r#"{"a": "\ud83e\udde0"}"#), None);
        assert_eq!(text(b"{\"a\": \"\xff\"}").unwrap_err().at, 7);
    }

    #[test]
    fn depth_counts_open_brackets_outside_strings() {
        let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert_eq!(code(&nested(64)), None);
        assert_eq!(code(&nested(65)), Some((Code::JsonDepth, 64)));
        assert_eq!(code(&format!("\"{}\"", nested(300))), None);
        assert_eq!(code(&format!("[{}1]", "[],".repeat(1000))), None);
        assert_eq!(too_deep("[".repeat(100_000).as_bytes()), Some(64));
    }

    #[test]
    fn many_keys_are_checked_in_linear_time() {
        let keys: Vec<String> = (0..50_000).map(|i| format!("\"k{i}\":0,")).collect();
        let line = format!("{{{}\"k7\":1}}", keys.concat());
        assert_eq!(code(&line).map(|found| found.0), Some(Code::JsonDuplicateKey));
    }
}
