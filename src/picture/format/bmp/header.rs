//! The header of a Windows bitmap, read as `PIL.BmpImagePlugin.BmpImageFile._bitmap` reads it.

use crate::picture::fault::{Fault, PictureResult};
use crate::picture::format::cursor::Cursor;
use crate::picture::format::exif::Turns;
use crate::picture::format::header::{Format, Mode, Probe};

/// How the pixels lie in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::picture) enum Layout {
    /// Indices of 1, 4 or 8 bits, the first pixel in the highest ones.
    Index(u8),
    /// Five bits each of blue (lowest), green and red.
    Bgr555,
    /// Five, six and five bits.
    Bgr565,
    /// Bytes: how many a pixel has, which of them are red, green and blue, and which is alpha.
    Bytes {
        /// The length of a pixel.
        step: u8,
        /// The places of red, green and blue.
        rgb: [u8; 3],
        /// The place of alpha.
        alpha: Option<u8>,
    },
    /// Run lengths of indices of 8 bits, or of 4.
    Runs {
        /// Whether an index has 4 bits.
        four_bits: bool,
    },
}

/// What comes before the pixels.
#[derive(Debug)]
pub(in crate::picture) struct Header<'a> {
    pub(in crate::picture) mode: Mode,
    pub(in crate::picture) width: u32,
    pub(in crate::picture) height: u32,
    /// Whether the first row in the file is the top one.
    pub(in crate::picture) top_down: bool,
    pub(in crate::picture) layout: Layout,
    /// Bytes of one row, padded.
    pub(in crate::picture) stride: usize,
    /// Where the pixels begin.
    pub(in crate::picture) offset: usize,
    /// Blue, green, red and, where `palette_step` is 4, a byte that means nothing.
    pub(in crate::picture) palette: &'a [u8],
    pub(in crate::picture) palette_step: usize,
}

fn cut() -> Fault {
    Fault::truncated("BMP ends within its header")
}

impl<'a> Header<'a> {
    pub(in crate::picture) fn read(bytes: &'a [u8]) -> PictureResult<Self> {
        let offset = Cursor::new(bytes, 10).u32_le().ok_or_else(cut)?;
        let mut cursor = Cursor::new(bytes, 14);
        let header_size = cursor.u32_le().ok_or_else(cut)?;
        let header = (header_size as usize).checked_sub(4).and_then(|length| cursor.take(length));
        let raw = match header_size {
            12 => Raw::core(header.ok_or_else(cut)?),
            40 | 52 | 56 | 64 | 108 | 124 => Raw::info(header.ok_or_else(cut)?, &mut cursor)?,
            _ if header.is_none() && header_size >= 4 => return Err(cut()),
            _ => return Err(Fault::corrupt(format!("BMP with a header of {header_size} bytes"))),
        };
        let colors = if raw.colors == 0 {
            1_u64 << raw.bits.min(63)
        } else {
            raw.colors.into()
        };
        // The offset of many writers does not count the palette.
        let mut offset = u64::from(offset);
        if offset == 14 + u64::from(header_size) && raw.bits <= 8 {
            offset += raw.palette_step as u64 * colors;
        }
        let mut layout = raw.layout()?;
        let mut mode = match layout {
            Layout::Index(_) => Mode::P,
            Layout::Runs { .. } if raw.bits <= 8 => Mode::P,
            Layout::Bytes { alpha: Some(_), .. } => Mode::Rgba,
            _ => Mode::Rgb,
        };
        let mut palette = &bytes[..0];
        if mode == Mode::P {
            if colors > 65_536 {
                return Err(Fault::corrupt(format!("BMP with a palette of {colors} colours")));
            }
            // Pillow reads what is there, and unpacks whole entries.
            let length = colors as usize * raw.palette_step;
            let rest = &bytes[cursor.at()..];
            palette = &rest[..rest.len().min(length)];
            let read = palette.len();
            if is_gray(palette, raw.palette_step, colors as usize) {
                mode = if colors <= 2 { Mode::One } else { Mode::L };
                // Pillow then reads whole bytes (or, with two colours, bits) whatever the header says of their bits.
                if let Layout::Index(bits) = &mut layout {
                    *bits = if colors <= 2 { 1 } else { 8 };
                }
            }
            cursor.take(read);
        }
        let (width, height) = (raw.width, raw.height);
        let side = |n: i64| u32::try_from(n).ok().filter(|n| *n > 0);
        let (Some(w), Some(h)) = (side(width), side(height)) else {
            return Err(Fault::corrupt(format!("BMP of {width} x {height} pixels")));
        };
        let offset = if offset == 0 {
            cursor.at()
        } else {
            usize::try_from(offset).unwrap_or(usize::MAX)
        };
        Ok(Self {
            mode,
            width: w,
            height: h,
            top_down: raw.top_down,
            layout,
            stride: ((u64::from(w) * u64::from(raw.bits) + 31) / 8 / 4 * 4) as usize,
            offset,
            palette,
            palette_step: raw.palette_step,
        })
    }

    pub(in crate::picture) fn probe(&self) -> Probe {
        Probe {
            format: Format::Bmp,
            mode: self.mode,
            width: self.width,
            height: self.height,
            orientation: 1,
            turns: Turns::default(),
            transparent: self.mode == Mode::Rgba,
            animated: false,
            decoder_bytes: 0,
        }
    }
}

/// Whether every entry of the palette is the gray of its index; then Pillow does without it.
fn is_gray(palette: &[u8], step: usize, colors: usize) -> bool {
    (0..colors).all(|i| {
        let value = if colors == 2 { i * 255 } else { i };
        // A value beyond 255 is an error in Pillow's `o8`, which wraps: `i & 255`.
        palette.get(i * step..i * step + 3) == Some(&[value as u8; 3])
    })
}

/// The fields of either header.
struct Raw {
    width: i64,
    height: i64,
    bits: u16,
    compression: u32,
    colors: u32,
    top_down: bool,
    palette_step: usize,
    /// Red, green, blue, alpha.
    masks: [u32; 4],
}

impl Raw {
    /// `BITMAPCOREHEADER`: 8 bytes behind its length.
    fn core(header: &[u8]) -> Self {
        let u16_at = |at| Cursor::new(header, at).u16_le().unwrap_or(0);
        Self {
            width: u16_at(0).into(),
            height: u16_at(2).into(),
            bits: u16_at(6),
            compression: 0,
            colors: 0,
            top_down: false,
            palette_step: 3,
            masks: [0; 4],
        }
    }

    /// `BITMAPINFOHEADER` and its successors: at least 36 bytes behind its length.
    fn info(header: &[u8], cursor: &mut Cursor<'_>) -> PictureResult<Self> {
        let u32_at = |at| Cursor::new(header, at).u32_le().unwrap_or(0);
        // Pillow looks at one byte, not at the sign.
        let top_down = header[7] == 0xff;
        let height = i64::from(u32_at(4));
        let compression = u32_at(12);
        let mut masks = [0; 4];
        if compression == 3 {
            let named = if header.len() >= 52 { 4 } else { 3 };
            for (i, mask) in masks.iter_mut().enumerate().take(named) {
                *mask = if header.len() >= 48 {
                    u32_at(36 + 4 * i)
                } else {
                    cursor.u32_le().ok_or_else(cut)?
                };
            }
        }
        Ok(Self {
            width: u32_at(0).into(),
            height: if top_down { (1 << 32) - height } else { height },
            bits: Cursor::new(header, 10).u16_le().unwrap_or(0),
            compression,
            colors: u32_at(28),
            top_down,
            palette_step: 4,
            masks,
        })
    }

    fn layout(&self) -> PictureResult<Layout> {
        let bytes = |step, rgb, alpha| Ok(Layout::Bytes { step, rgb, alpha });
        let plain = match self.bits {
            1 | 4 | 8 => Layout::Index(self.bits as u8),
            16 => Layout::Bgr555,
            24 => Layout::Bytes {
                step: 3,
                rgb: [2, 1, 0],
                alpha: None,
            },
            32 => Layout::Bytes {
                step: 4,
                rgb: [2, 1, 0],
                alpha: None,
            },
            bits => return Err(Fault::corrupt(format!("BMP of {bits} bits a pixel"))),
        };
        match self.compression {
            0 => Ok(plain),
            1 | 2 => Ok(Layout::Runs {
                four_bits: self.compression == 2,
            }),
            3 => match (self.bits, self.masks) {
                (32, [0x00ff_0000, 0xff00, 0xff, 0]) => bytes(4, [2, 1, 0], None),
                (32, [0xff00_0000, 0x00ff_0000, 0xff00, 0]) => bytes(4, [3, 2, 1], None),
                (32, [0xff00_0000, 0xff00, 0xff, 0]) => bytes(4, [3, 1, 0], None),
                (32, [0xff00_0000, 0x00ff_0000, 0xff00, 0xff]) => bytes(4, [3, 2, 1], Some(0)),
                (32, [0xff, 0xff00, 0x00ff_0000, 0xff00_0000]) => bytes(4, [0, 1, 2], Some(3)),
                (32, [0x00ff_0000, 0xff00, 0xff, 0xff00_0000] | [0, 0, 0, 0]) => bytes(4, [2, 1, 0], Some(3)),
                (32, [0xff00_0000, 0xff00, 0xff, 0x00ff_0000]) => bytes(4, [3, 1, 0], Some(2)),
                (24, [0x00ff_0000, 0xff00, 0xff, _]) => bytes(3, [2, 1, 0], None),
                (16, [0xf800, 0x7e0, 0x1f, _]) => Ok(Layout::Bgr565),
                (16, [0x7c00, 0x3e0, 0x1f, _]) => Ok(Layout::Bgr555),
                _ => Err(Fault::corrupt("BMP with masks that are not supported")),
            },
            other => Err(Fault::corrupt(format!("BMP of the unsupported compression {other}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Code;

    fn bmp(width: i32, height: i32, bits: u16, compression: u32) -> Vec<u8> {
        let mut bytes = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
        bytes.extend(width.to_le_bytes());
        bytes.extend(height.to_le_bytes());
        bytes.extend(1_u16.to_le_bytes());
        bytes.extend(bits.to_le_bytes());
        bytes.extend(compression.to_le_bytes());
        bytes.extend([0; 20]);
        bytes
    }

    #[test]
    fn headers_say_mode_size_and_direction() {
        let bytes = bmp(7, -5, 24, 0);
        let header = Header::read(&bytes).unwrap();
        assert_eq!((header.mode, header.width, header.height, header.top_down), (Mode::Rgb, 7, 5, true));
        assert_eq!((header.stride, header.offset), (24, 54));
    }

    #[test]
    fn nonsense_is_refused() {
        for (bytes, code) in [
            (bmp(0, 5, 24, 0), Code::PictureCorrupt),
            (bmp(7, 5, 2, 0), Code::PictureCorrupt),
            (bmp(7, 5, 24, 4), Code::PictureCorrupt),
            (bmp(7, 5, 24, 0)[..40].to_vec(), Code::PictureTruncated),
        ] {
            assert_eq!(Header::read(&bytes).unwrap_err().code, code);
        }
    }
}
