//! The header of a WebP, as libwebp's demuxer and `WebPImagePlugin` of Pillow read it.

use std::io::Cursor as Reader;

use image_webp::WebPDecoder;

use super::{Format, Mode, Probe, exif};
use crate::picture::{Fault, Outcome};

/// The most bytes that the container's own parts (profiles, EXIF) may take.
const METADATA_BYTES: usize = 16 << 20;

/// What is known before anything is decoded.
pub(in crate::picture) struct Header<'a> {
    pub(in crate::picture) decoder: WebPDecoder<Reader<&'a [u8]>>,
    orientation: u32,
}

impl<'a> Header<'a> {
    pub(in crate::picture) fn read(bytes: &'a [u8]) -> Outcome<Self> {
        let Some(size) = bytes.get(4..8).and_then(|size| size.try_into().ok()).map(u32::from_le_bytes) else {
            return Err(Fault::truncated("WebP ends in its header"));
        };
        if (bytes.len() as u64) < u64::from(size) + 8 || bytes.len() < 30 {
            return Err(Fault::truncated("WebP ends before its container does"));
        }
        // The library is told as little as possible to trust: a panic of its is a fault of the picture.
        let opened = std::panic::catch_unwind(|| WebPDecoder::new(Reader::new(bytes)));
        let mut decoder = match opened {
            Ok(Ok(decoder)) => decoder,
            Ok(Err(error)) => return Err(Fault::corrupt(format!("WebP: {error}"))),
            Err(_) => return Err(Fault::corrupt("WebP whose header cannot be read")),
        };
        decoder.set_memory_limit(METADATA_BYTES);
        let block = decoder.exif_metadata().ok().flatten();
        let xmp = decoder.xmp_metadata().ok().flatten();
        let orientation = exif::orientation(block.as_deref(), xmp.as_deref());
        Ok(Self { decoder, orientation })
    }

    pub(in crate::picture) fn probe(&self) -> Probe {
        let (width, height) = self.decoder.dimensions();
        let alpha = self.decoder.has_alpha();
        Probe {
            format: Format::Webp,
            mode: if alpha { Mode::Rgba } else { Mode::Rgb },
            width,
            height,
            orientation: self.orientation,
            transparent: alpha,
            animated: self.decoder.is_animated() && self.decoder.num_frames() > 1,
        }
    }
}
