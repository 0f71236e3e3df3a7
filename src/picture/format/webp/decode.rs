//! WebP, by `image-webp`, whose pixels are libwebp's; of an animation the first frame, on a transparent ground.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::header::{Header, own_bytes};
use crate::picture::fault::{Fault, PictureResult};
use crate::picture::memory::{reserve, room};
use crate::picture::pixels::samples::Samples;

/// Decodes into the front of `pixels`.
pub(in crate::picture) fn decode(mut header: Header<'_>, pixels: &mut Vec<u8>) -> PictureResult<Samples> {
    let decoder = &mut header.decoder;
    let samples = if decoder.has_alpha() { Samples::Rgba } else { Samples::Rgb };
    let (width, height) = decoder.dimensions();
    let length = width as usize * height as usize * samples.bytes();
    if decoder.output_buffer_size() != Some(length) {
        return Err(Fault::corrupt("WebP of another size than its header says"));
    }
    // What it may allocate beside our buffer: planes, and the frame of an animation.
    decoder.set_memory_limit(length.saturating_mul(4).saturating_add(64 << 20));
    let pixels = room(pixels, length)?;
    // The library ends the process where memory cannot be had, so it is looked for before.
    reserve(&mut Vec::<u8>::new(), own_bytes(width, height, decoder.is_animated()) as usize)?;
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        if decoder.is_animated() {
            decoder.set_background_color([0; 4])?;
            decoder.read_frame(pixels).map(|_| ())
        } else {
            decoder.read_image(pixels)
        }
    }));
    match decoded {
        Ok(Ok(())) => Ok(samples),
        Ok(Err(error)) => Err(Fault::corrupt(format!("WebP: {error}"))),
        Err(_) => Err(Fault::corrupt("WebP that its decoder cannot read")),
    }
}
