//! What a check found, for Python: the summary as JSON, findings as an Arrow stream.

use std::path::PathBuf;

use arrow_array::RecordBatchIterator;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::python::gate::{attached, enter, raise};
use crate::scan::report::CheckReport as CoreReport;

/// What a check found.
#[pyclass(frozen, module = "mmno_fast._core")]
pub(super) struct CheckReport {
    report: CoreReport,
}

impl CheckReport {
    pub(super) fn new(report: CoreReport) -> Self {
        Self { report }
    }
}

#[pymethods]
impl CheckReport {
    #[getter]
    fn summary(&self, py: Python<'_>) -> PyResult<String> {
        attached(py, || Ok(self.report.summary().to_string()))
    }

    #[getter]
    fn length(&self) -> usize {
        self.report.findings()
    }

    fn write_jsonl(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        enter(py, |_| self.report.write_jsonl(&path))
    }

    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(&self, py: Python<'py>, requested_schema: Option<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyCapsule>> {
        drop(requested_schema); // the protocol lets a producer ignore it
        attached(py, || {
            let batch = self.report.to_arrow().map_err(|error| raise(py, &error))?;
            let schema = batch.schema();
            let stream = FFI_ArrowArrayStream::new(Box::new(RecordBatchIterator::new(std::iter::once(Ok(batch)), schema)));
            PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
        })
    }
}
