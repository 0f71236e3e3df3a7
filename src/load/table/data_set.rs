//! An open data set: a [`Table`] that can also be looked at as a whole. Everything that a reader asks for goes through here.

use arrow_array::RecordBatch;
use bytes::Bytes;

use crate::dataset::rejects::RejectedRow;
use crate::error::Result;
use crate::load::output::Shape;
use crate::load::table::{PictureId, Table};
use crate::picture::ImageSpec;

/// A source, as far as it identifies rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceIdentity {
    /// Its name.
    pub name: String,
    /// BLAKE3 of its bytes, 64 hex digits.
    pub blake3: String,
}

/// A data set that is open for reading.
pub trait DataSet: Table {
    /// What becomes of pictures.
    fn spec(&self) -> &ImageSpec;

    /// The sources, in the order given.
    fn sources(&self) -> Vec<SourceIdentity>;

    /// The rows that were rejected, by (source, line).
    fn rejected(&self) -> Result<Vec<RejectedRow>>;

    /// Every stored picture, in the order in which they lie. A picture that several shards need is there several times.
    fn stored_pictures(&self) -> Result<Vec<PictureId>>;

    /// What is known of these pictures, in this order: the columns of `pictures.arrow`.
    fn describe(&self, pictures: &[PictureId]) -> Result<RecordBatch>;

    /// Pixels that lie in memory already; `None` where they must be made.
    fn pixels_in_place(&self, picture: PictureId) -> Result<Option<(Bytes, Shape)>>;

    /// The file that a picture came from, where it is kept.
    fn file_of(&self, picture: PictureId) -> Result<Bytes>;

    /// All rows, without column `pictures`, if they lie in memory in the order of their numbers; else `None`.
    fn rows_in_place(&self) -> Result<Option<Vec<RecordBatch>>>;
}
