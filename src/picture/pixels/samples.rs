//! What stands in a buffer of decoded pixels.

/// What one pixel of a decoded picture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::picture) enum Samples {
    /// One byte.
    Gray,
    /// Gray, alpha.
    GrayAlpha,
    /// Two bytes, the high one first.
    Gray16,
    /// An index into the palette.
    Index,
    /// Three bytes.
    Rgb,
    /// Luma and chroma: three bytes.
    Ycbcr,
    /// Three bytes and alpha.
    Rgba,
    /// Four bytes of ink, as Pillow has them: 0 is none.
    Cmyk,
}

impl Samples {
    /// The bytes of one pixel.
    pub(in crate::picture) fn bytes(self) -> usize {
        match self {
            Self::Gray | Self::Index => 1,
            Self::GrayAlpha | Self::Gray16 => 2,
            Self::Rgb | Self::Ycbcr => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }
}

/// The colour that counts as transparent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::picture) enum Key {
    None,
    Gray(u16),
    Rgb([u16; 3]),
}
