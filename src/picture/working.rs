//! How much memory a picture takes while its pixels are made: what its header and the spec say, before a byte is asked for.
//!
//! Every buffer that [`Preparer`](super::Preparer) asks for is counted in full, as if none were used twice. So the sum is never too small, and a
//! window that counts it holds what it says. The file itself is not in it: its length is known where it is read.

use super::choices::{Alpha, Color};
use super::format::{Mode, Probe};
use super::pixels::samples::Samples;
use super::resample::step_bytes;
use super::size::geometry::Size2;
use super::spec::ImageSpec;
use super::steps::Steps;

/// Bytes for each pixel of the largest picture that a spec lets through. The deepest pictures take about 30: 8 as stored, 4 in their own mode,
/// 4 turned, 8 in planes, 3 as RGB.
const BYTES_PER_PIXEL: u64 = 32;

/// Bytes besides, for tables that do not grow with the area: weights of a long side.
const SPARE_BYTES: u64 = 256 << 20;

/// What a worker keeps from one picture to the next at most. Beyond it buffers are given back, so that the largest picture of a data set is not held
/// by every worker until the end.
pub const KEPT_BYTES: u64 = 128 << 20;

/// What is kept at most of one buffer that belongs to a worker and not to its [`Preparer`](super::Preparer): a file, or the result.
pub const KEPT_BUFFER_BYTES: u64 = 64 << 20;

/// Gives a buffer back that has become too large to be kept; what is in it is lost then.
pub fn keep_at_most(bytes: u64, buffer: &mut Vec<u8>) {
    if buffer.capacity() as u64 > bytes {
        *buffer = Vec::new();
    }
}

impl ImageSpec {
    /// The most bytes of memory that the pixels of this picture take while they are made, the result among them. Nothing of a picture that
    /// the spec refuses.
    pub fn working_bytes(&self, probe: &Probe) -> u64 {
        self.steps(probe).map_or(0, |steps| self.bytes_of(probe, &steps))
    }

    /// What [`Self::working_bytes`] may be at most. A picture that would take more is refused (`picture.too_large`).
    pub fn most_working_bytes(&self) -> u64 {
        let target = self.target().map_or(0, |(height, width)| u64::from(height) * u64::from(width));
        self.decode_limit
            .max(target)
            .saturating_mul(BYTES_PER_PIXEL)
            .saturating_add(SPARE_BYTES)
    }

    pub(super) fn bytes_of(&self, probe: &Probe, steps: &Steps) -> u64 {
        let mut size = self.upright(probe);
        let own = samples_of(probe);
        let decoded = area(size).saturating_mul(own.bytes() as u64);
        let mut sum = probe.decoder_bytes.saturating_add(decoded);
        if self.exif && self.orientation(probe) > 1 {
            sum = sum.saturating_add(decoded);
        }
        for step in steps.iter().filter(|step| step.in_own_mode) {
            sum = sum.saturating_add(step_bytes(step, own));
            // 16 bits are halved before, where the spec says so.
            sum = sum.saturating_add(if own == Samples::Gray16 { area(step.from) } else { 0 });
            size = step.target;
        }
        let colours = match own {
            Samples::Gray | Samples::Gray16 | Samples::GrayAlpha => Samples::Gray,
            _ => Samples::Rgb,
        };
        let kept = match (colours, self.color) {
            (Samples::Gray, Color::Rgb) => Samples::Rgb,
            (colours, _) => colours,
        };
        let in_place = own == colours && !(probe.transparent && self.alpha == Alpha::White);
        let converted = if in_place { 0 } else { area(size) * colours.bytes() as u64 };
        // Gray becomes three channels in another buffer; colours are looked through for gray.
        let settled = match (colours, self.color) {
            (Samples::Gray, Color::Rgb) => area(size) * 3,
            (Samples::Rgb, Color::Auto) => area(size),
            _ => 0,
        };
        sum = sum.saturating_add(converted).saturating_add(settled);
        for step in steps.iter().filter(|step| !step.in_own_mode) {
            sum = sum.saturating_add(step_bytes(step, kept));
        }
        sum
    }
}

fn area(size: Size2) -> u64 {
    u64::from(size.width) * u64::from(size.height)
}

/// What its decoder makes of a picture; where that depends on its data, the larger one.
fn samples_of(probe: &Probe) -> Samples {
    match probe.mode {
        Mode::One | Mode::L | Mode::I | Mode::F => Samples::Gray,
        Mode::P => Samples::Index,
        Mode::La => Samples::GrayAlpha,
        Mode::I16 => Samples::Gray16,
        Mode::Rgb => Samples::Rgb,
        Mode::Ycbcr => Samples::Ycbcr,
        Mode::Rgba => Samples::Rgba,
        Mode::Cmyk => Samples::Cmyk,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Code;
    use crate::picture::Format;

    fn spec(head: &str) -> ImageSpec {
        let tail = r#""color":"auto","exif":false,"sixteen_bit":"scale","alpha":"drop","decode_limit":4000000,"pixels":"pillow13""#;
        ImageSpec::from_json(&format!("{{{head},{tail}}}")).unwrap()
    }

    fn header(mode: Mode, width: u32, height: u32, decoder_bytes: u64) -> Probe {
        Probe {
            format: Format::Png,
            mode,
            decoder_bytes,
            ..Probe::of_size(height, width)
        }
    }

    #[test]
    fn every_buffer_counts() {
        let original = spec(r#""kind":"original""#);
        let pixels = 1000 * 1000;
        // 16 bits as stored (8), as decoded (4), as RGB (3), and looked through for gray (1).
        let deep = header(Mode::Rgba, 1000, 1000, 8 * pixels);
        assert_eq!(original.working_bytes(&deep), 16 * pixels);
        // Gray stays where it is.
        assert_eq!(original.working_bytes(&header(Mode::L, 1000, 1000, pixels)), 2 * pixels);
        // A result of 100 x 100, rows of the source of that width between the passes, and some for weights.
        let small = spec(r#""kind":"resize","height":100,"width":100,"fit":"stretch","filter":"bilinear""#);
        let bytes = small.working_bytes(&header(Mode::L, 1000, 1000, pixels));
        let between = 2 * pixels + 100 * 100 + 1000 * 100;
        assert!((between..between + (1 << 20)).contains(&bytes), "{bytes}");
    }

    #[test]
    fn what_takes_more_than_is_stated_is_refused_and_the_deepest_of_usual_shapes_is_not() {
        let resized = |height: u32, width: u32| {
            let sides = format!("\"height\":{height},\"width\":{width}");
            spec(&format!("\"kind\":\"resize\",{sides},\"fit\":\"stretch\",\"filter\":\"lanczos\""))
        };
        for spec in [
            spec(r#""kind":"original""#),
            resized(64, 64),
            resized(448, 448),
            resized(4000, 4000),
        ] {
            for mode in Mode::ALL.into_iter().filter(|mode| !matches!(mode, Mode::I | Mode::F)) {
                for (width, height) in [(2000, 2000), (20_000, 200), (200, 20_000)] {
                    let deep = header(mode, width, height, 8 * 4_000_000);
                    assert_eq!(spec.admit(&deep), Ok(()), "{mode:?} {width} x {height}");
                }
            }
        }
        // A thin picture that becomes wide, by torch, which always widens first: its rows between the passes are as many as its pixels.
        let wide = ImageSpec::from_json(
            &resized(20, 60_000)
                .to_json()
                .replace("lanczos", "bilinear")
                .replace("pillow13", "torchvision"),
        );
        let refused = wide.unwrap().admit(&header(Mode::Rgb, 100, 40_000, 0)).unwrap_err();
        assert_eq!(refused.code, Code::PictureTooLarge);
        // A tile that is larger than its picture.
        let refused = spec(r#""kind":"original""#).admit(&header(Mode::L, 16, 16, 1 << 32)).unwrap_err();
        assert_eq!(refused.code, Code::PictureTooLarge);
    }
}
