//! The EXIF orientation, where `ImageOps.exif_transpose` of Pillow finds it: in the EXIF block, else in the XMP packet.

use serde::{Deserialize, Serialize};

/// The orientation tag of IFD0.
const ORIENTATION: u16 = 0x0112;

/// What stands before an EXIF block, once or twice; Pillow 12 bears more.
const MARK: &[u8] = b"Exif\0\0";

/// By how much each Pillow turns a picture, 1 to 8; 1 where nothing is said, or nothing that it would act on. None where it raises:
/// a picture that is to be turned is refused then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "[Option<u32>; 2]", into = "[Option<u32>; 2]")]
pub struct Turns {
    pub(in crate::picture) pillow13: Option<u32>,
    pub(in crate::picture) pillow12: Option<u32>,
}

impl From<Turns> for [Option<u32>; 2] {
    fn from(turns: Turns) -> Self {
        [turns.pillow13, turns.pillow12]
    }
}

impl TryFrom<[Option<u32>; 2]> for Turns {
    type Error = String;

    fn try_from(turns: [Option<u32>; 2]) -> Result<Self, String> {
        if let Some(wrong) = turns.iter().flatten().find(|turn| !(1..=8).contains(*turn)) {
            return Err(format!("expected an orientation from 1 to 8, found {wrong}"));
        }
        let [pillow13, pillow12] = turns;
        Ok(Self { pillow13, pillow12 })
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self::both(1)
    }
}

impl Turns {
    /// Where Pillow raises, whichever it is.
    pub(super) const BROKEN: Self = Self {
        pillow13: None,
        pillow12: None,
    };

    /// The same with either.
    pub(in crate::picture) fn both(orientation: u32) -> Self {
        Self {
            pillow13: Some(orientation),
            pillow12: Some(orientation),
        }
    }

    /// What these blocks say.
    pub(super) fn read(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> Self {
        let of = |pillow| {
            let found = match exif.map(|block| from_exif(block, pillow)) {
                Some(Found::Broken) => return None,
                Some(Found::Value(value)) => value,
                // Where the tag is there, Pillow looks no further.
                Some(Found::Nothing) | None => xmp.and_then(from_xmp).unwrap_or(1),
            };
            Some(if (1..=8).contains(&found) { found } else { 1 })
        };
        Self {
            pillow13: of(Pillow::Thirteen),
            pillow12: of(Pillow::Twelve),
        }
    }

    /// The same where looking into the XMP packet raises.
    pub(super) fn unless_in_xmp(exif: Option<&[u8]>) -> Self {
        let of = |pillow| match exif.map(|block| from_exif(block, pillow)) {
            Some(Found::Value(value)) => Some(if (1..=8).contains(&value) { value } else { 1 }),
            _ => None,
        };
        Self {
            pillow13: of(Pillow::Thirteen),
            pillow12: of(Pillow::Twelve),
        }
    }

    /// The same where Pillow has seen, and borne, what is broken.
    pub(super) fn borne(self) -> Self {
        Self {
            pillow13: self.pillow13.or(Some(1)),
            pillow12: self.pillow12.or(Some(1)),
        }
    }

    /// The orientation that a header says: that of Pillow 13.
    pub(super) fn orientation(self) -> u32 {
        self.pillow13.unwrap_or(1)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pillow {
    Twelve,
    Thirteen,
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// 0 for what no orientation can be.
    Value(u32),
    /// Pillow raises.
    Broken,
}

/// The bytes of a TIFF, in the order that it says.
#[derive(Clone, Copy)]
struct Block<'a> {
    bytes: &'a [u8],
    little: bool,
}

impl<'a> Block<'a> {
    fn slice(self, at: usize, length: usize) -> Option<&'a [u8]> {
        self.bytes.get(at..)?.get(..length)
    }

    fn number(self, at: usize, length: usize) -> Option<u64> {
        let join = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        let found = self.slice(at, length)?;
        Some(if self.little {
            found.iter().rev().fold(0, join)
        } else {
            found.iter().fold(0, join)
        })
    }
}

/// `Image.Exif.load` and `TiffImagePlugin.ImageFileDirectory_v2.load`, for this one tag of the first directory.
fn from_exif(block: &[u8], pillow: Pillow) -> Found {
    let mut bytes = block;
    let mut marks = 0;
    while let Some(rest) = bytes.strip_prefix(MARK) {
        if marks == 2 && pillow == Pillow::Thirteen {
            break;
        }
        marks += 1;
        bytes = rest;
    }
    if bytes.is_empty() {
        return Found::Nothing;
    }
    // `TiffImagePlugin.PREFIXES`. Of 64-bit offsets the ones with the low byte first are known as such, and then not found in a head of
    // 8 bytes (a `struct.error`).
    let little = match bytes.get(..4) {
        Some(b"II\x2a\0" | b"II\0\x2a") => true,
        Some(b"MM\0\x2a" | b"MM\x2a\0" | b"MM\0\x2b") => false,
        _ => return Found::Broken,
    };
    let block = Block { bytes, little };
    let Some(directory) = block.number(4, 4) else {
        return Found::Broken;
    };
    let mut found = Found::Nothing;
    let mut seen = std::collections::HashSet::new();
    // What the tags that stand elsewhere take together.
    let mut elsewhere = 0_u64;
    let mut at = directory as usize;
    let Some(entries) = block.number(at, 2) else { return found };
    at += 2;
    // At most 65,535 of 12 bytes; where they end early, or the place that one says is not in the file, Pillow keeps those before.
    for _ in 0..entries {
        let Some(entry) = entry(block, at) else { break };
        at += 12;
        let first_counts = pillow == Pillow::Thirteen;
        if first_counts && seen.contains(&entry.tag) {
            continue;
        }
        let Some(unit) = unit(entry.kind) else { continue };
        let size = unit * entry.count;
        let mut place = at - 4;
        if size > 4 {
            elsewhere += size;
            if first_counts && elsewhere > bytes.len() as u64 {
                continue;
            }
            place = entry.place;
            if usize::try_from(size).ok().and_then(|size| block.slice(place, size)).is_none() {
                break;
            }
        }
        if size == 0 {
            continue;
        }
        seen.insert(entry.tag);
        if entry.tag == ORIENTATION {
            // The first of several numbers (`ImageFileDirectory_v2._setitem`).
            found = Found::Value(value(block, place, entry.kind));
        }
    }
    found
}

/// One entry of a directory.
struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    /// Where its numbers are, if they do not fit in it.
    place: usize,
}

fn entry(block: Block<'_>, at: usize) -> Option<Entry> {
    Some(Entry {
        tag: block.number(at, 2)? as u16,
        kind: block.number(at + 2, 2)? as u16,
        count: block.number(at + 4, 4)?,
        place: block.number(at + 8, 4)? as usize,
    })
}

/// The bytes of one number of this type, if Pillow knows it (`_load_dispatch`).
fn unit(kind: u16) -> Option<u64> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16 => Some(8),
        _ => None,
    }
}

/// The number of this type that stands there, if it is a whole one that equals an orientation in Python; else 0. Bytes (1, 7) and text (2)
/// equal none.
fn value(block: Block<'_>, at: usize, kind: u16) -> u32 {
    let number = |at, length| block.number(at, length).unwrap_or(0);
    let quotient = |above: i64, below: i64| if below != 0 && above % below == 0 { above / below } else { 0 };
    let whole = |fraction: f64| {
        (1..=8_u8)
            .find(|whole| (f64::from(*whole) - fraction).abs() == 0.0)
            .map_or(0, i64::from)
    };
    let found = match kind {
        3 => number(at, 2) as i64,
        4 | 13 => number(at, 4) as i64,
        16 => number(at, 8).cast_signed(),
        6 => i64::from(number(at, 1) as i8),
        8 => i64::from(number(at, 2) as i16),
        9 => i64::from(number(at, 4) as i32),
        5 => quotient(number(at, 4) as i64, number(at + 4, 4) as i64),
        10 => quotient(i64::from(number(at, 4) as i32), i64::from(number(at + 4, 4) as i32)),
        11 => whole(f32::from_bits(number(at, 4) as u32).into()),
        12 => whole(f64::from_bits(number(at, 8))),
        _ => 0,
    };
    u32::try_from(found).unwrap_or(0)
}

/// `Image.getexif`: the first match of `tiff:Orientation(="|>)([0-9])`.
fn from_xmp(packet: &[u8]) -> Option<u32> {
    const NAME: &[u8] = b"tiff:Orientation";
    let mut rest = packet;
    while let Some(at) = memchr::memmem::find(rest, NAME) {
        rest = &rest[at + NAME.len()..];
        let digit = rest
            .strip_prefix(b"=\"")
            .or_else(|| rest.strip_prefix(b">"))
            .and_then(|tail| tail.first());
        if let Some(digit @ b'0'..=b'9') = digit {
            return Some(u32::from(digit - b'0'));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exif(kind: u16, count: u32, value: u32) -> Vec<u8> {
        let mut block = b"Exif\0\0II\x2a\0\x08\0\0\0\x01\0\x12\x01".to_vec();
        block.extend(kind.to_le_bytes());
        block.extend(count.to_le_bytes());
        block.extend(value.to_le_bytes());
        block
    }

    fn orientation(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> u32 {
        Turns::read(exif, xmp).orientation()
    }

    #[test]
    fn whole_numbers_from_one_to_eight_count() {
        for value in 1..=8 {
            for kind in [3, 4, 6, 8, 9, 13] {
                assert_eq!(orientation(Some(&exif(kind, 1, value)), None), value);
            }
            let fraction = f32::to_bits(value as f32);
            assert_eq!(orientation(Some(&exif(11, 1, fraction)), None), value);
        }
        for (kind, count, value) in [(3, 1, 9), (1, 1, 6), (2, 1, 6), (7, 1, 6), (3, 0, 6), (99, 1, 6)] {
            assert_eq!(orientation(Some(&exif(kind, count, value)), None), 1);
        }
        assert_eq!(orientation(Some(&exif(3, 2, 6)), None), 6);
        assert_eq!(orientation(Some(&exif(3, 1, 6)[..20]), None), 1);
        assert_eq!(orientation(None, None), 1);
    }

    #[test]
    fn of_two_tags_pillow_13_takes_the_first_and_pillow_12_the_last() {
        let mut block = exif(3, 1, 6);
        block[14] = 2;
        block.extend_from_slice(&exif(3, 1, 3)[16..]);
        let turns = Turns::read(Some(&block), None);
        assert_eq!((turns.pillow13, turns.pillow12), (Some(6), Some(3)));
    }

    #[test]
    fn xmp_counts_where_exif_says_nothing() {
        let xmp = b"<x tiff:Orientation='3' tiff:Orientation=\"6\"/>";
        assert_eq!(orientation(None, Some(xmp)), 6);
        assert_eq!(orientation(Some(b"Exif\0\0"), Some(b"<tiff:Orientation>8<")), 8);
        assert_eq!(orientation(Some(&exif(3, 1, 3)), Some(xmp)), 3);
        assert_eq!(orientation(Some(&exif(2, 1, 3)), Some(xmp)), 1);
    }

    #[test]
    fn junk_is_broken() {
        for junk in [&b"junkjunkjunk"[..], b"Exif\0\0II\x2a\0\x08", b"II\x2b\0\x08\0\0\0\0\0\0\0"] {
            assert_eq!(Turns::read(Some(junk), None), Turns::BROKEN);
        }
    }
}
