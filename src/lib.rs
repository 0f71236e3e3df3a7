//! From JSON Lines and a folder of pictures to batches on the GPU.
#![deny(unsafe_code)]

pub mod error;
pub mod finding;
pub mod ordered;
pub mod jsonl;
