//! The name of a unit: a hash over everything that its shard's bytes follow from (`docs/format.md`, "Order").

use serde::Serialize;

use crate::dataset::record::{SHARD_FORMAT, hex};
use crate::error::{Error, Result};
use crate::picture::{ImageSpec, PIXELS_VERSION};

/// A row, as a fingerprint takes it: its source's name, its line, the hash of its text, the positions of its pictures.
pub(super) type Row<'a> = (&'a str, u64, &'a [u8; 16], &'a [u32]);

/// A picture, as a fingerprint takes it: its file's hash, and its names.
pub(super) type Picture<'a> = (&'a [u8; 32], Vec<&'a str>);

#[derive(Serialize)]
struct Input<'a> {
    format: [u32; 2],
    pixels_version: u32,
    spec: &'a ImageSpec,
    pictures: Vec<(String, Vec<&'a str>)>,
    rows: Vec<(&'a str, u64, String, &'a [u32])>,
}

/// 64 hex digits.
pub(super) fn fingerprint<'a>(
    spec: &'a ImageSpec,
    pictures: impl Iterator<Item = Picture<'a>>,
    rows: impl Iterator<Item = Row<'a>>,
) -> Result<String> {
    let input = Input {
        format: SHARD_FORMAT,
        pixels_version: PIXELS_VERSION,
        spec,
        pictures: pictures.map(|(hash, names)| (hex(hash), names)).collect(),
        rows: rows
            .map(|(source, line, hash, positions)| (source, line, hex(hash), positions))
            .collect(),
    };
    let text = serde_json::to_vec(&input).map_err(|error| Error::internal(format!("a fingerprint cannot be taken: {error}")))?;
    Ok(blake3::hash(&text).to_hex().to_string())
}
