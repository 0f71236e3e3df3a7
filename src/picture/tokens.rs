//! How many tokens a picture becomes, from its header alone.

use crate::error::{Error, Result};
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
