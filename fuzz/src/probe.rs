//! The header probe: what it says of a picture is so, and does not depend on how much of the file is there.

use mmno_fast::finding::Code;
use mmno_fast::picture::{Color, Format, ImageSpec, Mode, Preparer, Probe, SixteenBit, probe};

use crate::pictures;

/// Of a short file every prefix is looked at; of a longer one this many.
const PREFIXES: usize = 64;

/// Takes any bytes.
pub fn check(bytes: &[u8]) {
    let whole = probe(bytes).map_err(|fault| fault.code);
    assert_eq!(probe(bytes).map_err(|fault| fault.code), whole, "the same twice");
    match &whole {
        Ok(header) => check_header(bytes, header),
        Err(code) => assert!(code.name().starts_with("picture."), "{code:?}"),
    }
    let step = (bytes.len() / PREFIXES).max(1);
    for end in (0..bytes.len()).step_by(step) {
        check_prefix(&bytes[..end], whole.as_ref().ok());
    }
}

fn check_header(bytes: &[u8], header: &Probe) {
    assert_eq!(Format::from_signature(bytes), Some(header.format));
    assert!(header.width > 0 && header.height > 0);
    assert!((1..=8).contains(&header.orientation));
    let reject = ImageSpec {
        sixteen_bit: SixteenBit::Reject,
        ..pictures::spec(Color::Auto)
    };
    let mut preparer = Preparer::new();
    for spec in [reject, pictures::spec(Color::Auto)] {
        let mut out = Vec::new();
        let decoded = preparer.decode_only(bytes, header, &spec);
        assert!(
            decoded.is_err() || spec.admit(header).is_ok(),
            "what the header refuses is not decoded"
        );
        let prepared = preparer.prepare(bytes, header, &spec, &mut out);
        assert_eq!(decoded.is_ok(), prepared.is_ok());
        if let (Ok(channels), Ok(shape)) = (decoded, prepared) {
            assert_eq!((shape.height, shape.width, shape.channels), (header.height, header.width, channels));
        }
    }
    // A header that is not this picture's is refused, and never believed.
    for (width, height) in [
        (header.width.wrapping_add(1), header.height),
        (header.width, header.height.wrapping_add(1)),
        (1, 1),
    ] {
        let other = Probe { width, height, ..*header };
        let decoded = preparer.decode_only(bytes, &other, &pictures::spec(Color::Auto));
        assert!(decoded.is_err() || other == *header, "the size of another picture");
    }
}

/// A part of a file says what the file says, or is an error; and if it says something, the file says it as well.
fn check_prefix(prefix: &[u8], whole: Option<&Probe>) {
    match (probe(prefix), whole) {
        (Ok(part), Some(whole)) => {
            assert_eq!(forget(part), forget(*whole));
        }
        (Ok(part), None) => panic!("{part:?} of a part, and an error of the whole"),
        (Err(fault), Some(_)) => {
            let expected = match prefix.len() {
                0 => Code::PictureEmpty,
                _ if Format::from_signature(prefix).is_none() => Code::PictureFormat,
                _ => Code::PictureTruncated,
            };
            assert_eq!(
                fault.code,
                expected,
                "{} in a part of a whole picture of {} bytes",
                fault.message,
                prefix.len()
            );
        }
        (Err(_), None) => {}
    }
}

/// What a header says that does not change when the end of the file is cut off.
fn forget(header: Probe) -> Probe {
    let mut header = header;
    match header.format {
        // It may stand behind the pixels.
        Format::Png => header.orientation = 1,
        // A palette that is cut off is no ramp of grays.
        Format::Bmp => header.mode = Mode::P,
        // The second frame follows the first, or its place does.
        Format::Gif | Format::Tiff => header.animated = false,
        _ => {}
    }
    header
}
