//! What the pixels of a data set are: size, filter, colour, arithmetic. Written whole into manifests, and hashed.

use serde::{Deserialize, Serialize};

use super::geometry::{self, Fit, Size2};
use super::profile::{Backend, Profile, Said};
use super::steps::Steps;
use super::{Fault, Mode, Outcome, Probe};
use crate::error::{Error, Result};
use crate::finding::Code;

/// The longest side of a target, in pixels. Beyond it a JPEG could not be written either.
pub const MAX_SIDE: u32 = 65_535;

/// Where Pillow refuses: twice `PIL.Image.MAX_IMAGE_PIXELS`, in pixels.
pub const DEFAULT_DECODE_LIMIT: u64 = 178_956_970;

/// Which pixels a picture is turned into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire")]
pub struct ImageSpec {
    /// The size, and the way to it.
    #[serde(flatten)]
    pub size: Size,
    /// Whether one channel or three are kept.
    pub color: Color,
    /// Whether the EXIF orientation is applied, before anything else.
    pub exif: bool,
    /// What becomes of 16-bit gray.
    pub sixteen_bit: SixteenBit,
    /// What becomes of transparency.
    pub alpha: Alpha,
    /// The most pixels that a picture may have (width times height).
    pub decode_limit: u64,
    /// Whose arithmetic is followed.
    pub pixels: Pixels,
}

/// The size of the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Size {
    /// One size for every picture.
    Resize {
        /// Rows.
        height: u32,
        /// Columns.
        width: u32,
        /// What becomes of another aspect ratio.
        fit: Fit,
        /// The resampling filter.
        filter: Filter,
        /// The gray around the picture, with [`Fit::Pad`].
        #[serde(skip_serializing_if = "is_black")]
        fill: u8,
    },
    /// Each picture's own size.
    Original,
    /// The file's bytes, untouched; the rest of the spec says how they are decoded later.
    Encoded,
    /// The size that a model's own processor chooses.
    Profile(Profile),
}

/// A resampling filter, as `PIL.Image.Resampling` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// The nearest pixel.
    Nearest,
    /// The mean of the pixels covered.
    Box,
    /// A triangle over two pixels.
    Bilinear,
    /// A Hamming-windowed sinc over two pixels.
    Hamming,
    /// The cubic over four pixels, a = -0.5.
    Bicubic,
    /// A Lanczos-windowed sinc over six pixels.
    Lanczos,
}

/// How many channels are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Color {
    /// One where all channels of the decoded picture are equal everywhere, else three.
    Auto,
    /// Always three.
    Rgb,
    /// Always one: `convert("RGB").convert("L")`.
    Gray,
}

/// What becomes of 16-bit gray. (16-bit colour keeps its high bytes, as in Pillow.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SixteenBit {
    /// The picture is refused.
    Reject,
    /// The high byte is kept.
    Scale,
    /// As Pillow does it: everything above 255 becomes white.
    Pillow,
}

/// What becomes of transparency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alpha {
    /// It is dropped; the colour under it is kept.
    Drop,
    /// The picture is laid over white: `Image.alpha_composite`.
    White,
}

/// Whose resampling is followed, to the bit. Files are read as by Pillow 13 either way; for whole files the two do not differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pixels {
    /// Pillow from 13.0: the order of the two passes depends on the sizes.
    Pillow13,
    /// Pillow up to 12.3: the horizontal pass first.
    Pillow12,
    /// torch, as `torchvision.transforms.v2.functional.resize(…, antialias=True)` of 8-bit pictures on the CPU: weights of 16 bits, the
    /// horizontal pass first. It has bilinear and bicubic filters.
    Torchvision,
}

/// A spec as it is read: flat, and not yet checked. Members that nobody knows are ignored, as everywhere in the format.
#[derive(Deserialize)]
struct Wire {
    kind: Kind,
    height: Option<u32>,
    width: Option<u32>,
    fit: Option<Fit>,
    filter: Option<Filter>,
    #[serde(default)]
    fill: u8,
    name: Option<String>,
    backend: Option<Backend>,
    min_pixels: Option<u64>,
    max_pixels: Option<u64>,
    image_min_pixels: Option<u64>,
    image_max_pixels: Option<u64>,
    color: Color,
    exif: bool,
    sixteen_bit: SixteenBit,
    alpha: Alpha,
    decode_limit: u64,
    pixels: Pixels,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Resize,
    Original,
    Encoded,
    Profile,
}

impl TryFrom<Wire> for ImageSpec {
    type Error = String;

    fn try_from(wire: Wire) -> std::result::Result<Self, String> {
        let size = match wire.kind {
            Kind::Original => Size::Original,
            Kind::Encoded => Size::Encoded,
            Kind::Profile => {
                let said = Said {
                    backend: wire.backend,
                    area: [wire.min_pixels, wire.max_pixels],
                    image_area: [wire.image_min_pixels, wire.image_max_pixels],
                };
                let name = wire.name.ok_or("missing field `name`")?;
                Size::Profile(Profile::new(&name, said, DEFAULT_DECODE_LIMIT)?)
            }
            Kind::Resize => Size::Resize {
                height: side("height", wire.height)?,
                width: side("width", wire.width)?,
                fit: wire.fit.ok_or("missing field `fit`")?,
                filter: wire.filter.ok_or("missing field `filter`")?,
                fill: wire.fill,
            },
        };
        if let Size::Resize { fit, fill, .. } = size
            && fill != 0
            && fit != Fit::Pad
        {
            return Err("fill goes with fit `pad`".to_owned());
        }
        if let Size::Resize { filter, .. } = size
            && wire.pixels == Pixels::Torchvision
            && !matches!(filter, Filter::Bilinear | Filter::Bicubic)
        {
            return Err("torchvision resamples with bilinear or bicubic".to_owned());
        }
        if matches!(size, Size::Profile(_)) && wire.pixels == Pixels::Torchvision {
            return Err("the `pixels` of a profile say which Pillow; `backend` says whether it is torchvision".to_owned());
        }
        if wire.decode_limit == 0 {
            return Err("decode_limit must be at least 1 pixel".to_owned());
        }
        Ok(Self {
            size,
            color: wire.color,
            exif: wire.exif,
            sixteen_bit: wire.sixteen_bit,
            alpha: wire.alpha,
            decode_limit: wire.decode_limit,
            pixels: wire.pixels,
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_black(fill: &u8) -> bool {
    *fill == 0
}

/// One side of the target, in pixels.
fn side(name: &str, value: Option<u32>) -> std::result::Result<u32, String> {
    match value {
        None => Err(format!("missing field `{name}`")),
        Some(n @ 1..=MAX_SIDE) => Ok(n),
        Some(n) => Err(format!("{name} must be from 1 to {MAX_SIDE}, not {n}")),
    }
}

impl ImageSpec {
    /// The spec that this JSON text says.
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| Error::usage(format!("the image spec cannot be used: {error}")))
    }

    /// This spec as compact JSON, members in the order that the format fixes.
    pub fn to_json(&self) -> String {
        // Plain enums, integers and booleans: there is nothing in a spec that JSON could not say.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The one size (height, width) that every picture gets, where there is one.
    pub fn target(&self) -> Option<(u32, u32)> {
        match self.size {
            Size::Resize { height, width, .. } => Some((height, width)),
            Size::Original | Size::Encoded => None,
            Size::Profile(profile) => profile.side().map(|side| (side, side)),
        }
    }

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
    pub fn admit(&self, probe: &Probe) -> Outcome<()> {
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
        Ok(())
    }

    /// The resizes of this picture.
    pub(super) fn steps(&self, probe: &Probe) -> Outcome<Steps> {
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
    use crate::picture::Turns;

    const RESIZE: &str = r#"{"kind":"resize","height":448,"width":336,"fit":"stretch","filter":"bicubic","color":"auto","exif":false,"sixteen_bit":"reject","alpha":"drop","decode_limit":178956970,"pixels":"pillow13"}"#;
    const ORIGINAL: &str =
        r#"{"kind":"original","color":"gray","exif":true,"sixteen_bit":"scale","alpha":"white","decode_limit":1,"pixels":"pillow12"}"#;

    #[test]
    fn json_round_trips_to_the_byte() {
        for text in [RESIZE, ORIGINAL] {
            assert_eq!(ImageSpec::from_json(text).unwrap().to_json(), text);
        }
        assert_eq!(ImageSpec::from_json(RESIZE).unwrap().target(), Some((448, 336)));
        assert_eq!(ImageSpec::from_json(ORIGINAL).unwrap().target(), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (from, to, named) in [
            ("resize", "mosaic", "mosaic"),
            ("stretch", "squash", "squash"),
            ("bicubic", "cubic", "cubic"),
            ("\"height\":448,", "", "height"),
            ("\"filter\":\"bicubic\",", "", "filter"),
            ("\"exif\":false,", "", "exif"),
            (":448", ":0", "height"),
            (":336", ":65536", "width"),
            ("178956970", "0", "decode_limit"),
            ("pillow13", "pillow11", "pillow11"),
        ] {
            let error = ImageSpec::from_json(&RESIZE.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(named), "{from} -> {to}: {error}");
        }
    }

    #[test]
    fn the_header_alone_decides_size_and_bits() {
        let spec = ImageSpec::from_json(ORIGINAL).unwrap();
        let probe = Probe {
            format: super::super::Format::Png,
            mode: Mode::L,
            width: 2,
            height: 1,
            orientation: 6,
            turns: Turns::both(6),
            transparent: false,
            animated: false,
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
