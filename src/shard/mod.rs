//! One shard: a folder with rows, pictures and pixels that needs nothing outside it (`docs/format.md`).

pub mod npy;
pub mod unit_file;
pub mod rows;
pub mod columns;
pub mod write;
pub mod read;
pub mod view;

/// The format that this version writes: major, minor.
pub const FORMAT: [u32; 2] = [1, 0];
