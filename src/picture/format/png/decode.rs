//! PNG: the data of the picture, as `PngImageFile.load_read` and `ZipDecode.c` of Pillow read them.
//!
//! The sums of the data chunks are not checked there, data behind the last row are not missed or minded, and a stream that ends
//! with a row leaves the rest black.

use super::header::{Header, Layout, Transparency};
use crate::picture::fault::{Fault, PictureResult};
use crate::picture::format::header::Mode;
use crate::picture::format::inflate::{Inflate, MAX_EXPANSION};
use crate::picture::memory::{room, set_length};
use crate::picture::pixels::samples::{Key, Samples};

/// The bytes that Pillow hands to zlib at once (`ImageFile.MAXBLOCK`).
const PIECE: usize = 65_536;

/// First column, first row, step of columns, step of rows of the seven passes.
const ADAM7: [[usize; 4]; 7] = [
    [0, 0, 8, 8],
    [4, 0, 8, 8],
    [0, 4, 4, 8],
    [2, 0, 4, 4],
    [0, 2, 2, 4],
    [1, 0, 2, 2],
    [0, 1, 1, 2],
];

/// A decoder of PNGs.
#[derive(Default)]
pub(in crate::picture) struct Png {
    /// The inflated data: each row behind the number of its filter.
    raw: Vec<u8>,
    /// Before the first row.
    zeros: Vec<u8>,
}

/// The rows of one pass, or of the whole picture.
struct Pass {
    columns: usize,
    rows: usize,
    x: usize,
    y: usize,
    step_x: usize,
    step_y: usize,
}

impl Png {
    /// The bytes that it holds.
    pub(in crate::picture) fn held(&self) -> usize {
        self.raw.capacity() + self.zeros.capacity()
    }

    /// Decodes into the front of `pixels`.
    pub(in crate::picture) fn decode(
        &mut self,
        bytes: &[u8],
        header: &Header<'_>,
        palette: &mut [[u8; 4]; 256],
        pixels: &mut Vec<u8>,
    ) -> PictureResult<(Samples, Key)> {
        let key = colors(header, palette)?;
        let (samples, channels) = samples(header.layout);
        let bits = header.layout.pixel_bits();
        let row_bytes = |columns: usize| (columns * bits).div_ceil(8);
        let passes = passes(header);
        let total: usize = passes.iter().map(|pass| pass.rows * (1 + row_bytes(pass.columns))).sum();
        let filled = self.inflate(bytes, header, &passes, row_bytes, total)?;
        self.raw[filled..].fill(0);
        set_length(&mut self.zeros, row_bytes(header.width as usize))?;
        let width = header.width as usize;
        let pixels = room(pixels, width * header.height as usize * channels)?;
        if filled < total {
            // What is missing is black; otherwise every byte is written.
            pixels.fill(0);
        }
        let mut rest = &mut self.raw[..];
        let mut done = 0;
        for pass in &passes {
            let length = row_bytes(pass.columns);
            let mut previous: &[u8] = &self.zeros[..length];
            for row in 0..pass.rows {
                // Behind the end of a short stream all is black, not what a filter would make of zeros.
                if done + 1 + length > filled {
                    break;
                }
                let (head, tail) = rest.split_at_mut(1 + length);
                rest = tail;
                done += 1 + length;
                let (filter, samples) = head.split_at_mut(1);
                unfilter(filter[0], bits.div_ceil(8), previous, samples)?;
                let y = pass.y + row * pass.step_y;
                let target = &mut pixels[y * width * channels..][..width * channels];
                spread(header.layout, samples, pass, channels, target);
                previous = samples;
            }
        }
        Ok((samples, key))
    }

    /// Inflates what the rows need; says how much there is: all, or whole rows.
    fn inflate(
        &mut self,
        bytes: &[u8],
        header: &Header<'_>,
        passes: &[Pass],
        row_bytes: impl Fn(usize) -> usize,
        total: usize,
    ) -> PictureResult<usize> {
        let mut chunk = header.data.clone().ok_or_else(|| Fault::corrupt("PNG without data"))?;
        let most = bytes.len().saturating_mul(MAX_EXPANSION);
        let mut inflate = Inflate::new(&mut self.raw, total.min(most))?;
        loop {
            let start = chunk.start.min(bytes.len());
            for piece in bytes[start..chunk.end.clamp(start, bytes.len())].chunks(PIECE) {
                let before = inflate.filled();
                inflate.push(piece).map_err(|_| Fault::corrupt("PNG with a broken zlib stream"))?;
                let filled = inflate.filled();
                // A stream that ends in time, with a row, and in the piece that gave that row.
                let ends = filled > before && inflate.has_ended() && ends_with_a_row(passes, &row_bytes, filled);
                if filled == total || ends {
                    header.finish(bytes, chunk.end)?;
                    set_length(&mut self.raw, total)?;
                    return Ok(filled);
                }
            }
            // The next chunk has to be one of data again.
            let Some(&[l0, l1, l2, l3, ref name @ ..]) = bytes.get(chunk.end.saturating_add(4)..).and_then(|rest| rest.first_chunk::<8>())
            else {
                return Err(cut(passes, &row_bytes, inflate.rows()));
            };
            if !matches!(name, b"IDAT" | b"DDAT") {
                return Err(if name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_') {
                    cut(passes, &row_bytes, inflate.rows())
                } else {
                    Fault::corrupt(format!("PNG chunk with the name {}", name.escape_ascii()))
                });
            }
            let start = chunk.end + 12;
            chunk = start..start + u32::from_be_bytes([l0, l1, l2, l3]) as usize;
        }
    }
}

/// The data end too early, unless one of the rows that there are is broken: that Pillow sees first.
fn cut(passes: &[Pass], row_bytes: impl Fn(usize) -> usize, mut rows: &[u8]) -> Fault {
    for pass in passes {
        for _ in 0..pass.rows {
            let Some((row, rest)) = rows.split_at_checked(1 + row_bytes(pass.columns)) else {
                break;
            };
            if row[0] > 4 {
                return unknown_filter(row[0]);
            }
            rows = rest;
        }
    }
    Fault::truncated("PNG ends before the picture is complete")
}

fn unknown_filter(filter: u8) -> Fault {
    Fault::corrupt(format!("PNG row with the unknown filter {filter}"))
}

/// Whether `filled` bytes are whole rows.
fn ends_with_a_row(passes: &[Pass], row_bytes: impl Fn(usize) -> usize, filled: usize) -> bool {
    let mut rest = filled;
    for pass in passes {
        let length = 1 + row_bytes(pass.columns);
        if rest < pass.rows * length {
            return rest.is_multiple_of(length);
        }
        rest -= pass.rows * length;
    }
    true
}

fn passes(header: &Header<'_>) -> Vec<Pass> {
    let (width, height) = (header.width as usize, header.height as usize);
    if !header.interlaced {
        return vec![Pass {
            columns: width,
            rows: height,
            x: 0,
            y: 0,
            step_x: 1,
            step_y: 1,
        }];
    }
    let count = |size: usize, first: usize, step: usize| size.saturating_sub(first).div_ceil(step);
    ADAM7
        .into_iter()
        .map(|[x, y, step_x, step_y]| Pass {
            columns: count(width, x, step_x),
            rows: count(height, y, step_y),
            x,
            y,
            step_x,
            step_y,
        })
        .filter(|pass| pass.columns > 0 && pass.rows > 0)
        .collect()
}

/// What the pixels become. Samples of 16 bits keep the high byte, but gray ones stay whole (rawmodes `RGB;16B` and the like).
fn samples(layout: Layout) -> (Samples, usize) {
    match (layout.color_type, layout.bits) {
        (0, 16) => (Samples::Gray16, 2),
        (2, _) => (Samples::Rgb, 3),
        (3, _) => (Samples::Index, 1),
        (4, _) => (Samples::GrayAlpha, 2),
        (6, _) => (Samples::Rgba, 4),
        _ => (Samples::Gray, 1),
    }
}

/// Fills the palette, and says which colour is transparent.
fn colors(header: &Header<'_>, palette: &mut [[u8; 4]; 256]) -> PictureResult<Key> {
    if let Some(colors) = header.palette.filter(|_| header.mode == Mode::P) {
        if colors.len() / 3 > palette.len() {
            return Err(Fault::corrupt(format!("PNG with a palette of {} colours", colors.len() / 3)));
        }
        for (entry, color) in palette.iter_mut().zip(colors.chunks_exact(3)) {
            entry[..3].copy_from_slice(color);
        }
    }
    Ok(match header.transparency {
        Some(Transparency::Palette(alphas)) => {
            for (entry, alpha) in palette.iter_mut().zip(alphas) {
                entry[3] = *alpha;
            }
            Key::None
        }
        Some(Transparency::Gray(sample)) if header.mode == Mode::One => Key::Gray(if sample == 0 { 0 } else { 255 }),
        Some(Transparency::Gray(sample)) => Key::Gray(sample),
        Some(Transparency::Rgb(color)) => Key::Rgb(color),
        None => Key::None,
    })
}

/// Undoes the filter of one row; `step` is the distance to the pixel on the left, in bytes.
fn unfilter(filter: u8, step: usize, previous: &[u8], row: &mut [u8]) -> PictureResult<()> {
    match filter {
        0 => {}
        1 => {
            for i in step..row.len() {
                row[i] = row[i].wrapping_add(row[i - step]);
            }
        }
        2 => row
            .iter_mut()
            .zip(previous)
            .for_each(|(sample, up)| *sample = sample.wrapping_add(*up)),
        3 => match step {
            1 => average::<1>(previous, row),
            2 => average::<2>(previous, row),
            3 => average::<3>(previous, row),
            4 => average::<4>(previous, row),
            6 => average::<6>(previous, row),
            _ => average::<8>(previous, row),
        },
        4 => match step {
            1 => paeth::<1>(previous, row),
            2 => paeth::<2>(previous, row),
            3 => paeth::<3>(previous, row),
            4 => paeth::<4>(previous, row),
            6 => paeth::<6>(previous, row),
            _ => paeth::<8>(previous, row),
        },
        _ => return Err(unknown_filter(filter)),
    }
    Ok(())
}

/// The mean of left and above. Rows are whole pixels of `STEP` bytes.
fn average<const STEP: usize>(previous: &[u8], row: &mut [u8]) {
    let mut left = [0_u8; STEP];
    for (pixel, up) in row.as_chunks_mut::<STEP>().0.iter_mut().zip(previous.as_chunks::<STEP>().0) {
        for i in 0..STEP {
            pixel[i] = pixel[i].wrapping_add(u8::midpoint(left[i], up[i]));
        }
        left = *pixel;
    }
}

/// Whichever of left, above and upper left is nearest to left + above - upper left. (For the first pixel that is the one above.)
fn paeth<const STEP: usize>(previous: &[u8], row: &mut [u8]) {
    let (mut left, mut corner) = ([0_u8; STEP], [0_u8; STEP]);
    for (pixel, up) in row.as_chunks_mut::<STEP>().0.iter_mut().zip(previous.as_chunks::<STEP>().0) {
        for i in 0..STEP {
            let [a, b, c] = [left[i], up[i], corner[i]].map(i16::from);
            let (pa, pb, pc) = ((b - c).abs(), (a - c).abs(), (a + b - 2 * c).abs());
            let nearest = if pa <= pb && pa <= pc {
                a
            } else if pb <= pc {
                b
            } else {
                c
            };
            pixel[i] = pixel[i].wrapping_add(nearest as u8);
        }
        (left, corner) = (*pixel, *up);
    }
}

/// Writes the samples of one row of a pass to their places in the row of the picture.
fn spread(layout: Layout, samples: &[u8], pass: &Pass, channels: usize, target: &mut [u8]) {
    let whole = pass.step_x == 1;
    match layout.bits {
        8 if whole => target.copy_from_slice(samples),
        16 if whole && layout.color_type == 0 => target.copy_from_slice(samples),
        16 if layout.color_type != 0 => {
            for (i, pixel) in samples.chunks_exact(2 * channels).enumerate() {
                let at = (pass.x + i * pass.step_x) * channels;
                for (to, from) in target[at..at + channels].iter_mut().zip(pixel.chunks_exact(2)) {
                    *to = from[0];
                }
            }
        }
        8 | 16 => {
            for (i, pixel) in samples.chunks_exact(channels).enumerate() {
                let at = (pass.x + i * pass.step_x) * channels;
                target[at..at + channels].copy_from_slice(pixel);
            }
        }
        bits => {
            let bits = usize::from(bits);
            let mask = (1_u8 << bits) - 1;
            // Gray of few bits is stretched to 0..=255 (rawmodes `1`, `L;2`, `L;4`), an index is not.
            let scale = if layout.color_type == 0 { 255 / mask } else { 1 };
            for i in 0..pass.columns {
                let bit = i * bits;
                target[pass.x + i * pass.step_x] = (samples[bit / 8] >> (8 - bits - bit % 8) & mask) * scale;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_look_left_and_up() {
        for (filter, expected) in [
            (0, [1, 2, 3]),
            (1, [1, 3, 6]),
            (2, [11, 22, 33]),
            (3, [6, 15, 25]),
            (4, [11, 22, 33]),
        ] {
            let mut row = [1, 2, 3];
            unfilter(filter, 1, &[10, 20, 30], &mut row).unwrap();
            assert_eq!(row, expected, "{filter}");
        }
        assert!(unfilter(5, 1, &[0], &mut [0]).is_err());
    }

    #[test]
    fn passes_cover_every_pixel_once() {
        for (width, height) in [(1, 1), (2, 3), (5, 4), (8, 8), (33, 17)] {
            let mut seen = vec![0; width * height];
            for [x, y, step_x, step_y] in ADAM7 {
                for row in (y..height).step_by(step_y) {
                    for column in (x..width).step_by(step_x) {
                        seen[row * width + column] += 1;
                    }
                }
            }
            assert!(seen.iter().all(|n| *n == 1));
        }
    }
}
