//! The numbers that a reader sees: each distinct picture once, in the order in which rows first name it.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::error::Result;
use crate::load::table::data_set::DataSet;
use crate::load::table::{PictureId, Table};

/// After so many rows the monitor is asked.
const ASKED_EVERY: u64 = 4096;

/// Distinct pictures, and which of them each row has.
#[derive(Debug, Default)]
pub struct Numbering {
    /// The pictures that rows name, each once. Of a picture that is stored several times, the first.
    pub pictures: Vec<PictureId>,
    /// Where the pictures of each row begin in `numbers`, and the end of the last.
    pub offsets: Vec<i64>,
    /// The pictures of all rows, counted in `pictures`.
    pub numbers: Vec<i64>,
}

impl Numbering {
    /// Goes through all rows. `monitor` is asked from time to time whether to go on.
    pub fn of(data: &dyn DataSet, monitor: &dyn Fn() -> Result<()>) -> Result<Self> {
        let mut first: HashMap<[u8; 32], PictureId> = HashMap::new();
        for picture in data.stored_pictures()? {
            first.entry(data.hash_of(picture)?).or_insert(picture);
        }
        let mut numbering = Self {
            offsets: vec![0],
            ..Self::default()
        };
        let mut known: HashMap<PictureId, i64> = HashMap::new();
        let mut own = Vec::new();
        for row in 0..Table::rows(data) {
            if row % ASKED_EVERY == 0 {
                monitor()?;
            }
            own.clear();
            data.pictures_of(row, &mut own)?;
            for &picture in &own {
                let picture = first.get(&data.hash_of(picture)?).copied().unwrap_or(picture);
                let number = *known.entry(picture).or_insert_with(|| {
                    numbering.pictures.push(picture);
                    numbering.pictures.len() as i64 - 1
                });
                numbering.numbers.push(number);
            }
            numbering.offsets.push(numbering.numbers.len() as i64);
        }
        Ok(numbering)
    }

    /// The pictures of a row, counted in `pictures`; none for a row that is not there.
    pub fn of_row(&self, row: u64) -> &[i64] {
        let range = || {
            let at = usize::try_from(row).ok()?;
            let (start, end) = (*self.offsets.get(at)?, *self.offsets.get(at.checked_add(1)?)?);
            self.numbers.get(start as usize..end as usize)
        };
        range().unwrap_or_default()
    }
}

/// A numbering that is counted when it is first needed.
#[derive(Debug, Default)]
pub struct LazyNumbering {
    counted: OnceLock<Numbering>,
}

impl LazyNumbering {
    /// The numbering of `data`, which is always the same data set.
    pub fn of(&self, data: &dyn DataSet, monitor: &dyn Fn() -> Result<()>) -> Result<&Numbering> {
        if let Some(numbering) = self.counted.get() {
            return Ok(numbering);
        }
        // Two threads may both count; one of the results stays.
        let numbering = Numbering::of(data, monitor)?;
        Ok(self.counted.get_or_init(|| numbering))
    }
}
