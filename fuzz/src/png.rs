//! PNG: what is true of every picture, and the same pixels as the crate `png` used plainly, where both accept it.
//!
//! Bytes that begin with PNG's signature are a file; any others are a recipe of one that is well-formed, because mutations seldom
//! get past sums and compression.

use std::io::Cursor;

use mmno_fast::picture::{Alpha, Color, Format, ImageSpec, Preparer, probe};
use png::{ColorType, Decoder, Limits, Transformations};

use crate::pictures;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Bits and colour type of all that PNG has.
const LAYOUTS: [(u8, u8); 15] = [
    (1, 0),
    (2, 0),
    (4, 0),
    (8, 0),
    (16, 0),
    (8, 2),
    (16, 2),
    (1, 3),
    (2, 3),
    (4, 3),
    (8, 3),
    (8, 4),
    (16, 4),
    (8, 6),
    (16, 6),
];

/// Takes any bytes.
pub fn check(bytes: &[u8]) {
    if !bytes.starts_with(SIGNATURE) {
        let file = cook(bytes);
        let accepted = compare(&file);
        // A palette that is too short, or more transparent colours than colours, is for each to judge.
        assert!(
            accepted || probe(&file).is_ok_and(|header| header.mode.as_str() == "P"),
            "a well-formed file is read"
        );
        return;
    }
    compare(bytes);
    let summed = with_sums(bytes);
    if summed != bytes {
        compare(&summed);
    }
}

/// Whether both accept the file, in which case they agree.
fn compare(bytes: &[u8]) -> bool {
    let ours = pictures::check(bytes);
    let (Some(ours), Some((color, depth, pixels))) = (ours, decode(bytes)) else {
        return false;
    };
    assert_eq!(ours.probe.format, Format::Png);
    let rgba: Vec<[u8; 4]> = match color {
        ColorType::Grayscale => pixels.iter().map(|v| [*v, *v, *v, 255]).collect(),
        ColorType::GrayscaleAlpha => pixels.as_chunks().0.iter().map(|[v, a]| [*v, *v, *v, *a]).collect(),
        ColorType::Rgb => pixels.as_chunks().0.iter().map(|[r, g, b]| [*r, *g, *b, 255]).collect(),
        _ => pixels.as_chunks().0.to_vec(),
    };
    assert!(
        ours.rgb
            .as_chunks()
            .0
            .iter()
            .eq(rgba.iter().map(|[r, g, b, _]| [*r, *g, *b]).collect::<Vec<_>>().iter()),
        "the pixels of the crate `png`"
    );
    // Pillow compares a transparent colour in its own way where samples are not of 8 bits.
    if depth == 8 || ours.probe.mode.as_str() == "P" {
        check_white(bytes, &rgba);
    }
    true
}

/// Laid over white: one level off at most from the formula in real numbers.
fn check_white(bytes: &[u8], rgba: &[[u8; 4]]) {
    let spec = ImageSpec {
        alpha: Alpha::White,
        ..pictures::spec(Color::Rgb)
    };
    let mut out = Vec::new();
    let header = probe(bytes).expect("it was read before");
    Preparer::new()
        .prepare(bytes, &header, &spec, &mut out)
        .expect("it was read before");
    for (pixel, [colors @ .., alpha]) in out.as_chunks::<3>().0.iter().zip(rgba) {
        for (found, value) in pixel.iter().zip(colors) {
            let alpha = f64::from(*alpha) / 255.0;
            let exact = f64::from(*value) * alpha + 255.0 * (1.0 - alpha);
            assert!((f64::from(*found) - exact).abs() <= 1.0, "{value} under {alpha} became {found}");
        }
    }
}

/// The file as the crate `png` reads it: colour type, bits in the file, pixels of 8-bit samples.
fn decode(bytes: &[u8]) -> Option<(ColorType, u8, Vec<u8>)> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: 1 << 26 });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().ok()?;
    let info = reader.info();
    // The crate panics at a palette that ends within a colour.
    if info.palette.as_ref().is_some_and(|colors| colors.len() % 3 != 0) {
        return None;
    }
    let depth = info.bit_depth as u8;
    let mut pixels = vec![0; reader.output_buffer_size().filter(|size| *size <= 1 << 24)?];
    let info = reader.next_frame(&mut pixels).ok()?;
    pixels.truncate(info.buffer_size());
    Some((info.color_type, depth, pixels))
}

/// The file with right sums of all chunks that lie within it.
fn with_sums(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let mut at = SIGNATURE.len();
    while let Some(length) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let end = (at + 8).saturating_add(u32::from_be_bytes(*length) as usize);
        let Some(sum) = bytes.get(at + 4..end).map(crc32) else { break };
        let Some(place) = out.get_mut(end..end + 4) else { break };
        place.copy_from_slice(&sum.to_be_bytes());
        at = end + 4;
    }
    out
}

/// A file by recipe: the first bytes say what it is like, the others are its rows.
fn cook(recipe: &[u8]) -> Vec<u8> {
    let mut recipe = recipe.iter().copied();
    let mut next = || recipe.next().unwrap_or(0);
    let (width, height) = (1 + u32::from(next()) % 48, 1 + u32::from(next()) % 32);
    let (bits, color_type) = LAYOUTS[usize::from(next()) % LAYOUTS.len()];
    let (flags, colors, split) = (next(), usize::from(next()), usize::from(next()));
    let interlaced = flags & 1 != 0;
    let mut file = SIGNATURE.to_vec();
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([bits, color_type, 0, 0, u8::from(interlaced)]);
    push_chunk(&mut file, *b"IHDR", &header);
    if color_type == 3 {
        let palette: Vec<u8> = (0..3 * (1 + colors)).map(|_| next()).collect();
        push_chunk(&mut file, *b"PLTE", &palette);
    }
    let transparent = match color_type {
        0 => 2,
        2 => 6,
        3 => 1 + colors / 2,
        _ => 0,
    };
    if flags & 2 != 0 && transparent > 0 {
        let samples: Vec<u8> = (0..transparent)
            // A sample of 8 bits or fewer has an empty upper half.
            .map(|i| if bits < 16 && color_type != 3 && i % 2 == 0 { 0 } else { next() })
            .collect();
        push_chunk(&mut file, *b"tRNS", &samples);
    }
    if flags & 4 != 0 {
        push_chunk(&mut file, *b"tEXt", &[b'k', 0, next()]);
    }
    let rows = rows(width, height, usize::from(bits) * channels(color_type), interlaced, next);
    let stream = stored(&rows);
    let (first, second) = stream.split_at(split * stream.len() / 256);
    for part in [first, second] {
        push_chunk(&mut file, *b"IDAT", part);
    }
    push_chunk(&mut file, *b"IEND", &[]);
    file
}

fn channels(color_type: u8) -> usize {
    match color_type {
        2 => 3,
        4 => 2,
        6 => 4,
        _ => 1,
    }
}

/// Every row of every pass behind the number of its filter.
fn rows(width: u32, height: u32, pixel_bits: usize, interlaced: bool, mut next: impl FnMut() -> u8) -> Vec<u8> {
    let whole = [(0, 0, 1, 1)];
    let passes = [
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ];
    let mut out = Vec::new();
    for &(x, y, step_x, step_y) in if interlaced { &passes[..] } else { &whole[..] } {
        let columns = (x..width).step_by(step_x).count();
        let rows = (y..height).step_by(step_y).count();
        if columns == 0 {
            continue;
        }
        for _ in 0..rows {
            out.push(next() % 5);
            out.extend((0..(columns * pixel_bits).div_ceil(8)).map(|_| next()));
        }
    }
    out
}

/// A zlib stream that compresses nothing.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let blocks = bytes.chunks(0xffff);
    let last = blocks.len() - 1;
    for (i, block) in blocks.enumerate() {
        let length = block.len() as u16;
        out.push(u8::from(i == last));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    let (low, high) = bytes.iter().fold((1, 0), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    out.extend((high << 16 | low).to_be_bytes());
    out
}

fn push_chunk(file: &mut Vec<u8>, name: [u8; 4], content: &[u8]) {
    file.extend((content.len() as u32).to_be_bytes());
    let named = [&name[..], content].concat();
    file.extend(&named);
    file.extend(crc32(&named).to_be_bytes());
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 { 0xedb8_8320 ^ (sum >> 1) } else { sum >> 1 }
        })
    })
}
