//! TIFF.

mod layout;
mod directory;
mod kind;
mod header;
mod fax;
mod jpeg;
mod spread;
mod unpack;
mod decode;

pub(super) use decode::Tiff;
pub(super) use header::Header;
