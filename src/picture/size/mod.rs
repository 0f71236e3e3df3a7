//! Sizes: where a picture goes in its target, and what trainers and models make of its size.

pub(super) mod geometry;
pub(super) mod rules;
pub(super) mod profile;
