//! GIF.

mod header;
mod decode;

pub(super) use decode::Gif;
pub(super) use header::Header;
