//! Rows of a data set as Arrow, with all columns, in the order asked for.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, UInt32Builder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, SchemaRef};

use crate::dataset::rows::rows_schema;
use crate::error::{Error, Result};
use crate::load::table::Table;
use crate::load::table::data_set::DataSet;
use crate::load::table::numbering::{LazyNumbering, Numbering};

/// Rows that are read at once.
const BLOCK_ROWS: usize = 16_384;

/// The column that counts in [`Numbering::pictures`].
const PICTURES: &str = "pictures";

/// Which rows are asked for, and what of them.
struct Query<'a> {
    /// Row numbers; `None`: all rows, in order.
    rows: Option<&'a [u64]>,
    /// Columns of `rows.arrow`, in the order wanted.
    columns: SchemaRef,
    /// Numbers of pictures; needed for the column `pictures`.
    numbering: Option<&'a Numbering>,
}

/// The columns of these names, in this order; `None`: all of them.
fn columns(names: Option<&[String]>) -> Result<SchemaRef> {
    let all = rows_schema();
    let Some(names) = names else { return Ok(all) };
    let places: std::result::Result<Vec<usize>, ArrowError> = names.iter().map(|name| all.index_of(name)).collect();
    let places = places.map_err(|error| Error::usage(format!("columns: {error}")))?;
    let chosen = all.project(&places).map_err(|error| Error::usage(format!("columns: {error}")))?;
    Ok(Arc::new(chosen))
}

/// Whether column `pictures` is among them, which needs a [`Numbering`].
fn needs_numbering(columns: &SchemaRef) -> bool {
    columns.column_with_name(PICTURES).is_some()
}

/// These columns of these rows, or all of both, with the schema that they have. `numbering`: that of `data`, counted if it is needed.
pub fn read(
    data: &dyn DataSet,
    numbering: &LazyNumbering,
    rows: Option<&[u64]>,
    names: Option<&[String]>,
    monitor: &dyn Fn() -> Result<()>,
) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let columns = columns(names)?;
    let query = Query {
        rows,
        numbering: needs_numbering(&columns).then(|| numbering.of(data, monitor)).transpose()?,
        columns: Arc::clone(&columns),
    };
    Ok((columns, query.read(data, monitor)?))
}

impl Query<'_> {
    /// Reads the rows, in batches. Nothing is copied where all rows are asked for and lie in order already.
    fn read(&self, data: &dyn DataSet, monitor: &dyn Fn() -> Result<()>) -> Result<Vec<RecordBatch>> {
        if self.rows.is_none()
            && let Some(batches) = data.rows_in_place()?
        {
            let mut done = 0;
            return batches
                .iter()
                .map(|batch| {
                    let rows: Vec<u64> = (done..done + batch.num_rows() as u64).collect();
                    done += batch.num_rows() as u64;
                    self.arrange(batch, &rows)
                })
                .collect();
        }
        let count = self.rows.map_or(Table::rows(data), |rows| rows.len() as u64);
        let mut batches = Vec::new();
        let mut start = 0;
        while start < count {
            monitor()?;
            let end = count.min(start + BLOCK_ROWS as u64);
            let block: Vec<u64> = match self.rows {
                None => (start..end).collect(),
                Some(rows) => rows.get(start as usize..end as usize).unwrap_or_default().to_vec(),
            };
            self.read_block(data, &block, &mut batches)?;
            start = end;
        }
        Ok(batches)
    }

    /// Reads some rows. Texts of more than 2 GiB together do not fit into one batch: then each half is tried.
    fn read_block(&self, data: &dyn DataSet, rows: &[u64], into: &mut Vec<RecordBatch>) -> Result<()> {
        match data.read_rows(rows) {
            Ok(batch) => into.push(self.arrange(&batch, rows)?),
            Err(error) if rows.len() > 1 && error.is_too_much_text() => {
                let (first, second) = rows.split_at(rows.len() / 2);
                self.read_block(data, first, into)?;
                self.read_block(data, second, into)?;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The columns wanted, of a batch that holds these rows.
    fn arrange(&self, batch: &RecordBatch, rows: &[u64]) -> Result<RecordBatch> {
        let column = |name: &str| -> Result<ArrayRef> {
            if name == PICTURES {
                return self.pictures(rows);
            }
            let found = batch.column_by_name(name).cloned();
            found.ok_or_else(|| Error::internal(format!("rows without the column {name}")))
        };
        let arrays = self
            .columns
            .fields()
            .iter()
            .map(|field| column(field.name()))
            .collect::<Result<_>>()?;
        RecordBatch::try_new(Arc::clone(&self.columns), arrays).map_err(|error| Error::internal(error.to_string()))
    }

    fn pictures(&self, rows: &[u64]) -> Result<ArrayRef> {
        let numbering = self
            .numbering
            .ok_or_else(|| Error::internal("the column pictures without numbers of pictures"))?;
        let mut lists = ListBuilder::new(UInt32Builder::new());
        for row in rows {
            for &number in numbering.of_row(*row) {
                lists.values().append_value(number as u32);
            }
            lists.append(true);
        }
        Ok(Arc::new(lists.finish()))
    }
}
