//! An open data set: a [`Table`] that can also be looked at as a whole. Everything that a reader asks for goes through here.

use std::sync::Arc;

use arrow_array::RecordBatch;
use bytes::Bytes;

use crate::dataset::manifest::Manifest;
use crate::dataset::rejects::RejectedRow;
use crate::error::{Error, Result, reserve};
use crate::finding::Code;
use crate::load::output::Shape;
use crate::load::stats::Stats;
use crate::load::table::{PictureId, Table, WorkerBuffers};
use crate::picture::ImageSpec;

/// A source, as far as it identifies rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceIdentity {
    /// Its name.
    pub name: String,
    /// BLAKE3 of its bytes, 64 hex digits.
    pub blake3: String,
}

/// Pixels of one picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// They lie in memory already.
    InPlace(Bytes),
    /// They were made.
    Made(Vec<u8>),
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

    /// The rows that were rejected, each with what was found; nothing where only the caller's list rejects it. Shards do not know it.
    fn rejected_for(&self) -> Result<Vec<(RejectedRow, Vec<Code>)>>;

    /// How many pictures a memory of decoded ones may hold; 0: it would be of no use.
    fn remembered_pictures(&self) -> u64;

    /// The manifest, and the text of its file, where there is one.
    fn manifest(&self) -> Option<(&Manifest, &str)>;

    /// The same data set for a forked child, where nothing may wait for a thread that is not there any more.
    fn after_fork(self: Arc<Self>) -> Arc<dyn DataSet>;

    /// The pixels of a picture as stored: in place where they lie there, else made.
    fn pixels(&self, picture: PictureId) -> Result<(Found, Shape)> {
        if let Some((bytes, shape)) = self.pixels_in_place(picture)? {
            return Ok((Found::InPlace(bytes), shape));
        }
        let mut made = None;
        self.with_pixels(picture, &mut WorkerBuffers::default(), &Stats::default(), &mut |pixels, shape| {
            let mut own = Vec::new();
            let copied = reserve(&mut own, pixels.len(), || "the pixels of a picture take as much".to_owned());
            own.extend_from_slice(if copied.is_ok() { pixels } else { &[] });
            made = Some(copied.map(|()| (Found::Made(own), shape)));
        })?;
        made.ok_or_else(|| Error::internal("a picture without pixels"))?
    }

    /// BLAKE3 of the files of these pictures, one after the other.
    fn hashes_of(&self, pictures: &[PictureId]) -> Result<Vec<u8>> {
        let mut hashes = Vec::with_capacity(pictures.len() * 32);
        for picture in pictures {
            hashes.extend(self.hash_of(*picture)?);
        }
        Ok(hashes)
    }
}

#[cfg(test)]
#[path = "data_set_tests.rs"]
mod tests;
