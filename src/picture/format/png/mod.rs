//! PNG.

mod text;
mod header;
mod decode;

pub(super) use decode::Png;
pub(super) use header::Header;
