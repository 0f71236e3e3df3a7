//! What the samples mean: the keys of `OPEN_INFO` (`TiffImagePlugin.py`) that are read here.

use super::directory::Tags;
use super::layout::{Alpha, Meaning, Number, Packing, unsupported};
use crate::picture::fault::PictureResult;

/// What one pixel is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) meaning: Meaning,
    pub(super) number: Number,
    /// The bits of every sample.
    pub(super) bits: u64,
    /// Samples of a pixel.
    pub(super) samples: u64,
    pub(super) alpha: Alpha,
}

pub(super) fn packing(tags: &Tags) -> PictureResult<Packing> {
    Ok(match tags.one(259).unwrap_or(1) {
        1 => Packing::Raw,
        2 => Packing::FaxLines,
        // `T4Options`, of which the first bit is the one that libtiff (`Fax3SetupState`) looks at, if it is one number.
        3 if matches!(tags.all(292), [options] if options & 1 == 1) => Packing::Fax3InTwoDimensions,
        3 => Packing::Fax3,
        4 => Packing::Fax4,
        5 => Packing::Lzw,
        6 => return Err(unsupported("data compressed as JPEG in the old way")),
        7 => Packing::Jpeg,
        8 | 32946 => Packing::Deflate,
        32773 => Packing::PackBits,
        other => return Err(unsupported(&format!("compression {other}"))),
    })
}

/// Whether the bits of every byte come in the reverse order.
pub(super) fn is_reversed(tags: &Tags) -> PictureResult<bool> {
    match tags.one(266).unwrap_or(1) {
        1 => Ok(false),
        2 => Ok(true),
        other => Err(unsupported(&format!("bits in order {other}"))),
    }
}

pub(super) fn kind(tags: &Tags, packing: Packing, planar: bool) -> PictureResult<Kind> {
    let reversed = is_reversed(tags)?;
    let mut samples = tags.one(277).unwrap_or(1);
    let mut extra = tags.all(338);
    let mut sizes = tags.all(258);
    if planar && !extra.is_empty() && extra.iter().all(|extra| *extra == 0) {
        // Planes that mean nothing can be left where they are, behind the others; but the reader of plain data takes them for more
        // colours, and stumbles.
        if packing == Packing::Raw {
            return Err(unsupported("planes that mean nothing, uncompressed"));
        }
        samples = samples.saturating_sub(extra.len() as u64);
        sizes = &sizes[..sizes.len().saturating_sub(extra.len())];
        extra = &[];
    }
    let bits = match sizes {
        [] => 1,
        [bits] => *bits,
        [first, ..] if (sizes.len() as u64) < samples => {
            return Err(unsupported(&format!("{samples} samples of {first} bits, and others")));
        }
        [first, ..] if sizes[..samples as usize].iter().all(|size| size == first) => *first,
        _ => return Err(unsupported("samples of different sizes")),
    };
    let number = match tags.all(339) {
        [] => Number::Unsigned,
        [first, rest @ ..] if rest.iter().all(|other| other == first) => match *first {
            1 => Number::Unsigned,
            2 => Number::Signed,
            3 => Number::Fraction,
            other => return Err(unsupported(&format!("numbers of kind {other}"))),
        },
        _ => return Err(unsupported("numbers of different kinds")),
    };
    let little = tags.little;
    let photometric = tags.one(262).unwrap_or(0);
    let meaning = match photometric {
        0 => Meaning::Gray { inverted: bits < 16 },
        1 => Meaning::Gray { inverted: false },
        2 => Meaning::Rgb,
        3 => Meaning::Palette,
        5 => Meaning::Cmyk,
        // `TIFFReadRGBAImage` of libtiff does it otherwise.
        6 if samples == 1 && packing == Packing::Raw => Meaning::Gray { inverted: false },
        6 if !planar && matches!(packing, Packing::Raw | Packing::Jpeg) => Meaning::Ycbcr,
        6 => return Err(unsupported("colours as luma and chroma, packed")),
        other => return Err(unsupported(&format!("colours of kind {other}"))),
    };
    let plain = (number == Number::Unsigned).then_some((bits, samples, extra));
    let alpha = match (meaning, plain) {
        (Meaning::Gray { .. }, _) if photometric == 6 => (plain == Some((8, 1, &[])) && !reversed).then_some(Alpha::None),
        (Meaning::Gray { .. }, _) => {
            let key = (number, bits, samples, extra);
            of_gray(key, photometric == 1, reversed, little)
        }
        (Meaning::Rgb, Some((8, 3, []))) | (Meaning::Palette, Some((1 | 2 | 4 | 8, 1, []))) => Some(Alpha::None),
        (_, _) if reversed => None,
        (Meaning::Rgb, Some((8, _, _) | (16, 3 | 4, _))) => with_extra(samples, extra),
        (Meaning::Palette, Some((8, 2, [0])))
        | (Meaning::Cmyk, Some((8 | 16, 4, []) | (8, 5, [0]) | (8, 6, [0, 0])))
        | (Meaning::Ycbcr, Some((8, 3, []))) => Some(Alpha::None),
        _ => None,
    };
    let Some(alpha) = alpha else {
        return Err(unsupported(&format!(
            "{samples} samples of {bits} bits ({number:?}), colours of kind {photometric}, and {extra:?} beside them"
        )));
    };
    let kind = Kind {
        meaning,
        number,
        bits,
        samples,
        alpha,
    };
    admit(kind, packing, planar, little, reversed)?;
    Ok(kind)
}

/// Whether gray has transparency, if there is gray of this kind at all; `upright`: 0 is black.
fn of_gray(key: (Number, u64, u64, &[u64]), upright: bool, reversed: bool, little: bool) -> Option<Alpha> {
    match key {
        (Number::Unsigned, 1 | 2 | 4 | 8, 1, []) => Some(Alpha::None),
        (Number::Unsigned, 16, 1, []) if reversed => (little && upright).then_some(Alpha::None),
        (Number::Unsigned, 16, 1, []) => (little || upright).then_some(Alpha::None),
        (Number::Fraction, 32, 1, []) => (!reversed).then_some(Alpha::None),
        _ if reversed || !upright => None,
        (Number::Unsigned, 32, 1, []) => little.then_some(Alpha::None),
        (Number::Signed, 8 | 16 | 32, 1, []) | (Number::Unsigned, 8, 2, [0]) => Some(Alpha::None),
        (Number::Unsigned, 8, 2, [2]) => Some(Alpha::Straight),
        _ => None,
    }
}

/// What the samples beside red, green and blue are.
fn with_extra(samples: u64, extra: &[u64]) -> Option<Alpha> {
    match (samples, extra) {
        (3, []) | (4, [0]) | (5, [0, 0]) | (6, [0, 0, 0]) => Some(Alpha::None),
        (4, [] | [2 | 999]) | (5, [2, 0]) | (6, [2, 0, 0]) => Some(Alpha::Straight),
        (4, [1]) | (5, [1, 0]) | (6, [1, 0, 0]) => Some(Alpha::Premultiplied),
        _ => None,
    }
}

/// Refuses what Pillow reads in a way that nobody means, and what libtiff refuses.
fn admit(kind: Kind, packing: Packing, planar: bool, little: bool, reversed: bool) -> PictureResult<()> {
    let raw = packing == Packing::Raw;
    if raw && planar && kind.bits != 8 {
        // Pillow takes every byte for a sample.
        return Err(unsupported("planes of other than 8 bits, uncompressed"));
    }
    if raw && planar && kind.alpha == Alpha::Premultiplied {
        return Err(unsupported("planes of colours multiplied by their transparency, uncompressed"));
    }
    if !raw && !little && kind.bits > 8 && kind.number != Number::Unsigned {
        // libtiff turns the bytes round, and Pillow does so again.
        return Err(unsupported("signed samples or fractions, compressed, the high byte first"));
    }
    if !raw && planar && kind.meaning == (Meaning::Gray { inverted: false }) && kind.alpha != Alpha::None {
        // The transparency is put where none is looked for (`_pickUnpackers`), and everything is transparent.
        return Err(unsupported("planes of gray and transparency, compressed"));
    }
    // `Unpack.c` has no `L;IR`, and none of `P;1R`, `P;2R`, `P;4R`.
    if raw
        && reversed
        && matches!(
            (kind.meaning, kind.bits),
            (Meaning::Gray { inverted: true }, 8) | (Meaning::Palette, 1..=4)
        )
    {
        return Err(unsupported(&format!(
            "bits in the reverse order, and samples of {} bits",
            kind.bits
        )));
    }
    let fits = match packing {
        packing if packing.is_fax() => kind.bits == 1 && kind.samples == 1,
        Packing::Jpeg => kind.bits == 8 && kind.number == Number::Unsigned && (planar || matches!(kind.samples, 1 | 3 | 4)),
        _ => true,
    };
    if fits {
        Ok(())
    } else {
        Err(unsupported(&format!(
            "{} samples of {} bits, compressed as {packing:?}",
            kind.samples, kind.bits
        )))
    }
}
