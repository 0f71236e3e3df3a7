//! The header of a JPEG, read as `PIL.JpegImagePlugin.JpegImageFile._open` reads it.

use crate::picture::fault::{Fault, PictureResult};
use crate::picture::format::cursor::Cursor;
use crate::picture::format::exif::Turns;
use crate::picture::format::header::{Format, Mode, Probe};
use crate::picture::memory::append;

/// What comes before the first scan.
#[derive(Debug)]
pub(in crate::picture) struct Header {
    mode: Mode,
    width: u32,
    height: u32,
    turns: Turns,
    layers: u8,
    in_scans: bool,
}

/// Start of frame: what Pillow takes from it.
struct Frame {
    mode: Mode,
    width: u32,
    height: u32,
    layers: u8,
    /// Whether one pass over the data does not give row after row: then the library keeps all coefficients.
    in_scans: bool,
}

impl Header {
    pub(in crate::picture) fn read(bytes: &[u8]) -> PictureResult<Self> {
        let mut walk = Walk {
            cursor: Cursor::new(bytes, 3),
            ..Walk::default()
        };
        let frame = walk.walk_header()?;
        if frame.width == 0 || frame.height == 0 {
            return Err(Fault::corrupt(format!("JPEG of {} x {} pixels", frame.width, frame.height)));
        }
        let turns = walk.turns();
        Ok(Self {
            mode: frame.mode,
            width: frame.width,
            height: frame.height,
            turns,
            layers: frame.layers,
            in_scans: frame.in_scans,
        })
    }

    pub(in crate::picture) fn probe(&self) -> Probe {
        Probe {
            format: Format::Jpeg,
            mode: self.mode,
            width: self.width,
            height: self.height,
            orientation: self.turns.orientation(),
            turns: self.turns,
            transparent: false,
            animated: false,
            decoder_bytes: self.decoder_bytes(),
        }
    }

    /// All coefficients, where they come in scans; of others some rows of blocks.
    fn decoder_bytes(&self) -> u64 {
        let height = if self.in_scans { self.height } else { 0 };
        own_bytes(self.width, height, self.layers.into())
    }
}

#[derive(Default)]
struct Walk<'a> {
    cursor: Cursor<'a>,
    frame: Option<Frame>,
    /// The EXIF segments, one behind the other, as Pillow joins them.
    exif: Vec<u8>,
    xmp: Option<&'a [u8]>,
    /// Whether the header says a resolution.
    dpi: bool,
    icc: Vec<&'a [u8]>,
}

impl<'a> Walk<'a> {
    /// Goes over the markers as Pillow does, to the first start of scan.
    fn walk_header(&mut self) -> PictureResult<Frame> {
        // The byte in hand. The third one of the signature is the first 0xff.
        let mut byte = Some(0xff);
        while let Some(first) = byte {
            if first != 0xff {
                byte = self.cursor.u8();
                continue;
            }
            let Some(code) = self.cursor.u8() else { break };
            match code {
                // A padded marker, or an escaped 0xff: junk.
                0xff => {}
                0x00 => byte = self.cursor.u8(),
                0xda => {
                    let scan = self.segment()?;
                    let mut frame = self.frame.take().ok_or_else(|| Fault::corrupt("JPEG scan without a frame"))?;
                    frame.in_scans |= scan.first().is_some_and(|count| *count < frame.layers);
                    return Ok(frame);
                }
                0xc0..=0xfe => {
                    self.marker(code)?;
                    byte = self.cursor.u8();
                }
                _ => return Err(Fault::corrupt(format!("JPEG marker expected, found ff {code:02x}"))),
            }
        }
        Err(Fault::truncated("JPEG ends before its picture begins"))
    }

    fn marker(&mut self, code: u8) -> PictureResult<()> {
        match code {
            // Markers without a segment: JPG, RST0 to 7, SOI, EOI, JPG0 to 13.
            0xc8 | 0xd0..=0xd9 | 0xf0..=0xfd => {}
            0xc4 | 0xcc | 0xdc | 0xdd | 0xdf | 0xfe => {
                self.segment()?;
            }
            0xdb => quantisation(self.segment()?)?,
            0xe0..=0xef => {
                let segment = self.segment()?;
                self.application(code, segment)?;
            }
            // SOF0 to 15, and DHP.
            _ => {
                let segment = self.segment()?;
                self.frame = Some(Frame {
                    in_scans: !matches!(code, 0xc0 | 0xc1),
                    ..frame(segment)?
                });
                self.profile()?;
            }
        }
        Ok(())
    }

    /// The segment behind a marker, without its length.
    fn segment(&mut self) -> PictureResult<&'a [u8]> {
        let cut = || Fault::truncated("JPEG ends within its header");
        let length = self.cursor.u16_be().ok_or_else(cut)?;
        self.cursor.take(usize::from(length).saturating_sub(2)).ok_or_else(cut)
    }

    /// Where no resolution is said, `_read_dpi_from_exif` looks for it in EXIF when the file is opened, and bears what is broken there;
    /// that Pillow has looked already is why nothing raises later, and XMP is not looked at.
    fn turns(&self) -> Turns {
        let exif = (!self.exif.is_empty()).then_some(self.exif.as_slice());
        let turns = Turns::read(exif, self.xmp);
        if self.dpi { turns } else { turns.borne() }
    }

    /// `APP`: collects what we use, and refuses what trips Pillow.
    fn application(&mut self, code: u8, segment: &'a [u8]) -> PictureResult<()> {
        let short = |name: &str| Err(Fault::corrupt(format!("JPEG {name} segment is too short")));
        match code {
            0xe0 if segment.starts_with(b"JFIF") && segment.len() < 7 => return short("JFIF"),
            0xe0 if segment.starts_with(b"JFIF") => self.dpi |= segment.len() >= 12 && matches!(segment[7], 1 | 2),
            0xe1 if segment.starts_with(b"Exif\0\0") => {
                let new = if self.exif.is_empty() { segment } else { &segment[6..] };
                append(new, &mut self.exif)?;
            }
            0xe1 => self.xmp = segment.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0").or(self.xmp),
            0xe2 if segment.starts_with(b"ICC_PROFILE\0") => self.icc.push(segment),
            0xed if segment.starts_with(b"Photoshop 3.0\0") && photoshop(segment).is_none() => return short("Photoshop"),
            0xee if segment.starts_with(b"Adobe") && segment.len() < 7 => return short("Adobe"),
            _ => {}
        }
        Ok(())
    }

    /// Pillow sorts the pieces of the ICC profile when it meets the frame, and reads how many there should be.
    fn profile(&mut self) -> PictureResult<()> {
        let first = self.icc.iter().min();
        if first.is_some_and(|piece| piece.len() < 14) {
            return Err(Fault::corrupt("JPEG ICC segment is too short"));
        }
        self.icc.clear();
        Ok(())
    }
}

/// `SOF`.
fn frame(segment: &[u8]) -> PictureResult<Frame> {
    let (Some(&[bits, h0, h1, w0, w1, layers]), components) = (segment.first_chunk(), segment.get(6..).unwrap_or(&[])) else {
        return Err(Fault::corrupt("JPEG frame segment is too short"));
    };
    if bits != 8 {
        return Err(Fault::corrupt(format!("JPEG of {bits} bits a sample; only 8 are supported")));
    }
    let mode = match layers {
        1 => Mode::L,
        3 => Mode::Rgb,
        4 => Mode::Cmyk,
        _ => {
            return Err(Fault::corrupt(format!(
                "JPEG of {layers} components; only 1, 3 and 4 are supported"
            )));
        }
    };
    if components.len() % 3 != 0 {
        return Err(Fault::corrupt("JPEG frame segment is too short"));
    }
    let side = |high, low| u32::from(u16::from_be_bytes([high, low]));
    Ok(Frame {
        mode,
        width: side(w0, w1),
        height: side(h0, h1),
        layers,
        in_scans: false,
    })
}

/// `DQT`: whole tables only.
fn quantisation(mut segment: &[u8]) -> PictureResult<()> {
    while let Some(&first) = segment.first() {
        let length = if first < 16 { 65 } else { 129 };
        segment = segment
            .get(length..)
            .ok_or_else(|| Fault::corrupt("JPEG quantisation table is cut off"))?;
    }
    Ok(())
}

/// Walks the image resource blocks of Photoshop; none where Pillow's walk runs off the end (an `IndexError` there; a
/// `struct.error` ends it quietly).
fn photoshop(segment: &[u8]) -> Option<()> {
    let mut at = 14_usize;
    while segment.get(at..at + 4) == Some(b"8BIM") {
        at += 4;
        let Some(code) = segment.get(at..at + 2) else { return Some(()) };
        at += 2;
        // The length of the resource's name.
        let name = usize::from(*segment.get(at)?);
        at += 1 + name;
        at += at & 1;
        let Some(size) = segment.get(at..).and_then(|rest| rest.first_chunk::<4>()) else {
            return Some(());
        };
        at += 4;
        let size = u32::from_be_bytes(*size) as usize;
        let end = at.checked_add(size)?;
        // A resolution that is too short ends the walk as well.
        if code == [0x03, 0xed] && segment.len().min(end).saturating_sub(at) < 14 {
            return Some(());
        }
        at = end.checked_add(end & 1)?;
    }
    Some(())
}

/// Whether the data have an end-of-image marker where a decoder would meet it. Entropy-coded data are skipped to the next marker.
pub(in crate::picture) fn has_end(bytes: &[u8]) -> bool {
    let mut cursor = Cursor::new(bytes, 2);
    loop {
        // To the next marker: 0xff and a byte that is neither an escape nor padding.
        let rest = &bytes[cursor.at()..];
        let Some(skip) = memchr::memchr(0xff, rest) else { return false };
        cursor = Cursor::new(bytes, cursor.at() + skip + 1);
        let Some(code) = bytes.get(cursor.at()) else { return false };
        match code {
            0xd9 => return true,
            0x00 | 0x01 | 0xd0..=0xd8 => cursor = Cursor::new(bytes, cursor.at() + 1),
            0xff => {}
            _ => {
                cursor = Cursor::new(bytes, cursor.at() + 1);
                let Some(length) = cursor.u16_be() else { return false };
                if cursor.take(usize::from(length).saturating_sub(2)).is_none() {
                    return false;
                }
            }
        }
    }
}

/// The bytes of the coefficients of a picture in several scans: two each, in whole blocks of up to 32 pixels (sampled 4:1) a side.
pub(in crate::picture) fn own_bytes(width: u32, height: u32, channels: usize) -> u64 {
    2 * channels as u64 * (u64::from(width) + 32) * (u64::from(height) + 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Code;

    /// A frame of these bits, height, width and layers behind a comment, then a scan.
    fn jpeg(bits: u8, height: u16, width: u16, layers: u8) -> Vec<u8> {
        let mut bytes = b"\xff\xd8\xff\xfe\0\x04hi\xff\xc0".to_vec();
        bytes.extend((8 + 3 * u16::from(layers)).to_be_bytes());
        bytes.push(bits);
        bytes.extend(height.to_be_bytes());
        bytes.extend(width.to_be_bytes());
        bytes.push(layers);
        bytes.extend(std::iter::repeat_n([1, 0x11, 0], layers.into()).flatten());
        bytes.extend(b"\xff\xda\0\x02\x12\xff\0\x34\xff\xd9");
        bytes
    }

    #[test]
    fn frames_say_mode_and_size() {
        for (layers, mode) in [(1, Mode::L), (3, Mode::Rgb), (4, Mode::Cmyk)] {
            let header = Header::read(&jpeg(8, 5, 7, layers)).unwrap();
            assert_eq!(
                (header.mode, header.width, header.height, header.turns),
                (mode, 7, 5, Turns::default())
            );
        }
        for bytes in [jpeg(12, 5, 7, 1), jpeg(8, 5, 7, 2), jpeg(8, 0, 7, 1)] {
            assert_eq!(Header::read(&bytes).unwrap_err().code, Code::PictureCorrupt);
        }
    }

    #[test]
    fn every_cut_in_the_header_is_a_cut() {
        let bytes = jpeg(8, 5, 7, 3);
        let scan = bytes.len() - 6;
        for end in 3..scan {
            assert_eq!(Header::read(&bytes[..end]).unwrap_err().code, Code::PictureTruncated, "{end}");
        }
    }

    #[test]
    fn the_end_is_found_behind_escapes_and_segments_only() {
        let bytes = jpeg(8, 5, 7, 1);
        assert!(has_end(&bytes));
        assert!(!has_end(&bytes[..bytes.len() - 1]));
        // An end marker within a comment is text.
        assert!(!has_end(b"\xff\xd8\xff\xfe\0\x04\xff\xd9\xff"));
    }
}
