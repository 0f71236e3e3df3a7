//! Arrow on its way to Python, by the Arrow C data interface: pass these to pyarrow, polars or `DuckDB`.

use arrow_array::ffi::to_ffi;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{Array, RecordBatch, RecordBatchIterator, StructArray};
use arrow_schema::SchemaRef;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::error::Error;
use crate::python::gate::{attached, raise};

/// The rows of one batch.
#[pyclass(frozen, module = "mmno_fast._core")]
pub(super) struct Rows {
    batch: RecordBatch,
}

impl Rows {
    pub(super) fn new(batch: RecordBatch) -> Self {
        Self { batch }
    }
}

#[pymethods]
impl Rows {
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        drop(requested_schema); // the protocol lets a producer ignore it
        attached(py, || {
            let data = StructArray::from(self.batch.clone()).into_data();
            let (array, schema) = to_ffi(&data).map_err(|error| raise(py, &Error::internal(error.to_string())))?;
            Ok((
                PyCapsule::new_with_value(py, schema, c"arrow_schema")?,
                PyCapsule::new_with_value(py, array, c"arrow_array")?,
            ))
        })
    }
}

/// Batches of one schema.
#[pyclass(frozen, module = "mmno_fast._core")]
pub(super) struct Batches {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl Batches {
    pub(super) fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self { schema, batches }
    }
}

#[pymethods]
impl Batches {
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(&self, py: Python<'py>, requested_schema: Option<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyCapsule>> {
        drop(requested_schema); // the protocol lets a producer ignore it
        attached(py, || {
            let batches = RecordBatchIterator::new(self.batches.clone().into_iter().map(Ok), self.schema.clone());
            let stream = FFI_ArrowArrayStream::new(Box::new(batches));
            PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
        })
    }
}
