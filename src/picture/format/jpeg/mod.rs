//! JPEG.

mod header;
mod decode;

pub(super) use decode::{Hunch, decode, decode_part};
pub(super) use header::{Header, own_bytes};
