//! One shard: a folder with rows, pictures and pixels that needs nothing outside it (`docs/format.md`).

pub mod columns;
pub mod npy;
pub mod read;
pub mod unit_file;
pub mod write;

/// The format that this version writes: major, minor.
pub const FORMAT: [u32; 2] = [1, 0];
