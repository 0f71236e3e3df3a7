//! The header of a GIF, as `GifImagePlugin.GifImageFile` of Pillow reads it up to its first frame.

use crate::picture::fault::{Fault, PictureResult};
use crate::picture::format::cursor::Cursor;
use crate::picture::format::exif::Turns;
use crate::picture::format::header::{Format, Mode, Probe};

/// What must be known to decode the first frame.
#[derive(Debug)]
pub(in crate::picture) struct Header<'a> {
    /// The whole picture: the screen, or as far as the frame reaches beyond it.
    pub(in crate::picture) width: u32,
    pub(in crate::picture) height: u32,
    /// The frame: left, top, width, height.
    pub(in crate::picture) frame: [u32; 4],
    /// Red, green, blue of each entry; none where the entries are the grays of their numbers.
    pub(in crate::picture) palette: Option<&'a [u8]>,
    /// The entry that counts as transparent.
    pub(in crate::picture) transparent: Option<u8>,
    pub(in crate::picture) interlaced: bool,
    /// The bits of a sample.
    pub(in crate::picture) bits: u8,
    /// Where the blocks of samples begin.
    pub(in crate::picture) data: usize,
    animated: bool,
}

impl<'a> Header<'a> {
    pub(in crate::picture) fn read(bytes: &'a [u8]) -> PictureResult<Self> {
        let header = Self::walk(bytes).ok_or_else(|| Fault::truncated("GIF ends before its first frame"))?;
        if header.width == 0 || header.height == 0 || header.frame[2] == 0 || header.frame[3] == 0 {
            return Err(Fault::corrupt(format!("GIF of {} x {} pixels", header.width, header.height)));
        }
        Ok(header)
    }

    /// None where the bytes, or the pictures, end.
    fn walk(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes, 6);
        let (screen_width, screen_height) = (cursor.u16_le()?, cursor.u16_le()?);
        let flags = cursor.u8()?;
        cursor.take(2)?;
        let global = if flags & 128 == 0 {
            None
        } else {
            needed(cursor.take(3 << ((flags & 7) + 1))?)
        };
        let mut transparent = None;
        loop {
            match cursor.u8()? {
                b';' => return None,
                b'!' => {
                    let kind = cursor.u8()?;
                    let block = block(&mut cursor)?;
                    if kind == 249 && !block.is_empty() {
                        if block[0] & 1 != 0 {
                            transparent = Some(*block.get(3)?);
                        }
                        block.get(2)?;
                    }
                    if !block.is_empty() {
                        skip(&mut cursor)?;
                    }
                }
                b',' => break,
                _ => {}
            }
        }
        let [x, y, width, height] = [cursor.u16_le()?, cursor.u16_le()?, cursor.u16_le()?, cursor.u16_le()?].map(u32::from);
        let flags = cursor.u8()?;
        let local = if flags & 128 == 0 {
            None
        } else {
            Some(needed(cursor.take(3 << ((flags & 7) + 1))?))
        };
        let bits = cursor.u8()?;
        let data = cursor.at();
        Some(Self {
            width: u32::from(screen_width).max(x + width),
            height: u32::from(screen_height).max(y + height),
            frame: [x, y, width, height],
            palette: local.unwrap_or(global),
            transparent,
            interlaced: flags & 64 != 0,
            bits,
            data,
            animated: has_another(cursor).unwrap_or(false),
        })
    }

    pub(in crate::picture) fn probe(&self) -> Probe {
        Probe {
            format: Format::Gif,
            mode: if self.palette.is_some() { Mode::P } else { Mode::L },
            width: self.width,
            height: self.height,
            orientation: 1,
            turns: Turns::default(),
            transparent: self.transparent.is_some(),
            animated: self.animated,
            decoder_bytes: 0,
        }
    }
}

/// `_is_palette_needed`: a ramp of grays is none.
fn needed(palette: &[u8]) -> Option<&[u8]> {
    let ramp = palette.as_chunks::<3>().0.iter().zip(0..=255).all(|(color, i)| *color == [i; 3]);
    (!ramp).then_some(palette)
}

/// One block, perhaps empty.
fn block<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = cursor.u8()?;
    cursor.take(usize::from(length))
}

/// To behind the next empty block.
fn skip(cursor: &mut Cursor<'_>) -> Option<()> {
    while !block(cursor)?.is_empty() {}
    Some(())
}

/// Whether a second frame follows the data of the first.
fn has_another(mut cursor: Cursor<'_>) -> Option<bool> {
    skip(&mut cursor)?;
    loop {
        match cursor.u8()? {
            b';' => return Some(false),
            b'!' => {
                cursor.u8()?;
                skip(&mut cursor)?;
            }
            b',' => return Some(true),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_palette_is_needed_unless_it_is_a_ramp_of_grays() {
        let ramp: Vec<u8> = (0..=255).flat_map(|i| [i; 3]).collect();
        for colors in [2, 16, 256] {
            assert_eq!(needed(&ramp[..colors * 3]), None, "{colors}");
        }
        let mut other = ramp.clone();
        other[767] = 0;
        assert!(needed(&other).is_some());
    }
}
