//! Pictures by themselves: headers, pixels, plans of tokens.

use std::path::PathBuf;

use numpy::{Element, PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::dataset::record::hex;
use crate::error::{Error, Result};
use crate::load::output::{Dtype, Output, Sample, Shape, Writer};
use crate::ordered::{self, Pool, Turn, Window};
use crate::picture::tokens;
use crate::picture::{Fault, Format, ImageSpec, Mode, PROFILES, Preparer, Probe, Turns, probe, widen};
use crate::python::gate::enter;

/// Bytes of results under way at most, beyond one picture.
const WINDOW_BYTES: u64 = 256 << 20;

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

impl Input {
    /// The bytes, and what to call them.
    fn read(&self) -> Result<(std::borrow::Cow<'_, [u8]>, PathBuf)> {
        match self {
            Self::Bytes(bytes) => Ok((bytes.into(), PathBuf::from("picture"))),
            Self::Path(path) => {
                let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, error))?;
                Ok((bytes.into(), path.clone()))
            }
        }
    }

    fn probe(&self) -> Result<Probe> {
        let (bytes, path) = self.read()?;
        probe(&bytes).map_err(|fault| refuse(&path, &fault))
    }
}

fn refuse(path: &std::path::Path, fault: &Fault) -> Error {
    Error::picture(path, fault.code, &fault.message)
}

#[pyfunction]
pub(super) fn probe_picture<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    let input = Input::Bytes(data.to_vec());
    let (header, hash) = enter(py, |_| Ok((input.probe()?, hex(blake3::hash(&input.read()?.0).as_bytes()))))?;
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

/// Every profile, as JSON.
#[pyfunction]
pub(super) fn profiles() -> String {
    serde_json::to_string(&PROFILES).unwrap_or_default()
}

/// What a size rule makes of each picture: (height, width, grid height, grid width, tokens), or why it is refused.
#[pyfunction]
pub(super) fn plan_tokens<'py>(py: Python<'py>, spec: &str, pictures: Vec<Planned>) -> PyResult<Bound<'py, PyList>> {
    let plans = enter(py, |monitor| {
        let spec = ImageSpec::from_json(spec)?;
        let known = tokens::profile(&spec)?;
        let mut plans = Vec::with_capacity(pictures.len());
        for picture in &pictures {
            monitor()?;
            let header = match picture {
                Planned::File(input) => input.probe()?,
                Planned::Size((0, _) | (_, 0)) => return Err(Error::usage("a picture has at least one pixel a side")),
                Planned::Size((height, width)) => Probe {
                    format: Format::Png,
                    mode: Mode::Rgb,
                    width: *width,
                    height: *height,
                    orientation: 1,
                    turns: Turns::default(),
                    transparent: false,
                    animated: false,
                },
            };
            plans.push(tokens::plan(&spec, known, &header));
        }
        Ok(plans)
    })?;
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
    let writer = output.map(|text| Output::from_json(text).and_then(Writer::new)).transpose();
    let writer = enter(py, |_| writer)?;
    match &writer {
        None => read_as(py, &sources, spec, threads, |pixels, shape| Ok(plain(pixels, shape, stored))),
        Some(writer) => match writer.output().dtype {
            Dtype::Uint8 => read_as(py, &sources, spec, threads, |pixels, shape| written::<u8>(writer, &pixels, shape)),
            Dtype::Float32 => read_as(py, &sources, spec, threads, |pixels, shape| written::<f32>(writer, &pixels, shape)),
            Dtype::Float16 | Dtype::Bfloat16 => {
                read_as(py, &sources, spec, threads, |pixels, shape| written::<u16>(writer, &pixels, shape))
            }
        },
    }
}

/// Numbers, and the shape they have.
pub(super) type Made<T> = (Vec<T>, Vec<usize>);

pub(super) fn plain(pixels: Vec<u8>, shape: Shape, stored: bool) -> Made<u8> {
    match (shape.channels, stored) {
        (1, true) => (pixels, vec![shape.height, shape.width]),
        (1, false) => {
            let mut rgb = vec![0; pixels.len() * 3];
            widen(&pixels, &mut rgb);
            (rgb, vec![shape.height, shape.width, 3])
        }
        _ => (pixels, vec![shape.height, shape.width, 3]),
    }
}

fn written<T: Sample + Default>(writer: &Writer, pixels: &[u8], shape: Shape) -> Result<Made<T>> {
    let dims = writer.shape(shape.height, shape.width)?;
    let mut numbers = vec![T::default(); dims.iter().product()];
    writer.write(pixels, shape, &mut numbers);
    Ok((numbers, dims))
}

fn read_as<'py, T: Element + Send>(
    py: Python<'py>,
    sources: &[Input],
    spec: &str,
    threads: usize,
    finish: impl Fn(Vec<u8>, Shape) -> Result<Made<T>> + Sync + Send,
) -> PyResult<Bound<'py, PyList>> {
    let made = enter(py, |monitor| {
        let spec = ImageSpec::from_json(spec)?;
        let pool = Pool {
            threads: threads.min(sources.len()),
            window: Window {
                items: threads.max(1) * 4,
                bytes: WINDOW_BYTES,
            },
            monitor,
        };
        let work = |preparer: &mut Preparer, (number, input): (usize, &Input)| -> Result<(Made<T>, (usize, usize))> {
            let (bytes, mut path) = input.read()?;
            if let (Input::Bytes(_), true) = (input, sources.len() > 1) {
                path = PathBuf::from(format!("picture {number}"));
            }
            let fault = |fault: Fault| refuse(&path, &fault);
            let header = probe(&bytes).map_err(fault)?;
            let mut pixels = Vec::new();
            let made = preparer.prepare(&bytes, &header, &spec, &mut pixels).map_err(fault)?;
            let [height, width, channels] = [made.height, made.width, made.channels].map(|n| n as usize);
            let shape = Shape { height, width, channels };
            Ok((finish(pixels, shape)?, (height, width)))
        };
        let mut all = Vec::with_capacity(sources.len());
        ordered::map(
            pool,
            sources.iter().enumerate(),
            |_| Turn::InOrder(0),
            Preparer::new,
            work,
            |made| {
                all.push(made?);
                Ok(())
            },
        )?;
        Ok(all)
    })?;
    let list = PyList::empty(py);
    for ((numbers, dims), size) in made {
        list.append((PyArray1::from_vec(py, numbers).reshape(dims)?, size))?;
    }
    Ok(list)
}
