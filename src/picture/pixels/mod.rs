//! Pixels in memory: what stands in a buffer, and what is done to each pixel by itself.

pub(super) mod samples;
pub(super) mod turn;
pub(super) mod ycbcr;
pub(super) mod colour;
mod widen;

pub use widen::widen;
