//! The header of a PNG, read as `PIL.PngImagePlugin.PngImageFile._open` reads it, and what stands behind the picture, as `load_end` does.

use std::ops::Range;

use super::text::{self, Texts};
use crate::picture::fault::{Fault, PictureResult};
use crate::picture::format::cursor::Cursor;
use crate::picture::format::exif::Turns;
use crate::picture::format::header::{Format, Mode, Probe};

/// How samples lie in the file: the bits of one and the colour type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::picture) struct Layout {
    pub(in crate::picture) bits: u8,
    pub(in crate::picture) color_type: u8,
}

impl Layout {
    /// `PngImagePlugin._MODES`; none for a combination that PNG does not have.
    fn mode(self) -> Option<Mode> {
        Some(match (self.bits, self.color_type) {
            (1, 0) => Mode::One,
            (2 | 4 | 8, 0) => Mode::L,
            (16, 0) => Mode::I16,
            (8 | 16, 2) => Mode::Rgb,
            (1 | 2 | 4 | 8, 3) => Mode::P,
            (8, 4) => Mode::La,
            // 16-bit LA becomes RGBA, because Pillow has no way to read it as LA.
            (16, 4) | (8 | 16, 6) => Mode::Rgba,
            _ => return None,
        })
    }

    /// The bits of one pixel.
    pub(in crate::picture) fn pixel_bits(self) -> usize {
        let channels = match self.color_type {
            2 => 3,
            4 => 2,
            6 => 4,
            _ => 1,
        };
        channels * usize::from(self.bits)
    }
}

/// The transparent colour or colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::picture) enum Transparency<'a> {
    /// One alpha for each entry of the palette, from the first.
    Palette(&'a [u8]),
    /// This gray sample is transparent.
    Gray(u16),
    /// This colour is transparent.
    Rgb([u16; 3]),
}

/// What comes before the first chunk of data.
#[derive(Debug)]
pub(in crate::picture) struct Header<'a> {
    pub(in crate::picture) layout: Layout,
    pub(in crate::picture) mode: Mode,
    pub(in crate::picture) width: u32,
    pub(in crate::picture) height: u32,
    pub(in crate::picture) interlaced: bool,
    pub(in crate::picture) palette: Option<&'a [u8]>,
    pub(in crate::picture) transparency: Option<Transparency<'a>>,
    /// Where the first chunk of data lies; none where the file has none.
    pub(in crate::picture) data: Option<Range<usize>>,
    turns: Turns,
    animated: bool,
    /// The state of the walk, to go on behind the data.
    chunks: Chunks<'a>,
}

impl<'a> Header<'a> {
    pub(in crate::picture) fn read(bytes: &'a [u8]) -> PictureResult<Self> {
        let mut chunks = Chunks::default();
        let data = chunks.walk_header(bytes)?;
        let Some(mode) = chunks.layout.and_then(Layout::mode) else {
            return Err(Fault::corrupt("PNG without a header that says a known type"));
        };
        let layout = chunks.layout.unwrap_or(Layout { bits: 8, color_type: 0 });
        let (width, height) = (chunks.width, chunks.height);
        if width == 0 || height == 0 {
            return Err(Fault::corrupt(format!("PNG of {width} x {height} pixels")));
        }
        let animated = chunks.frames.is_some_and(|n| n > 1 || !chunks.frame_before_data);
        let mut header = Self {
            layout,
            mode,
            width,
            height,
            interlaced: chunks.interlaced,
            palette: chunks.palette,
            transparency: chunks.transparency,
            data,
            turns: Turns::default(),
            animated,
            chunks,
        };
        let rest = header.rest(bytes);
        header.turns = rest.texts.turns();
        // `convert` looks at it when the picture has been loaded, and what stands behind the data with it.
        header.transparency = rest.transparency;
        Ok(header)
    }

    pub(in crate::picture) fn probe(&self) -> Probe {
        Probe {
            format: Format::Png,
            mode: self.mode,
            width: self.width,
            height: self.height,
            orientation: self.turns.orientation(),
            turns: self.turns,
            transparent: self.transparency.is_some() || matches!(self.layout.color_type, 4 | 6),
            animated: self.animated,
            decoder_bytes: self.decoder_bytes(),
        }
    }

    /// The inflated rows, each behind the number of its filter (interlaced: fewer than twice as many, of which each may begin a byte), and a row
    /// of zeros.
    fn decoder_bytes(&self) -> u64 {
        let (width, height) = (u64::from(self.width), u64::from(self.height));
        let row = (width * self.layout.pixel_bits() as u64).div_ceil(8);
        row * (height + 1) + if self.interlaced { 4 * (height + 8) } else { height }
    }

    /// What all chunks say, those behind the data as well: `getexif` loads the picture first.
    fn rest(&self, bytes: &'a [u8]) -> Chunks<'a> {
        let mut chunks = self.chunks.clone();
        if let Some(data) = &self.data {
            // What is wrong there is for the decoder to say.
            let _ = chunks.walk_rest(bytes, data.end, self.animated);
        }
        chunks
    }

    /// Goes over the chunks from `at`, where the data that were needed end, as Pillow does once the pixels are there.
    pub(in crate::picture) fn finish(&self, bytes: &'a [u8], at: usize) -> PictureResult<()> {
        self.chunks.clone().walk_rest(bytes, at, self.animated)
    }
}

/// `PngStream`: what the chunks have said so far.
#[derive(Debug, Default, Clone)]
struct Chunks<'a> {
    layout: Option<Layout>,
    width: u32,
    height: u32,
    interlaced: bool,
    palette: Option<&'a [u8]>,
    transparency: Option<Transparency<'a>>,
    texts: Texts<'a>,
    /// The frames of an animation, as its header says.
    frames: Option<u32>,
    frame_before_data: bool,
    sequence: Option<u32>,
}

/// One chunk's name and the place of its content, which may lie beyond the end of the file.
struct Chunk {
    name: [u8; 4],
    content: Range<usize>,
}

/// `ChunkStream.read`: none where fewer than the four bytes of a length are left.
fn next_chunk(bytes: &[u8], at: usize) -> PictureResult<Option<Chunk>> {
    let rest = bytes.get(at..).unwrap_or(&[]);
    if rest.len() < 4 {
        return Ok(None);
    }
    let Some(&[l0, l1, l2, l3, ref name @ ..]) = rest.first_chunk::<8>() else {
        return Err(Fault::truncated("PNG ends within the head of a chunk"));
    };
    if !name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_') {
        return Err(Fault::corrupt(format!("PNG chunk with the name {}", name.escape_ascii())));
    }
    let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
    Ok(Some(Chunk {
        name: *name,
        content: at + 8..at + 8 + length,
    }))
}

fn cut() -> Fault {
    Fault::truncated("PNG ends within a chunk")
}

impl<'a> Chunks<'a> {
    /// To the first chunk of data: checks the sum of each chunk before it. None where the picture ends before.
    fn walk_header(&mut self, bytes: &'a [u8]) -> PictureResult<Option<Range<usize>>> {
        let mut at = 8;
        loop {
            let chunk = next_chunk(bytes, at)?.ok_or_else(|| Fault::truncated("PNG ends before its picture begins"))?;
            match &chunk.name {
                b"IDAT" => return Ok(Some(chunk.content)),
                b"IEND" => return Ok(None),
                _ => {}
            }
            let content = bytes.get(chunk.content.clone()).ok_or_else(cut)?;
            self.take(chunk.name, content)?;
            let mut sum = Cursor::new(bytes, chunk.content.end);
            if sum.u32_be().ok_or_else(cut)? != crc32(&bytes[chunk.content.start - 4..chunk.content.end]) {
                return Err(Fault::corrupt(format!("PNG chunk {} with a wrong sum", chunk.name.escape_ascii())));
            }
            at = sum.at();
        }
    }

    /// `load_end`: the chunks behind the data, sums unchecked; a file that just stops between two chunks is whole.
    fn walk_rest(&mut self, bytes: &'a [u8], mut at: usize, animated: bool) -> PictureResult<()> {
        loop {
            let Ok(Some(chunk)) = next_chunk(bytes, at.saturating_add(4)) else {
                return Ok(());
            };
            match &chunk.name {
                b"IEND" => return Ok(()),
                b"fcTL" if animated => return Ok(()),
                _ => {}
            }
            let content = bytes.get(chunk.content.clone()).ok_or_else(cut)?;
            if &chunk.name != b"IDAT" {
                self.take(chunk.name, content)?;
            }
            at = chunk.content.end;
        }
    }

    /// What one chunk says; refused where Pillow's handler of that chunk raises.
    fn take(&mut self, name: [u8; 4], content: &'a [u8]) -> PictureResult<()> {
        let fault = |what: &str| Err(Fault::corrupt(format!("PNG chunk {}: {what}", name.escape_ascii())));
        let least = match &name {
            b"IHDR" => 13,
            b"cHRM" => 32,
            b"sRGB" => 1,
            b"pHYs" => 9,
            b"acTL" => 8,
            b"fcTL" => 26,
            b"gAMA" | b"fdAT" => 4,
            _ => 0,
        };
        if content.len() < least {
            return fault("too short");
        }
        match &name {
            b"IHDR" => return self.image_header(content),
            b"PLTE" if self.mode() == Some(Mode::P) => self.palette = Some(content),
            b"tRNS" => match transparency(self.mode(), content) {
                Ok(Some(found)) => self.transparency = Some(found),
                Ok(None) => {}
                Err(()) => return fault("too short"),
            },
            b"eXIf" => self.texts.exif(content)?,
            b"iCCP" => {
                let method = content.iter().position(|b| *b == 0).map_or(content.first(), |i| content.get(i + 1));
                let start = content.iter().position(|b| *b == 0).map_or(1, |i| i + 2);
                match method {
                    Some(0) if text::inflate(&content[start..])?.is_some() => {}
                    Some(0) => return fault("a profile of more than 1 MiB"),
                    _ => return fault("an unknown compression"),
                }
            }
            b"tEXt" | b"zTXt" | b"iTXt" => return self.texts.take(name, content),
            b"acTL" => {
                let frames = u32_at(content, 0);
                // Said twice, or nonsense: no animation.
                let valid = self.frames.is_none() && (1..=0x8000_0000).contains(&frames);
                self.frames = valid.then_some(frames);
            }
            b"fcTL" => return self.frame(content),
            b"fdAT" => return fault("data of a frame where the picture's are expected"),
            _ => {}
        }
        Ok(())
    }

    fn mode(&self) -> Option<Mode> {
        self.layout.and_then(Layout::mode)
    }

    fn image_header(&mut self, content: &[u8]) -> PictureResult<()> {
        (self.width, self.height) = (u32_at(content, 0), u32_at(content, 4));
        let layout = Layout {
            bits: content[8],
            color_type: content[9],
        };
        if layout.mode().is_some() {
            self.layout = Some(layout);
        }
        self.interlaced |= content[12] != 0;
        if content[11] == 0 {
            Ok(())
        } else {
            Err(Fault::corrupt("PNG of an unknown filter category"))
        }
    }

    /// The control chunk of a frame.
    fn frame(&mut self, content: &[u8]) -> PictureResult<()> {
        let sequence = u32_at(content, 0);
        if self.sequence.map_or(0, |last| last.wrapping_add(1)) != sequence {
            return Err(Fault::corrupt("PNG whose frames are out of order"));
        }
        self.sequence = Some(sequence);
        let [w, h, x, y] = [4, 8, 12, 16].map(|at| u64::from(u32_at(content, at)));
        if x + w > u64::from(self.width) || y + h > u64::from(self.height) {
            return Err(Fault::corrupt("PNG with a frame larger than the picture"));
        }
        if (x, y, w, h) != (0, 0, self.width.into(), self.height.into()) {
            return Err(Fault::corrupt("PNG whose first frame is only a part of the picture: not supported"));
        }
        self.frame_before_data = true;
        Ok(())
    }
}

/// `chunk_tRNS`.
fn transparency(mode: Option<Mode>, content: &[u8]) -> Result<Option<Transparency<'_>>, ()> {
    let sample = |at: usize| content.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]])).ok_or(());
    Ok(match mode {
        Some(Mode::P) => Some(Transparency::Palette(content)),
        Some(Mode::One | Mode::L | Mode::I16) => Some(Transparency::Gray(sample(0)?)),
        Some(Mode::Rgb) => Some(Transparency::Rgb([sample(0)?, sample(2)?, sample(4)?])),
        _ => None,
    })
}

/// Four bytes that are known to be there.
fn u32_at(content: &[u8], at: usize) -> u32 {
    Cursor::new(content, at).u32_be().unwrap_or(0)
}

/// CRC-32 of a chunk's name and content.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0_u32; 256];
        let mut i = 0;
        while i < 256 {
            let mut sum = i as u32;
            let mut bit = 0;
            while bit < 8 {
                sum = if sum & 1 == 1 { 0xedb8_8320 ^ (sum >> 1) } else { sum >> 1 };
                bit += 1;
            }
            table[i] = sum;
            i += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |sum, byte| TABLE[usize::from(sum as u8 ^ byte)] ^ (sum >> 8))
}

#[cfg(test)]
#[path = "header_tests.rs"]
mod tests;
