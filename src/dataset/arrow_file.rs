//! An Arrow file of a shard, written batch by batch; `read.rs` reads it back.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_schema::{ArrowError, SchemaRef};

use crate::error::{Error, Result};

/// The most rows of a batch.
pub(super) const BATCH_ROWS: usize = 65_536;

/// An Arrow file being written. Uncompressed, buffers aligned to 64 bytes.
pub(super) struct ArrowFile<'p> {
    writer: FileWriter<BufWriter<File>>,
    pub(super) path: &'p Path,
}

impl<'p> ArrowFile<'p> {
    pub(super) fn create(path: &'p Path, schema: &SchemaRef) -> Result<Self> {
        let file = File::create(path).map_err(|error| Error::io("create", path, error))?;
        let options = IpcWriteOptions::try_new(64, false, arrow_ipc::MetadataVersion::V5).map_err(|error| refuse(path, error))?;
        let writer = FileWriter::try_new_with_options(BufWriter::with_capacity(1 << 20, file), schema, options);
        Ok(Self {
            writer: writer.map_err(|error| refuse(path, error))?,
            path,
        })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(|error| refuse(self.path, error))
    }

    pub(super) fn finish(mut self) -> Result<()> {
        self.writer.finish().map_err(|error| refuse(self.path, error))?;
        let mut buffered = self.writer.into_inner().map_err(|error| refuse(self.path, error))?;
        buffered
            .flush()
            .and_then(|()| buffered.get_ref().sync_all())
            .map_err(|error| Error::io("write", self.path, error))
    }
}

/// What Arrow says, as an error of ours; a full disk stays a full disk.
pub(super) fn refuse(path: &Path, error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, source) => Error::io("write", path, source),
        other => Error::shard(path, format!("cannot be written: {other}")),
    }
}
