//! TIFF: strips or tiles, unpacked by `weezl` and the inflater of `png`, put together here.

use weezl::decode::Decoder as Lzw;
use weezl::{BitOrder, LzwStatus};

use super::{Samples, room};
use crate::picture::inflate::Inflate;
use crate::picture::probe::tiff::{Header, Meaning, Packing};
use crate::picture::{Fault, Outcome, colour};

/// What belongs to a worker.
#[derive(Default)]
pub(super) struct Tiff {
    /// One strip or tile, unpacked.
    tile: Vec<u8>,
    /// The picture before it was turned.
    spare: Vec<u8>,
}

impl Tiff {
    /// Decodes into the front of `pixels`, turned as the file says.
    pub(super) fn decode(&mut self, bytes: &[u8], header: &Header, palette: &mut [[u8; 4]; 256], pixels: &mut Vec<u8>) -> Outcome<Samples> {
        let samples = match header.meaning {
            Meaning::Gray { .. } if header.bits == 16 => Samples::Gray16,
            Meaning::Gray { .. } if header.alpha => Samples::GrayAlpha,
            Meaning::Gray { .. } => Samples::Gray,
            Meaning::Palette => Samples::Index,
            Meaning::Rgb if header.alpha => Samples::Rgba,
            Meaning::Rgb => Samples::Rgb,
            Meaning::Cmyk => Samples::Cmyk,
        };
        for (entry, [r, g, b]) in palette.iter_mut().zip(&header.palette) {
            *entry = [*r, *g, *b, 255];
        }
        let (width, height) = (header.width as usize, header.height as usize);
        room(pixels, width * height * samples.bytes());
        let (tile_width, tile_height) = (header.tile_width as usize, header.tile_height as usize);
        let (across, down) = (width.div_ceil(tile_width), height.div_ceil(tile_height));
        let planes = if header.planar { header.samples as usize } else { 1 };
        if header.offsets.len() < across * down * planes {
            return Err(Fault::truncated("TIFF says too few places of its pixels"));
        }
        for (number, offset) in header.offsets[..across * down * planes].iter().enumerate() {
            let (plane, place) = (number / (across * down), number % (across * down));
            let (x, y) = (place % across * tile_width, place / across * tile_height);
            // A last strip is as high as what is left; a last tile is whole.
            let rows = if header.tiled { tile_height } else { tile_height.min(height - y) };
            let each = if header.planar { 1 } else { header.samples as usize };
            let row = (tile_width * each * header.bits as usize).div_ceil(8);
            self.unpack(bytes, header, *offset, header.lengths.get(number).copied(), row * rows)?;
            if header.differences {
                self.tile.chunks_exact_mut(row).for_each(|line| add_up(line, each, header));
            }
            let visible = tile_width.min(width - x);
            for (line, from) in self.tile.chunks_exact(row).take(height - y).enumerate() {
                let start = ((y + line) * width + x) * samples.bytes();
                let to = &mut pixels[start..][..visible * samples.bytes()];
                if header.planar {
                    if plane < samples.bytes() {
                        to.iter_mut()
                            .skip(plane)
                            .step_by(samples.bytes())
                            .zip(from)
                            .for_each(|(to, from)| *to = *from);
                    }
                } else {
                    spread(from, to, samples.bytes(), header);
                }
            }
        }
        colour::turn(pixels, &mut self.spare, width, height, samples.bytes(), header.orientation);
        Ok(samples)
    }

    /// One strip or tile of exactly `length` bytes into [`Self::tile`].
    fn unpack(&mut self, bytes: &[u8], header: &Header, offset: u64, packed: Option<u64>, length: usize) -> Outcome<()> {
        let cut = || Fault::truncated("TIFF ends before the picture is complete");
        let data = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).ok_or_else(cut)?;
        if header.packing == Packing::Raw {
            // Pillow does not look at the lengths of plain data.
            self.tile.clear();
            self.tile.extend_from_slice(data.get(..length).ok_or_else(cut)?);
            return Ok(());
        }
        let packed = packed.and_then(|length| usize::try_from(length).ok()).ok_or_else(cut)?;
        let data = data.get(..packed).ok_or_else(cut)?;
        // No packing makes less of it than this: a header cannot ask for memory that the file does not bear out.
        if length / 2048 > packed {
            return Err(cut());
        }
        self.tile.clear();
        self.tile.resize(length, 0);
        let filled = match header.packing {
            Packing::PackBits => pack_bits(data, &mut self.tile),
            Packing::Lzw => {
                if data.starts_with(&[0, 1]) {
                    return Err(Fault::corrupt("TIFF with the old form of LZW"));
                }
                lzw(data, &mut self.tile)?
            }
            Packing::Deflate | Packing::Raw => {
                let mut inflate = Inflate::new(&mut self.tile, length);
                inflate.push(data).map_err(|_| Fault::corrupt("TIFF with damaged data"))?;
                inflate.filled()
            }
        };
        if filled < length { Err(cut()) } else { Ok(()) }
    }
}

/// Strings; how many bytes came out.
fn lzw(mut data: &[u8], out: &mut [u8]) -> Outcome<usize> {
    let mut decoder = Lzw::with_tiff_size_switch(BitOrder::Msb, 8);
    let mut filled = 0;
    while filled < out.len() {
        let done = decoder.decode_bytes(data, &mut out[filled..]);
        let status = done.status.map_err(|error| Fault::corrupt(format!("TIFF: {error}")))?;
        data = &data[done.consumed_in..];
        filled += done.consumed_out;
        if matches!(status, LzwStatus::Done | LzwStatus::NoProgress) {
            break;
        }
    }
    Ok(filled)
}

/// Runs and copies; how many bytes came out.
fn pack_bits(mut data: &[u8], out: &mut [u8]) -> usize {
    let mut at = 0;
    while let Some((head, rest)) = data.split_first() {
        data = rest;
        let (count, step) = match *head {
            n @ 0..=127 => (usize::from(n) + 1, usize::from(n) + 1),
            128 => continue,
            n => (257 - usize::from(n), 1),
        };
        let count = count.min(out.len() - at);
        let Some(source) = data.get(..step.min(data.len())).filter(|source| !source.is_empty()) else {
            break;
        };
        if step == 1 && count > 1 {
            out[at..at + count].fill(source[0]);
            at += count;
        } else {
            let copied = count.min(source.len());
            out[at..at + copied].copy_from_slice(&source[..copied]);
            at += copied;
        }
        data = &data[step.min(data.len())..];
        if at == out.len() {
            break;
        }
    }
    at
}

/// Makes samples of differences, along one row.
fn add_up(row: &mut [u8], each: usize, header: &Header) {
    if header.bits == 8 {
        for i in each..row.len() {
            row[i] = row[i].wrapping_add(row[i - each]);
        }
        return;
    }
    let samples = row.as_chunks_mut::<2>().0;
    for i in each..samples.len() {
        let [left, own] = [samples[i - each], samples[i]].map(|bytes| {
            if header.little {
                u16::from_le_bytes(bytes)
            } else {
                u16::from_be_bytes(bytes)
            }
        });
        let sum = left.wrapping_add(own);
        samples[i] = if header.little { sum.to_le_bytes() } else { sum.to_be_bytes() };
    }
}

/// One row of samples side by side, `each` bytes of them kept for a pixel.
fn spread(from: &[u8], to: &mut [u8], each: usize, header: &Header) {
    let stored = header.samples as usize;
    match (header.bits, header.meaning) {
        (8, Meaning::Gray { inverted: true }) => to.iter_mut().zip(from).for_each(|(to, from)| *to = !*from),
        (8, _) => {
            for (to, from) in to.chunks_exact_mut(each).zip(from.chunks_exact(stored)) {
                to.copy_from_slice(&from[..each]);
            }
        }
        (16, Meaning::Gray { .. }) => {
            for (to, from) in to.as_chunks_mut::<2>().0.iter_mut().zip(from.as_chunks::<2>().0) {
                *to = if header.little { [from[1], from[0]] } else { *from };
            }
        }
        (16, _) => {
            // The high bytes.
            let high = usize::from(header.little);
            for (to, from) in to.chunks_exact_mut(each).zip(from.chunks_exact(stored * 2)) {
                for (to, from) in to.iter_mut().zip(from.as_chunks::<2>().0) {
                    *to = from[high];
                }
            }
        }
        (bits, meaning) => {
            let bits = bits as usize;
            let most = (1_u16 << bits) - 1;
            for (i, to) in to.iter_mut().enumerate() {
                let value = u16::from(from[i * bits / 8]) >> (8 - bits - i * bits % 8) & most;
                *to = match meaning {
                    Meaning::Palette => value,
                    Meaning::Gray { inverted: true } => (most - value) * (255 / most),
                    _ => value * (255 / most),
                } as u8;
            }
        }
    }
}
