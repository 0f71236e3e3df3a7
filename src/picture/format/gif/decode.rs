//! The first frame of a GIF, as `GifDecode.c` of Pillow reads it.

use super::header::Header;
use crate::picture::fault::{Fault, PictureResult};
use crate::picture::memory::room;
use crate::picture::pixels::samples::Samples;

/// The bytes that Pillow reads at once (`ImageFile.MAXBLOCK`).
const PIECE: usize = 65_536;

/// The most entries of the table: codes of 12 bits.
const ENTRIES: usize = 4096;

/// The strings that codes stand for: each is another one and a sample behind it.
pub(in crate::picture) struct Gif {
    link: Box<[u16; ENTRIES]>,
    last: Box<[u8; ENTRIES]>,
    /// One string, backwards.
    string: Vec<u8>,
}

impl Default for Gif {
    fn default() -> Self {
        Self {
            link: Box::new([0; ENTRIES]),
            last: Box::new([0; ENTRIES]),
            string: Vec::with_capacity(ENTRIES + 1),
        }
    }
}

impl Gif {
    /// Decodes into the front of `pixels`: indices, or grays where there is no palette.
    pub(in crate::picture) fn decode(
        &mut self,
        bytes: &[u8],
        header: &Header<'_>,
        palette: &mut [[u8; 4]; 256],
        pixels: &mut Vec<u8>,
    ) -> PictureResult<Samples> {
        let (width, height) = (header.width as usize, header.height as usize);
        let pixels = room(pixels, width * height)?;
        // `load_prepare`: what the frame does not cover is the transparent entry.
        pixels.fill(header.transparent.unwrap_or(0));
        let samples = match header.palette {
            Some(colors) => {
                for (entry, [r, g, b]) in palette.iter_mut().zip(colors.as_chunks::<3>().0) {
                    *entry = [*r, *g, *b, 255];
                }
                if let Some(index) = header.transparent {
                    palette[usize::from(index)][3] = 0;
                }
                Samples::Index
            }
            None => Samples::Gray,
        };
        if header.bits > 12 {
            return Err(Fault::corrupt(format!("GIF with samples of {} bits", header.bits)));
        }
        let mut rows = Rows::new(header, width);
        self.strings(bytes.get(header.data..).unwrap_or(&[]), header.bits, |sample| {
            rows.put(pixels, sample)
        })?;
        Ok(samples)
    }

    /// Hands out every sample until `put` wants no more: the data end when the picture is complete.
    fn strings(&mut self, data: &[u8], bits: u8, mut put: impl FnMut(u8) -> bool) -> PictureResult<()> {
        let mut codes = Codes {
            data,
            at: 0,
            read: PIECE,
            block: 0,
            buffer: 0,
            count: 0,
        };
        let (clear, end) = (1_usize << bits, (1_usize << bits) + 1);
        let (mut next, mut size) = (clear + 2, u32::from(bits) + 1);
        let mut before: Option<(usize, u8)> = None;
        loop {
            let code = codes.next(size)?;
            if code == clear {
                // The table begins anew only once it was used.
                if before.is_some() {
                    (next, size, before) = (clear + 2, u32::from(bits) + 1, None);
                }
                continue;
            }
            if code == end {
                // The decoder returns, and goes on only if it is called again: if Pillow has not read the file to its end.
                codes.more()?;
                continue;
            }
            self.string.clear();
            let Some((last_code, last_sample)) = before else {
                if code > clear {
                    return Err(Fault::corrupt("GIF that begins with a code that stands for nothing"));
                }
                before = Some((code, code as u8));
                if !put(code as u8) {
                    return Ok(());
                }
                continue;
            };
            if code > next {
                return Err(Fault::corrupt("GIF with a code that stands for nothing yet"));
            }
            let mut at = code;
            if code == next {
                self.string.push(last_sample);
                at = last_code;
            }
            while at >= clear {
                // A link leads to an older entry; the length is what bounds a table that says otherwise.
                if self.string.len() >= ENTRIES || at >= ENTRIES {
                    return Err(Fault::corrupt("GIF with a string that is too long"));
                }
                self.string.push(self.last[at]);
                at = usize::from(self.link[at]);
            }
            let first = at as u8;
            if next < ENTRIES {
                self.last[next] = first;
                self.link[next] = last_code as u16;
                if next + 1 == 1 << size && size < 12 {
                    size += 1;
                }
                next += 1;
            }
            before = Some((code, first));
            for sample in std::iter::once(first).chain(self.string.iter().rev().copied()) {
                if !put(sample) {
                    return Ok(());
                }
            }
        }
    }
}

/// Codes of a changing number of bits, the lowest first, over blocks that each say their length.
struct Codes<'a> {
    data: &'a [u8],
    /// Where the next byte is.
    at: usize,
    /// How far Pillow has read.
    read: usize,
    block: usize,
    buffer: u32,
    count: u32,
}

impl Codes<'_> {
    /// Another piece of the file, if there is one.
    fn more(&mut self) -> PictureResult<()> {
        if self.read >= self.data.len() {
            return Err(Fault::truncated("GIF ends before the picture is complete"));
        }
        self.read += PIECE;
        Ok(())
    }

    fn next(&mut self, size: u32) -> PictureResult<usize> {
        while self.count < size {
            let byte = self.data.get(self.at).copied();
            if self.block == 0 {
                // A block is not begun before all of it is there.
                let end = self.at + 1 + usize::from(byte.unwrap_or(0));
                while end > self.read || end > self.data.len() {
                    self.more()?;
                }
                self.block = end - self.at - 1;
            } else {
                self.buffer |= u32::from(byte.unwrap_or(0)) << self.count;
                self.count += 8;
                self.block -= 1;
            }
            self.at += 1;
        }
        let code = self.buffer & ((1 << size) - 1);
        self.buffer >>= size;
        self.count -= size;
        Ok(code as usize)
    }
}

/// Where the next sample goes: rows from the top, or every eighth, fourth and second one first.
struct Rows {
    /// The start of the frame in the picture, and the length of a row there.
    first: usize,
    stride: usize,
    width: usize,
    height: usize,
    x: usize,
    y: usize,
    step: usize,
    pass: u8,
}

impl Rows {
    fn new(header: &Header<'_>, stride: usize) -> Self {
        let [x, y, width, height] = header.frame.map(|n| n as usize);
        Self {
            first: y * stride + x,
            stride,
            width,
            height,
            x: 0,
            y: 0,
            step: if header.interlaced { 8 } else { 1 },
            pass: u8::from(header.interlaced),
        }
    }

    /// Whether there is room for more.
    fn put(&mut self, pixels: &mut [u8], sample: u8) -> bool {
        pixels[self.first + self.y * self.stride + self.x] = sample;
        self.x += 1;
        if self.x < self.width {
            return true;
        }
        self.x = 0;
        self.y += self.step;
        while self.y >= self.height {
            (self.y, self.step, self.pass) = match self.pass {
                1 => (4, 8, 2),
                2 => (2, 4, 3),
                3 => (1, 2, 4),
                _ => return false,
            };
        }
        true
    }
}
