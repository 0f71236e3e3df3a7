//! The bodies of the fuzz targets, each with its oracle. `tests/fuzz_targets.rs` runs them over the seeds, too.

use mmno_fast::picture::fuzzing::resample_every_way;
use mmno_fast::picture::{Alpha, Color, Filter, Fit, Format, ImageSpec, Pixels, Preparer, SixteenBit, Size, probe, widen};

/// The most pixels of a picture here: it is the readers that are tried, not the memory.
const PIXELS: u64 = 1 << 20;

fn spec(color: Color) -> ImageSpec {
    ImageSpec {
        size: Size::Original,
        color,
        exif: true,
        sixteen_bit: SixteenBit::Pillow,
        alpha: Alpha::White,
        decode_limit: PIXELS,
        pixels: Pixels::Pillow13,
    }
}

/// What is decoded has the size that its header says; it does not depend on what was decoded before; the three ways of colour agree.
fn decoded(bytes: &[u8]) -> Option<(u32, u32, Vec<u8>)> {
    let header = probe(bytes).ok()?;
    let (mut used, mut rgb, mut other) = (Preparer::new(), Vec::new(), Vec::new());
    let whole = spec(Color::Rgb);
    let first = used.prepare(bytes, &header, &whole, &mut rgb);
    let Ok(first) = first else {
        // Refused once, refused always.
        assert!(used.prepare(bytes, &header, &whole, &mut other).is_err());
        assert!(used.decode_only(bytes, &header, &spec(Color::Auto)).is_err());
        return None;
    };
    assert_eq!((first.height, first.width), whole.output_size(&header));
    assert_eq!(rgb.len() as u64, u64::from(first.height) * u64::from(first.width) * 3);
    // A worker that has seen other pictures: this one again, over leftovers.
    other.resize(rgb.len() / 2 + 7, 0xa5);
    let again = used.prepare(bytes, &header, &whole, &mut other);
    assert_eq!((again, &other), (Ok(first), &rgb));
    let auto = used
        .prepare(bytes, &header, &spec(Color::Auto), &mut other)
        .expect("it was decoded before");
    if auto.channels == 1 {
        let mut wide = vec![0; rgb.len()];
        widen(&other, &mut wide);
        assert_eq!(wide, rgb);
    } else {
        assert_eq!(other, rgb);
        assert!(rgb.as_chunks::<3>().0.iter().any(|[r, g, b]| r != g || g != b));
    }
    let gray = used
        .prepare(bytes, &header, &spec(Color::Gray), &mut other)
        .expect("it was decoded before");
    assert_eq!((gray.channels, other.len() * 3), (1, rgb.len()));
    let luma = |[r, g, b]: &[u8; 3]| ((u32::from(*r) * 19_595 + u32::from(*g) * 38_470 + u32::from(*b) * 7_471 + 0x8000) >> 16) as u8;
    assert!(rgb.as_chunks::<3>().0.iter().map(luma).eq(other.iter().copied()));
    Some((first.height, first.width, rgb))
}

/// Any bytes behind the signature of a JPEG.
pub fn jpeg(bytes: &[u8]) {
    let mut file = b"\xff\xd8\xff".to_vec();
    file.extend_from_slice(bytes.strip_prefix(b"\xff\xd8\xff").unwrap_or(bytes));
    decoded(&file);
}

/// A PNG, with sums put right so that they do not stop the fuzzer; where the crate `png` reads it alone, the same pixels.
pub fn png(bytes: &[u8]) {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    file.extend_from_slice(bytes.strip_prefix(b"\x89PNG\r\n\x1a\n").unwrap_or(bytes));
    let Some((height, width, rgb)) = decoded(&file) else { return };
    let mut plain = ::png::Decoder::new(std::io::Cursor::new(&file));
    plain.set_transformations(::png::Transformations::EXPAND | ::png::Transformations::STRIP_16);
    let Ok(mut reader) = plain.read_info() else { return };
    let info = reader.info();
    let straight = info.bit_depth != ::png::BitDepth::Sixteen && info.trns.is_none() && info.exif_metadata.is_none();
    let rgb_only = info.color_type == ::png::ColorType::Rgb;
    let still = !info.is_animated();
    let Some(length) = reader.output_buffer_size().filter(|length| *length <= 4 << 20) else {
        return;
    };
    let mut own = vec![0; length];
    if straight && rgb_only && still && reader.next_frame(&mut own).is_ok() && header_turns(&file) {
        assert_eq!(own.len(), height as usize * width as usize * 3);
        assert_eq!(own, rgb);
    }
}

/// Whether the picture stays as it lies.
fn header_turns(file: &[u8]) -> bool {
    probe(file).is_ok_and(|header| header.orientation == 1)
}

/// GIF, TIFF, WebP, BMP: whatever the first byte says, before the rest.
pub fn others(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let signature: &[u8] = [b"GIF89a".as_slice(), b"II\x2a\0", b"MM\0\x2a", b"BM", b"RIFF"][usize::from(*kind) % 5];
    let mut file = signature.to_vec();
    file.extend_from_slice(rest.strip_prefix(signature).unwrap_or(rest));
    if signature == b"RIFF" && file.len() >= 16 {
        let length = (file.len() - 8) as u32;
        file[4..8].copy_from_slice(&length.to_le_bytes());
        file[8..12].copy_from_slice(b"WEBP");
    }
    decoded(&file);
}

/// The header alone: bounded, without a panic, and the same for the same bytes; a picture that is decoded has a format by its signature.
pub fn header(bytes: &[u8]) {
    let first = probe(bytes);
    assert_eq!(first, probe(bytes));
    match first {
        Ok(header) => {
            assert_eq!(Format::from_signature(bytes), Some(header.format));
            assert!(header.width > 0 && header.height > 0 && (1..=8).contains(&header.orientation));
        }
        Err(fault) => assert!(!fault.message.is_empty()),
    }
}

/// Every code gives the bits of the portable one, and writes every byte, for every geometry.
pub fn resample(bytes: &[u8]) {
    let Some((head, data)) = bytes.split_at_checked(8) else { return };
    let side = |at: usize| 1 + u32::from(head[at]) + if head[6] & (1 << at) != 0 { 37 * u32::from(head[at]) } else { 0 };
    let (height, width, target_height, target_width) = (side(0).min(600), side(1).min(600), side(2).min(600), side(3).min(600));
    let filters = [
        Filter::Nearest,
        Filter::Box,
        Filter::Bilinear,
        Filter::Hamming,
        Filter::Bicubic,
        Filter::Lanczos,
    ];
    let fits = [Fit::Stretch, Fit::Pad, Fit::Crop];
    let filter = filters[usize::from(head[4]) % 6];
    let arithmetic = match head[5] % 3 {
        0 => Pixels::Pillow13,
        1 => Pixels::Pillow12,
        _ if matches!(filter, Filter::Bilinear | Filter::Bicubic) => Pixels::Torchvision,
        _ => Pixels::Pillow13,
    };
    let channels = if head[7] & 1 == 0 { 1 } else { 3 };
    let length = height as usize * width as usize * channels;
    let mut state = 1_u32;
    let noise = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*state >> 24) as u8
    };
    let pixels: Vec<u8> = (0..length)
        .map(|i| data.get(i).copied().unwrap_or_else(|| noise(&mut state)))
        .collect();
    let fit = fits[usize::from(head[7] >> 1) % 3];
    let Some(made) = resample_every_way(
        &pixels,
        (height, width, channels),
        (target_height, target_width),
        fit,
        filter,
        arithmetic,
    ) else {
        return;
    };
    assert!(
        made.iter().all(|out| *out == made[0]),
        "{height}x{width} -> {target_height}x{target_width} {filter:?} {arithmetic:?} {fit:?}"
    );
}

/// A target by its name.
pub const TARGETS: [(&str, fn(&[u8])); 5] = [
    ("header", header),
    ("jpeg", jpeg),
    ("others", others),
    ("png", png),
    ("resample", resample),
];
