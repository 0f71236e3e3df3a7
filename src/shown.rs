//! How a path is shown in a message: nothing in it acts on a terminal, and two paths never look alike because their bytes are no UTF-8.
//!
//! `report/visible.py` says the same for Python. The exact path stays in the error itself.

use std::ffi::OsStr;
use std::fmt::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A path as text for a message.
///
/// Escaped are control characters, marks of direction, line separators, what has no width or no meaning, and bytes that are no UTF-8. A
/// backslash is doubled where something else is escaped.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a>(&'a [u8]);

impl<'a> Shown<'a> {
    /// Of a path.
    pub fn path(path: &'a Path) -> Self {
        Self(path.as_os_str().as_bytes())
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(self.0) {
            Ok(text) if text.chars().all(is_printable) => return f.write_str(text),
            _ => {}
        }
        for chunk in self.0.utf8_chunks() {
            for char in chunk.valid().chars() {
                match char {
                    '\\' => f.write_str("\\\\")?,
                    '\n' => f.write_str("\\n")?,
                    '\r' => f.write_str("\\r")?,
                    '\t' => f.write_str("\\t")?,
                    _ if is_printable(char) => f.write_char(char)?,
                    '\0'..='\x7f' => write!(f, "\\x{:02x}", char as u32)?,
                    // Unlike in Python, `\x9b` is a byte alone, and `\u009b` the character.
                    '\u{80}'..='\u{ffff}' => write!(f, "\\u{:04x}", char as u32)?,
                    _ => write!(f, "\\U{:08x}", char as u32)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// A name or a path as text for a value that programs read: exact where it is UTF-8, else as [`Shown`] has it.
pub fn text_of(name: &OsStr) -> String {
    name.to_str().map_or_else(|| Shown(name.as_bytes()).to_string(), str::to_owned)
}

/// Whether a terminal shows a character, and does nothing else about it.
fn is_printable(char: char) -> bool {
    if char.is_ascii() {
        return matches!(char, ' '..='~');
    }
    // `str::escape_debug` knows what is printable; a mark that belongs to the letter before it is.
    let mut pair = [b'a', 0, 0, 0, 0];
    let length = char.encode_utf8(&mut pair[1..]).len();
    std::str::from_utf8(&pair[..=length]).is_ok_and(|pair| pair.escape_debug().count() == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> String {
        Shown(bytes).to_string()
    }

    #[test]
    fn what_a_terminal_shows_stays_and_what_it_does_is_escaped() {
        for text in ["", "/a b/tête 1.png", "C:\\x", "e\u{301}.png", "漢字", "\"'[bold]"] {
            assert_eq!(shown(text.as_bytes()), text);
        }
        assert_eq!(shown(b"a\x1b[31m\\\r\n\t\x7f"), r"a\x1b[31m\\\r\n\t\x7f");
        assert_eq!(
            shown("\u{9b}\u{202e}\u{200b}\u{feff}\u{2028}\u{e0001}".as_bytes()),
            r"\u009b\u202e\u200b\ufeff\u2028\U000e0001"
        );
        for char in (0..0x3000).filter_map(char::from_u32).filter(|char| char.is_control()) {
            assert!(!shown(char.to_string().as_bytes()).contains(char), "{char:?}");
        }
    }

    #[test]
    fn names_that_are_no_utf_8_stay_apart() {
        let names: [&[u8]; 8] = [
            b"\xff",
            b"\xfe",
            b"\xff\xff",
            b"\\xff\xff",
            b"\x9b\xff",
            b"\xc2\x9b\xff",
            b"\\\xff",
            b"\xef\xbf\xbd\xff",
        ];
        let mut all: Vec<String> = names.iter().map(|name| shown(name)).collect();
        assert!(all.iter().all(|text| text.chars().all(is_printable)));
        assert_eq!(all[0], r"\xff");
        assert!(names.iter().zip(&all).all(|(name, text)| text_of(OsStr::from_bytes(name)) == *text));
        assert_eq!(text_of(OsStr::new("a\x1b")), "a\x1b");
        all.sort();
        all.dedup();
        assert_eq!(all.len(), names.len());
    }
}
