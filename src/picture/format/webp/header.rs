//! The header of a WebP, as libwebp's demuxer and `WebPImagePlugin` of Pillow read it.

use std::io::Cursor as Reader;

use image_webp::WebPDecoder;

use crate::finding::Code;
use crate::picture::fault::{Fault, PictureResult};
use crate::picture::format::exif::Turns;
use crate::picture::format::header::{Format, Mode, Probe};

/// The most bytes that the container's own parts (profiles, EXIF) may take.
const METADATA_BYTES: usize = 16 << 20;

/// What is known before anything is decoded.
pub(in crate::picture) struct Header<'a> {
    pub(in crate::picture) decoder: WebPDecoder<Reader<&'a [u8]>>,
    turns: Turns,
}

impl<'a> Header<'a> {
    pub(in crate::picture) fn read(bytes: &'a [u8]) -> PictureResult<Self> {
        let bytes = container(bytes)?;
        // The library is told as little as possible to trust: a panic of its is a fault of the picture.
        let opened = std::panic::catch_unwind(|| WebPDecoder::new(Reader::new(bytes)));
        let mut decoder = match opened {
            Ok(Ok(decoder)) => decoder,
            Ok(Err(error)) => return Err(Fault::corrupt(format!("WebP: {error}"))),
            Err(_) => return Err(Fault::corrupt("WebP whose header cannot be read")),
        };
        let (width, height) = decoder.dimensions();
        if width == 0 || height == 0 {
            // What the library makes of 16,384, which Pillow reads.
            return Err(Fault::new(
                Code::PictureFormat,
                "WebP of no or 16,384 pixels a side is not supported",
            ));
        }
        decoder.set_memory_limit(METADATA_BYTES);
        let block = decoder.exif_metadata().ok().flatten();
        let xmp = decoder.xmp_metadata().ok().flatten();
        // Pillow has an empty chunk for none (`WebPImageFile._open`).
        let block = block.filter(|block| !block.is_empty());
        let turns = Turns::read(block.as_deref(), xmp.as_deref());
        Ok(Self { decoder, turns })
    }

    pub(in crate::picture) fn probe(&self) -> Probe {
        let (width, height) = self.decoder.dimensions();
        let alpha = self.decoder.has_alpha();
        Probe {
            format: Format::Webp,
            mode: if alpha { Mode::Rgba } else { Mode::Rgb },
            width,
            height,
            orientation: self.turns.orientation(),
            turns: self.turns,
            transparent: alpha,
            animated: self.decoder.is_animated() && self.decoder.num_frames() > 1,
            decoder_bytes: own_bytes(width, height, self.decoder.is_animated()),
        }
    }
}

/// The part of the file that counts, if its chunks lie in it as libwebp wants it (`demux.c`: `ReadHeader`, `ParseSingleImage`, `ParseVP8X`).
fn container(bytes: &[u8]) -> PictureResult<&[u8]> {
    let mut chunks = Chunks { bytes, at: 4 };
    let size = chunks.u32().ok_or_else(|| Fault::truncated("WebP ends in its header"))?;
    chunks.bytes = bytes
        .get(..size as usize + 8)
        .filter(|bytes| bytes.len() >= 30)
        .ok_or_else(|| Fault::truncated("WebP ends before its container does"))?;
    chunks.at = 12;
    let corrupt = || Fault::corrupt("WebP whose chunks do not fit in their container");
    let (first, content) = chunks.next().ok_or_else(corrupt)?;
    if &first == b"VP8X" {
        let animated = content.len() >= 10 && content[0] & 2 != 0;
        if content.len() < 10 || chunks.at == chunks.bytes.len() {
            return Err(corrupt());
        }
        let mut has_anim = false;
        while chunks.at < chunks.bytes.len() {
            let (name, content) = chunks.next().ok_or_else(corrupt)?;
            let fits = match &name {
                b"VP8X" => false,
                b"VP8 " | b"VP8L" | b"ALPH" => !animated && !has_anim,
                b"ANIM" => content.len() >= 6,
                b"ANMF" => has_anim && content.len() >= 16,
                _ => true,
            };
            if !fits {
                return Err(corrupt());
            }
            has_anim |= &name == b"ANIM";
        }
    } else {
        // Of what follows a plain picture only the first chunk is looked at.
        if chunks.at < chunks.bytes.len() {
            chunks.next().ok_or_else(corrupt)?;
        }
    }
    Ok(chunks.bytes)
}

/// The chunks of a container, one after the other.
struct Chunks<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Chunks<'a> {
    fn u32(&mut self) -> Option<u32> {
        let word = self.bytes.get(self.at..)?.first_chunk()?;
        self.at += 4;
        Some(u32::from_le_bytes(*word))
    }

    /// The name and the content of the next one, if it lies in the container with its padding.
    fn next(&mut self) -> Option<([u8; 4], &'a [u8])> {
        let name = self.u32()?.to_le_bytes();
        let length = self.u32()? as usize;
        let content = self.bytes.get(self.at..)?.get(..length)?;
        self.at += length + length % 2;
        (self.at <= self.bytes.len()).then_some((name, content))
    }
}

/// The most bytes that the library takes for a picture of this size, beside its pixels: of a still one its planes (1.5 a pixel) and its
/// transparency (5), or its colours (4) and what they are predicted from (1); of an animation the canvas (4), and a frame with its own
/// transparency (4 + 5) and planes.
pub(in crate::picture) fn own_bytes(width: u32, height: u32, animated: bool) -> u64 {
    let each = if animated { 16 } else { 7 };
    // Planes are padded to blocks of 16 pixels a side.
    each * (u64::from(width) + 16) * (u64::from(height) + 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Chunked = &'static [(&'static [u8; 4], u32)];

    /// Chunks of these names and lengths in a container that says to be longer by `more` bytes than they are, or shorter.
    fn file(chunks: Chunked, more: i32) -> Vec<u8> {
        let mut content = b"WEBP".to_vec();
        for (name, length) in chunks {
            content.extend_from_slice(&name[..]);
            content.extend(length.to_le_bytes());
            content.extend(std::iter::repeat_n(0, length.next_multiple_of(2) as usize));
        }
        let size = (content.len() as u32).wrapping_add_signed(more);
        let mut bytes = [b"RIFF".as_slice(), &size.to_le_bytes(), &content].concat();
        bytes.extend([0; 40]);
        bytes
    }

    #[test]
    fn a_side_that_the_library_cannot_say_is_refused() {
        // A lossless picture of 16,384 pixels a side: Pillow reads it.
        let mut bytes = file(&[(b"VP8L", 21)], 0);
        bytes[20..25].copy_from_slice(b"\x2f\xff\xff\xff\x0f");
        assert_eq!(Header::read(&bytes).map(|_| ()).unwrap_err().code, Code::PictureFormat);
    }

    #[test]
    fn chunks_must_fit_in_their_container() {
        let plain: Chunked = &[(b"VP8L", 21)];
        let extended: Chunked = &[(b"VP8X", 10), (b"VP8 ", 31), (b"EXIF", 7)];
        for (chunks, more, fits) in [
            (plain, 0, true),
            (plain, -1, false),
            (plain, 3, false),
            (&[(b"VP8L", 21), (b"what", 5), (b"more", 9)], -4, true),
            (&[(b"VP8L", 21), (b"what", 5)], -4, false),
            (extended, 0, true),
            (extended, 8, true),
            (extended, 2, false),
            (extended, -8, false),
            (&[(b"VP8X", 10), (b"ANMF", 40)], 0, false),
            (&[(b"VP8X", 10), (b"ANIM", 6), (b"ANMF", 40)], 0, true),
            (&[(b"VP8X", 10), (b"VP8X", 10), (b"VP8 ", 31)], 0, false),
            (&[(b"VP8X", 30)], 0, false),
        ] {
            assert_eq!(container(&file(chunks, more)).is_ok(), fits, "{chunks:?} {more}");
        }
        let whole = file(extended, 0);
        assert_eq!(container(&whole[..40]).unwrap_err().code, Code::PictureTruncated);
    }
}
