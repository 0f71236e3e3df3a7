//! What a data set is to the loader: rows with pictures, by number. Shards and raw JSONL are two of a kind.

pub mod data_set;
pub mod numbering;
pub mod rows;
pub mod raw;
pub mod shards;

use std::sync::Arc;

use arrow_array::RecordBatch;

use crate::error::Result;
use crate::load::output::Shape;
use crate::load::stats::Stats;
use crate::ordered::budget::Budget;
use crate::picture::Preparer;

/// A picture's number in its table; what it means is the table's business.
pub type PictureId = u64;

/// What a worker keeps from one picture to the next.
#[derive(Default)]
pub struct WorkerBuffers {
    /// A file.
    pub file: Vec<u8>,
    /// Its pixels.
    pub pixels: Vec<u8>,
    /// What decodes it; made when the first one is.
    pub preparer: Option<Preparer>,
    /// What its job may take for pixels that are made; `None`: as much as one picture needs.
    pub budget: Option<Arc<Budget>>,
}

impl WorkerBuffers {
    /// Those of a worker that shares a budget with others.
    pub fn sharing(budget: &Arc<Budget>) -> Self {
        Self {
            budget: Some(Arc::clone(budget)),
            ..Self::default()
        }
    }
}

/// Rows with pictures. Every number that a caller gives may be wrong: then it is an error, never a panic.
pub trait Table: Send + Sync {
    /// How many rows there are.
    fn rows(&self) -> u64;

    /// Appends the pictures of a row.
    fn pictures_of(&self, row: u64, into: &mut Vec<PictureId>) -> Result<()>;

    /// Height and width of a picture's pixels, known before it is decoded.
    fn size_of(&self, picture: PictureId) -> Result<(u32, u32)>;

    /// BLAKE3 of the file that a picture came from: a table may hold one picture under several numbers.
    fn hash_of(&self, picture: PictureId) -> Result<[u8; 32]>;

    /// Whether pixels are made, and not only copied.
    fn decodes(&self) -> bool;

    /// Calls `then` with the pixels of a picture: (H, W) or (H, W, 3) of the size that [`Self::size_of`] says.
    fn with_pixels(&self, picture: PictureId, buffers: &mut WorkerBuffers, stats: &Stats, then: &mut dyn FnMut(&[u8], Shape))
    -> Result<()>;

    /// Says that pictures will be needed soon.
    fn will_need(&self, pictures: &[PictureId]);

    /// The rows of these numbers as Arrow, in this order: the columns of `rows.arrow`, but for `pictures`.
    fn read_rows(&self, rows: &[u64]) -> Result<RecordBatch>;

    /// Source and line of a row, for messages.
    fn identity(&self, row: u64) -> Result<(String, u64)>;
}
