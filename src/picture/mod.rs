//! Pictures: from a file's bytes to the very pixels that Pillow gives.
//!
//! ```text
//! bytes -- format::probe -- format::decode -- pixels::colour -- size, resample -- pixels
//!          header           own mode          L or RGB          one size, or its own
//! ```
//!
//! Every step follows Pillow's arithmetic to the bit; the comments name the file and function followed. [`Preparer`] owns all
//! scratch, so that a worker that keeps one allocates nothing for a picture once it has seen the largest.

pub mod input;
pub mod tokens;

mod fault;
mod memory;
mod choices;
mod pixels;
mod format;
mod size;
mod resample;
mod spec;
mod steps;
mod working;
mod admit;
mod prepare;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;

pub use choices::{Alpha, Color, Filter, Pixels, SixteenBit};
pub use fault::Fault;
pub use format::{Format, Mode, Probe, Turns, probe};
pub use pixels::widen;
pub use prepare::{Prepared, Preparer};
pub use resample::MAX_KEPT_BYTES as KEPT_WEIGHTS_BYTES;
pub use resample::name_of_path as resample_path;
pub use size::geometry::Fit;
pub use size::profile::{Backend, CLIP, HALF, Known, PROFILES, PatchShape, Profile, Statistics};
pub use spec::{DEFAULT_DECODE_LIMIT, ImageSpec, MAX_SIDE, Size};
pub use working::{KEPT_BUFFER_BYTES, KEPT_BYTES, keep_at_most};

/// Raised whenever any pixel that this crate produces changes; part of every shard's name.
pub const PIXELS_VERSION: u32 = 2;
