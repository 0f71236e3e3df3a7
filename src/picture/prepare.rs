//! From a file's bytes to final pixels, with all scratch kept from one picture to the next.

use super::colour::{self, Channels, Place, Source};
use super::decode::Decoder;
use super::geometry::{self, Size2};
use super::probe::Probe;
use super::resample::{self, Job, Resampler};
use super::spec::{ImageSpec, Size};
use super::{Fault, Outcome};
use crate::finding::Code;

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
            plain: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Decodes the picture that `probe` is the header of, and turns it into what `spec` says. `out` then holds the pixels and nothing
    /// else; after a fault, anything.
    pub fn prepare(&mut self, bytes: &[u8], probe: &Probe, spec: &ImageSpec, out: &mut Vec<u8>) -> Outcome<Prepared> {
        let (mut size, channels) = self.decode(bytes, probe, spec)?;
        if spec.exif {
            let (width, height) = (size.width as usize, size.height as usize);
            self.plain.truncate(width * height * channels.count());
            colour::turn(&mut self.plain, &mut self.spare, width, height, channels, probe.orientation);
            size = geometry::turned(size, probe.orientation);
        }
        let length = size.width as usize * size.height as usize * channels.count();
        let target = match spec.size {
            Size::Original => {
                self.plain.truncate(length);
                // The caller gets the very buffer, and we get theirs for the next picture.
                std::mem::swap(out, &mut self.plain);
                size
            }
            Size::Resize {
                height,
                width,
                fit,
                filter,
            } => {
                let target = Size2 { width, height };
                let placement = geometry::place(size, target, fit);
                let job = Job {
                    pixels: &self.plain[..length],
                    size,
                    channels,
                    filter,
                    arithmetic: spec.pixels,
                };
                out.resize(width as usize * height as usize * channels.count(), 0);
                self.resampler.resample(&job, &placement, target, out);
                target
            }
        };
        Ok(Prepared {
            height: target.height,
            width: target.width,
            channels: channels.count() as u32,
        })
    }

    /// Whether [`Self::prepare`] would succeed, and with how many channels (1 or 3): decodes, and resamples nothing.
    pub fn decode_only(&mut self, bytes: &[u8], probe: &Probe, spec: &ImageSpec) -> Outcome<u32> {
        self.decode(bytes, probe, spec).map(|(_, channels)| channels.count() as u32)
    }

    /// To gray or RGB in [`Self::plain`], not yet turned; it may be longer than the picture.
    fn decode(&mut self, bytes: &[u8], probe: &Probe, spec: &ImageSpec) -> Outcome<(Size2, Channels)> {
        admit(probe, spec)?;
        let samples = self.decoder.decode(bytes, probe)?;
        let source = Source {
            samples,
            pixels: &self.decoder.pixels[..probe.width as usize * probe.height as usize * samples.bytes()],
            palette: &self.decoder.palette,
            key: self.decoder.key,
        };
        let (place, channels) = colour::convert(&source, spec.sixteen_bit, spec.alpha, &mut self.plain);
        if let Place::Source = place {
            std::mem::swap(&mut self.plain, &mut self.decoder.pixels);
        }
        let count = probe.width as usize * probe.height as usize;
        let channels = colour::settle(&mut self.plain, &mut self.spare, count, channels, spec.color);
        Ok((
            Size2 {
                width: probe.width,
                height: probe.height,
            },
            channels,
        ))
    }
}

/// What is refused before anything is decoded.
fn admit(probe: &Probe, spec: &ImageSpec) -> Outcome<()> {
    spec.admit(probe)?;
    if let Size::Resize {
        height,
        width,
        fit,
        filter,
    } = spec.size
    {
        let size = spec.upright(probe);
        let scaled = geometry::place(size, Size2 { width, height }, fit).scaled;
        if resample::is_beyond_pillow(size, scaled, filter) {
            let message = format!("{} x {} pixels cannot be resampled to {width} x {height}", size.width, size.height);
            return Err(Fault::new(Code::PictureTooLarge, message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{Alpha, Color, Filter, Fit, Pixels, SixteenBit, probe};

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
