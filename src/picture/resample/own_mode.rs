//! `Image.resize` of a picture in its own mode (`PIL/Image.py`): what some trainers do before they convert to RGB, and see in their
//! pixels. Palettes and black-and-white take the nearest pixel, colour under transparency is weighed by it, 16 bits stay 16 bits.

use super::resampler::{Job, Resampler, Step};
use crate::picture::choices::Filter;
use crate::picture::fault::PictureResult;
use crate::picture::memory::room;
use crate::picture::pixels::colour::{self, Channels};
use crate::picture::pixels::samples::Samples;
use crate::picture::size::geometry::Size2;

/// What a picture in its own mode needs to be resized; a worker's own.
#[derive(Default)]
pub(in crate::picture) struct OwnMode {
    /// The planes of the source, one behind the other.
    planes: Vec<u8>,
    /// Those of the result.
    scaled: Vec<u8>,
}

impl OwnMode {
    /// The bytes that it holds.
    pub(in crate::picture) fn held(&self) -> usize {
        self.planes.capacity() + self.scaled.capacity()
    }

    /// One resize of `pixels`, which hold the picture at their front, before and after. `spare` is scratch of the same kind.
    pub(in crate::picture) fn resize(
        &mut self,
        resampler: &mut Resampler,
        samples: Samples,
        bilevel: bool,
        step: &Step,
        pixels: &mut Vec<u8>,
        spare: &mut Vec<u8>,
    ) -> PictureResult<()> {
        let filter = if bilevel || samples == Samples::Index {
            Filter::Nearest
        } else {
            step.filter
        };
        let area = |size: Size2| size.width as usize * size.height as usize;
        let (from, to) = (area(step.from), area(step.target));
        let mut run = |pixels: &[u8], channels, out: &mut [u8]| {
            let job = Job {
                pixels,
                size: step.from,
                channels,
                filter,
                arithmetic: step.arithmetic,
            };
            resampler.resample(&job, &step.placement, step.target, out)
        };
        let result = room(spare, to * samples.bytes())?;
        match samples {
            Samples::Gray | Samples::Index => run(&pixels[..from], Channels::One, result),
            Samples::Rgb | Samples::Ycbcr => run(&pixels[..from * 3], Channels::Three, result),
            Samples::Gray16 => Resampler::resample_16(&pixels[..from * 2], step, result),
            Samples::GrayAlpha => self.by_planes::<2>(&pixels[..from * 2], true, step, &mut run, result),
            Samples::Rgba => self.by_planes::<4>(&pixels[..from * 4], true, step, &mut run, result),
            Samples::Cmyk => self.by_planes::<4>(&pixels[..from * 4], false, step, &mut run, result),
        }?;
        std::mem::swap(pixels, spare);
        Ok(())
    }

    /// Resizes `C` channels, each as a picture of one. With transparency (the last channel) the others are multiplied by it first, and
    /// divided by it afterwards, unless the size stays.
    fn by_planes<const C: usize>(
        &mut self,
        pixels: &[u8],
        transparent: bool,
        step: &Step,
        run: &mut impl FnMut(&[u8], Channels, &mut [u8]) -> PictureResult<()>,
        out: &mut [u8],
    ) -> PictureResult<()> {
        let weighed = transparent && step.placement.scaled != step.from;
        let (pixels, out) = (pixels.as_chunks::<C>().0, out.as_chunks_mut::<C>().0);
        let (from, to) = (pixels.len(), out.len());
        if from == 0 || to == 0 {
            return Ok(());
        }
        let planes = room(&mut self.planes, from * C)?;
        for (channel, plane) in planes.chunks_exact_mut(from).enumerate() {
            let weighed = weighed && channel + 1 < C;
            for (sample, pixel) in plane.iter_mut().zip(pixels) {
                *sample = if weighed {
                    colour::multiply(pixel[channel], pixel[C - 1])
                } else {
                    pixel[channel]
                };
            }
        }
        let scaled = room(&mut self.scaled, to * C)?;
        for (plane, scaled) in planes.chunks_exact(from).zip(scaled.chunks_exact_mut(to)) {
            run(plane, Channels::One, scaled)?;
        }
        for (channel, plane) in scaled.chunks_exact(to).enumerate() {
            for (pixel, sample) in out.iter_mut().zip(plane) {
                pixel[channel] = *sample;
            }
        }
        if weighed {
            for pixel in out {
                let alpha = pixel[C - 1];
                for sample in &mut pixel[..C - 1] {
                    *sample = divide(*sample, alpha);
                }
            }
        }
        Ok(())
    }
}

/// `rgba2rgb_` and `la2lA` of `Convert.c`, back to straight colour.
fn divide(value: u8, alpha: u8) -> u8 {
    match alpha {
        0 | 255 => value,
        _ => (255 * u32::from(value) / u32::from(alpha)).min(255) as u8,
    }
}
