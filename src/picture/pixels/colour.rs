//! From any mode to gray or RGB of 8 bits, as `Image.convert("RGB")` does it (`Convert.c`).

#![expect(unsafe_code, reason = "a call of code compiled for AVX2")]

use super::samples::{Key, Samples};
use super::ycbcr;
#[cfg(target_arch = "x86_64")]
use crate::cpu::Avx2;
use crate::picture::choices::{Alpha, Color, SixteenBit};
use crate::picture::fault::PictureResult;
use crate::picture::memory::room;

/// What is looked at before it is decided whether a picture has colour, in pixels.
const BLOCK: usize = 1024;

/// The pixels of one picture in its own mode.
pub(in crate::picture) struct Source<'a> {
    pub(in crate::picture) samples: Samples,
    pub(in crate::picture) pixels: &'a [u8],
    pub(in crate::picture) palette: &'a [[u8; 4]; 256],
    pub(in crate::picture) key: Key,
}

/// How many channels the pixels in the buffer have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::picture) enum Channels {
    One,
    Three,
}

impl Channels {
    pub(in crate::picture) fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Three => 3,
        }
    }
}

/// Where the result is.
pub(in crate::picture) enum Converted {
    /// In the source itself: nothing had to be done.
    InPlace,
    /// In the buffer.
    IntoBuffer,
}

/// Converts to gray or RGB, at the front of `out`. A picture that is gray by its mode stays gray here; [`settle`] decides about the
/// others.
pub(in crate::picture) fn convert(
    source: &Source<'_>,
    sixteen_bit: SixteenBit,
    alpha: Alpha,
    out: &mut Vec<u8>,
) -> PictureResult<(Converted, Channels)> {
    let pixels = source.pixels;
    let white = alpha == Alpha::White;
    let channels = match source.samples {
        Samples::Gray => match source.key {
            Key::Gray(key) if white => {
                fill(out, pixels, |v| if u16::from(*v) == key & 255 { 255 } else { *v })?;
                Channels::One
            }
            _ => return Ok((Converted::InPlace, Channels::One)),
        },
        Samples::Gray16 => {
            gray16(source, sixteen_bit, white, out)?;
            Channels::One
        }
        Samples::GrayAlpha => {
            fill(out, pixels.as_chunks::<2>().0, |[v, a]| if white { over_white(*v, *a) } else { *v })?;
            Channels::One
        }
        Samples::Index => {
            let colors = source
                .palette
                .map(|[r, g, b, a]| if white { [r, g, b].map(|v| over_white(v, a)) } else { [r, g, b] });
            let out = room(out, pixels.len() * 3)?;
            for (pixel, index) in out.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
                *pixel = colors[usize::from(*index)];
            }
            Channels::Three
        }
        Samples::Rgb => match source.key {
            Key::Rgb(key) if white => {
                // Pillow compares the low bytes, whatever the depth (`rgbT2a`).
                let key = key.map(|v| v as u8);
                let out = room(out, pixels.len())?;
                for (pixel, color) in out.as_chunks_mut::<3>().0.iter_mut().zip(pixels.as_chunks::<3>().0) {
                    *pixel = if *color == key { [255; 3] } else { *color };
                }
                Channels::Three
            }
            _ => return Ok((Converted::InPlace, Channels::Three)),
        },
        Samples::Ycbcr => {
            let out = room(out, pixels.len())?;
            ycbcr::to_rgb(pixels.as_chunks().0, out.as_chunks_mut().0);
            Channels::Three
        }
        Samples::Rgba => {
            let out = room(out, pixels.len() / 4 * 3)?;
            for (pixel, [r, g, b, a]) in out.as_chunks_mut::<3>().0.iter_mut().zip(pixels.as_chunks::<4>().0) {
                *pixel = if white {
                    [*r, *g, *b].map(|v| over_white(v, *a))
                } else {
                    [*r, *g, *b]
                };
            }
            Channels::Three
        }
        Samples::Cmyk => {
            let out = room(out, pixels.len() / 4 * 3)?;
            for (pixel, [c, m, y, k]) in out.as_chunks_mut::<3>().0.iter_mut().zip(pixels.as_chunks::<4>().0) {
                *pixel = [*c, *m, *y].map(|ink| from_ink(ink, *k));
            }
            Channels::Three
        }
    };
    Ok((Converted::IntoBuffer, channels))
}

/// The colour that stands for transparency, as `Image.convert("RGB")` of Pillow leaves it in `info["transparency"]`; none where there is no
/// such colour, or where transparency is said entry by entry of a palette.
pub(in crate::picture) fn late_key(samples: Samples, key: Key, palette: &[[u8; 4]; 256], bilevel: bool) -> Option<[u8; 3]> {
    match (samples, key) {
        // Not a mode whose number is converted: it is compared with red, and the others with zero (`convert_transparent`).
        (Samples::Gray16, Key::Gray(key)) => Some([key as u8, 0, 0]),
        (Samples::Gray, Key::Gray(key)) if bilevel => Some([key as u8, 0, 0]),
        (Samples::Gray, Key::Gray(key)) => Some([key.min(255) as u8; 3]),
        (Samples::Rgb, Key::Rgb(key)) => Some(key.map(|v| v as u8)),
        (Samples::Index, _) => {
            let mut clear = palette.iter().filter(|entry| entry[3] != 255);
            match (clear.next(), clear.next()) {
                (Some([r, g, b, 0]), None) => Some([*r, *g, *b]),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Makes `key` white.
pub(in crate::picture) fn whiten(pixels: &mut [u8], channels: Channels, key: [u8; 3]) {
    match channels {
        Channels::One if key[0] == key[1] && key[1] == key[2] => {
            pixels.iter_mut().filter(|v| **v == key[0]).for_each(|v| *v = 255);
        }
        Channels::One => {}
        Channels::Three => {
            let pixels = pixels.as_chunks_mut::<3>().0;
            pixels.iter_mut().filter(|color| **color == key).for_each(|color| *color = [255; 3]);
        }
    }
}

/// One sample for each of `values`, at the front of `out`.
fn fill<T>(out: &mut Vec<u8>, values: &[T], sample: impl Fn(&T) -> u8) -> PictureResult<()> {
    for (out, value) in room(out, values.len())?.iter_mut().zip(values) {
        *out = sample(value);
    }
    Ok(())
}

/// 16-bit gray: the high byte, or everything above 255 as white.
fn gray16(source: &Source<'_>, sixteen_bit: SixteenBit, white: bool, out: &mut Vec<u8>) -> PictureResult<()> {
    let values = source.pixels.as_chunks::<2>().0;
    if sixteen_bit == SixteenBit::Pillow {
        let key = match source.key {
            Key::Gray(key) if white => Some(key as u8),
            _ => None,
        };
        fill(out, values, |[high, low]| {
            let value = if *high == 0 { *low } else { 255 };
            if key == Some(value) { 255 } else { value }
        })
    } else {
        let key = match source.key {
            Key::Gray(key) if white => Some(key.to_be_bytes()),
            _ => None,
        };
        fill(out, values, |value| if key == Some(*value) { 255 } else { value[0] })
    }
}

/// One sample laid over opaque white: `AlphaComposite.c`, where the result is opaque too.
fn over_white(value: u8, alpha: u8) -> u8 {
    if alpha == 0 {
        return 255;
    }
    let weight = u32::from(alpha) * 128;
    let sum = u32::from(value) * weight + 255 * (255 * 128 - weight) + (0x80 << 7);
    // `SHIFTFORDIV255`, then the seven bits of precision.
    ((((sum >> 8) + sum) >> 8) >> 7) as u8
}

/// `cmyk2rgb`, one channel.
fn from_ink(ink: u8, black: u8) -> u8 {
    let light = 255 - black;
    light.saturating_sub(multiply(ink, light))
}

/// `MULDIV255`: the product of two parts of 255, rounded.
pub(in crate::picture) fn multiply(value: u8, part: u8) -> u8 {
    let product = u32::from(value) * u32::from(part) + 128;
    (((product >> 8) + product) >> 8) as u8
}

/// Decides how many channels are kept of a picture of `count` pixels, and squeezes it where one will do. Only the front of `pixels`
/// counts, before and after; `spare` is scratch of the same kind.
pub(in crate::picture) fn settle(
    pixels: &mut Vec<u8>,
    spare: &mut Vec<u8>,
    count: usize,
    channels: Channels,
    color: Color,
) -> PictureResult<Channels> {
    Ok(match (channels, color) {
        (Channels::One, Color::Rgb) => {
            let pixels = room(pixels, count * 3)?;
            for at in (0..count).rev() {
                let value = pixels[at];
                pixels[at * 3..at * 3 + 3].fill(value);
            }
            Channels::Three
        }
        (Channels::One, _) => Channels::One,
        (Channels::Three, Color::Rgb) => Channels::Three,
        (Channels::Three, Color::Auto) => {
            room(spare, count)?;
            if !squeeze_gray(&pixels[..count * 3], spare) {
                return Ok(Channels::Three);
            }
            std::mem::swap(pixels, spare);
            Channels::One
        }
        (Channels::Three, Color::Gray) => {
            for at in 0..count {
                pixels[at] = luma([pixels[3 * at], pixels[3 * at + 1], pixels[3 * at + 2]]);
            }
            Channels::One
        }
    })
}

/// `L24` of `Convert.c`.
fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471 + 0x8000) >> 16) as u8
}

/// Takes one channel of three, as long as all are equal: whether they are to the end. Compiled for AVX2 where the machine has it, which
/// can pick every third byte.
fn squeeze_gray(rgb: &[u8], gray: &mut [u8]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if Avx2::detect().is_some() {
        // SAFETY: the machine has AVX2, as was just seen.
        return unsafe { squeeze_gray_avx2(rgb, gray) };
    }
    squeeze_gray_portable(rgb, gray)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn squeeze_gray_avx2(rgb: &[u8], gray: &mut [u8]) -> bool {
    squeeze_gray_portable(rgb, gray)
}

/// Bytes that are looked at at once: whole pixels, and whole registers of 16 bytes.
const STRIDE: usize = 48;

/// Nothing where the next byte belongs to the next pixel.
const WITHIN_PIXEL: [u8; STRIDE] = {
    let mut mask = [255; STRIDE];
    let mut last = 2;
    while last < STRIDE {
        mask[last] = 0;
        last += 3;
    }
    mask
};

/// A picture is gray when every byte equals the next one, unless that is another pixel's.
#[inline(always)]
#[expect(clippy::inline_always, reason = "it must be compiled for the features of its caller")]
fn squeeze_gray_portable(rgb: &[u8], gray: &mut [u8]) -> bool {
    for (block, gray) in rgb.chunks(3 * BLOCK).zip(gray.chunks_mut(BLOCK)) {
        let mut differs = [0; STRIDE];
        let mut at = 0;
        // Without a branch within the block, and with the byte behind the stride: the compiler makes vector instructions of it.
        while let Some(next) = block.get(at + 1..).and_then(|rest| rest.first_chunk::<STRIDE>()) {
            let stride = &block[at..at + STRIDE];
            for i in 0..STRIDE {
                differs[i] |= (stride[i] ^ next[i]) & WITHIN_PIXEL[i];
            }
            let to = &mut gray[at / 3..at / 3 + STRIDE / 3];
            for i in 0..STRIDE / 3 {
                to[i] = stride[3 * i];
            }
            at += STRIDE;
        }
        let mut tail = 0;
        for (to, [r, g, b]) in gray[at / 3..].iter_mut().zip(block[at..].as_chunks::<3>().0) {
            *to = *r;
            tail |= (r ^ g) | (g ^ b);
        }
        if differs != [0; STRIDE] || tail != 0 {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widening_repeats() {
        let rgb = [7, 7, 7, 9, 9, 9];
        let mut pixels = vec![7, 9];
        let settled = settle(&mut pixels, &mut Vec::new(), 2, Channels::One, Color::Rgb);
        assert_eq!(settled, Ok(Channels::Three));
        assert_eq!(pixels, rgb);
    }

    #[test]
    fn squeezing_stops_at_the_first_colour() {
        for count in [0, 1, 15, 16, 17, 31, 32, 33, 48, 1000, 1023, 1024, 1025, 3000] {
            let gray: Vec<u8> = (0..count).map(|i| (i * 7 % 251) as u8).collect();
            let rgb: Vec<u8> = gray.iter().flat_map(|v| [*v; 3]).collect();
            let mut out = vec![1; count + 5];
            assert!(squeeze_gray(&rgb, &mut out));
            assert_eq!(out[..count], gray);
            for at in (0..rgb.len()).step_by(if count > 100 { 97 } else { 1 }) {
                let mut coloured = rgb.clone();
                coloured[at] ^= 4;
                assert!(!squeeze_gray(&coloured, &mut out), "{count} {at}");
                assert!(!squeeze_gray_portable(&coloured, &mut out), "{count} {at}");
            }
        }
    }

    #[test]
    fn gray_stays_itself_under_luma() {
        for v in 0..=255 {
            assert_eq!(luma([v; 3]), v);
        }
    }

    #[test]
    fn compositing_over_white_has_its_ends() {
        for v in 0..=255 {
            assert_eq!(over_white(v, 255), v);
            assert_eq!(over_white(v, 0), 255);
            assert_eq!(over_white(255, v), 255);
        }
        // Pillow: Image.alpha_composite(white, RGBA (200, 0, 0, 64)).
        assert_eq!([200, 0, 0].map(|v| over_white(v, 64)), [241, 191, 191]);
    }
}
