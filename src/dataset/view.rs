//! An open shard: its rows and pictures, every length and number checked when it is first touched.

use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{ListArray, RecordBatch};

use crate::dataset::files::damaged;
use crate::dataset::manifest::ShardRecord;
use crate::dataset::picture_store::{PictureStore, check_record, map};
use crate::dataset::read::read_batches;
use crate::dataset::rows::{NULLABLE_ROW_COLUMNS, rows_schema};
use crate::error::Result;
use crate::picture::ImageSpec;
use crate::store::Store;

/// The table of rows.
const TABLE: &str = "rows.arrow";

/// Some rows of a shard.
struct Rows {
    /// The columns of `rows.arrow`, except `pictures`.
    batch: RecordBatch,
    /// Column `pictures`.
    pictures: ListArray,
}

/// An open shard. Nothing is copied; pages are read when they are touched.
pub struct View {
    folder: PathBuf,
    rows: Vec<Rows>,
    pictures: PictureStore,
}

impl View {
    /// Opens the shard that `store` holds and `record` describes, of a data set with this spec.
    ///
    /// Checked are the hash of its record, the lengths of its files, the structure of its tables, the headers of its stores, and that all
    /// numbers fit together. The record's hash tells the shard that the manifest means from one that was built since.
    /// Not checked are the hashes of the other files: that would read every byte.
    pub fn open(store: &dyn Store, record: &ShardRecord, spec: &ImageSpec) -> Result<Self> {
        check_record(store, record)?;
        let rows = open_rows(store, record)?;
        let pictures = PictureStore::open(store, record, spec)?;
        let count = pictures.all().len();
        for part in &rows {
            let numbers = part.pictures.values().as_primitive::<UInt32Type>();
            if numbers.values().iter().any(|&number| number as usize >= count) {
                return Err(damaged(store, TABLE, "a row names a picture that is not there"));
            }
        }
        Ok(Self {
            folder: store.label(""),
            rows,
            pictures,
        })
    }

    /// What to call it in a message.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its pictures.
    pub fn pictures(&self) -> &PictureStore {
        &self.pictures
    }

    /// The batches of `rows.arrow`, without the column `pictures`.
    pub fn row_batches(&self) -> impl Iterator<Item = &RecordBatch> {
        self.rows.iter().map(|rows| &rows.batch)
    }

    /// The rows that hold a row, and the row in them.
    fn place(&self, row: u32) -> Option<(&Rows, usize)> {
        let mut left = row as usize;
        for rows in &self.rows {
            if left < rows.batch.num_rows() {
                return Some((rows, left));
            }
            left -= rows.batch.num_rows();
        }
        None
    }

    /// The batch that holds a row, without the column `pictures`, and the row in it.
    pub fn row(&self, row: u32) -> Option<(&RecordBatch, usize)> {
        self.place(row).map(|(rows, at)| (&rows.batch, at))
    }

    /// The pictures of a row, by their numbers in this shard.
    pub fn pictures_of(&self, row: u32) -> Option<&[u32]> {
        let (rows, at) = self.place(row)?;
        let offsets = rows.pictures.value_offsets();
        let (start, end) = (*offsets.get(at)? as usize, *offsets.get(at + 1)? as usize);
        rows.pictures.values().as_primitive::<UInt32Type>().values().get(start..end)
    }
}

fn open_rows(store: &dyn Store, record: &ShardRecord) -> Result<Vec<Rows>> {
    let batches = read_batches(
        &map(store, record, TABLE)?,
        &store.label(TABLE),
        &rows_schema(),
        &NULLABLE_ROW_COLUMNS,
    )?;
    let missing = || damaged(store, TABLE, "the columns images and pictures are missing");
    let mut all = Vec::with_capacity(batches.len());
    for mut batch in batches {
        let at = batch.schema().index_of("pictures").map_err(|_| missing())?;
        let column = batch.remove_column(at);
        let pictures = column.as_list_opt::<i32>().ok_or_else(missing)?.clone();
        let names = batch.column_by_name("images").and_then(|column| column.as_list_opt::<i32>());
        if !names.ok_or_else(missing)?.offsets().lengths().eq(pictures.offsets().lengths()) {
            return Err(damaged(store, TABLE, "a row has more names than pictures, or fewer"));
        }
        all.push(Rows { batch, pictures });
    }
    let found: usize = all.iter().map(|rows| rows.batch.num_rows()).sum();
    if found as u64 == record.rows {
        Ok(all)
    } else {
        Err(damaged(store, TABLE, &format!("expected {} rows, found {found}", record.rows)))
    }
}
