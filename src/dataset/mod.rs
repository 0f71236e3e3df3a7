//! A finished data set: shards and the manifest over them (`docs/format.md`).

pub mod npy;
pub mod record;
pub mod manifest;
pub mod rows;
pub mod pictures;
pub mod pixels;
pub mod read;
pub mod view;
pub mod verify;
