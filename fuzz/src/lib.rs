//! What the fuzz targets check: each module has one `check`, which takes any bytes and panics where a promise is broken.
//!
//! `cargo fuzz` runs them with the address sanitiser; `tests/fuzz_targets.rs` runs them over the seeds and some mutations.

mod pictures;

pub mod jpeg;
pub mod picture;
pub mod png;
pub mod probe;
pub mod resample;
pub mod lines;
pub mod manifest;
pub mod order;
pub mod rows;
pub mod shard;
