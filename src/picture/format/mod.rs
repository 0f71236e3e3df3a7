//! File formats: for each its header and its decoder, and what picks the one that a file needs.

mod cursor;
mod exif;
mod inflate;
mod header;
mod jpeg;
mod png;
mod bmp;
mod gif;
mod tiff;
mod webp;
mod probe;
mod decode;

pub(super) use decode::Decoder;
pub use exif::Turns;
pub use header::{Format, Mode, Probe};
pub use probe::probe;
