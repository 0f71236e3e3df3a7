//! What the header of a picture says, whatever its format.

use serde::{Serialize, Serializer};

use super::exif::Turns;
use crate::picture::fault::{Fault, PictureResult};

/// A file format that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// Windows bitmap.
    Bmp,
    /// GIF.
    Gif,
    /// TIFF.
    Tiff,
    /// WebP.
    Webp,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 6] = [Self::Jpeg, Self::Png, Self::Bmp, Self::Gif, Self::Tiff, Self::Webp];

    /// The name in files: `jpeg`, `png`, `bmp`, `gif`, `tiff`, `webp`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Bmp => "bmp",
            Self::Gif => "gif",
            Self::Tiff => "tiff",
            Self::Webp => "webp",
        }
    }

    /// The suffixes that say this format, in lower case, with the dot.
    pub fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Jpeg => &[".jpg", ".jpeg", ".jpe", ".jfif"],
            Self::Png => &[".png", ".apng"],
            Self::Bmp => &[".bmp", ".dib"],
            Self::Gif => &[".gif"],
            Self::Tiff => &[".tif", ".tiff"],
            Self::Webp => &[".webp"],
        }
    }

    /// The format that this suffix (any case, with the dot) says.
    pub fn from_suffix(suffix: &str) -> Option<Self> {
        let suffix = suffix.to_ascii_lowercase();
        Self::ALL.into_iter().find(|format| format.suffixes().contains(&suffix.as_str()))
    }

    /// The format whose signature these bytes begin with.
    pub fn from_signature(bytes: &[u8]) -> Option<Self> {
        const SIGNATURES: [(&[u8], Format); 11] = [
            (b"\xff\xd8\xff", Format::Jpeg),
            (b"\x89PNG\r\n\x1a\n", Format::Png),
            (b"BM", Format::Bmp),
            (b"GIF87a", Format::Gif),
            (b"GIF89a", Format::Gif),
            (b"II\x2a\0", Format::Tiff),
            (b"MM\0\x2a", Format::Tiff),
            (b"II\x2b\0", Format::Tiff),
            (b"MM\0\x2b", Format::Tiff),
            (b"II\0\x2a", Format::Tiff),
            (b"MM\x2a\0", Format::Tiff),
        ];
        if bytes.starts_with(b"RIFF") {
            let kinds: [&[u8]; 3] = [b"WEBPVP8 ", b"WEBPVP8L", b"WEBPVP8X"];
            return kinds.contains(&bytes.get(8..16).unwrap_or(&[])).then_some(Self::Webp);
        }
        SIGNATURES
            .into_iter()
            .find(|(signature, _)| bytes.starts_with(signature))
            .map(|(_, format)| format)
    }
}

/// The mode of the pixels in the file, as Pillow names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// `1`: black and white.
    One,
    /// `L`: gray.
    L,
    /// `LA`: gray with alpha.
    La,
    /// `P`: palette.
    P,
    /// `RGB`.
    Rgb,
    /// `RGBA`.
    Rgba,
    /// `CMYK`.
    Cmyk,
    /// `I;16`: 16-bit gray.
    I16,
    /// `I`: gray as signed numbers of 32 bits.
    I,
    /// `F`: gray as fractions.
    F,
    /// `YCbCr`: luma and chroma.
    Ycbcr,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 11] = [
        Self::One,
        Self::L,
        Self::La,
        Self::P,
        Self::Rgb,
        Self::Rgba,
        Self::Cmyk,
        Self::I16,
        Self::I,
        Self::F,
        Self::Ycbcr,
    ];

    /// Pillow's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::L => "L",
            Self::La => "LA",
            Self::P => "P",
            Self::Rgb => "RGB",
            Self::Rgba => "RGBA",
            Self::Cmyk => "CMYK",
            Self::I16 => "I;16",
            Self::I => "I",
            Self::F => "F",
            Self::Ycbcr => "YCbCr",
        }
    }
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What the header of a picture says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// The format, by content.
    pub format: Format,
    /// The file's own mode.
    pub mode: Mode,
    /// Columns, as stored.
    pub width: u32,
    /// Rows, as stored.
    pub height: u32,
    /// The EXIF orientation as Pillow 13 reads it, 1 to 8; 1 where absent or meaningless.
    pub orientation: u32,
    /// By how much either Pillow turns it.
    #[serde(skip)]
    pub turns: Turns,
    /// Whether there is an alpha channel, or a transparent colour.
    pub transparent: bool,
    /// Whether there is more than one frame.
    pub animated: bool,
    /// Bytes of memory that its decoder takes beside its pixels, and beside the file.
    #[serde(skip)]
    pub decoder_bytes: u64,
}

impl Probe {
    /// A header that says nothing but its size, as of a picture that is not at hand.
    pub fn of_size(height: u32, width: u32) -> Self {
        Self {
            format: Format::Png,
            mode: Mode::Rgb,
            width,
            height,
            orientation: 1,
            turns: Turns::default(),
            transparent: false,
            animated: false,
            decoder_bytes: 0,
        }
    }

    /// Refuses bytes that are not those of this header: everything after it counts on its size.
    pub(super) fn check_size(&self, width: u32, height: u32) -> PictureResult<()> {
        if (self.width, self.height) == (width, height) {
            Ok(())
        } else {
            Err(Fault::corrupt(format!(
                "a picture of {width} x {height} pixels where the header says {} x {}",
                self.width, self.height
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_signature_and_suffix() {
        assert_eq!(Format::from_signature(b"\xff\xd8\xff\xe0"), Some(Format::Jpeg));
        assert_eq!(Format::from_signature(b"\x89PNG\r\n\x1a\n"), Some(Format::Png));
        assert_eq!(Format::from_signature(b"BM"), Some(Format::Bmp));
        assert_eq!(Format::from_signature(b"\xff\xd8"), None);
        assert_eq!(Format::from_suffix(".JPG"), Some(Format::Jpeg));
        assert_eq!(Format::from_suffix(".tif"), Some(Format::Tiff));
    }
}
