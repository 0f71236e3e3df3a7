//! The first directory of a TIFF, as `TiffImagePlugin.TiffImageFile._setup` of Pillow reads it; of its many forms, those that are read here
//! to the bit. The others are refused by name.

use super::{Format, Mode, Probe};
use crate::finding::Code;
use crate::picture::{Fault, Outcome};

/// The most strips or tiles of a picture, and so the most numbers of a tag.
const MAX_NUMBERS: u64 = 1 << 20;

/// How the data of a strip or tile are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::picture) enum Packing {
    Raw,
    PackBits,
    Lzw,
    Deflate,
}

/// What a sample means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::picture) enum Meaning {
    /// Gray; `inverted`: 0 is white.
    Gray {
        inverted: bool,
    },
    Palette,
    Rgb,
    Cmyk,
}

/// What the first directory says.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a tag of two values")]
pub(in crate::picture) struct Header {
    pub(in crate::picture) little: bool,
    /// As stored, before any turn.
    pub(in crate::picture) width: u32,
    pub(in crate::picture) height: u32,
    pub(in crate::picture) orientation: u32,
    pub(in crate::picture) meaning: Meaning,
    /// The bits of every sample.
    pub(in crate::picture) bits: u32,
    /// Samples of a pixel.
    pub(in crate::picture) samples: u32,
    /// Whether the one behind the colours is straight alpha.
    pub(in crate::picture) alpha: bool,
    pub(in crate::picture) packing: Packing,
    /// Whether each sample is stored as the difference from the one to its left.
    pub(in crate::picture) differences: bool,
    /// Whether every sample has strips or tiles of its own.
    pub(in crate::picture) planar: bool,
    /// The size of a strip or tile, in pixels.
    pub(in crate::picture) tile_width: u32,
    pub(in crate::picture) tile_height: u32,
    pub(in crate::picture) tiled: bool,
    pub(in crate::picture) offsets: Vec<u64>,
    pub(in crate::picture) lengths: Vec<u64>,
    /// Red, green, blue of each entry.
    pub(in crate::picture) palette: Vec<[u8; 3]>,
    animated: bool,
}

/// Bytes in the order that the file says.
#[derive(Clone, Copy)]
struct Reader<'a> {
    bytes: &'a [u8],
    little: bool,
}

impl Reader<'_> {
    fn number(self, at: u64, bytes: usize) -> Option<u64> {
        let found = self.bytes.get(usize::try_from(at).ok()?..)?.get(..bytes)?;
        let join = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if self.little {
            found.iter().rev().fold(0, join)
        } else {
            found.iter().fold(0, join)
        })
    }
}

/// The tags that count here.
#[derive(Default)]
struct Tags {
    found: Vec<(u16, Vec<u64>)>,
}

impl Tags {
    fn all(&self, tag: u16) -> &[u64] {
        self.found
            .iter()
            .rev()
            .find(|(own, _)| *own == tag)
            .map_or(&[], |(_, values)| values)
    }

    fn one(&self, tag: u16) -> Option<u64> {
        self.all(tag).first().copied()
    }
}

const WANTED: [u16; 21] = [
    256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339, 0xbc01,
];

impl Header {
    pub(in crate::picture) fn read(bytes: &[u8]) -> Outcome<Self> {
        let (tags, little, animated) = directory(bytes)?;
        let side = |tag| {
            tags.one(tag)
                .and_then(|n| u32::try_from(n).ok())
                .ok_or_else(|| Fault::corrupt("TIFF without a size"))
        };
        let (width, height) = (side(256)?, side(257)?);
        if width == 0 || height == 0 {
            return Err(Fault::corrupt(format!("TIFF of {width} x {height} pixels")));
        }
        let packing = packing(&tags)?;
        if tags.one(266).unwrap_or(1) != 1 {
            return Err(unsupported("bits in the reverse order"));
        }
        if tags.all(339).iter().any(|format| *format != 1) {
            return Err(unsupported("samples that are signed or fractions"));
        }
        let (meaning, bits, samples, alpha) = kind(&tags, little)?;
        let (differences, planar) = arrangement(&tags, bits, samples, packing)?;
        let tiled = tags.all(273).is_empty();
        let (offsets, lengths) = if tiled { (324, 325) } else { (273, 279) };
        let (tile_width, tile_height) = if tiled {
            (side(322)?, side(323)?)
        } else {
            // Some write a number that means: all in one.
            (width, tags.one(278).map_or(height, |rows| rows.min(u64::from(height)) as u32))
        };
        let [offsets, lengths] = [offsets, lengths].map(|tag| tags.all(tag).to_vec());
        if offsets.is_empty() || tile_width == 0 || tile_height == 0 {
            return Err(Fault::corrupt("TIFF that does not say where its pixels are"));
        }
        let palette = palette(tags.all(320));
        if meaning == Meaning::Palette && palette.is_empty() {
            return Err(Fault::corrupt("TIFF without its palette"));
        }
        let orientation = tags.one(274).filter(|turn| (1..=8).contains(turn)).unwrap_or(1) as u32;
        Ok(Self {
            little,
            width,
            height,
            orientation,
            meaning,
            bits: bits as u32,
            samples: samples as u32,
            alpha,
            packing,
            differences,
            planar,
            tile_width,
            tile_height,
            tiled,
            offsets,
            lengths,
            palette,
            animated,
        })
    }

    /// The size once it is turned, as Pillow does when it loads; nothing is left to turn then.
    pub(in crate::picture) fn probe(&self) -> Probe {
        let turned = self.orientation >= 5;
        let (width, height) = if turned {
            (self.height, self.width)
        } else {
            (self.width, self.height)
        };
        let mode = match self.meaning {
            Meaning::Gray { .. } if self.bits == 1 => Mode::One,
            Meaning::Gray { .. } if self.bits == 16 => Mode::I16,
            Meaning::Gray { .. } if self.alpha => Mode::La,
            Meaning::Gray { .. } => Mode::L,
            Meaning::Palette => Mode::P,
            Meaning::Rgb if self.alpha => Mode::Rgba,
            Meaning::Rgb => Mode::Rgb,
            Meaning::Cmyk => Mode::Cmyk,
        };
        Probe {
            format: Format::Tiff,
            mode,
            width,
            height,
            orientation: 1,
            transparent: self.alpha,
            animated: self.animated,
        }
    }
}

fn packing(tags: &Tags) -> Outcome<Packing> {
    Ok(match tags.one(259).unwrap_or(1) {
        1 => Packing::Raw,
        5 => Packing::Lzw,
        8 | 32946 => Packing::Deflate,
        32773 => Packing::PackBits,
        6 | 7 => return Err(unsupported("data compressed as JPEG")),
        2..=4 => return Err(unsupported("data compressed as a fax")),
        other => return Err(unsupported(&format!("compression {other}"))),
    })
}

/// What the samples mean, their bits, how many a pixel has, and whether the last one is alpha: the keys of `OPEN_INFO` that are read here.
fn kind(tags: &Tags, little: bool) -> Outcome<(Meaning, u64, u64, bool)> {
    let samples = tags.one(277).unwrap_or(1);
    let bits = match tags.all(258) {
        [] => 1,
        [first, rest @ ..] if rest.iter().all(|other| other == first) => *first,
        _ => return Err(unsupported("samples of different sizes")),
    };
    let extra = tags.all(338);
    let (meaning, colors) = match tags.one(262).unwrap_or(0) {
        0 => (Meaning::Gray { inverted: bits < 16 }, 1),
        1 => (Meaning::Gray { inverted: false }, 1),
        2 => (Meaning::Rgb, 3),
        3 => (Meaning::Palette, 1),
        5 => (Meaning::Cmyk, 4),
        other => return Err(unsupported(&format!("colours of kind {other}"))),
    };
    let alpha = match (samples.checked_sub(colors), extra) {
        (Some(0), []) => false,
        (Some(1), [] | [2 | 999]) if meaning == Meaning::Rgb => true,
        (Some(1), [2]) if meaning == Meaning::Gray { inverted: false } => true,
        (Some(1), [0]) if !matches!(meaning, Meaning::Gray { inverted: true }) => false,
        (Some(1), [1]) => return Err(unsupported("colours multiplied by their transparency")),
        _ => return Err(unsupported(&format!("{samples} samples a pixel"))),
    };
    let fits = match meaning {
        Meaning::Gray { .. } => matches!((bits, samples), (1 | 2 | 4 | 8 | 16, 1) | (8, 2)),
        Meaning::Palette => matches!((bits, samples), (1 | 2 | 4 | 8, 1) | (8, 2)),
        Meaning::Rgb => matches!(bits, 8 | 16),
        Meaning::Cmyk => bits == 8,
    };
    if !fits {
        return Err(unsupported(&format!("{samples} samples of {bits} bits")));
    }
    if bits == 16 && samples == 1 && !little && tags.one(262) == Some(0) {
        return Err(unsupported("16-bit gray with white as 0, the high byte first"));
    }
    Ok((meaning, bits, samples, alpha))
}

/// Whether samples are stored as differences, and whether each has planes of its own.
fn arrangement(tags: &Tags, bits: u64, samples: u64, packing: Packing) -> Outcome<(bool, bool)> {
    let differences = match tags.one(317).unwrap_or(1) {
        1 => false,
        2 if bits >= 8 && packing != Packing::Raw && packing != Packing::PackBits => true,
        other => return Err(unsupported(&format!("predictor {other} for samples of {bits} bits"))),
    };
    let planar = match tags.one(284).unwrap_or(1) {
        1 => false,
        2 => samples > 1,
        other => return Err(unsupported(&format!("planes of kind {other}"))),
    };
    if planar && bits != 8 {
        return Err(unsupported("planes of 16 bits"));
    }
    Ok((differences, planar))
}

/// The high bytes of a colour map: all reds, all greens, all blues.
fn palette(colors: &[u64]) -> Vec<[u8; 3]> {
    let third = colors.len() / 3;
    (0..third.min(256))
        .map(|i| [0, 1, 2].map(|band| (colors[band * third + i] >> 8) as u8))
        .collect()
}

fn unsupported(what: &str) -> Fault {
    Fault::new(Code::PictureFormat, format!("TIFF with {what} is not supported"))
}

/// The tags of the first directory, whether the low bytes come first, and whether there is another directory.
fn directory(bytes: &[u8]) -> Outcome<(Tags, bool, bool)> {
    let little = match bytes.get(..4) {
        Some(b"II\x2a\0") => true,
        Some(b"MM\0\x2a") => false,
        None => return Err(Fault::truncated("TIFF ends in its header")),
        Some(_) => return Err(unsupported("offsets of 64 bits")),
    };
    let reader = Reader { bytes, little };
    let cut = || Fault::truncated("TIFF ends before its first directory does");
    let start = reader.number(4, 4).ok_or_else(cut)?;
    let count = reader.number(start, 2).ok_or_else(cut)?;
    let mut tags = Tags::default();
    for i in 0..count {
        let entry = start + 2 + 12 * i;
        let [tag, kind] = [reader.number(entry, 2), reader.number(entry + 2, 2)].map(|n| n.map(|n| n as u16));
        let (tag, kind) = (tag.ok_or_else(cut)?, kind.ok_or_else(cut)?);
        let numbers = reader.number(entry + 4, 4).ok_or_else(cut)?;
        if !WANTED.contains(&tag) {
            continue;
        }
        let size: u64 = match kind {
            1 | 7 => 1,
            3 => 2,
            4 => 4,
            _ => return Err(unsupported(&format!("tag {tag} of type {kind}"))),
        };
        if numbers > MAX_NUMBERS {
            return Err(Fault::new(
                Code::PictureTooLarge,
                format!("TIFF with {numbers} numbers in tag {tag}"),
            ));
        }
        let at = if size * numbers <= 4 {
            entry + 8
        } else {
            reader.number(entry + 8, 4).ok_or_else(cut)?
        };
        let values = (0..numbers)
            .map(|n| reader.number(at + n * size, size as usize).ok_or_else(cut))
            .collect::<Outcome<Vec<u64>>>()?;
        tags.found.push((tag, values));
    }
    if tags.one(0xbc01).is_some() {
        return Err(unsupported("pictures of Windows Media Photo"));
    }
    let animated = reader.number(start + 2 + 12 * count, 4).is_some_and(|next| next != 0);
    Ok((tags, little, animated))
}
