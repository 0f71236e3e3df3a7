//! Strips or tiles that are JPEGs (`tif_jpeg.c` of libtiff): each is put together with the tables that they share, and with a marker that
//! says how its colours are stored, which a TIFF says itself.

use super::header::Header;
use super::layout::{Meaning, Part};
use crate::picture::fault::{Fault, PictureResult};
use crate::picture::format::jpeg;
use crate::picture::memory::append;

const START: u8 = 0xd8;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;
const HUFFMAN: u8 = 0xc4;
const QUANTIZATION: u8 = 0xdb;
const JFIF: u8 = 0xe0;
const ADOBE: u8 = 0xee;

/// What is kept from strip to strip.
#[derive(Default)]
pub(super) struct Jpegs {
    /// A whole JPEG.
    stream: Vec<u8>,
    pixels: Vec<u8>,
    /// How the first component of the first strip or tile is sampled: that of all.
    sampling: Option<u8>,
}

impl Jpegs {
    /// The bytes that it holds.
    pub(super) fn held(&self) -> usize {
        self.stream.capacity() + self.pixels.capacity()
    }

    /// Forgets the picture before.
    pub(super) fn start(&mut self) {
        self.sampling = None;
    }

    /// The pixels of one strip or tile into `out`, which is zero.
    pub(super) fn decode(&mut self, bytes: &[u8], data: &[u8], header: &Header, part: &Part, out: &mut [u8]) -> PictureResult<()> {
        self.stream.clear();
        self.stream.extend([0xff, START]);
        if let Some(tables) = &header.jpeg_tables {
            let tables = bytes.get(tables.clone()).ok_or_else(damaged)?;
            add_tables(tables, &mut self.stream)?;
        }
        let ycbcr = header.meaning == Meaning::Ycbcr;
        // The last byte: no transform, or YCbCr. Where there is only one component, it means nothing.
        self.stream.extend(b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0");
        self.stream.push(u8::from(ycbcr));
        let frame = add_picture(data, &mut self.stream)?;
        if frame.components.len() != part.each {
            return Err(Fault::corrupt("TIFF whose JPEGs have other components"));
        }
        // `JPEGPreDecode`: one for the first, which may be sampled more densely where it is luma, and 1 by 1 for the others.
        let Some((first, others)) = frame.components.split_first() else {
            return Err(damaged());
        };
        let allowed = if ycbcr { *self.sampling.get_or_insert(*first) } else { 0x11 };
        let sides = [1, 2, 4];
        if *first != allowed || !sides.contains(&(first >> 4)) || !sides.contains(&(first & 15)) || others.iter().any(|own| *own != 0x11) {
            return Err(Fault::corrupt("TIFF whose JPEGs are sampled in another way"));
        }
        let (width, height) = (usize::from(frame.width), usize::from(frame.height));
        let fits = width <= part.width && (height <= part.rows || width == part.width && part.is_last_strip);
        if !fits || width == 0 || height == 0 {
            return Err(Fault::corrupt(format!(
                "TIFF with a JPEG of {width} x {height} pixels in a place for {} x {}",
                part.width, part.rows
            )));
        }
        jpeg::decode_part(&self.stream, (width, height), part.each, &mut self.pixels)?;
        let rows = self.pixels.chunks_exact(width * part.each);
        for (to, from) in out.chunks_exact_mut(part.width * part.each).zip(rows.take(height)) {
            to[..from.len()].copy_from_slice(from);
        }
        Ok(())
    }
}

fn damaged() -> Fault {
    Fault::corrupt("TIFF with a damaged JPEG")
}

/// The next marker, and what belongs to it.
fn segment<'a>(data: &mut &'a [u8]) -> PictureResult<(u8, &'a [u8])> {
    while let [0xff, rest @ ..] = *data
        && rest.first() == Some(&0xff)
    {
        *data = rest;
    }
    let (marker, rest) = match *data {
        [0xff, marker @ 1..=0xfe, rest @ ..] => (*marker, rest),
        _ => return Err(damaged()),
    };
    if matches!(marker, START | END | 0xd0..=0xd7 | 1) {
        *data = rest;
        return Ok((marker, &[]));
    }
    let length = match rest {
        [high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])),
        _ => return Err(damaged()),
    };
    let (own, rest) = rest.split_at_checked(length).filter(|_| length >= 2).ok_or_else(damaged)?;
    *data = rest;
    Ok((marker, own))
}

fn add(marker: u8, own: &[u8], stream: &mut Vec<u8>) -> PictureResult<()> {
    append(&[0xff, marker], stream)?;
    append(own, stream)
}

/// Of the shared tables, those that a picture does not begin without (`JPEGSetupDecode`, and `get_soi` of `jdmarker.c`).
fn add_tables(mut tables: &[u8], stream: &mut Vec<u8>) -> PictureResult<()> {
    if segment(&mut tables)?.0 != START {
        return Err(damaged());
    }
    loop {
        match segment(&mut tables)? {
            (END, _) => return Ok(()),
            (marker @ (HUFFMAN | QUANTIZATION), own) => add(marker, own, stream)?,
            // The start of a frame or a scan; arithmetic coding's conditioning (`DAC`) and the interval of restarts are forgotten.
            (START | SCAN | 0xc0..=0xcb | 0xcd..=0xcf, _) => return Err(damaged()),
            _ => {}
        }
    }
}

/// What the frame says.
struct Frame {
    width: u16,
    height: u16,
    /// The sampling factors of each.
    components: Vec<u8>,
}

/// All of the picture but its start, and what it says of its colours.
fn add_picture(mut data: &[u8], stream: &mut Vec<u8>) -> PictureResult<Frame> {
    if segment(&mut data)?.0 != START {
        return Err(damaged());
    }
    let mut frame = None;
    loop {
        match segment(&mut data)? {
            (START | END, _) => return Err(damaged()),
            (JFIF | ADOBE, _) => {}
            (SCAN, own) => {
                add(SCAN, own, stream)?;
                append(data, stream)?;
                return frame.ok_or_else(damaged);
            }
            (marker, own) => {
                add(marker, own, stream)?;
                if matches!(marker, 0xc0..=0xcf if !matches!(marker, HUFFMAN | 0xc8 | 0xcc)) {
                    let [_, _, _, h, h2, w, w2, _, components @ ..] = own else {
                        return Err(damaged());
                    };
                    frame = Some(Frame {
                        width: u16::from_be_bytes([*w, *w2]),
                        height: u16::from_be_bytes([*h, *h2]),
                        components: components.as_chunks::<3>().0.iter().map(|component| component[1]).collect(),
                    });
                }
            }
        }
    }
}
