//! From a file's bytes to final pixels, with all scratch kept from one picture to the next.

use super::choices::{Alpha, SixteenBit};
use super::fault::PictureResult;
use super::format::{Decoder, Mode, Probe};
use super::memory::{copy, room, set_length};
use super::pixels::colour::{self, Channels, Converted, Source};
use super::pixels::samples::Samples;
use super::pixels::turn::turn;
use super::resample::{Job, OwnMode, Resampler};
use super::size::geometry::{self, Size2};
use super::spec::{ImageSpec, Size};
use super::steps::Steps;
use super::working::KEPT_BYTES;

/// The shape of the pixels that [`Preparer::prepare`] has made: height times width times channels bytes, rows from the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prepared {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
    /// 1 (gray) or 3 (RGB, interleaved).
    pub channels: u32,
}

/// Makes pixels of pictures. One per worker; it keeps the memory that the largest picture so far needed.
pub struct Preparer {
    decoder: Decoder,
    resampler: Resampler,
    own_mode: OwnMode,
    /// The picture as gray or RGB.
    plain: Vec<u8>,
    /// What [`Self::plain`] was a step before.
    spare: Vec<u8>,
}

impl Default for Preparer {
    fn default() -> Self {
        Self::new()
    }
}

impl Preparer {
    /// A worker's own.
    pub fn new() -> Self {
        Self {
            decoder: Decoder::new(),
            resampler: Resampler::default(),
            own_mode: OwnMode::default(),
            plain: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Decodes the picture that `probe` is the header of, and turns it into what `spec` says. `out` then holds the pixels (of
    /// [`Size::Encoded`], the file) and nothing else; after a fault, anything.
    pub fn prepare(&mut self, bytes: &[u8], probe: &Probe, spec: &ImageSpec, out: &mut Vec<u8>) -> PictureResult<Prepared> {
        let made = self.make(bytes, probe, spec, out);
        self.release();
        made
    }

    fn make(&mut self, bytes: &[u8], probe: &Probe, spec: &ImageSpec, out: &mut Vec<u8>) -> PictureResult<Prepared> {
        let (steps, channels, key) = self.decode(bytes, probe, spec)?;
        let size = steps.size();
        let made = Prepared {
            height: size.height,
            width: size.width,
            channels: channels.count() as u32,
        };
        if spec.size == Size::Encoded {
            copy(bytes, out)?;
            return Ok(made);
        }
        let length = size.width as usize * size.height as usize * channels.count();
        // From `plain` to `spare` and back, the last one to the caller.
        let mut left = steps.iter().filter(|step| !step.in_own_mode).count();
        if left == 0 {
            self.plain.truncate(length);
            // The caller gets the very buffer, and we get theirs for the next picture.
            std::mem::swap(out, &mut self.plain);
        }
        for (number, step) in steps.iter().enumerate().filter(|(_, step)| !step.in_own_mode) {
            let [from, to] = [step.from, step.target].map(|size| size.width as usize * size.height as usize * channels.count());
            if let Some(key) = key.filter(|_| steps.whitens() == Some(number)) {
                colour::whiten(&mut self.plain[..from], channels, key);
            }
            let job = Job {
                pixels: &self.plain[..from],
                size: step.from,
                channels,
                filter: step.filter,
                arithmetic: step.arithmetic,
            };
            left -= 1;
            if left == 0 {
                set_length(out, length)?;
                self.resampler.resample(&job, &step.placement, step.target, out)?;
            } else {
                let to = room(&mut self.spare, to)?;
                self.resampler.resample(&job, &step.placement, step.target, to)?;
                std::mem::swap(&mut self.plain, &mut self.spare);
            }
        }
        if let Some(key) = key.filter(|_| steps.whitens() == Some(steps.iter().count())) {
            colour::whiten(out, channels, key);
        }
        Ok(made)
    }

    /// Whether [`Self::prepare`] would succeed, and with how many channels (1 or 3): decodes, and resamples nothing but what comes
    /// before the colours.
    pub fn decode_only(&mut self, bytes: &[u8], probe: &Probe, spec: &ImageSpec) -> PictureResult<u32> {
        let decoded = self.decode(bytes, probe, spec).map(|(_, channels, _)| channels.count() as u32);
        self.release();
        decoded
    }

    /// Gives the buffers back where they have become too large to be kept.
    fn release(&mut self) {
        let resampled = self.own_mode.held() + self.resampler.held();
        let held = self.decoder.held() + self.plain.capacity() + self.spare.capacity() + resampled;
        if held as u64 <= KEPT_BYTES {
            return;
        }
        let mut resampler = std::mem::take(&mut self.resampler);
        resampler.release();
        *self = Self { resampler, ..Self::new() };
    }

    /// To gray or RGB in [`Self::plain`], turned, and resized as far as that comes before; it may be longer than the picture. Which colour is to
    /// become white later.
    fn decode(&mut self, bytes: &[u8], probe: &Probe, spec: &ImageSpec) -> PictureResult<(Steps, Channels, Option<[u8; 3]>)> {
        spec.admit(probe)?;
        let steps = spec.steps(probe)?;
        let mut samples = self.decoder.decode(bytes, probe)?;
        let key = match (steps.whitens(), spec.alpha) {
            (Some(_), Alpha::Drop) => colour::late_key(samples, self.decoder.key, &self.decoder.palette, probe.mode == Mode::One),
            _ => None,
        };
        let mut size = Size2 {
            width: probe.width,
            height: probe.height,
        };
        if spec.exif {
            let orientation = spec.orientation(probe);
            let (width, height) = (size.width as usize, size.height as usize);
            let pixels = &mut self.decoder.pixels;
            turn(pixels, &mut self.spare, width, height, samples.bytes(), orientation)?;
            size = geometry::turned(size, orientation);
        }
        for step in steps.iter().filter(|step| step.in_own_mode) {
            if samples == Samples::Gray16 && spec.sixteen_bit != SixteenBit::Pillow {
                samples = self.convert(samples, size, spec)?.1;
                std::mem::swap(&mut self.plain, &mut self.decoder.pixels);
            }
            let (pixels, spare) = (&mut self.decoder.pixels, &mut self.spare);
            let bilevel = probe.mode == Mode::One;
            self.own_mode.resize(&mut self.resampler, samples, bilevel, step, pixels, spare)?;
            size = step.target;
        }
        let (channels, _) = self.convert(samples, size, spec)?;
        let count = size.width as usize * size.height as usize;
        let channels = colour::settle(&mut self.plain, &mut self.spare, count, channels, spec.color)?;
        Ok((steps, channels, key))
    }

    /// What the decoder holds, to gray or RGB in [`Self::plain`]; what its samples are then.
    fn convert(&mut self, samples: Samples, size: Size2, spec: &ImageSpec) -> PictureResult<(Channels, Samples)> {
        let source = Source {
            samples,
            pixels: &self.decoder.pixels[..size.width as usize * size.height as usize * samples.bytes()],
            palette: &self.decoder.palette,
            key: self.decoder.key,
        };
        let (converted, channels) = colour::convert(&source, spec.sixteen_bit, spec.alpha, &mut self.plain)?;
        if let Converted::InPlace = converted {
            std::mem::swap(&mut self.plain, &mut self.decoder.pixels);
        }
        let samples = match channels {
            Channels::One => Samples::Gray,
            Channels::Three => Samples::Rgb,
        };
        Ok((channels, samples))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Code;
    use crate::picture::{Alpha, Color, Filter, Fit, Pixels, probe};

    fn spec(size: Size, color: Color) -> ImageSpec {
        ImageSpec {
            size,
            color,
            exif: false,
            sixteen_bit: SixteenBit::Reject,
            alpha: Alpha::Drop,
            decode_limit: 1000,
            pixels: Pixels::Pillow13,
        }
    }

    /// A bitmap of two by two pixels: blue, green (bottom); red, white (top).
    fn bitmap() -> Vec<u8> {
        let mut bytes = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x02\0\0\0\x02\0\0\0\x01\0\x18\0".to_vec();
        bytes.extend([0; 24]);
        bytes.extend([255, 0, 0, 0, 255, 0, 0, 0]);
        bytes.extend([0, 0, 255, 255, 255, 255, 0, 0]);
        bytes
    }

    #[test]
    fn a_preparer_can_go_to_another_thread() {
        fn is_send<T: Send>(_: &T) {}
        is_send(&Preparer::new());
    }

    #[test]
    fn pixels_come_as_the_spec_says() {
        let (bytes, mut out, mut preparer) = (bitmap(), Vec::new(), Preparer::new());
        let header = probe(&bytes).unwrap();
        let shape = preparer
            .prepare(&bytes, &header, &spec(Size::Original, Color::Auto), &mut out)
            .unwrap();
        assert_eq!(
            shape,
            Prepared {
                height: 2,
                width: 2,
                channels: 3
            }
        );
        assert_eq!(out, [255, 0, 0, 255, 255, 255, 0, 0, 255, 0, 255, 0]);
        preparer
            .prepare(&bytes, &header, &spec(Size::Original, Color::Gray), &mut out)
            .unwrap();
        assert_eq!(out, [76, 255, 29, 150]);
        let one = Size::Resize {
            height: 1,
            width: 1,
            fit: Fit::Stretch,
            filter: Filter::Box,
            fill: 0,
        };
        preparer.prepare(&bytes, &header, &spec(one, Color::Rgb), &mut out).unwrap();
        assert_eq!(out, [128, 128, 128]);
        let mut small = spec(Size::Original, Color::Auto);
        small.decode_limit = 3;
        assert_eq!(
            preparer.decode_only(&bytes, &header, &small).unwrap_err().code,
            Code::PictureTooLarge
        );
        assert_eq!(
            preparer.prepare(&bytes, &header, &small, &mut out).unwrap_err().code,
            Code::PictureTooLarge
        );
    }

    #[test]
    fn every_cut_is_refused_or_whole() {
        let (bytes, mut preparer) = (bitmap(), Preparer::new());
        let spec = spec(Size::Original, Color::Auto);
        for end in 0..bytes.len() {
            let cut = &bytes[..end];
            let outcome = probe(cut).and_then(|header| preparer.decode_only(cut, &header, &spec));
            // The padding of the last row may be missing.
            assert_eq!(outcome.is_ok(), end >= bytes.len() - 2, "{end}");
        }
    }
}
