//! What a spec makes of one picture, as far as the header alone decides.

use super::choices::{Pixels, SixteenBit};
use super::fault::{Fault, PictureResult};
use super::format::{Mode, Probe};
use super::size::geometry::{self, Size2};
use super::spec::ImageSpec;
use super::steps::Steps;
use crate::finding::Code;

impl ImageSpec {
    /// The size (height, width) that this picture gets; nothing where the spec refuses it.
    pub fn output_size(&self, probe: &Probe) -> (u32, u32) {
        self.target()
            .unwrap_or_else(|| self.steps(probe).map_or((0, 0), |steps| (steps.size().height, steps.size().width)))
    }

    /// The bytes that the result takes, counted at three channels.
    pub fn planned_bytes(&self, probe: &Probe) -> u64 {
        let (height, width) = self.output_size(probe);
        3 * u64::from(height) * u64::from(width)
    }

    /// What the header alone decides: too many pixels, 16 bits without a choice, a size that cannot be had.
    pub fn admit(&self, probe: &Probe) -> PictureResult<()> {
        let pixels = u64::from(probe.width) * u64::from(probe.height);
        if pixels > self.decode_limit {
            let message = format!(
                "{} x {} = {pixels} pixels, more than decode_limit = {}",
                probe.width, probe.height, self.decode_limit
            );
            return Err(Fault::new(Code::PictureTooLarge, message));
        }
        if probe.mode == Mode::I16 && self.sixteen_bit == SixteenBit::Reject {
            let message = "16-bit gray: choose `scale` (the high byte) or `pillow` (above 255 is white)";
            return Err(Fault::new(Code::PictureSixteenBit, message));
        }
        let wide = matches!(probe.mode, Mode::I | Mode::F);
        if wide && self.sixteen_bit != SixteenBit::Pillow {
            let message = format!("gray of mode {}: choose `pillow` (cut off at 0 and 255)", probe.mode.as_str());
            return Err(Fault::new(Code::PictureSixteenBit, message));
        }
        if self.turn(probe).is_none() {
            return Err(Fault::corrupt(
                "EXIF that does not say which way up the picture is: it cannot be read",
            ));
        }
        let steps = self.steps(probe)?;
        if wide && steps.iter().any(|step| step.in_own_mode) {
            let message = format!("gray of mode {} is not resized in its own mode", probe.mode.as_str());
            return Err(Fault::new(Code::PictureFormat, message));
        }
        let (bytes, most) = (self.bytes_of(probe, &steps), self.most_working_bytes());
        if bytes > most {
            let message = format!(
                "{} x {} pixels would take {bytes} bytes of memory; with decode_limit = {} at most {most} are taken",
                probe.width, probe.height, self.decode_limit
            );
            return Err(Fault::new(Code::PictureTooLarge, message));
        }
        Ok(())
    }

    /// The resizes of this picture.
    pub(super) fn steps(&self, probe: &Probe) -> PictureResult<Steps> {
        Steps::new(self, self.upright(probe))
    }

    /// By how much the picture is to be turned.
    pub(super) fn orientation(&self, probe: &Probe) -> u32 {
        self.turn(probe).unwrap_or(1)
    }

    /// The same; none where Pillow raises.
    fn turn(&self, probe: &Probe) -> Option<u32> {
        match self.pixels {
            _ if !self.exif => Some(1),
            Pixels::Pillow12 => probe.turns.pillow12,
            _ => probe.turns.pillow13,
        }
    }

    /// The size of the picture as it is seen: turned by its EXIF orientation where the spec asks for that.
    pub(super) fn upright(&self, probe: &Probe) -> Size2 {
        let size = Size2 {
            width: probe.width,
            height: probe.height,
        };
        if self.exif {
            geometry::turned(size, self.orientation(probe))
        } else {
            size
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{Format, Turns};

    const ORIGINAL: &str =
        r#"{"kind":"original","color":"gray","exif":true,"sixteen_bit":"scale","alpha":"white","decode_limit":1,"pixels":"pillow12"}"#;

    #[test]
    fn the_header_alone_decides_size_and_bits() {
        let spec = ImageSpec::from_json(ORIGINAL).unwrap();
        let probe = Probe {
            format: Format::Png,
            mode: Mode::L,
            width: 2,
            height: 1,
            orientation: 6,
            turns: Turns::both(6),
            transparent: false,
            animated: false,
            decoder_bytes: 0,
        };
        assert_eq!(spec.output_size(&probe), (2, 1));
        assert_eq!(spec.planned_bytes(&probe), 6);
        assert_eq!(spec.admit(&probe).unwrap_err().code, Code::PictureTooLarge);
        let spec = ImageSpec {
            decode_limit: 2,
            sixteen_bit: SixteenBit::Reject,
            ..spec
        };
        assert_eq!(spec.admit(&probe), Ok(()));
        assert_eq!(
            spec.admit(&Probe { mode: Mode::I16, ..probe }).unwrap_err().code,
            Code::PictureSixteenBit
        );
        for (sixteen_bit, admitted) in [(SixteenBit::Reject, false), (SixteenBit::Scale, false), (SixteenBit::Pillow, true)] {
            let spec = ImageSpec {
                sixteen_bit,
                ..spec.clone()
            };
            for mode in [Mode::I, Mode::F] {
                assert_eq!(spec.admit(&Probe { mode, ..probe }).is_ok(), admitted, "{mode:?} {sixteen_bit:?}");
            }
        }
    }
}
