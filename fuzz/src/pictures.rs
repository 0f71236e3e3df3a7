//! What is true of every picture, whatever its format.

use std::cell::RefCell;

use mmno_fast::picture::{Alpha, Color, ImageSpec, Mode, Pixels, Prepared, Preparer, Probe, SixteenBit, Size, probe, widen};

/// The most pixels of a picture here: time goes into many small ones.
const MAX_PIXELS: u64 = 1 << 16;

thread_local! {
    /// One that has seen every picture before, and a buffer of what it made last.
    static USED: RefCell<(Preparer, Vec<u8>)> = RefCell::new((Preparer::new(), Vec::new()));
}

/// Each picture at its own size.
pub(crate) fn spec(color: Color) -> ImageSpec {
    ImageSpec {
        size: Size::Original,
        color,
        exif: false,
        sixteen_bit: SixteenBit::Scale,
        alpha: Alpha::Drop,
        decode_limit: MAX_PIXELS,
        pixels: Pixels::Pillow13,
    }
}

/// Likewise; gray of 32 bits or of fractions is read in one way only.
fn spec_for(header: &Probe, color: Color) -> ImageSpec {
    let wide = matches!(header.mode, Mode::I | Mode::F);
    ImageSpec {
        sixteen_bit: if wide { SixteenBit::Pillow } else { SixteenBit::Scale },
        ..spec(color)
    }
}

/// A picture as this crate reads it, in three channels.
pub(crate) struct Picture {
    pub(crate) probe: Probe,
    pub(crate) rgb: Vec<u8>,
}

/// The code of the refusal, or the shape and the pixels.
type Outcome = Result<(Prepared, Vec<u8>), String>;

fn prepare(preparer: &mut Preparer, mut out: Vec<u8>, bytes: &[u8], header: &Probe, spec: &ImageSpec) -> Outcome {
    let shape = preparer
        .prepare(bytes, header, spec, &mut out)
        .map_err(|fault| format!("{fault:?}"))?;
    let length = shape.height as usize * shape.width as usize * shape.channels as usize;
    assert_eq!(out.len(), length, "as many bytes as the shape says");
    Ok((shape, out))
}

/// The same from a fresh worker, from it again, and from one that has worked before; and `decode_only` says the same.
fn prepare_everywhere(bytes: &[u8], header: &Probe, spec: &ImageSpec) -> Outcome {
    let mut fresh = Preparer::new();
    let first = prepare(&mut fresh, Vec::new(), bytes, header, spec);
    assert!(
        prepare(&mut fresh, vec![77; 5], bytes, header, spec) == first,
        "twice by one worker"
    );
    assert!(prepare_used(bytes, header, spec) == first, "by a worker that was used before");
    let channels = fresh.decode_only(bytes, header, spec).map_err(|fault| format!("{fault:?}"));
    let expected = first.as_ref().map(|(shape, _)| shape.channels).map_err(Clone::clone);
    assert_eq!(channels, expected, "decoding without keeping");
    first
}

/// From the worker that has worked before, into the buffer of the picture before.
fn prepare_used(bytes: &[u8], header: &Probe, spec: &ImageSpec) -> Outcome {
    USED.with_borrow_mut(|(preparer, buffer)| {
        let found = prepare(preparer, std::mem::take(buffer), bytes, header, spec);
        *buffer = found.as_ref().map(|(_, pixels)| pixels.clone()).unwrap_or_default();
        found
    })
}

/// Checks all that must be true of any bytes; gives the picture if they are accepted.
pub(crate) fn check(bytes: &[u8]) -> Option<Picture> {
    let Ok(header) = probe(bytes) else { return None };
    let auto = prepare_everywhere(bytes, &header, &spec_for(&header, Color::Auto));
    let rgb = prepare_used(bytes, &header, &spec_for(&header, Color::Rgb));
    let gray = prepare_used(bytes, &header, &spec_for(&header, Color::Gray));
    let (rgb, auto, gray) = match (rgb, auto, gray) {
        (Ok(rgb), Ok(auto), Ok(gray)) => (rgb, auto, gray),
        (Err(rgb), Err(auto), Err(gray)) => {
            assert!(rgb == auto && auto == gray, "one refusal: {rgb}, {auto}, {gray}");
            return None;
        }
        (rgb, auto, gray) => panic!("accepted or not: {:?} {:?} {:?}", rgb.is_ok(), auto.is_ok(), gray.is_ok()),
    };
    let shape = |channels| Prepared {
        height: header.height,
        width: header.width,
        channels,
    };
    assert_eq!((rgb.0, gray.0), (shape(3), shape(1)), "the size of the header");
    let (rgb, gray) = (rgb.1, gray.1);
    let luma = |[r, g, b]: [u8; 3]| (u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471 + 0x8000) >> 16;
    let expected = rgb.as_chunks().0.iter().map(|pixel| luma(*pixel) as u8);
    assert!(expected.eq(gray.iter().copied()), "gray is the luma of RGB");
    if rgb.as_chunks::<3>().0.iter().all(|[r, g, b]| r == g && g == b) {
        assert_eq!(auto.0, shape(1), "gray pictures have one channel");
        let mut wide = vec![0; rgb.len()];
        widen(&auto.1, &mut wide);
        assert!(wide == rgb, "one channel stands for three");
    } else {
        assert_eq!(auto.0, shape(3), "coloured pictures have three channels");
        assert!(auto.1 == rgb, "three channels are three channels");
    }
    check_variants(bytes, &header, &rgb);
    Some(Picture { probe: header, rgb })
}

/// The other members of a spec.
fn check_variants(bytes: &[u8], header: &Probe, rgb: &[u8]) {
    let white = ImageSpec {
        alpha: Alpha::White,
        ..spec_for(header, Color::Rgb)
    };
    let (_, over_white) = prepare_used(bytes, header, &white).expect("transparency refuses nothing");
    assert!(header.transparent || over_white == rgb, "nothing shines through what is opaque");
    let upright = ImageSpec {
        exif: true,
        ..spec_for(header, Color::Rgb)
    };
    let (shape, turned) = match prepare_used(bytes, header, &upright) {
        Ok(made) => made,
        Err(fault) => {
            assert!(fault.contains("EXIF"), "an orientation refuses nothing else: {fault:?}");
            return;
        }
    };
    let (height, width) = if header.orientation >= 5 {
        (header.width, header.height)
    } else {
        (header.height, header.width)
    };
    assert_eq!((shape.height, shape.width), (height, width), "turned as the header says");
    assert_eq!(upright.output_size(header), (height, width), "planned as it comes");
    assert!(header.orientation != 1 || turned == rgb, "upright already");
    let pixel = |(y, x): (usize, usize), pixels: &[u8], width: u32| {
        let at = (y * width as usize + x) * 3;
        [pixels[at], pixels[at + 1], pixels[at + 2]]
    };
    // Where the picture's first pixel goes.
    let (bottom, right) = (height as usize - 1, width as usize - 1);
    let corner = match header.orientation {
        2 | 6 => (0, right),
        3 | 7 => (bottom, right),
        4 | 8 => (bottom, 0),
        _ => (0, 0),
    };
    assert_eq!(pixel(corner, &turned, width), pixel((0, 0), rgb, header.width), "the corner");
}
