//! The tags of the first directory, as `ImageFileDirectory_v2.load` of Pillow reads them.

use std::ops::Range;

use super::layout::unsupported;
use crate::finding::Code;
use crate::picture::fault::{Fault, PictureResult};
use crate::picture::memory::reserve;

/// The most strips or tiles of a picture, and so the most numbers of a tag.
const MAX_NUMBERS: u64 = 1 << 20;

/// The tags whose numbers count here.
const WANTED: [u16; 22] = [
    256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 292, 317, 320, 322, 323, 324, 325, 338, 339, 0xbc01,
];

/// Types of a tag.
const BYTE: u16 = 1;
const UNDEFINED: u16 = 7;
const IFD: u16 = 13;

/// `JPEGTables`: bytes, not numbers.
const JPEG_TABLES: u16 = 347;

/// Bytes in the order that the file says.
#[derive(Clone, Copy)]
struct Reader<'a> {
    bytes: &'a [u8],
    little: bool,
}

impl Reader<'_> {
    fn number(self, at: u64, bytes: u64) -> Option<u64> {
        let found = self.bytes.get(usize::try_from(at).ok()?..)?.get(..bytes as usize)?;
        let join = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if self.little {
            found.iter().rev().fold(0, join)
        } else {
            found.iter().fold(0, join)
        })
    }
}

/// One of them.
struct Tag {
    number: u16,
    kind: u16,
    values: Vec<u64>,
}

/// The tags that count here.
#[derive(Default)]
pub(super) struct Tags {
    found: Vec<Tag>,
    /// What Pillow bears and libtiff, which reads what is packed, does not; or nobody knows.
    pub(super) odd: Option<String>,
    /// Where the tables are that all strips or tiles share, if they are JPEGs.
    pub(super) jpeg_tables: Option<Range<usize>>,
    /// Whether the low bytes come first.
    pub(super) little: bool,
    /// Whether there is another directory.
    pub(super) animated: bool,
}

impl Tags {
    pub(super) fn all(&self, tag: u16) -> &[u64] {
        self.found.iter().find(|own| own.number == tag).map_or(&[], |own| &own.values)
    }

    /// Whether the numbers of this tag are bytes, which to Pillow are no numbers (`ImageFileDirectory_v2.load_byte`).
    pub(super) fn is_bytes(&self, tag: u16) -> bool {
        self.found
            .iter()
            .any(|own| own.number == tag && matches!(own.kind, BYTE | UNDEFINED))
    }

    pub(super) fn one(&self, tag: u16) -> Option<u64> {
        self.all(tag).first().copied()
    }

    pub(super) fn side(&self, tag: u16) -> PictureResult<u32> {
        self.one(tag)
            .and_then(|n| u32::try_from(n).ok())
            .ok_or_else(|| Fault::corrupt("TIFF without a size"))
    }
}

/// The widths of the fields, in bytes: of an offset, of the number of entries, of an entry.
struct Widths {
    offset: u64,
    count: u64,
    entry: u64,
}

/// The tags of the first directory.
pub(super) fn read(bytes: &[u8]) -> PictureResult<Tags> {
    let (little, big) = match bytes.get(..4) {
        Some(b"II\x2a\0") => (true, false),
        Some(b"MM\0\x2a") => (false, false),
        Some(b"II\x2b\0") => (true, true),
        // Pillow looks for the 43 in the first of its two bytes only.
        Some(b"MM\0\x2b") => return Err(unsupported("offsets of 64 bits, the high byte first")),
        None => return Err(Fault::truncated("TIFF ends in its header")),
        Some(_) => return Err(unsupported("a number of its format that is written the wrong way round")),
    };
    let reader = Reader { bytes, little };
    let widths = if big {
        Widths {
            offset: 8,
            count: 8,
            entry: 20,
        }
    } else {
        Widths {
            offset: 4,
            count: 2,
            entry: 12,
        }
    };
    let cut = || Fault::truncated("TIFF ends before its first directory does");
    // libtiff (`TIFFClientOpen`) refuses others.
    if big && (reader.number(4, 2).ok_or_else(cut)?, reader.number(6, 2).ok_or_else(cut)?) != (8, 0) {
        return Err(Fault::corrupt("TIFF with offsets of neither 32 nor 64 bits"));
    }
    let start = reader.number(widths.offset, widths.offset).ok_or_else(cut)?;
    let count = reader.number(start, widths.count).ok_or_else(cut)?;
    let mut tags = Tags { little, ..Tags::default() };
    let mut entry = start + widths.count;
    // Pillow counts as well: what all tags say together is not more than the file.
    let mut left = bytes.len() as u64;
    for _ in 0..count {
        tags.take(reader, entry, &widths, &mut left)?;
        entry += widths.entry;
    }
    if tags.one(0xbc01).is_some() {
        return Err(unsupported("pictures of Windows Media Photo"));
    }
    tags.check_types()?;
    tags.animated = reader.number(entry, widths.offset).is_some_and(|next| next != 0);
    Ok(tags)
}

impl Tags {
    /// One entry. All of it is in the file, so that the next one's place is no overflow.
    fn take(&mut self, reader: Reader<'_>, entry: u64, widths: &Widths, left: &mut u64) -> PictureResult<()> {
        let cut = || Fault::truncated("TIFF ends before its first directory does");
        let field = |at, bytes| reader.number(entry + at, bytes).ok_or_else(cut);
        let (tag, kind) = (field(0, 2)? as u16, field(2, 2)? as u16);
        let numbers = field(4, widths.offset)?;
        let inline = field(4 + widths.offset, widths.offset)?;
        let is_tables = tag == JPEG_TABLES;
        // The first of several counts, as in Pillow 13 and libtiff.
        if !is_tables && !WANTED.contains(&tag) || self.found.iter().any(|own| own.number == tag) {
            return Ok(());
        }
        let size: u64 = match kind {
            BYTE | UNDEFINED => 1,
            6 if !is_tables => 1,
            3 | 8 if !is_tables => 2,
            4 | 9 | IFD if !is_tables => 4,
            16 if !is_tables => 8,
            // Pillow passes over a type that it does not know.
            0 | 14 | 15 | 17.. => {
                self.odd = Some(format!("tag {tag} of type {kind}"));
                return Ok(());
            }
            _ => return Err(unsupported(&format!("tag {tag} of type {kind}"))),
        };
        if numbers > MAX_NUMBERS {
            return Err(Fault::new(
                Code::PictureTooLarge,
                format!("TIFF with {numbers} numbers in tag {tag}"),
            ));
        }
        if numbers == 0 {
            return Ok(());
        }
        let mut at = entry + 4 + widths.offset;
        if size * numbers > widths.offset {
            at = inline;
            *left = left
                .checked_sub(size * numbers)
                .ok_or_else(|| Fault::truncated("TIFF with tags that are longer than the file"))?;
        }
        let end = at.checked_add(size * numbers).filter(|end| *end <= reader.bytes.len() as u64);
        let end = end.ok_or_else(cut)?;
        if is_tables {
            self.jpeg_tables = Some(at as usize..end as usize);
            return Ok(());
        }
        let signed = matches!(kind, 6 | 8 | 9);
        let mut values = Vec::new();
        reserve(&mut values, numbers as usize)?;
        for n in 0..numbers {
            let number = reader.number(at + n * size, size).ok_or_else(cut)?;
            // What is negative is too large here.
            let unused = 64 - 8 * size;
            values.push(if signed {
                ((number << unused).cast_signed() >> unused).cast_unsigned()
            } else {
                number
            });
        }
        self.found.push(Tag { number: tag, kind, values });
        Ok(())
    }

    /// Refuses what Pillow makes no numbers of, and stumbles over (`TiffImageFile._setup`).
    fn check_types(&mut self) -> PictureResult<()> {
        // Of several, none is taken (`ImageFileDirectory_v2._setitem`), and nothing is inverted gray; of bytes, no orientation is one.
        let (odd, kept) = std::mem::take(&mut self.found).into_iter().partition::<Vec<_>, _>(|own| {
            own.number == 262 && own.values.len() > 1 || own.number == 274 && matches!(own.kind, BYTE | UNDEFINED)
        });
        self.found = kept;
        if odd.iter().any(|own| own.number == 262) {
            self.odd = Some("several kinds of colours".to_owned());
        }
        for own in &self.found {
            let bears = match (own.number, own.kind) {
                // The first of several bytes is a number in Python.
                (339, BYTE) => own.values.len() > 1,
                (256 | 257 | 258 | 259 | 262 | 266 | 277 | 338 | 339, BYTE | UNDEFINED) | (273 | 320 | 324, UNDEFINED) => false,
                (284, BYTE | UNDEFINED) => own.values[0] == 1,
                _ => true,
            };
            if !bears {
                return Err(unsupported(&format!("tag {} of type {}", own.number, own.kind)));
            }
            if matches!(own.kind, UNDEFINED | IFD) || own.number == 284 && own.kind == BYTE && self.one(262) == Some(6) {
                self.odd = Some(format!("tag {} of type {}", own.number, own.kind));
            }
        }
        Ok(())
    }
}
