//! WebP.

mod header;
mod decode;

pub(super) use decode::decode;
pub(super) use header::Header;
