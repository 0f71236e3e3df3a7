use super::*;
use crate::finding::Code;

fn chunk(name: &[u8], content: &[u8]) -> Vec<u8> {
    let mut bytes = (content.len() as u32).to_be_bytes().to_vec();
    bytes.extend(name);
    bytes.extend(content);
    let sum = crc32(&bytes[4..]);
    bytes.extend(sum.to_be_bytes());
    bytes
}

fn png(bits: u8, color_type: u8, middle: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.extend(chunk(b"IHDR", &[0, 0, 0, 7, 0, 0, 0, 5, bits, color_type, 0, 0, 0]));
    bytes.extend(middle);
    bytes.extend(chunk(b"IDAT", b"....."));
    bytes.extend(chunk(b"IEND", b""));
    bytes
}

#[test]
fn the_sum_is_that_of_the_standard() {
    assert_eq!(crc32(b"IEND"), 0xae42_6082);
}

#[test]
fn headers_say_mode_and_size() {
    for (bits, color_type, mode) in [
        (1, 0, Mode::One),
        (4, 0, Mode::L),
        (16, 0, Mode::I16),
        (2, 3, Mode::P),
        (8, 4, Mode::La),
        (16, 4, Mode::Rgba),
    ] {
        let bytes = png(bits, color_type, b"");
        let header = Header::read(&bytes).unwrap();
        assert_eq!((header.mode, header.width, header.height), (mode, 7, 5));
    }
    assert_eq!(Header::read(&png(3, 0, b"")).unwrap_err().code, Code::PictureCorrupt);
}

#[test]
fn wrong_sums_count_before_the_data_only() {
    let mut bytes = png(8, 0, &chunk(b"abCD", b"xyz"));
    let at = bytes.windows(3).position(|w| w == b"xyz").unwrap();
    bytes[at] ^= 1;
    assert_eq!(Header::read(&bytes).unwrap_err().code, Code::PictureCorrupt);
    let mut bytes = png(8, 0, b"");
    let at = bytes.windows(5).position(|w| w == b".....").unwrap();
    bytes[at] ^= 1;
    assert!(Header::read(&bytes).is_ok());
}

#[test]
fn orientation_counts_on_both_sides_of_the_data() {
    let exif = chunk(b"eXIf", b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0");
    assert_eq!(Header::read(&png(8, 0, &exif)).unwrap().turns.orientation(), 6);
    let mut late = png(8, 0, b"");
    late.splice(late.len() - 12..late.len() - 12, exif);
    assert_eq!(Header::read(&late).unwrap().turns.orientation(), 6);
}

#[test]
fn every_cut_in_the_header_is_a_cut() {
    let bytes = png(8, 0, &chunk(b"tEXt", b"a\0b"));
    let data = bytes.windows(4).position(|w| w == b"IDAT").unwrap();
    for end in 8..data {
        assert_eq!(Header::read(&bytes[..end]).unwrap_err().code, Code::PictureTruncated, "{end}");
    }
}
