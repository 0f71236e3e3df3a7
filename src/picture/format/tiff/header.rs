//! The first directory of a TIFF, as `TiffImagePlugin.TiffImageFile._setup` of Pillow reads it; of its many forms, those that are read here
//! to the bit. The others are refused by name.

use std::ops::Range;

use super::directory::{self, Tags};
use super::kind::{self, Kind};
use super::layout::{Alpha, Meaning, Number, Packing, Predictor, unsupported};
use crate::picture::fault::{Fault, PictureResult};
use crate::picture::format::exif::Turns;
use crate::picture::format::header::{Format, Mode, Probe};
use crate::picture::format::jpeg;
use crate::picture::memory::reserve;

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
    pub(in crate::picture) number: Number,
    pub(in crate::picture) alpha: Alpha,
    pub(in crate::picture) packing: Packing,
    pub(in crate::picture) predictor: Predictor,
    /// Whether the bits of every byte of the file come in the reverse order.
    pub(in crate::picture) reversed: bool,
    /// Whether every sample has strips or tiles of its own.
    pub(in crate::picture) planar: bool,
    /// The size of a strip or tile, in pixels.
    pub(in crate::picture) tile_width: u32,
    pub(in crate::picture) tile_height: u32,
    pub(in crate::picture) tiled: bool,
    pub(in crate::picture) offsets: Vec<u64>,
    pub(in crate::picture) lengths: Vec<u64>,
    /// Where in the file the tables are that all JPEGs share.
    pub(in crate::picture) jpeg_tables: Option<Range<usize>>,
    /// Red, green, blue of each entry.
    pub(in crate::picture) palette: Vec<[u8; 3]>,
    animated: bool,
}

impl Header {
    pub(in crate::picture) fn read(bytes: &[u8]) -> PictureResult<Self> {
        let tags = directory::read(bytes)?;
        let (width, height) = (tags.side(256)?, tags.side(257)?);
        if width == 0 || height == 0 {
            return Err(Fault::corrupt(format!("TIFF of {width} x {height} pixels")));
        }
        let packing = kind::packing(&tags)?;
        if let Some(odd) = tags.odd.as_ref().filter(|_| packing != Packing::Raw) {
            return Err(unsupported(&format!("{odd}, compressed")));
        }
        let planar = match tags.one(284).unwrap_or(1) {
            1 => false,
            2 => tags.one(277).unwrap_or(1) > 1,
            other => return Err(unsupported(&format!("planes of kind {other}"))),
        };
        let mut kind = kind::kind(&tags, packing, planar)?;
        if planar && packing != Packing::Raw && tags.all(338).is_empty() && kind.alpha == Alpha::Straight {
            // What libtiff has no name for, `ImagingLibTiffDecode` divides by.
            kind.alpha = Alpha::Premultiplied;
        }
        let predictor = predictor(&tags, &kind, packing)?;
        let tiled = tags.all(273).is_empty();
        let (offsets, lengths) = if tiled { (324, 325) } else { (273, 279) };
        let (tile_width, tile_height) = if tiled {
            (tags.side(322)?, tags.side(323)?)
        } else {
            // Some write a number that means: all in one.
            (width, tags.one(278).map_or(height, |rows| rows.min(u64::from(height)) as u32))
        };
        let sides: &[u16] = if tiled { &[322, 323] } else { &[278] };
        if packing == Packing::Raw && sides.iter().any(|side| tags.is_bytes(*side)) {
            return Err(unsupported("strips or tiles whose sides are bytes"));
        }
        let rows = if tiled { tags.one(323) } else { tags.one(278) }.unwrap_or(height.into());
        let whole = packing == Packing::Raw && !planar && tile_width == width && rows == u64::from(height);
        let numbers = |tag| -> PictureResult<Vec<u64>> {
            let mut own = Vec::new();
            reserve(&mut own, tags.all(tag).len())?;
            own.extend_from_slice(tags.all(tag));
            Ok(own)
        };
        let (mut offsets, lengths) = (numbers(offsets)?, numbers(lengths)?);
        if offsets.is_empty() || tile_width == 0 || tile_height == 0 {
            return Err(Fault::corrupt("TIFF that does not say where its pixels are"));
        }
        if whole {
            // Pillow takes the last of several strips or tiles that each have the size of the picture.
            offsets.drain(..offsets.len() - 1);
        }
        let palette = palette(tags.all(320));
        if kind.meaning == Meaning::Palette && palette.is_empty() {
            return Err(Fault::corrupt("TIFF without its palette"));
        }
        let orientation = tags.one(274).filter(|turn| (1..=8).contains(turn)).unwrap_or(1) as u32;
        Ok(Self {
            little: tags.little,
            width,
            height,
            orientation,
            meaning: kind.meaning,
            bits: kind.bits as u32,
            samples: kind.samples as u32,
            number: kind.number,
            alpha: kind.alpha,
            packing,
            predictor,
            reversed: kind::is_reversed(&tags)?,
            planar,
            tile_width,
            tile_height,
            tiled,
            offsets,
            lengths,
            jpeg_tables: tags.jpeg_tables,
            palette,
            animated: tags.animated,
        })
    }

    /// Whether samples are of more than 8 bits, and come as 8 all the same: `.convert("RGB")` cuts them off at 0 and 255.
    pub(in crate::picture) fn is_wide(&self) -> bool {
        self.bits == 32 || self.bits == 16 && self.number != Number::Unsigned
    }

    /// The size once it is turned, as Pillow does when it loads; nothing is left to turn then.
    pub(in crate::picture) fn probe(&self) -> Probe {
        let turned = self.orientation >= 5;
        let (width, height) = if turned {
            (self.height, self.width)
        } else {
            (self.width, self.height)
        };
        let alpha = self.alpha != Alpha::None;
        let mode = match (self.meaning, self.number) {
            (Meaning::Gray { .. }, Number::Fraction) => Mode::F,
            (Meaning::Gray { .. }, _) if self.is_wide() => Mode::I,
            (Meaning::Gray { .. }, _) => match self.bits {
                1 => Mode::One,
                16 => Mode::I16,
                _ if alpha => Mode::La,
                _ => Mode::L,
            },
            (Meaning::Palette, _) => Mode::P,
            (Meaning::Rgb, _) if alpha => Mode::Rgba,
            // libtiff has libjpeg convert them.
            (Meaning::Ycbcr, _) if self.packing != Packing::Jpeg => Mode::Ycbcr,
            (Meaning::Rgb | Meaning::Ycbcr, _) => Mode::Rgb,
            (Meaning::Cmyk, _) => Mode::Cmyk,
        };
        Probe {
            format: Format::Tiff,
            mode,
            width,
            height,
            orientation: 1,
            turns: Turns::default(),
            transparent: alpha,
            animated: self.animated,
            decoder_bytes: self.decoder_bytes(),
        }
    }

    /// A strip or tile as it is stored, what its packing takes, where all of them lie, and the picture before it is turned.
    fn decoder_bytes(&self) -> u64 {
        let (wide, high) = (u64::from(self.tile_width), u64::from(self.tile_height));
        let each = if self.planar { 1 } else { u64::from(self.samples) };
        let tile = (wide * each * u64::from(self.bits)).div_ceil(8).saturating_mul(high);
        let packing = match self.packing {
            Packing::Jpeg => tile.saturating_add(jpeg::own_bytes(self.tile_width, self.tile_height, each as usize)),
            packing if packing.is_fax() => 16 * (wide + 32),
            _ => 0,
        };
        let places = 40 * self.offsets.len().max(self.lengths.len()) as u64;
        let turned = if self.orientation > 1 { 4 } else { 0 };
        let turned = turned * u64::from(self.width) * u64::from(self.height);
        tile.saturating_add(packing).saturating_add(places + turned)
    }
}

/// What the samples are stored as. Only libtiff's readers of these two packings look at it.
fn predictor(tags: &Tags, kind: &Kind, packing: Packing) -> PictureResult<Predictor> {
    if !matches!(packing, Packing::Lzw | Packing::Deflate) {
        return Ok(Predictor::Itself);
    }
    match (tags.one(317).unwrap_or(1), kind.number, kind.bits) {
        (1, ..) => Ok(Predictor::Itself),
        (2, _, 8 | 16 | 32) => Ok(Predictor::Difference),
        (3, Number::Fraction, 32) => Ok(Predictor::Bytes),
        (other, _, bits) => Err(unsupported(&format!("predictor {other} for samples of {bits} bits"))),
    }
}

/// The high bytes of a colour map: all reds, all greens, all blues.
fn palette(colors: &[u64]) -> Vec<[u8; 3]> {
    let third = colors.len() / 3;
    (0..third.min(256))
        .map(|i| [0, 1, 2].map(|band| (colors[band * third + i] >> 8) as u8))
        .collect()
}
