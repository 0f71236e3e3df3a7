//! An Arrow file of a shard, read and checked: footer, schema, batches, offsets, dictionary keys, UTF-8, nulls.
//!
//! `arrow-ipc` checks offsets, lengths, keys and UTF-8 of what it decodes. Before it decodes, this module checks that every block lies within
//! the file, that every buffer lies within its block, and that none stands twice. Afterwards it checks that there is no null where the format
//! has none.

use std::collections::HashSet;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::{Block, Message, root_as_footer, root_as_message};
use arrow_schema::{DataType, Fields, Schema, SchemaRef};

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
    // The last net. Lengths that are known to make `arrow-ipc` panic are refused before, since a panic is said on stderr.
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
    let schema = footer.schema().ok_or_else(|| wrong(&"no schema"))?;
    let found = try_fb_to_schema(schema).map_err(|error| wrong(&error))?;
    let columns = columns_of(path, &found, expected)?;
    let wanted: HashSet<i64> = columns
        .iter()
        .filter_map(|&column| Some(schema.fields()?.get(column).dictionary()?.id()))
        .collect();

    let range = |block: &Block| -> Option<Range<usize>> {
        let start = usize::try_from(block.offset()).ok()?;
        let head = usize::try_from(block.metaDataLength()).ok()?;
        let body = usize::try_from(block.bodyLength()).ok()?;
        let end = start.checked_add(head)?.checked_add(body)?;
        (end <= footer_start).then_some(start..end)
    };
    let blocks = [footer.dictionaries(), footer.recordBatches()];
    let ranges: Option<Vec<_>> = blocks.iter().flatten().flatten().map(range).collect();
    // A block that is listed twice would be decoded twice: the time must not grow faster than the file.
    if have_overlap(ranges.ok_or_else(cut)?) {
        return Err(wrong(&"blocks that overlap"));
    }
    let block_bytes = |block: &Block| {
        let range = range(block).ok_or_else(cut)?;
        Ok::<_, Error>(buffer.slice_with_length(range.start, range.len()))
    };
    let impossible = || wrong(&"lengths that cannot be, or compressed buffers");

    let of_batch = widths(found.fields());
    let of_dictionary = [1, 4, 1]; // of texts
    let mut decoder = FileDecoder::new(found.into(), footer.version()).with_projection(columns);
    let mut known = HashSet::new();
    for block in footer.dictionaries().into_iter().flatten() {
        let bytes = block_bytes(block)?;
        let dictionary = message_of(&bytes).and_then(|message| message.header_as_dictionary_batch());
        let dictionary = dictionary.ok_or_else(|| wrong(&"a block that is no dictionary"))?;
        if !wanted.contains(&dictionary.id()) {
            continue; // of a column that a later version may have added
        }
        // One that goes on is Arrow's right, but not the format's: each addition copies all that was there.
        if dictionary.isDelta() || !known.insert(dictionary.id()) {
            return Err(wrong(&"a dictionary in several blocks"));
        }
        let fits = dictionary.data().is_some_and(|data| fits(data, block, &of_dictionary));
        if !fits {
            return Err(impossible());
        }
        decoder.read_dictionary(block, &bytes).map_err(|error| wrong(&error))?;
    }
    let mut batches = Vec::new();
    for block in footer.recordBatches().into_iter().flatten() {
        let bytes = block_bytes(block)?;
        let batch = message_of(&bytes).and_then(|message| message.header_as_record_batch());
        if !fits(batch.ok_or_else(|| wrong(&"a block that is no batch"))?, block, &of_batch) {
            return Err(impossible());
        }
        let batch = decoder
            .read_record_batch(block, &bytes)
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

/// Whether two of these ranges share a byte.
fn have_overlap(mut ranges: Vec<Range<usize>>) -> bool {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    ranges
        .windows(2)
        .any(|pair| matches!(pair, [before, next] if before.end > next.start))
}

/// The message at the head of a block.
fn message_of(block: &[u8]) -> Option<Message<'_>> {
    // The length of the message, behind a marker since format version 5.
    let head = block.strip_prefix(&[0xff; 4]).unwrap_or(block);
    let (length, rest) = head.split_first_chunk::<4>()?;
    let message = rest.get(..usize::try_from(i32::from_le_bytes(*length)).ok()?)?;
    root_as_message(message).ok()
}

/// The bytes of one number in each buffer of a batch with these columns; 1 for bits and texts. It ends at a column whose buffers are not
/// known by its type alone, which only a later version can have added.
fn widths(columns: &Fields) -> Vec<i64> {
    fn push(kind: &DataType, into: &mut Vec<i64>) -> Option<()> {
        match kind {
            DataType::Null => {}
            DataType::Boolean | DataType::FixedSizeBinary(_) => into.extend([1, 1]),
            DataType::Utf8 | DataType::Binary => into.extend([1, 4, 1]),
            DataType::LargeUtf8 | DataType::LargeBinary => into.extend([1, 8, 1]),
            DataType::List(item) | DataType::Map(item, _) => {
                into.extend([1, 4]);
                push(item.data_type(), into)?;
            }
            DataType::LargeList(item) => {
                into.extend([1, 8]);
                push(item.data_type(), into)?;
            }
            DataType::FixedSizeList(item, _) => {
                into.push(1);
                push(item.data_type(), into)?;
            }
            DataType::Struct(members) => {
                into.push(1);
                for member in members {
                    push(member.data_type(), into)?;
                }
            }
            DataType::Dictionary(number, _) => into.extend([1, number.primitive_width()? as i64]),
            other => into.extend([1, other.primitive_width()? as i64]),
        }
        Some(())
    }
    let mut all = Vec::new();
    let _ = columns.iter().try_for_each(|column| push(column.data_type(), &mut all));
    all
}

/// Whether the buffers of a batch lie within the body of its block, hold whole numbers, and take no more of it than there is; and whether
/// its columns' lengths can be.
///
/// Buffers that lie upon each other would be checked, and copied where they are not aligned, once for each: the sum bounds that.
fn fits(batch: arrow_ipc::RecordBatch<'_>, block: &Block, widths: &[i64]) -> bool {
    let body = block.bodyLength();
    let widths = widths.iter().copied().chain(std::iter::repeat(1));
    let ends = batch.buffers().into_iter().flatten().zip(widths).map(|(buffer, width)| {
        let (offset, length) = (buffer.offset(), buffer.length());
        let end = offset.checked_add(length)?;
        (offset >= 0 && length >= 0 && end <= body && length % width == 0).then_some(length)
    });
    let held = ends.into_iter().try_fold(0_i64, |sum, length| sum.checked_add(length?));
    // Offsets have 32 bits.
    let mut nodes = batch.nodes().into_iter().flatten();
    let lengths_can_be = nodes.all(|node| 0 <= node.null_count() && node.null_count() <= node.length() && node.length() <= i32::MAX.into());
    batch.compression().is_none() && held.is_some_and(|held| held <= body) && lengths_can_be
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
