//! Rows as Arrow columns: one schema, one place that fills it, and the file that holds them.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use arrow_array::builder::{ArrayBuilder, Int32Builder, ListBuilder, StringBuilder, StructBuilder, UInt32Builder, UInt64Builder};
use arrow_array::{ArrayRef, DictionaryArray, RecordBatch, StringArray};
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef};

use crate::dataset::arrow_file::{ArrowFile, BATCH_ROWS, refuse};
use crate::error::Result;
use crate::jsonl::row::Row;
use crate::jsonl::rules::{Meaning, Variant};

/// The most text of a batch, in bytes: far below what 32-bit offsets reach.
const BATCH_BYTES: usize = 256 << 20;

/// The columns that may hold nulls.
pub const NULLABLE_ROW_COLUMNS: [&str; 5] = ["options", "answer", "answer_text", "meta", "extra"];

pub(super) fn dictionary() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

pub(super) fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", item, true)))
}

pub(super) fn schema(columns: Vec<(&str, DataType)>) -> SchemaRef {
    Arc::new(Schema::new(
        columns
            .into_iter()
            .map(|(name, kind)| Field::new(name, kind, true))
            .collect::<Vec<_>>(),
    ))
}

fn pair(first: &str, second: &str) -> Fields {
    Fields::from(vec![
        Field::new(first, DataType::Utf8, true),
        Field::new(second, DataType::Utf8, true),
    ])
}

/// The schema of `rows.arrow`.
pub fn rows_schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        schema(vec![
            ("source", dictionary()),
            ("line", DataType::UInt64),
            ("images", list(DataType::Utf8)),
            ("pictures", list(DataType::UInt32)),
            ("messages", list(DataType::Struct(pair("role", "content")))),
            ("variant", dictionary()),
            ("options", list(DataType::Struct(pair("letter", "text")))),
            ("answer", DataType::Utf8),
            ("answer_text", DataType::Utf8),
            ("meta", DataType::Utf8),
            ("extra", DataType::Utf8),
        ])
    });
    Arc::clone(&SCHEMA)
}

/// Rows on their way to Arrow.
pub struct RowsBuilder {
    schema: SchemaRef,
    sources: Arc<StringArray>,
    columns: Columns,
}

struct Columns {
    source: Int32Builder,
    line: UInt64Builder,
    images: ListBuilder<StringBuilder>,
    pictures: ListBuilder<UInt32Builder>,
    messages: ListBuilder<StructBuilder>,
    variant: Int32Builder,
    options: ListBuilder<StructBuilder>,
    answer: StringBuilder,
    answer_text: StringBuilder,
    meta: StringBuilder,
    extra: StringBuilder,
}

fn pairs(first: &str, second: &str) -> ListBuilder<StructBuilder> {
    ListBuilder::new(StructBuilder::from_fields(pair(first, second), 0))
}

/// Appends one struct of two texts.
fn push_pair(list: &mut ListBuilder<StructBuilder>, first: &str, second: &str) {
    let item = list.values();
    for (i, text) in [first, second].into_iter().enumerate() {
        if let Some(builder) = item.field_builder::<StringBuilder>(i) {
            builder.append_value(text);
        }
    }
    item.append(true);
}

impl RowsBuilder {
    /// No rows yet; `sources` are the values of the dictionary.
    pub fn new(sources: &[&str]) -> Self {
        Self {
            schema: rows_schema(),
            sources: Arc::new(StringArray::from_iter_values(sources)),
            columns: Columns {
                source: Int32Builder::new(),
                line: UInt64Builder::new(),
                images: ListBuilder::new(StringBuilder::new()),
                pictures: ListBuilder::new(UInt32Builder::new()),
                messages: pairs("role", "content"),
                variant: Int32Builder::new(),
                options: pairs("letter", "text"),
                answer: StringBuilder::new(),
                answer_text: StringBuilder::new(),
                meta: StringBuilder::new(),
                extra: StringBuilder::new(),
            },
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.columns.line.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends a row: `source` into the dictionary, `pictures` into the pictures of the shard or data set.
    pub fn push(&mut self, source: u32, line: u64, row: &Row<'_>, meaning: &Meaning, pictures: &[u32]) {
        let columns = &mut self.columns;
        columns.source.append_value(source as i32);
        columns.line.append_value(line);
        for name in &row.images {
            columns.images.values().append_value(name);
        }
        columns.images.append(true);
        columns.pictures.values().append_slice(pictures);
        columns.pictures.append(true);
        for turn in &row.messages {
            push_pair(&mut columns.messages, &turn.role, &turn.content);
        }
        columns.messages.append(true);
        columns.variant.append_value(meaning.variant as i32);
        for choice in meaning.options.iter().flatten() {
            push_pair(&mut columns.options, choice.letter.encode_utf8(&mut [0; 4]), &choice.text);
        }
        columns.options.append(meaning.options.is_some());
        columns.answer.append_option(meaning.answer.map(|letter| letter.to_string()));
        columns.answer_text.append_option(meaning.answer_text());
        columns.meta.append_option(row.meta);
        columns.extra.append_option(row.extra());
    }

    /// The rows so far, as one batch; none are left.
    pub fn finish(&mut self) -> std::result::Result<RecordBatch, ArrowError> {
        let columns = &mut self.columns;
        let variants = Arc::new(StringArray::from_iter_values(Variant::ALL.map(Variant::as_str)));
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(DictionaryArray::new(columns.source.finish(), Arc::clone(&self.sources) as ArrayRef)),
            Arc::new(columns.line.finish()),
            Arc::new(columns.images.finish()),
            Arc::new(columns.pictures.finish()),
            Arc::new(columns.messages.finish()),
            Arc::new(DictionaryArray::new(columns.variant.finish(), variants as ArrayRef)),
            Arc::new(columns.options.finish()),
            Arc::new(columns.answer.finish()),
            Arc::new(columns.answer_text.finish()),
            Arc::new(columns.meta.finish()),
            Arc::new(columns.extra.finish()),
        ];
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
    }
}

/// Writes `rows.arrow`, batch by batch.
pub struct RowsWriter<'p> {
    file: ArrowFile<'p>,
    rows: RowsBuilder,
    bytes: usize,
}

impl<'p> RowsWriter<'p> {
    /// Begins the file; `sources` are the values of the dictionary.
    pub fn create(path: &'p Path, sources: &[&str]) -> Result<Self> {
        Ok(Self {
            file: ArrowFile::create(path, &rows_schema())?,
            rows: RowsBuilder::new(sources),
            bytes: 0,
        })
    }

    /// Appends a row, as [`RowsBuilder::push`] does; `length` is its line's, for the batch's bound.
    pub fn push(&mut self, source: u32, line: u64, row: &Row<'_>, meaning: &Meaning, pictures: &[u32], length: u64) -> Result<()> {
        if self.rows.len() >= BATCH_ROWS || (self.bytes > 0 && self.bytes + length as usize > BATCH_BYTES) {
            self.flush()?;
        }
        self.bytes += length as usize;
        self.rows.push(source, line, row, meaning, pictures);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.bytes = 0;
        let batch = self.rows.finish().map_err(|error| refuse(self.file.path, error))?;
        self.file.write(&batch)
    }

    /// Writes what is left, and makes it last.
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.file.finish()
    }
}
