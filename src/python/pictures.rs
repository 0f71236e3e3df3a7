//! Pictures by themselves: headers, pixels, plans of tokens.

use std::path::PathBuf;

use numpy::Element;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::dataset::record::hex;
use crate::load::output::{Output, Writer};
use crate::load::pictures::{Form, Pictures, Read, read};
use crate::picture::input::Input as CoreInput;
use crate::picture::{ImageSpec, PROFILES, tokens};
use crate::python::arrays::shaped;
use crate::python::gate::{attached, enter};

/// A path, or the very bytes.
#[derive(FromPyObject)]
pub(super) enum Input {
    /// The file's bytes.
    Bytes(Vec<u8>),
    /// Where the file lies.
    Path(PathBuf),
}

/// A picture whose tokens are planned.
#[derive(FromPyObject)]
pub(super) enum Planned {
    /// Height and width of a picture that is not at hand, in pixels.
    Size((u32, u32)),
    /// The file.
    File(Input),
}

impl From<Input> for CoreInput {
    fn from(input: Input) -> Self {
        match input {
            Input::Bytes(bytes) => Self::Bytes(bytes),
            Input::Path(path) => Self::Path(path),
        }
    }
}

impl From<Planned> for tokens::Planned {
    fn from(planned: Planned) -> Self {
        match planned {
            Planned::Size((height, width)) => Self::Size { height, width },
            Planned::File(input) => Self::File(input.into()),
        }
    }
}

#[pyfunction]
pub(super) fn probe_picture<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    let input = CoreInput::Bytes(data.to_vec());
    let (header, hash) = enter(py, |_| Ok((input.probe()?, input.hash()?)))?;
    let dict = PyDict::new(py);
    dict.set_item("format", header.format.as_str())?;
    dict.set_item("mode", header.mode.as_str())?;
    dict.set_item("height", header.height)?;
    dict.set_item("width", header.width)?;
    dict.set_item("orientation", header.orientation)?;
    dict.set_item("transparent", header.transparent)?;
    dict.set_item("animated", header.animated)?;
    dict.set_item("hash", hex(&hash))?;
    Ok(dict)
}

/// Every profile, as JSON.
#[pyfunction]
pub(super) fn profiles(py: Python<'_>) -> PyResult<String> {
    attached(py, || Ok(serde_json::to_string(&PROFILES).unwrap_or_default()))
}

/// What a size rule makes of each picture: (height, width, grid height, grid width, tokens), or why it is refused.
#[pyfunction]
pub(super) fn plan_tokens<'py>(py: Python<'py>, spec: &str, pictures: Vec<Planned>) -> PyResult<Bound<'py, PyList>> {
    let pictures: Vec<tokens::Planned> = pictures.into_iter().map(Into::into).collect();
    let plans = enter(py, |monitor| tokens::plan_all(&ImageSpec::from_json(spec)?, &pictures, monitor))?;
    let list = PyList::empty(py);
    for plan in plans {
        match plan {
            Ok(plan) => list.append((plan.height, plan.width, plan.grid[1], plan.grid[2], plan.tokens))?,
            Err(fault) => list.append(format!("{}: {}", fault.code.name(), fault.message))?,
        }
    }
    Ok(list)
}

/// Pictures as an output says, or (without one) as three channels of bytes; each with its height and width.
#[pyfunction]
#[pyo3(signature = (sources, spec, output = None, stored = false, threads = 1))]
pub(super) fn read_pictures<'py>(
    py: Python<'py>,
    sources: Vec<Input>,
    spec: &str,
    output: Option<&str>,
    stored: bool,
    threads: usize,
) -> PyResult<Bound<'py, PyList>> {
    let inputs: Vec<CoreInput> = sources.into_iter().map(Into::into).collect();
    let made = enter(py, |monitor| {
        let writer = output.map(|text| Output::from_json(text).and_then(Writer::new)).transpose()?;
        let form = match &writer {
            Some(writer) => Form::Output(writer),
            None if stored => Form::Stored,
            None => Form::Rgb,
        };
        read(&inputs, &ImageSpec::from_json(spec)?, form, threads, monitor)
    })?;
    match made {
        Pictures::Bytes(pictures) => arrays(py, pictures),
        Pictures::Singles(pictures) => arrays(py, pictures),
        Pictures::Halves(pictures) => arrays(py, pictures),
    }
}

fn arrays<T: Element>(py: Python<'_>, pictures: Vec<Read<T>>) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    for picture in pictures {
        list.append((shaped(py, picture.numbers, picture.dims)?, picture.size))?;
    }
    Ok(list)
}
