//! Batches, and the memory that arrays in Python are views of.

#![expect(unsafe_code, reason = "Python's buffer protocol")]

use std::ffi::c_int;
use std::sync::{Arc, Mutex, PoisonError};

use numpy::PyArray1;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::load::batch::Batch as CoreBatch;
use crate::load::slot::Lease as CoreLease;
use crate::python::arrays::copy_of;
use crate::python::arrow::Rows;
use crate::python::gate::attached;

/// A batch, as the core hands it over.
#[pyclass(frozen, module = "mmno_fast._core")]
pub(super) struct Batch {
    batch: Arc<CoreBatch>,
    /// The memory, until somebody asks for it; then the one that everybody gets.
    lease: Mutex<Held>,
}

enum Held {
    Nothing,
    Core(CoreLease),
    Python(Py<Lease>),
}

impl Batch {
    pub(super) fn new(mut batch: Arc<CoreBatch>) -> Self {
        let lease = Arc::get_mut(&mut batch).and_then(|batch| batch.lease.take());
        let lease = Mutex::new(lease.map_or(Held::Nothing, Held::Core));
        Self { batch, lease }
    }
}

#[pymethods]
impl Batch {
    /// The memory, always the same object; `None` of a batch without pixels. Whoever holds it, or this batch, keeps it from being used again.
    fn lease(&self, py: Python<'_>) -> PyResult<Option<Py<Lease>>> {
        attached(py, || {
            let mut held = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
            let lease = match std::mem::replace(&mut *held, Held::Nothing) {
                Held::Nothing => return Ok(None),
                Held::Core(lease) => {
                    let bytes = self.batch.plan.bytes;
                    Py::new(py, Lease { lease, bytes })?
                }
                Held::Python(lease) => lease,
            };
            *held = Held::Python(lease.clone_ref(py));
            Ok(Some(lease))
        })
    }

    /// The same batch, which does not hold the memory.
    fn without_pixels(&self) -> Self {
        Self {
            batch: Arc::clone(&self.batch),
            lease: Mutex::new(Held::Nothing),
        }
    }

    #[getter]
    fn rows(&self) -> Option<Rows> {
        self.batch.rows.clone().map(Rows::new)
    }

    #[getter]
    fn position(&self) -> u64 {
        self.batch.position
    }

    #[getter]
    fn bytes(&self) -> usize {
        self.batch.plan.bytes
    }

    #[getter]
    fn row_count(&self) -> usize {
        self.batch.plan.rows.len()
    }

    #[getter]
    fn row_numbers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<u64>>> {
        copy_of(py, &self.batch.plan.rows)
    }

    #[getter]
    fn samples<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<u64>>> {
        copy_of(py, &self.batch.plan.samples)
    }

    #[getter]
    fn offsets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        copy_of(py, &self.batch.plan.offsets)
    }

    #[getter]
    fn index<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        copy_of(py, &self.batch.plan.index)
    }

    /// (byte in the slot, height, width, channels as stored) of each picture.
    #[getter]
    fn pictures(&self, py: Python<'_>) -> PyResult<Vec<(usize, u32, u32, u32)>> {
        attached(py, || {
            let pictures = self.batch.plan.pictures.iter().zip(&self.batch.channels);
            let pictures = pictures.map(|(placement, channels)| (placement.at, placement.size.0, placement.size.1, *channels));
            Ok(pictures.collect())
        })
    }

    /// (height, width) where all pictures have the same.
    #[getter]
    fn size(&self, py: Python<'_>) -> PyResult<Option<(u32, u32)>> {
        attached(py, || Ok(self.batch.plan.common_size()))
    }

    #[getter]
    fn count(&self) -> usize {
        self.batch.plan.pictures.len()
    }

    /// (row number, source, line, code, message) of each row that was left out.
    #[getter]
    fn skipped(&self, py: Python<'_>) -> PyResult<Vec<(Option<u64>, &str, u64, &str, &str)>> {
        attached(py, || {
            let skipped = self.batch.skipped.iter();
            let skipped = skipped.map(|row| (row.row, row.source.as_str(), row.line, row.code, row.message.as_str()));
            Ok(skipped.collect())
        })
    }
}

/// The memory of one batch. Arrays are views of it; when the last one is gone, it is used again.
#[pyclass(frozen, module = "mmno_fast._core")]
pub(super) struct Lease {
    lease: CoreLease,
    bytes: usize,
}

#[pymethods]
impl Lease {
    fn __len__(&self) -> usize {
        self.bytes
    }

    /// # Safety
    ///
    /// `view` is what the interpreter gives, as its protocol says.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let own = slf.get();
        let Some(slot) = own.lease.slot() else {
            return Err(PyBufferError::new_err("the memory was given back"));
        };
        // SAFETY: the memory is valid while the lease lives, which the view holds on to; nobody but the views' owner touches it meanwhile.
        let code = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), slot.start().cast(), own.bytes as ffi::Py_ssize_t, 0, flags) };
        if code == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}
