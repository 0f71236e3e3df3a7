//! Numbers on their way from and to numpy.

use numpy::{Element, PyArray1, PyArrayDyn, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::python::gate::attached;

/// The numbers of an array.
pub(super) fn numbers_of<T: Element + Copy>(array: &PyReadonlyArray1<'_, T>) -> PyResult<Vec<T>> {
    attached(array.py(), || Ok(array.as_array().to_vec()))
}

/// An array that owns these numbers.
pub(super) fn array_of<T: Element>(py: Python<'_>, numbers: Vec<T>) -> PyResult<Bound<'_, PyArray1<T>>> {
    attached(py, || Ok(PyArray1::from_vec(py, numbers)))
}

/// An array that holds a copy of these numbers.
pub(super) fn copy_of<'py, T: Element + Copy>(py: Python<'py>, numbers: &[T]) -> PyResult<Bound<'py, PyArray1<T>>> {
    attached(py, || Ok(PyArray1::from_slice(py, numbers)))
}

/// An array of these dimensions that owns these numbers.
pub(super) fn shaped<T: Element>(py: Python<'_>, numbers: Vec<T>, dims: Vec<usize>) -> PyResult<Bound<'_, PyArrayDyn<T>>> {
    attached(py, || PyArray1::from_vec(py, numbers).reshape(dims))
}
