//! Windows bitmaps, as `RawDecode.c`, `Unpack.c` and `BmpImagePlugin.BmpRleDecoder` of Pillow read them.

use super::header::{Header, Layout};
use crate::picture::fault::{Fault, PictureResult};
use crate::picture::format::header::Mode;
use crate::picture::memory::{reserve, set_length};
use crate::picture::pixels::samples::Samples;

/// The most pixels of one run.
const LONGEST_RUN: usize = 255;

/// Decodes into `pixels`, whose length becomes that of the picture.
pub(in crate::picture) fn decode(
    bytes: &[u8],
    header: &Header<'_>,
    palette: &mut [[u8; 4]; 256],
    pixels: &mut Vec<u8>,
) -> PictureResult<Samples> {
    let data = bytes.get(header.offset..).unwrap_or(&[]);
    let (width, height) = (header.width as usize, header.height as usize);
    let (samples, channels) = match header.mode {
        Mode::P => (Samples::Index, 1),
        Mode::Rgba => (Samples::Rgba, 4),
        Mode::Rgb => (Samples::Rgb, 3),
        _ => (Samples::Gray, 1),
    };
    let colors = header.palette.len() / header.palette_step;
    if header.mode == Mode::P && colors > palette.len() {
        return Err(Fault::corrupt(format!("BMP with a palette of {colors} colours")));
    }
    for (entry, color) in palette.iter_mut().zip(header.palette.chunks_exact(header.palette_step)) {
        *entry = [color[2], color[1], color[0], 255];
    }
    if let Layout::Runs { four_bits } = header.layout {
        if !matches!(header.mode, Mode::P | Mode::L | Mode::One) {
            return Err(Fault::corrupt("BMP of run lengths that are not indices"));
        }
        pixels.clear();
        // A run may lead over the end.
        reserve(pixels, width * height + LONGEST_RUN)?;
        runs(data, header.offset, four_bits, width, width * height, pixels);
        if pixels.len() < width * height {
            return Err(Fault::truncated("BMP ends before the picture is complete"));
        }
        if header.mode == Mode::One {
            // As they are, and what is not 0 is white (`bit2rgb` of `Convert.c`).
            for pixel in pixels.iter_mut() {
                *pixel = if *pixel == 0 { 0 } else { 255 };
            }
        }
        if !header.top_down {
            flip(pixels, width);
        }
        return Ok(samples);
    }
    let row_bytes = match header.layout {
        Layout::Index(bits) => (width * usize::from(bits)).div_ceil(8),
        Layout::Bytes { step, .. } => width * usize::from(step),
        _ => width * 2,
    };
    if header.stride < row_bytes {
        return Err(Fault::corrupt("BMP whose rows are shorter than its pixels"));
    }
    // The padding of the last row may be missing.
    if (header.stride as u64 * (height as u64 - 1) + row_bytes as u64) > data.len() as u64 {
        return Err(Fault::truncated("BMP ends before the picture is complete"));
    }
    set_length(pixels, width * height * channels)?;
    for (y, row) in pixels.chunks_exact_mut(width * channels).enumerate() {
        let y = if header.top_down { y } else { height - 1 - y };
        unpack(header, &data[y * header.stride..][..row_bytes], row);
    }
    Ok(samples)
}

/// One row.
fn unpack(header: &Header<'_>, source: &[u8], row: &mut [u8]) {
    match header.layout {
        Layout::Index(8) => row.copy_from_slice(source),
        Layout::Index(bits) => {
            let bits = usize::from(bits);
            let mask = (1_u8 << bits) - 1;
            // With a gray palette of two colours, the bit is the pixel: 0 or 255.
            let scale = if header.mode == Mode::One { 255 } else { 1 };
            for (x, pixel) in row.iter_mut().enumerate() {
                let bit = x * bits;
                *pixel = (source[bit / 8] >> (8 - bits - bit % 8) & mask) * scale;
            }
        }
        Layout::Bgr555 | Layout::Bgr565 => {
            let green_bits = if header.layout == Layout::Bgr555 { 5 } else { 6 };
            let level = |value: u16, bits: u32| {
                let most = (1 << bits) - 1;
                (u32::from(value & most) * 255 / u32::from(most)) as u8
            };
            for (pixel, pair) in row.chunks_exact_mut(3).zip(source.chunks_exact(2)) {
                let value = u16::from_le_bytes([pair[0], pair[1]]);
                pixel[0] = level(value >> (5 + green_bits), 5);
                pixel[1] = level(value >> 5, green_bits);
                pixel[2] = level(value, 5);
            }
        }
        // What nearly every bitmap is.
        Layout::Bytes {
            step: 3,
            rgb: [2, 1, 0],
            alpha: None,
        } => {
            for (pixel, [b, g, r]) in row.as_chunks_mut::<3>().0.iter_mut().zip(source.as_chunks::<3>().0) {
                *pixel = [*r, *g, *b];
            }
        }
        Layout::Bytes { step, rgb, alpha } => {
            let [r, g, b] = rgb.map(usize::from);
            let source = source.chunks_exact(step.into());
            if let Some(a) = alpha {
                for (pixel, from) in row.chunks_exact_mut(4).zip(source) {
                    pixel.copy_from_slice(&[from[r], from[g], from[b], from[usize::from(a)]]);
                }
            } else {
                for (pixel, from) in row.chunks_exact_mut(3).zip(source) {
                    pixel.copy_from_slice(&[from[r], from[g], from[b]]);
                }
            }
        }
        Layout::Runs { .. } => {}
    }
}

/// `BmpRleDecoder.decode`: appends up to `total` indices, rows from the bottom. Fewer where the data end.
fn runs(data: &[u8], offset: usize, four_bits: bool, width: usize, total: usize, out: &mut Vec<u8>) {
    let mut at = 0;
    let mut x = 0;
    while out.len() < total {
        let Some(&[count, value]) = data.get(at..at + 2) else { return };
        at += 2;
        match (count, value) {
            (1.., _) => {
                // Too much for the row is cut.
                let count = usize::from(count).min(width.saturating_sub(x));
                if four_bits {
                    out.extend((0..count).map(|i| if i % 2 == 0 { value >> 4 } else { value & 15 }));
                } else {
                    out.resize(out.len() + count, value);
                }
                x += count;
            }
            (0, 0) => {
                out.resize(out.len().next_multiple_of(width), 0);
                x = 0;
            }
            (0, 1) => return,
            (0, 2) => {
                let Some(&[right, up]) = data.get(at..at + 2) else { return };
                at += 2;
                let skip = usize::from(right) + usize::from(up) * width;
                out.resize(out.len() + skip.min(total - out.len()), 0);
                x = out.len() % width;
            }
            (0, count) => {
                let wanted = usize::from(count).min(total - out.len());
                let length = if four_bits { wanted.div_ceil(2) } else { wanted };
                let rest = data.get(at..).unwrap_or(&[]);
                let read = &rest[..rest.len().min(length)];
                at += read.len();
                if four_bits {
                    let nibbles = read.iter().flat_map(|byte| [byte >> 4, byte & 15]);
                    out.extend(nibbles.take(wanted));
                } else {
                    out.extend_from_slice(read);
                }
                if read.len() < length || out.len() == total {
                    return;
                }
                x += usize::from(count);
                // Runs begin at even places of the file.
                at += (offset + at) % 2;
            }
        }
    }
}

/// Turns rows from the bottom into rows from the top.
fn flip(pixels: &mut Vec<u8>, width: usize) {
    // An encoded run may have written over the end.
    let height = pixels.len() / width;
    pixels.truncate(width * height);
    for y in 0..height / 2 {
        let (upper, lower) = pixels.split_at_mut((height - 1 - y) * width);
        upper[y * width..][..width].swap_with_slice(&mut lower[..width]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn palettes_of_too_many_colours_are_refused_with_their_pixels() {
        // Pillow opens such a file, and refuses to load it.
        for colors in [256_u32, 257] {
            let mut bytes = b"BM\0\0\0\0\0\0\0\0\0\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x08\0".to_vec();
            bytes.extend([0; 16]);
            bytes.extend(colors.to_le_bytes());
            bytes.extend([0; 4]);
            bytes.extend((0..4 * colors).map(|i| (i % 251) as u8));
            bytes.extend([0; 4]);
            let header = Header::read(&bytes).unwrap();
            assert_eq!((header.mode, header.width, header.height), (Mode::P, 1, 1));
            let decoded = decode(&bytes, &header, &mut [[0; 4]; 256], &mut Vec::new());
            assert_eq!(decoded.is_ok(), colors == 256, "{decoded:?}");
        }
    }

    #[test]
    fn runs_follow_pillow() {
        let mut out = Vec::new();
        runs(b"\x02\x07\0\0\0\x03\x01\x02\x03\0\0\x01", 0, false, 3, 6, &mut out);
        assert_eq!(out, [7, 7, 0, 1, 2, 3]);
        out.clear();
        runs(b"\x03\x12\0\x04\x34\x56", 0, true, 3, 6, &mut out);
        assert_eq!(out, [1, 2, 1, 3, 4, 5]);
        out.clear();
        runs(b"\x01\x09\0\x02\x01\x01\x01\x08\0\x01", 0, false, 3, 6, &mut out);
        assert_eq!(out, [9, 0, 0, 0, 0, 8]);
    }
}
