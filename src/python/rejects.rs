//! `rejects.jsonl`, line by line.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::dataset::rejects::Lines;
use crate::python::gate::enter;

/// The lines of a `rejects.jsonl`: an iterator of bytes.
#[pyclass(frozen, module = "mmno_fast._core")]
pub(super) struct RejectLines {
    lines: Mutex<Lines>,
}

#[pymethods]
impl RejectLines {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let lines = enter(py, |_| Lines::open(&path))?;
        Ok(Self { lines: Mutex::new(lines) })
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let line = enter(py, |_| self.lines.lock().unwrap_or_else(PoisonError::into_inner).next().transpose())?;
        Ok(line.map(|line| PyBytes::new(py, &line)))
    }
}
