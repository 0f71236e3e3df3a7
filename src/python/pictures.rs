//! One picture at a time.

use std::path::PathBuf;

use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::build::plan::hex;
use crate::error::{Error, Result};
use crate::picture::{Fault, ImageSpec, Preparer, probe, widen};
use crate::python::gate::enter;

/// A path, or the very bytes.
#[derive(FromPyObject)]
pub(super) enum Input {
    /// The file's bytes.
    Bytes(Vec<u8>),
    /// Where the file lies.
    Path(PathBuf),
}

fn refuse(path: Option<&PathBuf>, fault: &Fault) -> Error {
    let place = path.cloned().unwrap_or_else(|| PathBuf::from("picture"));
    Error::picture(&place, fault.code.name(), &fault.message)
}

#[pyfunction]
pub(super) fn probe_picture<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    let bytes = data.to_vec();
    let (header, hash) = enter(py, |_| {
        let header = probe(&bytes).map_err(|fault| refuse(None, &fault))?;
        Ok((header, hex(blake3::hash(&bytes).as_bytes())))
    })?;
    let dict = PyDict::new(py);
    dict.set_item("format", header.format.as_str())?;
    dict.set_item("mode", header.mode.as_str())?;
    dict.set_item("height", header.height)?;
    dict.set_item("width", header.width)?;
    dict.set_item("orientation", header.orientation)?;
    dict.set_item("transparent", header.transparent)?;
    dict.set_item("animated", header.animated)?;
    dict.set_item("hash", hash)?;
    Ok(dict)
}

#[pyfunction]
#[pyo3(signature = (source, spec, stored = false))]
pub(super) fn read_picture<'py>(py: Python<'py>, source: Input, spec: &str, stored: bool) -> PyResult<Bound<'py, PyAny>> {
    let (pixels, shape) = enter(py, |_| read(source, spec, stored))?;
    PyArray1::from_vec(py, pixels).reshape(shape).map(Bound::into_any)
}

fn read(source: Input, spec: &str, stored: bool) -> Result<(Vec<u8>, Vec<usize>)> {
    let spec = ImageSpec::from_json(spec)?;
    let (bytes, path) = match source {
        Input::Bytes(bytes) => (bytes, None),
        Input::Path(path) => (std::fs::read(&path).map_err(|error| Error::io("read", &path, error))?, Some(path)),
    };
    let fault = |fault: Fault| refuse(path.as_ref(), &fault);
    let header = probe(&bytes).map_err(fault)?;
    let mut pixels = Vec::new();
    let made = Preparer::new().prepare(&bytes, &header, &spec, &mut pixels).map_err(fault)?;
    let (height, width) = (made.height as usize, made.width as usize);
    if made.channels == 1 && stored {
        return Ok((pixels, vec![height, width]));
    }
    if made.channels == 1 {
        let mut rgb = vec![0; pixels.len() * 3];
        widen(&pixels, &mut rgb);
        pixels = rgb;
    }
    Ok((pixels, vec![height, width, 3]))
}
