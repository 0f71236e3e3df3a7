//! How many tokens a picture becomes, from its header alone.

use crate::error::{Error, Result};
use crate::picture::input::Input;
use crate::picture::{Fault, ImageSpec, Known, Probe, Size};

/// What a model's processor makes of one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Rows of pixels after the last resize.
    pub height: u32,
    /// Columns likewise.
    pub width: u32,
    /// `image_grid_thw`; zeros where the processor has none.
    pub grid: [u32; 3],
    /// Tokens among those of the text; 0 where the model has none there.
    pub tokens: u32,
}

/// The line of the profile's table that a spec names.
pub fn profile(spec: &ImageSpec) -> Result<&'static Known> {
    match spec.size {
        Size::Profile(profile) => Ok(profile.known),
        _ => Err(Error::usage(
            "tokens are planned for a `Profile`: what other specs make of a picture has no fixed number of them",
        )),
    }
}

/// Plans one picture; a fault where the profile (or the rest of the spec) refuses it.
pub fn plan(spec: &ImageSpec, known: &Known, probe: &Probe) -> std::result::Result<Plan, Fault> {
    spec.admit(probe)?;
    let (height, width) = spec.output_size(probe);
    let (grid, tokens) = match known.patches {
        Some(shape) => {
            let grid = [1, height / shape.patch, width / shape.patch];
            (grid, grid[1] * grid[2] / (shape.merge * shape.merge))
        }
        None => ([0; 3], known.tokens.unwrap_or(0)),
    };
    Ok(Plan {
        height,
        width,
        grid,
        tokens,
    })
}

/// A picture whose tokens are planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Planned {
    /// One that is not at hand.
    Size {
        /// Rows of its pixels.
        height: u32,
        /// Columns.
        width: u32,
    },
    /// One that is.
    File(Input),
}

impl Planned {
    fn header(&self) -> Result<Probe> {
        match self {
            Self::File(input) => input.probe(),
            Self::Size { height: 0, .. } | Self::Size { width: 0, .. } => Err(Error::usage("a picture has at least one pixel a side")),
            Self::Size { height, width } => Ok(Probe::of_size(*height, *width)),
        }
    }
}

/// Plans every picture, in order. `monitor` is asked before each whether to go on.
pub fn plan_all(spec: &ImageSpec, pictures: &[Planned], monitor: &dyn Fn() -> Result<()>) -> Result<Vec<std::result::Result<Plan, Fault>>> {
    let known = profile(spec)?;
    let plans = pictures.iter().map(|picture| {
        monitor()?;
        Ok(plan(spec, known, &picture.header()?))
    });
    plans.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::finding::Code;
    use crate::picture::PROFILES;

    fn spec(name: &str) -> ImageSpec {
        let text = format!(
            r#"{{"kind":"profile","name":"{name}","color":"rgb","exif":false,"sixteen_bit":"reject","alpha":"drop","decode_limit":1000000,"pixels":"pillow13"}}"#
        );
        ImageSpec::from_json(&text).unwrap()
    }

    fn size(height: u32, width: u32) -> Planned {
        Planned::Size { height, width }
    }

    #[test]
    fn sizes_and_files_are_planned_in_order_and_what_a_profile_refuses_is_a_fault_of_its_own() {
        assert!(PROFILES.iter().any(|known| known.name == "hf/qwen3_vl"));
        let pictures = [size(512, 512), size(1, 500), size(2000, 2000)];
        let plans = plan_all(&spec("hf/qwen3_vl"), &pictures, &|| Ok(())).unwrap();
        let first = plans[0].as_ref().unwrap();
        assert_eq!((first.height, first.width, first.grid, first.tokens), (512, 512, [1, 32, 32], 256));
        assert!(plans[1].is_err());
        assert_eq!(plans[2].as_ref().unwrap_err().code, Code::PictureTooLarge);
    }

    #[test]
    fn a_side_of_nothing_is_wrong_use_and_so_is_a_spec_without_tokens() {
        for none in [size(0, 3), size(3, 0)] {
            let error = plan_all(&spec("hf/qwen3_vl"), &[size(64, 64), none], &|| Ok(())).unwrap_err();
            assert!(matches!(error.kind(), Kind::Usage(_)), "{error}");
        }
        let original = ImageSpec {
            size: Size::Original,
            ..spec("hf/qwen3_vl")
        };
        assert!(matches!(plan_all(&original, &[], &|| Ok(())).unwrap_err().kind(), Kind::Usage(_)));
    }

    #[test]
    fn the_monitor_ends_it() {
        let stop = || Err(Error::interrupted());
        assert!(matches!(
            plan_all(&spec("hf/qwen3_vl"), &[size(64, 64)], &stop).unwrap_err().kind(),
            Kind::Interrupted
        ));
        assert!(plan_all(&spec("hf/qwen3_vl"), &[], &stop).unwrap().is_empty());
    }
}
