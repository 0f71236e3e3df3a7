//! The texts of a PNG, as `PngStream.chunk_tEXt`, `chunk_zTXt` and `chunk_iTXt` of Pillow take them: they count for their size, and some
//! of them say which way up the picture is.

use std::borrow::Cow;

use crate::picture::fault::{Fault, PictureResult};
use crate::picture::format::exif::Turns;
use crate::picture::format::inflate::inflated;
use crate::picture::memory::reserve;

/// `ImageFile.SAFEBLOCK`: the most bytes that a compressed text or profile may have, once inflated.
const MAX_TEXT_CHUNK: usize = 1024 * 1024;
/// The most characters of text in one file.
const MAX_TEXT_MEMORY: usize = 64 * MAX_TEXT_CHUNK;

/// What stands in `Image.info` under a name.
#[derive(Debug, Clone)]
enum Info<'a> {
    Bytes(Cow<'a, [u8]>),
    /// A `str`, in whichever encoding: only what is ASCII in it counts here.
    Text(Cow<'a, [u8]>),
}

/// What the texts have said so far, the last of each name.
#[derive(Debug, Default, Clone)]
pub(super) struct Texts<'a> {
    /// `exif`, which is the name of the EXIF chunk as well.
    exif: Option<Info<'a>>,
    /// `Raw profile type exif`: EXIF as `ImageMagick` writes it.
    raw_profile: Option<Cow<'a, [u8]>>,
    /// `XML:com.adobe.xmp` as a text.
    packet: Option<Cow<'a, [u8]>>,
    /// `xmp`, which is the same one as bytes.
    xmp: Option<Info<'a>>,
    /// The characters of all texts.
    length: usize,
}

/// The inflated text of a chunk, unless that is too long.
pub(super) fn inflate(stream: &[u8]) -> PictureResult<Option<Vec<u8>>> {
    inflated(stream, MAX_TEXT_CHUNK)
}

impl<'a> Texts<'a> {
    /// The EXIF chunk.
    pub(super) fn exif(&mut self, content: &[u8]) -> PictureResult<()> {
        let mut block = Vec::new();
        reserve(&mut block, content.len() + 6)?;
        block.extend_from_slice(b"Exif\0\0");
        block.extend_from_slice(content);
        self.exif = Some(Info::Bytes(block.into()));
        Ok(())
    }

    /// One text.
    pub(super) fn take(&mut self, name: [u8; 4], content: &'a [u8]) -> PictureResult<()> {
        let large = || Fault::corrupt("PNG with a text of more than 1 MiB");
        let (key, value) = split(content).unwrap_or((content, &[]));
        match &name {
            b"tEXt" => self.keep(key, value.into(), value.len(), true),
            b"zTXt" => {
                let text = match value {
                    [] => Vec::new(),
                    [0, stream @ ..] => inflate(stream)?.ok_or_else(large)?,
                    _ => return Err(Fault::corrupt("PNG chunk zTXt: an unknown compression")),
                };
                let length = text.len();
                self.keep(key, text.into(), length, false);
            }
            _ => {
                // iTXt: whether and how it is compressed, language, translated key, text.
                let [compressed, method, rest @ ..] = value else { return Ok(()) };
                let Some((language, rest)) = split(rest) else { return Ok(()) };
                let Some((translated, text)) = split(rest) else { return Ok(()) };
                let text: Cow<'a, [u8]> = match (compressed, method) {
                    (0, _) => text.into(),
                    (_, 0) => inflate(text)?.ok_or_else(large)?.into(),
                    _ => return Ok(()),
                };
                if key == b"XML:com.adobe.xmp" {
                    self.xmp = Some(Info::Bytes(text.clone()));
                }
                let [Ok(_), Ok(_), Ok(read)] = [language, translated, &text].map(std::str::from_utf8) else {
                    return Ok(());
                };
                let length = read.chars().count();
                self.keep(key, text, length, false);
            }
        }
        if self.length > MAX_TEXT_MEMORY {
            Err(Fault::corrupt("PNG with more than 64 MiB of text"))
        } else {
            Ok(())
        }
    }

    /// Puts a text where it is looked for; `plain`: in a chunk `tEXt`, of which EXIF stays bytes.
    fn keep(&mut self, key: &[u8], text: Cow<'a, [u8]>, length: usize, plain: bool) {
        match key {
            // Not even counted in `tEXt` and `zTXt`; nobody writes that in the third.
            b"" => return,
            b"exif" if plain => self.exif = Some(Info::Bytes(text)),
            b"exif" => self.exif = Some(Info::Text(text)),
            b"Raw profile type exif" => self.raw_profile = Some(text),
            b"XML:com.adobe.xmp" => self.packet = Some(text),
            b"xmp" => self.xmp = Some(Info::Text(text)),
            _ => {}
        }
        self.length += length;
    }

    /// `Image.getexif`.
    pub(super) fn turns(&self) -> Turns {
        match (&self.exif, &self.raw_profile) {
            (Some(Info::Bytes(block)), _) => self.beside(Some(block)),
            // A pattern of bytes is looked for in a text: a `TypeError`. Pillow 12 looks first whether there is any.
            (Some(Info::Text(text)), _) if text.is_empty() => Turns {
                pillow13: None,
                ..self.beside(None)
            },
            (Some(Info::Text(_)), _) => Turns::BROKEN,
            (None, Some(text)) => from_hex(text).map_or(Turns::BROKEN, |block| self.beside(Some(&block))),
            (None, None) => self.beside(None),
        }
    }

    /// What this block says, and XMP where it says nothing.
    fn beside(&self, exif: Option<&[u8]>) -> Turns {
        match (self.packet.as_deref().filter(|packet| !packet.is_empty()), &self.xmp) {
            (Some(packet), _) => Turns::read(exif, Some(packet)),
            (None, Some(Info::Bytes(packet))) => Turns::read(exif, Some(packet)),
            // As with EXIF, if it is looked at.
            (None, Some(Info::Text(text))) if !text.is_empty() => Turns::unless_in_xmp(exif),
            (None, _) => Turns::read(exif, None),
        }
    }
}

/// The bytes that a raw profile says: `bytes.fromhex` of what stands behind its third line.
fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let lines: Vec<u8> = text.split(|byte| *byte == b'\n').skip(3).flatten().copied().collect();
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut bytes = Vec::with_capacity(lines.len() / 2);
    let mut rest = &lines[..];
    loop {
        // Between bytes there may be space, but not within one.
        rest = match rest {
            [] => return Some(bytes),
            [b' ' | b'\t'..=b'\r', rest @ ..] => rest,
            [high, low, rest @ ..] => {
                bytes.push((digit(high)? << 4 | digit(low)?) as u8);
                rest
            }
            [_] => return None,
        };
    }
}

/// At the first zero byte.
fn split(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(0, content)?;
    Some((&content[..at], &content[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_profiles_are_hexadecimal_behind_three_lines() {
        assert_eq!(from_hex(b"\nexif\n   4\n0aFf\n 01"), Some(vec![0x0a, 0xff, 1]));
        assert_eq!(from_hex(b"\nexif\n   4"), Some(vec![]));
        assert_eq!(from_hex(b"\n\n\n0 a"), None);
        assert_eq!(from_hex(b"\n\n\n0a0"), None);
    }
}
