//! `rows.index.npy`: from a row's number to its shard and its row there.

use crate::dataset::files::{damaged, map};
use crate::dataset::manifest::Manifest;
use crate::dataset::npy::{DATA_OFFSET, header};
use crate::dataset::record::INDEX;
use crate::error::Result;
use crate::store::{Region, Store};

/// Where a row lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexEntry {
    /// The shard, by its number in the manifest.
    pub shard: u32,
    /// The row in it.
    pub row: u32,
}

/// The index, mapped. Its header and length are checked when it is opened; an entry when it is looked up, by whoever opens the shard.
pub struct RowIndex {
    region: Region,
    rows: u64,
}

impl RowIndex {
    /// Opens the index of the data set that `manifest` describes.
    pub fn open(store: &dyn Store, manifest: &Manifest) -> Result<Self> {
        let rows = manifest.totals.rows;
        let (name, listed) = (manifest.name_of(INDEX), manifest.file(INDEX));
        let length = rows.checked_mul(8).and_then(|bytes| bytes.checked_add(DATA_OFFSET));
        let Some(length) = length.filter(|length| listed.is_some_and(|file| file.bytes == *length)) else {
            let message = format!("it has not the length that the places of {rows} rows need");
            return Err(damaged(store, name, &message));
        };
        let region = map(store, name, length)?;
        if !region.as_slice().starts_with(&header("<u8", &[rows])) {
            let message = format!("expected the header of {rows} numbers of 64 bits, found another");
            return Err(damaged(store, name, &message));
        }
        // From 1.1 on the name follows from the bytes. Before, an update that died between two renames left the index of other rows.
        let is_of_this = || listed.is_some_and(|file| blake3::hash(region.as_slice()).to_hex().as_str() == file.blake3);
        if manifest.format == [1, 0] && !is_of_this() {
            let message = "it is not the index that the manifest describes: run the build of this data set again, which mends it";
            return Err(damaged(store, name, message));
        }
        Ok(Self { region, rows })
    }

    /// How many rows there are.
    pub fn len(&self) -> u64 {
        self.rows
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The place of a row, if there is such a row.
    pub fn place(&self, row: u64) -> Option<IndexEntry> {
        let at = usize::try_from(row).ok()?.checked_mul(8)?.checked_add(DATA_OFFSET as usize)?;
        let bytes = self.region.as_slice().get(at..)?.first_chunk::<8>()?;
        let number = u64::from_le_bytes(*bytes);
        Some(IndexEntry {
            shard: (number >> 32) as u32,
            row: number as u32,
        })
    }
}
