//! `rows.index.npy`: from a row's number to its shard and its row there.

use std::io::ErrorKind;

use crate::dataset::manifest::Manifest;
use crate::dataset::npy::{DATA_OFFSET, header};
use crate::dataset::record::INDEX;
use crate::error::{Error, Result};
use crate::store::{Region, Store};

/// Where a row lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowPlace {
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
        let path = store.label(INDEX);
        let rows = manifest.totals.rows;
        let region = store.map(INDEX).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::shard(&path, "the index is gone; run mmno-fast verify"),
            ErrorKind::InvalidInput => Error::shard(&path, error.to_string()),
            _ => Error::io("open", &path, error),
        })?;
        let length = rows.checked_mul(8).and_then(|bytes| bytes.checked_add(DATA_OFFSET));
        let found = region.as_slice().len() as u64;
        let listed = manifest.files.iter().find(|file| file.name == INDEX).map(|file| file.bytes);
        if length != Some(found) || listed != Some(found) {
            return Err(Error::shard(
                &path,
                format!("expected the places of {rows} rows, found {found} bytes; run mmno-fast verify"),
            ));
        }
        if !region.as_slice().starts_with(&header("<u8", &[rows])) {
            return Err(Error::shard(
                &path,
                format!("expected the header of {rows} numbers of 64 bits, found another; run mmno-fast verify"),
            ));
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
    pub fn place(&self, row: u64) -> Option<RowPlace> {
        let at = usize::try_from(row).ok()?.checked_mul(8)?.checked_add(DATA_OFFSET as usize)?;
        let bytes = self.region.as_slice().get(at..)?.first_chunk::<8>()?;
        let number = u64::from_le_bytes(*bytes);
        Some(RowPlace {
            shard: (number >> 32) as u32,
            row: number as u32,
        })
    }
}
