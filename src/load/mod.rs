//! From pictures to batches: what the training loop touches.

pub mod output;
pub mod tokens;
