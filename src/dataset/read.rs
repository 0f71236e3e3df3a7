//! An Arrow file of a shard, read and checked: footer, schema, batches, offsets, dictionary keys, UTF-8, nulls.
//!
//! `arrow-ipc` checks offsets, lengths, keys and UTF-8 of what it decodes. Checked here, in front of it: that every block lies within the
//! file; and behind it: that there is no null where the format has none.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::{Block, root_as_footer, root_as_message};
use arrow_schema::{DataType, Schema, SchemaRef};

use crate::error::{Error, Result};
use crate::store::Region;

/// What stands behind the footer of an Arrow file: its length, and the magic.
const TRAILER: usize = 10;

/// What an Arrow file begins with.
const MAGIC: &[u8] = b"ARROW1\0\0";

/// The batches of an Arrow file with the columns of `expected`, in that order; columns that a later version may have added are left out.
///
/// Buffers stay where they are in `region`, if they are aligned. Nulls may stand in the columns `nullable` only. `path` is what to call the
/// file in a message.
pub(super) fn read_batches(region: &Region, path: &Path, expected: &SchemaRef, nullable: &[&str]) -> Result<Vec<RecordBatch>> {
    // Some lengths of a damaged file make `arrow-ipc` panic.
    catch_unwind(AssertUnwindSafe(|| read(region, path, expected, nullable)))
        .unwrap_or_else(|_| Err(refuse(path, &"lengths that cannot be")))
}

fn refuse(path: &Path, found: &dyn std::fmt::Display) -> Error {
    Error::shard(
        path,
        format!("expected an Arrow file of a shard, found: {found}; run mmno-fast verify"),
    )
}

fn read(region: &Region, path: &Path, expected: &SchemaRef, nullable: &[&str]) -> Result<Vec<RecordBatch>> {
    let wrong = |found: &dyn std::fmt::Display| refuse(path, found);
    let buffer = Buffer::from(region.bytes());
    if !buffer.starts_with(MAGIC) {
        return Err(wrong(&"another beginning"));
    }
    let cut = || wrong(&"a file that is cut off");
    let footer_end = buffer.len().checked_sub(TRAILER).ok_or_else(cut)?;
    let trailer = buffer[footer_end..].first_chunk::<TRAILER>().ok_or_else(cut)?;
    let footer_length = read_footer_length(*trailer).map_err(|error| wrong(&error))?;
    let footer_start = footer_end.checked_sub(footer_length).ok_or_else(cut)?;
    let footer = root_as_footer(&buffer[footer_start..footer_end]).map_err(|error| wrong(&error))?;
    let found = footer.schema().ok_or_else(|| wrong(&"no schema"))?;
    let found = try_fb_to_schema(found).map_err(|error| wrong(&error))?;
    let columns = columns_of(path, &found, expected)?;

    let block_bytes = |block: &Block| -> Result<Buffer> {
        let head = usize::try_from(block.metaDataLength()).ok();
        let body = usize::try_from(block.bodyLength()).ok();
        let length = head.zip(body).and_then(|(head, body)| head.checked_add(body)).ok_or_else(cut)?;
        let start = usize::try_from(block.offset()).ok().ok_or_else(cut)?;
        if start.checked_add(length).is_none_or(|end| end > footer_start) {
            return Err(cut());
        }
        Ok(buffer.slice_with_length(start, length))
    };
    let mut decoder = FileDecoder::new(found.into(), footer.version()).with_projection(columns);
    let mut known = HashSet::new();
    for block in footer.dictionaries().into_iter().flatten() {
        let bytes = block_bytes(block)?;
        let (id, goes_on) = dictionary_of(&bytes).ok_or_else(|| wrong(&"a block that is no dictionary"))?;
        // A file may add to a dictionary, and never replace it: `Schema.fbs` of the Arrow format.
        if !known.insert(id) && !goes_on {
            return Err(wrong(&"a dictionary that is replaced"));
        }
        decoder.read_dictionary(block, &bytes).map_err(|error| wrong(&error))?;
    }
    let mut batches = Vec::new();
    for block in footer.recordBatches().into_iter().flatten() {
        let batch = decoder
            .read_record_batch(block, &block_bytes(block)?)
            .map_err(|error| wrong(&error))?
            .ok_or_else(|| wrong(&"a block that is no batch"))?;
        let batch = RecordBatch::try_new(std::sync::Arc::clone(expected), batch.columns().to_vec()).map_err(|error| wrong(&error))?;
        for (field, column) in expected.fields().iter().zip(batch.columns()) {
            let may_be_null = nullable.contains(&field.name().as_str());
            if (!may_be_null && column.null_count() > 0) || has_inner_nulls(column) {
                return Err(wrong(&format!("a null in the column {}", field.name())));
            }
        }
        batches.push(batch);
    }
    Ok(batches)
}

/// The dictionary that a block holds, by its number, and whether it adds to one that is there.
fn dictionary_of(block: &[u8]) -> Option<(i64, bool)> {
    // The length of the message, behind a marker since format version 5.
    let head = block.strip_prefix(&[0xff; 4]).unwrap_or(block);
    let (length, rest) = head.split_first_chunk::<4>()?;
    let message = rest.get(..usize::try_from(i32::from_le_bytes(*length)).ok()?)?;
    let dictionary = root_as_message(message).ok()?.header_as_dictionary_batch()?;
    Some((dictionary.id(), dictionary.isDelta()))
}

/// Where the expected columns stand in the file. Each must be there, once, with its type.
fn columns_of(path: &Path, found: &Schema, expected: &Schema) -> Result<Vec<usize>> {
    let place = |name: &str, kind: &DataType| {
        let mut own = found.fields().iter().enumerate().filter(|(_, field)| field.name() == name);
        let (at, field) = own.next()?;
        (field.data_type() == kind && own.next().is_none()).then_some(at)
    };
    let places = expected.fields().iter().map(|field| {
        let (name, kind) = (field.name(), field.data_type());
        place(name, kind).ok_or_else(|| refuse(path, &format!("no column {name} of type {kind}")))
    });
    let places: Vec<usize> = places.collect::<Result<_>>()?;
    // The decoder gives columns in the order of the file.
    if places.is_sorted() {
        Ok(places)
    } else {
        Err(refuse(path, &"columns in another order"))
    }
}

/// Whether there is a null below the top: in a list, a struct or a dictionary.
fn has_inner_nulls(array: &dyn Array) -> bool {
    let any = |inner: &dyn Array| inner.null_count() > 0 || has_inner_nulls(inner);
    match array.data_type() {
        DataType::List(_) => any(array.as_list::<i32>().values()),
        DataType::Struct(_) => array.as_struct().columns().iter().any(|column| any(column)),
        DataType::Dictionary(..) => {
            let dictionary = array.as_dictionary::<Int32Type>();
            any(dictionary.values())
        }
        _ => false,
    }
}
