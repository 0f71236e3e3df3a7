//! Pixels that lie in a mapped file, as read-only memory.

#![expect(unsafe_code, reason = "Python's buffer protocol")]

use std::ffi::c_int;

use bytes::Bytes;
use pyo3::ffi;
use pyo3::prelude::*;

/// The pixels of one picture. Arrays are views of them; the file stays mapped while one lives.
#[pyclass(frozen, module = "mmno_fast._core")]
pub(super) struct Pixels {
    bytes: Bytes,
}

impl Pixels {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self { bytes }
    }
}

#[pymethods]
impl Pixels {
    fn __len__(&self) -> usize {
        self.bytes.len()
    }

    /// # Safety
    ///
    /// `view` is what the interpreter gives, as its protocol says.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let bytes = &slf.get().bytes;
        let start = bytes.as_ptr().cast_mut().cast();
        // SAFETY: the memory is valid while this object lives, which the view holds on to; the view is read-only (1), and a request for
        // writable memory is refused by the function called.
        let code = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start, bytes.len() as ffi::Py_ssize_t, 1, flags) };
        if code == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}
