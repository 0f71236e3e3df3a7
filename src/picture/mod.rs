//! Pictures: from a file's bytes to the very pixels that Pillow gives.
//!
//! ```text
//! bytes -- probe -- decode -- colour -- geometry + resample -- pixels
//!          header   own mode  L or RGB  one size, or its own
//! ```
//!
//! Every step follows Pillow's arithmetic to the bit; the comments name the file and function followed. [`Preparer`] owns all
//! scratch, so that a worker that keeps one allocates nothing for a picture once it has seen the largest.

pub mod tokens;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;

mod admit;
mod choices;
mod colour;
mod decode;
mod geometry;
mod inflate;
mod own_mode;
mod prepare;
mod probe;
mod profile;
mod resample;
mod samples;
mod size_rules;
mod spec;
mod steps;
mod turn;
mod widen;
mod ycbcr;

pub use choices::{Alpha, Color, Filter, Pixels, SixteenBit};
pub use geometry::Fit;
pub use prepare::{Prepared, Preparer};
pub use probe::{Format, Mode, Probe, Turns, probe};
pub use profile::{Backend, CLIP, HALF, Known, PROFILES, PatchShape, Profile, Statistics};
pub use resample::name_of_path as resample_path;
pub use spec::{DEFAULT_DECODE_LIMIT, ImageSpec, MAX_SIDE, Size};
pub use widen::widen;

use crate::finding::Code;

/// Raised whenever any pixel that this crate produces changes; part of every shard's name.
pub const PIXELS_VERSION: u32 = 2;

/// Why a picture is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which kind: one of the `picture.*` codes.
    pub code: Code,
    /// What was expected and what was found, in lower case.
    pub message: String,
}

impl Fault {
    /// A fault of this kind.
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The data end early.
    fn truncated(message: impl Into<String>) -> Self {
        Self::new(Code::PictureTruncated, message)
    }

    /// The decoder refuses the data.
    fn corrupt(message: impl Into<String>) -> Self {
        Self::new(Code::PictureCorrupt, message)
    }
}

/// What every step from bytes to pixels returns.
type Outcome<T> = std::result::Result<T, Fault>;
