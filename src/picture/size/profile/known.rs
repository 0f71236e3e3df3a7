//! What the table of profiles says of each: sizes, filter and whose arithmetic; and how the pixels become numbers (mean, deviation, patches),
//! which is done by [`crate::load::output`].

use serde::{Deserialize, Serialize};

use crate::picture::choices::{Alpha, Filter};

/// Mean and standard deviation of red, green and blue, on the scale from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Statistics {
    /// Subtracted.
    pub mean: [f64; 3],
    /// Divided by.
    pub std: [f64; 3],
}

/// How a picture is cut into patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PatchShape {
    /// The side of a patch, in pixels.
    pub patch: u32,
    /// The patches a side that become one token.
    pub merge: u32,
    /// How often each patch is repeated, as if it were a film.
    pub temporal: u32,
}

/// Which library does the processor's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// torch, on the CPU: resampling with weights of 16 bits, normalisation in one step.
    Torchvision,
    /// Pillow and `numpy`: Pillow's resampling, normalisation in two steps.
    Pillow,
}

/// Whose resampling the processor's own resize takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resizes {
    /// The backend's.
    Backend,
    /// Pillow's, whatever the backend.
    Pillow,
}

/// The processor's size rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// A square, whatever the proportions.
    Square {
        /// Its side, in pixels.
        side: u32,
    },
    /// The shortest edge, then the square in the middle.
    ShortestEdge {
        /// The side of the square, in pixels.
        side: u32,
        /// Whether halves are rounded to even, as torchvision does it; else down.
        round: bool,
    },
    /// Both sides multiples of a factor, the area within bounds.
    SmartResize {
        /// Whether it is the version of `qwen_vl_utils`; else that of transformers.
        qwen_vl_utils: bool,
    },
}

/// What is done before the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Before {
    /// The picture becomes RGB.
    Rgb,
    /// LLaMA-Factory's resizes, by Pillow, bicubic: the first ones in the picture's own mode.
    LlamaFactory,
    /// Nothing: the processor resizes the picture in its own mode.
    Nothing,
}

/// One line of the table; known by its name.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Known {
    /// What it is called.
    pub name: &'static str,
    /// Where each of these facts was read.
    pub cites: &'static str,
    /// What is done first.
    pub before: Before,
    /// The processor's size rule.
    pub rule: Rule,
    /// The processor's filter.
    pub filter: Filter,
    /// Whose arithmetic its resize takes.
    pub resizes: Resizes,
    /// The backends that it has; the first one is the default.
    pub backends: &'static [Backend],
    /// What its conversion to RGB makes of transparency.
    pub alpha: Alpha,
    /// Whether a colour that stands for transparency outlives the trainer's own conversion and resizes, to be made white by the processor
    /// wherever it is found then: `Image.convert` and `Image.resize` of Pillow hand `info["transparency"]` on.
    #[serde(skip)]
    pub late_key: bool,
    /// What pictures are normalised with.
    pub statistics: Statistics,
    /// How they are cut into patches.
    pub patches: Option<PatchShape>,
    /// The bounds of the area after the processor's resize, in pixels.
    pub area: Option<[u64; 2]>,
    /// The bounds of the area after the trainer's own resize, in pixels: `image_min_pixels` and `image_max_pixels`.
    pub image_area: Option<[u64; 2]>,
    /// The tokens of a picture, where all have as many.
    pub tokens: Option<u32>,
}

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Known {}
