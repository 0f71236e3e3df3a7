//! From JSON Lines and a folder of pictures to batches on the GPU.
//!
//! Data goes one way, and a module uses only what stands above it in this file:
//!
//! ```text
//! JSONL ── lines ── row ── rules ──┐
//!                                  ├── scan ── plan ── unit: read ── decode ── colour ── resample ── shard ── commit
//! names ── resolve ── read ── probe┘     └── findings, report                                          └── manifest.json
//!
//! shards, or a scan ── order ── gather ── output ── slot ── feed ── Python
//! ```
#![deny(unsafe_code)]

pub mod shown;
pub mod finding;
pub mod error;
pub mod progress;
pub mod cpu;
pub mod ordered;
pub mod store;
pub mod jsonl;
pub mod picture;
pub mod scan;
pub mod dataset;
pub mod builder;
pub mod load;
pub mod limits;

#[cfg(feature = "python")]
mod python;
