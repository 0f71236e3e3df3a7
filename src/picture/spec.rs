//! What the pixels of a data set are: size, filter, colour, arithmetic. Written whole into manifests, and hashed.

use serde::{Deserialize, Serialize};

use super::choices::{Alpha, Color, Filter, Pixels, SixteenBit};
use super::size::geometry::Fit;
use super::size::profile::{Backend, Overrides, Profile};
use crate::error::{Error, Result};

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
                let overrides = Overrides {
                    backend: wire.backend,
                    area: [wire.min_pixels, wire.max_pixels],
                    image_area: [wire.image_min_pixels, wire.image_max_pixels],
                };
                let name = wire.name.ok_or("missing field `name`")?;
                Size::Profile(Profile::new(&name, overrides, DEFAULT_DECODE_LIMIT)?)
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
        // Arrow and Python count in signed numbers of 64 bits.
        if wire.decode_limit == 0 || i64::try_from(wire.decode_limit).is_err() {
            return Err("decode_limit must be at least 1 pixel, and less than 2**63".to_owned());
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
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("178956970", "9223372036854775808", "decode_limit"),
            ("pillow13", "pillow11", "pillow11"),
        ] {
            let error = ImageSpec::from_json(&RESIZE.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(named), "{from} -> {to}: {error}");
        }
    }
}
