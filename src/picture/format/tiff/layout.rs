//! How a TIFF stores its samples: what each of them is and means, and how strips and tiles of them are packed.

use crate::finding::Code;
use crate::picture::fault::Fault;

/// How the data of a strip or tile are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::picture) enum Packing {
    Raw,
    PackBits,
    Lzw,
    Deflate,
    /// Strips or tiles that are JPEGs, but for tables that they share.
    Jpeg,
    /// Fax, every row by itself, and in bytes of its own.
    FaxLines,
    /// Fax of group 3, every row by itself.
    Fax3,
    /// Fax of group 3, rows that refer to the one above among them.
    Fax3InTwoDimensions,
    /// Fax of group 4: every row refers to the one above.
    Fax4,
}

impl Packing {
    pub(in crate::picture) fn is_fax(self) -> bool {
        matches!(self, Self::FaxLines | Self::Fax3 | Self::Fax3InTwoDimensions | Self::Fax4)
    }
}

/// What kind of number a sample is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::picture) enum Number {
    Unsigned,
    Signed,
    Fraction,
}

/// What the sample behind the colours is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::picture) enum Alpha {
    /// There is none, or it means nothing.
    None,
    Straight,
    /// The colours have been multiplied by it.
    Premultiplied,
}

/// What is stored in the place of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::picture) enum Predictor {
    Itself,
    /// The difference from the one to its left.
    Difference,
    /// Likewise of the bytes of fractions, the high ones of a row first.
    Bytes,
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
    /// Luma and chroma.
    Ycbcr,
}

/// A strip or tile.
pub(super) struct Part {
    /// Pixels of a row.
    pub(super) width: usize,
    pub(super) rows: usize,
    /// Samples of a pixel.
    pub(super) each: usize,
    /// Bytes of a row.
    pub(super) row: usize,
    /// Whether it is the last one, which may be lower than the others.
    pub(super) is_last_strip: bool,
}

/// A form that is not read here.
pub(super) fn unsupported(what: &str) -> Fault {
    Fault::new(Code::PictureFormat, format!("TIFF with {what} is not supported"))
}
