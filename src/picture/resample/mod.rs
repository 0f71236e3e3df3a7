//! Resampling: weights, the two passes for each set of instructions, and what runs them.

mod coefficients;
#[cfg(target_arch = "x86_64")]
mod blocks;
mod cache;
mod portable;
#[cfg(target_arch = "x86_64")]
mod passes;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod vbmi;
pub(super) mod code_path;
mod nearest;
mod sixteen;
mod resampler;
mod step_bytes;
mod own_mode;

pub use cache::MAX_KEPT_BYTES;
pub use code_path::name_of_path;
pub(super) use own_mode::OwnMode;
pub(super) use resampler::{Job, Resampler, Step, is_beyond_pillow};
pub(super) use step_bytes::step_bytes;
