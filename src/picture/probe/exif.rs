//! The EXIF orientation, where `ImageOps.exif_transpose` of Pillow finds it: in the EXIF block, else in the XMP packet.

/// The orientation tag of IFD0.
const ORIENTATION: u16 = 0x0112;

/// The orientation that these blocks say, 1 to 8; 1 where there is none, or none that Pillow would act on.
pub(super) fn orientation(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> u32 {
    let found = match exif.and_then(from_exif) {
        Some(Tag::Value(value)) => value,
        // The tag is there, but is no whole number: Pillow looks no further, and turns nothing.
        Some(Tag::Other) => 1,
        None => xmp.and_then(from_xmp).unwrap_or(1),
    };
    if (1..=8).contains(&found) { found } else { 1 }
}

enum Tag {
    Value(u32),
    Other,
}

/// `PIL.Image.Exif.load` and `TiffImagePlugin.ImageFileDirectory_v2.load`, for this one tag of the first directory.
fn from_exif(block: &[u8]) -> Option<Tag> {
    const MARK: &[u8] = b"Exif\0\0";
    let mut tiff = block;
    for _ in 0..2 {
        tiff = tiff.strip_prefix(MARK).unwrap_or(tiff);
    }
    let little = match tiff.get(..4)? {
        b"II\x2a\0" => true,
        b"MM\0\x2a" => false,
        _ => return None,
    };
    let u16_at = |at: usize| -> Option<u16> {
        let b = tiff.get(at..)?.get(..2)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(b) } else { u16::from_be_bytes(b) })
    };
    let u32_at = |at: usize| -> Option<u32> {
        let b = tiff.get(at..)?.get(..4)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(b) } else { u32::from_be_bytes(b) })
    };
    let directory = u32_at(4)? as usize;
    let entries = usize::from(u16_at(directory)?);
    let mut found = None;
    // At most 65,535 entries of 12 bytes. The last one with the tag counts, as in Pillow's dictionary.
    for i in 0..entries {
        let entry = directory.checked_add(2 + 12 * i)?;
        let Some(tag) = u16_at(entry) else { break };
        let (Some(kind), Some(count), Some(long)) = (u16_at(entry + 2), u32_at(entry + 4), u32_at(entry + 8)) else {
            break;
        };
        if tag != ORIENTATION {
            continue;
        }
        let value = match (kind, count) {
            // Unsigned and signed; what is negative is too large here, and means nothing either way.
            (3 | 8, 1) => u16_at(entry + 8).map(u32::from),
            (4 | 9, 1) => Some(long),
            _ => None,
        };
        found = Some(value.map_or(Tag::Other, Tag::Value));
    }
    found
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

    #[test]
    fn whole_numbers_from_one_to_eight_count() {
        for value in 1..=8 {
            assert_eq!(orientation(Some(&exif(3, 1, value)), None), value);
            assert_eq!(orientation(Some(&exif(4, 1, value)), None), value);
        }
        assert_eq!(orientation(Some(&exif(3, 1, 9)), None), 1);
        assert_eq!(orientation(Some(&exif(3, 2, 6)), None), 1);
        assert_eq!(orientation(Some(&exif(3, 1, 6)[..20]), None), 1);
        assert_eq!(orientation(None, None), 1);
    }

    #[test]
    fn xmp_counts_where_exif_says_nothing() {
        let xmp = b"<x tiff:Orientation='3' tiff:Orientation=\"6\"/>";
        assert_eq!(orientation(None, Some(xmp)), 6);
        assert_eq!(orientation(Some(b"Exif\0\0"), Some(b"<tiff:Orientation>8<")), 8);
        assert_eq!(orientation(Some(&exif(3, 1, 3)), Some(xmp)), 3);
        assert_eq!(orientation(Some(&exif(2, 1, 3)), Some(xmp)), 1);
    }
}
