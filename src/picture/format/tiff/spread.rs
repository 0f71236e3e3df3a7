//! From rows as they are stored to samples of the picture's mode, as `Unpack.c` of Pillow does it.

use super::header::Header;
use super::layout::{Alpha, Meaning, Number};

/// One row of one of several planes, each of 8 bits or 16, of which the high byte counts.
pub(super) fn plane(from: &[u8], to: &mut [u8], plane: usize, each: usize, header: &Header) {
    if plane >= each {
        return;
    }
    let wide = usize::from(header.bits == 16);
    let high = wide & usize::from(header.little);
    let from = from.iter().skip(high).step_by(1 + wide);
    to.iter_mut().skip(plane).step_by(each).zip(from).for_each(|(to, from)| *to = *from);
}

/// One row of samples side by side, `each` bytes of them kept for a pixel.
pub(super) fn spread(from: &[u8], to: &mut [u8], each: usize, header: &Header) {
    let stored = header.samples as usize;
    match (header.bits, header.meaning) {
        (8, Meaning::Gray { inverted: true }) => to.iter_mut().zip(from).for_each(|(to, from)| *to = !*from),
        (8, _) if header.alpha == Alpha::Premultiplied => {
            for (to, from) in to.as_chunks_mut::<4>().0.iter_mut().zip(from.chunks_exact(stored)) {
                *to = divided([from[0], from[1], from[2], from[3]]);
            }
        }
        (8, _) => {
            for (to, from) in to.chunks_exact_mut(each).zip(from.chunks_exact(stored)) {
                to.copy_from_slice(&from[..each]);
            }
        }
        (16 | 32, Meaning::Gray { .. }) if header.is_wide() => cut_off(from, to, header),
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
            if header.alpha == Alpha::Premultiplied {
                divide(to);
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

/// Straight colours of those that have been multiplied by their alpha: `unpackRGBa` of `Unpack.c`.
pub(super) fn divide(pixels: &mut [u8]) {
    for pixel in pixels.as_chunks_mut::<4>().0 {
        *pixel = divided(*pixel);
    }
}

fn divided([r, g, b, alpha]: [u8; 4]) -> [u8; 4] {
    match alpha {
        0 => [0; 4],
        255 => [r, g, b, alpha],
        _ => {
            let [r, g, b] = [r, g, b].map(|v| (u32::from(v) * 255 / u32::from(alpha)).min(255) as u8);
            [r, g, b, alpha]
        }
    }
}

/// One row of wide samples, cut off at 0 and 255: `i2rgb` and `f2l` of `Convert.c`.
fn cut_off(from: &[u8], to: &mut [u8], header: &Header) {
    if header.bits == 16 {
        let read = if header.little { i16::from_le_bytes } else { i16::from_be_bytes };
        for (to, from) in to.iter_mut().zip(from.as_chunks::<2>().0) {
            *to = read(*from).clamp(0, 255) as u8;
        }
    } else if header.number == Number::Fraction {
        let read = if header.little { f32::from_le_bytes } else { f32::from_be_bytes };
        for (to, from) in to.iter_mut().zip(from.as_chunks::<4>().0) {
            // Towards 0; what is no number becomes 0, as on the machines that Pillow is built for.
            *to = read(*from) as u8;
        }
    } else {
        // Those without a sign as well: `I;32N`.
        let read = if header.little { i32::from_le_bytes } else { i32::from_be_bytes };
        for (to, from) in to.iter_mut().zip(from.as_chunks::<4>().0) {
            *to = read(*from).clamp(0, 255) as u8;
        }
    }
}
