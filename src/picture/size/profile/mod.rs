//! What a model's own processor makes of a picture, or a trainer around it.
//!
//! [`table`] is the place to add one.

mod known;
mod table;

pub use known::{Backend, Known, PatchShape, Statistics};
pub(in crate::picture) use known::{Before, Resizes, Rule};
use serde::Serialize;
pub use table::{CLIP, HALF, PROFILES};

/// A profile with its bounds, as a spec says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Profile {
    /// Its line of the table.
    #[serde(rename = "name", serialize_with = "only_name")]
    pub known: &'static Known,
    /// Which library the processor uses.
    pub backend: Backend,
    /// The least area after the processor's resize, in pixels; none where the rule has no bounds.
    pub min_pixels: Option<u64>,
    /// The largest.
    pub max_pixels: Option<u64>,
    /// The least area after the trainer's own resize, in pixels; none where it has none.
    pub image_min_pixels: Option<u64>,
    /// The largest.
    pub image_max_pixels: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn only_name<S: serde::Serializer>(known: &&'static Known, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(known.name)
}

/// What a spec may leave out, to be taken from the table.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::picture) struct Overrides {
    pub(in crate::picture) backend: Option<Backend>,
    pub(in crate::picture) area: [Option<u64>; 2],
    pub(in crate::picture) image_area: [Option<u64>; 2],
}

impl Profile {
    /// The profile of this name; why not, otherwise.
    pub(in crate::picture) fn new(name: &str, said: Overrides, most: u64) -> Result<Self, String> {
        let Some(known) = PROFILES.iter().find(|known| known.name == name) else {
            let names: Vec<&str> = PROFILES.iter().map(|known| known.name).collect();
            return Err(format!("unknown profile `{name}`, expected one of {}", names.join(", ")));
        };
        let backend = said.backend.unwrap_or(known.backends[0]);
        if !known.backends.contains(&backend) {
            return Err(format!("{name} has no such backend"));
        }
        let [min_pixels, max_pixels] = bounds("", known.area, said.area, most).map_err(|why| format!("{name}: {why}"))?;
        let [image_min_pixels, image_max_pixels] =
            bounds("image_", known.image_area, said.image_area, most).map_err(|why| format!("{name}: {why}"))?;
        Ok(Self {
            known,
            backend,
            min_pixels,
            max_pixels,
            image_min_pixels,
            image_max_pixels,
        })
    }

    /// The side of the square that every picture becomes, where it does, in pixels.
    pub(in crate::picture) fn side(&self) -> Option<u32> {
        match self.known.rule {
            Rule::Square { side } | Rule::ShortestEdge { side, .. } => Some(side),
            Rule::SmartResize { .. } => None,
        }
    }

    /// The factor of the size rule, in pixels.
    pub(in crate::picture) fn factor(&self) -> u32 {
        self.known.patches.map_or(1, |shape| shape.patch * shape.merge)
    }
}

/// Both bounds of an area.
fn bounds(prefix: &str, usual: Option<[u64; 2]>, said: [Option<u64>; 2], most: u64) -> Result<[Option<u64>; 2], String> {
    let Some(usual) = usual else {
        return match said {
            [None, None] => Ok([None, None]),
            _ => Err(format!("has no {prefix}min_pixels and {prefix}max_pixels")),
        };
    };
    let [min, max] = [said[0].unwrap_or(usual[0]), said[1].unwrap_or(usual[1])];
    if min < 1 || max < min || max > most {
        return Err(format!(
            "expected 1 <= {prefix}min_pixels <= {prefix}max_pixels <= {most}, found {min} and {max}"
        ));
    }
    Ok([Some(min), Some(max)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_checked() {
        let with = |area| {
            Profile::new(
                "hf/qwen3_vl",
                Overrides {
                    area,
                    ..Overrides::default()
                },
                1 << 28,
            )
        };
        assert_eq!(with([None, None]).unwrap().max_pixels, Some(16_777_216));
        assert_eq!(with([None, Some(65_536)]).unwrap().max_pixels, Some(65_536));
        assert!(with([None, Some(65_535)]).is_err());
        assert!(with([None, Some(1 << 29)]).is_err());
        let clip = Overrides {
            area: [Some(1), None],
            ..Overrides::default()
        };
        assert!(Profile::new("hf/clip_224", clip, 1 << 28).is_err());
        assert!(
            Profile::new("hf/clip", Overrides::default(), 1 << 28)
                .unwrap_err()
                .contains("hf/clip_224")
        );
    }
}
