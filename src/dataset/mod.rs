//! A finished data set: shards and the manifest over them (`docs/format.md`).

pub mod npy;
pub mod record;
mod files;
pub mod compare;
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
