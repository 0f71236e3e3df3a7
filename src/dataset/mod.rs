//! A finished data set: shards and the manifest over them (`docs/format.md`).

mod files;
pub mod npy;
pub mod record;
pub mod manifest;
pub mod rejects;
pub mod index;
mod arrow_file;
pub mod rows;
pub mod pictures;
pub mod pixels;
mod read;
pub mod picture_store;
pub mod view;
pub mod verify;
