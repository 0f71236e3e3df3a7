//! What a spec chooses from: filters, channels, what becomes of 16 bits and of transparency, whose arithmetic.

use serde::{Deserialize, Serialize};

/// A resampling filter, as `PIL.Image.Resampling` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// The nearest pixel.
    Nearest,
    /// The mean of the pixels covered.
    Box,
    /// A triangle over two pixels.
    Bilinear,
    /// A Hamming-windowed sinc over two pixels.
    Hamming,
    /// The cubic over four pixels, a = -0.5.
    Bicubic,
    /// A Lanczos-windowed sinc over six pixels.
    Lanczos,
}

/// How many channels are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Color {
    /// One where all channels of the decoded picture are equal everywhere, else three.
    Auto,
    /// Always three.
    Rgb,
    /// Always one: `convert("RGB").convert("L")`.
    Gray,
}

/// What becomes of 16-bit gray. (16-bit colour keeps its high bytes, as in Pillow.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SixteenBit {
    /// The picture is refused.
    Reject,
    /// The high byte is kept.
    Scale,
    /// As Pillow does it: everything above 255 becomes white.
    Pillow,
}

/// What becomes of transparency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alpha {
    /// It is dropped; the colour under it is kept.
    Drop,
    /// The picture is laid over white: `Image.alpha_composite`.
    White,
}

/// Whose resampling is followed, to the bit. Files are read as by Pillow 13 either way; for whole files the two do not differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pixels {
    /// Pillow from 13.0: the order of the two passes depends on the sizes.
    Pillow13,
    /// Pillow up to 12.3: the horizontal pass first.
    Pillow12,
    /// torch, as `torchvision.transforms.v2.functional.resize(…, antialias=True)` of 8-bit pictures on the CPU: weights of 16 bits, the
    /// horizontal pass first. It has bilinear and bicubic filters.
    Torchvision,
}
