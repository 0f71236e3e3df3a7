//! Tables that the loader reads, and rows on their way to Python's Arrow.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::ffi::to_ffi;
use arrow_array::{Array, RecordBatch, StructArray};
use numpy::{PyArray1, PyArrayDyn, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyDict};

use crate::build::plan::hex;
use crate::error::{Error, Result};
use crate::load::raw::Raw;
use crate::load::samples::Samples as CoreSamples;
use crate::load::shards::{ShardEntry, Shards};
use crate::load::stats::Stats;
use crate::load::table::{Table as CoreTable, WorkerBuffers};
use crate::picture::ImageSpec;
use crate::picture::store::Store;
use crate::python::gate::{enter, raise};
use crate::python::jobs::{Progress, counters, placeholders_of, pool, sources_of};
use crate::python::pictures::plain;
use crate::scan;

/// Rows as Arrow: pass it to pyarrow.
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
        let data = StructArray::from(self.batch.clone()).into_data();
        let (array, schema) = to_ffi(&data).map_err(|error| raise(py, &Error::usage(error.to_string())))?;
        Ok((
            PyCapsule::new_with_value(py, schema, c"arrow_schema")?,
            PyCapsule::new_with_value(py, array, c"arrow_array")?,
        ))
    }
}

/// A data set as the loader sees it.
#[pyclass(frozen, module = "mmno_fast._core")]
pub(super) struct Table {
    kind: Kind,
}

enum Kind {
    Shards(Arc<Shards>),
    Raw(Arc<Raw>),
}

impl Table {
    pub(super) fn table(&self) -> Arc<dyn CoreTable> {
        match &self.kind {
            Kind::Shards(shards) => Arc::clone(shards) as Arc<dyn CoreTable>,
            Kind::Raw(raw) => Arc::clone(raw) as Arc<dyn CoreTable>,
        }
    }

    /// How many pictures a memory of decoded ones may hold.
    pub(super) fn pictures(&self) -> u64 {
        match &self.kind {
            Kind::Shards(_) => 0,
            Kind::Raw(raw) => raw.scan().pictures.len() as u64,
        }
    }

    fn raw(&self) -> Result<&Raw> {
        match &self.kind {
            Kind::Raw(raw) => Ok(raw),
            Kind::Shards(_) => Err(Error::usage("this table was not opened from JSONL")),
        }
    }
}

#[pymethods]
impl Table {
    #[staticmethod]
    fn open_shards(py: Python<'_>, folder: PathBuf, entries: Vec<(String, u64, u64)>, spec: &str) -> PyResult<Self> {
        let shards = enter(py, |_| {
            let entries = entries
                .into_iter()
                .map(|(folder, rows, pictures)| ShardEntry { folder, rows, pictures });
            Shards::open(&folder, entries.collect(), &ImageSpec::from_json(spec)?)
        })?;
        Ok(Self {
            kind: Kind::Shards(Arc::new(shards)),
        })
    }

    #[staticmethod]
    #[pyo3(signature = (sources, roots, *, spec, rejects, placeholders, strip_prefix, follow_links, max_line_bytes, threads, chunk_bytes, window, progress))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword arguments of a private function; the Python layer names and documents them"
    )]
    fn open_raw(
        py: Python<'_>,
        sources: Vec<(String, PathBuf)>,
        roots: Vec<PathBuf>,
        spec: &str,
        rejects: Vec<(String, u64)>,
        placeholders: &str,
        strip_prefix: Option<String>,
        follow_links: bool,
        max_line_bytes: u64,
        threads: usize,
        chunk_bytes: u64,
        window: usize,
        progress: Option<&Bound<'_, Progress>>,
    ) -> PyResult<Self> {
        let counters = counters(progress);
        let raw = enter(py, |monitor| {
            let options = scan::Options {
                spec: ImageSpec::from_json(spec)?,
                decode: false,
                placeholders: placeholders_of(placeholders)?,
                strip_prefix,
                follow_links,
                max_line_bytes,
                chunk_bytes,
            };
            let scan = scan::scan(
                sources_of(sources),
                Some(&roots),
                &options,
                pool(threads, window, monitor),
                &counters,
            )?;
            Raw::new(scan, options, &rejects)
        })?;
        Ok(Self {
            kind: Kind::Raw(Arc::new(raw)),
        })
    }

    #[getter]
    fn rows(&self) -> u64 {
        self.table().rows()
    }

    /// Rows of a data set opened from JSONL, all columns.
    fn read_rows(&self, py: Python<'_>, rows: PyReadonlyArray1<'_, u64>) -> PyResult<Rows> {
        let rows = rows.as_array().to_vec();
        let batch = enter(py, |_| self.raw()?.read_all_columns(&rows))?;
        Ok(Rows { batch })
    }

    /// (name, bytes, BLAKE3, lines) of each source.
    fn sources(&self, py: Python<'_>) -> PyResult<Vec<(String, u64, String, u64)>> {
        enter(py, |_| {
            let scan = self.raw()?.scan();
            let known = scan.sources.iter().zip(&scan.infos);
            Ok(known
                .map(|(source, info)| (source.name.clone(), info.bytes, hex(&info.hash), info.lines))
                .collect())
        })
    }

    /// (source, line, codes) of each rejected row; no codes where only the caller's list rejects it.
    fn rejected(&self, py: Python<'_>) -> PyResult<Vec<(String, u64, Vec<&'static str>)>> {
        enter(py, |_| {
            let raw = self.raw()?;
            let scan = raw.scan();
            let mut all: Vec<(String, u64, Vec<&'static str>)> = Vec::new();
            let mut findings = scan.findings.iter().filter(|located| located.finding.code.rejects()).peekable();
            for row in scan.rows.iter().filter(|row| row.rejected) {
                let mut codes: Vec<&'static str> = Vec::new();
                while let Some(located) = findings.next_if(|located| (located.source, located.line) <= (row.source, row.line)) {
                    let code = located.finding.code.name();
                    if (located.source, located.line) == (row.source, row.line) && codes.last() != Some(&code) {
                        codes.push(code);
                    }
                }
                all.push((scan.sources[row.source as usize].name.clone(), row.line, codes));
            }
            Ok(all)
        })
    }

    /// What is known of each distinct picture, by column.
    fn picture_columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let raw = self.raw().map_err(|error| raise(py, &error))?;
        let pictures = &raw.scan().pictures;
        let sizes: Vec<(u32, u32)> = pictures.iter().map(|picture| raw.planned_size(picture)).collect();
        let dict = PyDict::new(py);
        dict.set_item("names", raw.names_of_pictures())?;
        let hashes: Vec<_> = pictures.iter().map(|picture| PyBytes::new(py, &picture.hash)).collect();
        dict.set_item("hash", hashes)?;
        let text = |value: &dyn Fn(&scan::Picture) -> &'static str| pictures.iter().map(value).collect::<Vec<_>>();
        dict.set_item("format", text(&|picture| picture.probe.format.as_str()))?;
        dict.set_item("mode", text(&|picture| picture.probe.mode.as_str()))?;
        let number = |value: &dyn Fn(&scan::Picture) -> u32| pictures.iter().map(value).collect::<Vec<_>>();
        dict.set_item("source_height", number(&|picture| picture.probe.height))?;
        dict.set_item("source_width", number(&|picture| picture.probe.width))?;
        dict.set_item("orientation", number(&|picture| picture.probe.orientation))?;
        dict.set_item("height", sizes.iter().map(|size| size.0).collect::<Vec<_>>())?;
        dict.set_item("width", sizes.iter().map(|size| size.1).collect::<Vec<_>>())?;
        Ok(dict)
    }

    /// The pixels of a picture: (H, W, 3), or as stored.
    fn read_picture<'py>(&self, py: Python<'py>, picture: u64, stored: bool) -> PyResult<Bound<'py, PyArrayDyn<u8>>> {
        let table = self.table();
        let (pixels, dims) = enter(py, |_| {
            let mut made = None;
            table.with_pixels(picture, &mut WorkerBuffers::default(), &Stats::default(), &mut |pixels, shape| {
                made = Some(plain(pixels.to_vec(), shape, stored));
            })?;
            made.ok_or_else(|| Error::usage("a picture without pixels"))
        })?;
        PyArray1::from_vec(py, pixels).reshape(dims)
    }

    /// The files of pictures, by number.
    fn picture_files(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        enter(py, |_| {
            let scan = self.raw()?.scan();
            let path = |picture: &scan::Picture| {
                let store = scan.resolver.as_ref().and_then(|resolver| resolver.store(picture.root));
                let root = store.map(Store::describe).unwrap_or_default();
                PathBuf::from(root).join(&picture.file).display().to_string()
            };
            Ok(scan.pictures.iter().map(path).collect())
        })
    }
}

/// What an epoch goes through.
#[pyclass(frozen, module = "mmno_fast._core")]
pub(super) struct Samples {
    pub(super) samples: Arc<CoreSamples>,
}

#[pymethods]
impl Samples {
    #[staticmethod]
    fn all(count: u64) -> Self {
        Self {
            samples: Arc::new(CoreSamples::All(count)),
        }
    }

    #[staticmethod]
    fn of_rows(rows: PyReadonlyArray1<'_, u32>) -> Self {
        Self {
            samples: Arc::new(CoreSamples::Rows(rows.as_array().to_vec())),
        }
    }

    #[staticmethod]
    fn groups(starts: PyReadonlyArray1<'_, u32>, rows: PyReadonlyArray1<'_, u32>) -> Self {
        Self {
            samples: Arc::new(CoreSamples::Groups {
                starts: starts.as_array().to_vec(),
                rows: rows.as_array().to_vec(),
            }),
        }
    }

    #[staticmethod]
    fn of_pictures(pictures: PyReadonlyArray1<'_, u64>) -> Self {
        Self {
            samples: Arc::new(CoreSamples::Pictures(pictures.as_array().to_vec())),
        }
    }

    fn __len__(&self) -> usize {
        self.samples.len() as usize
    }
}
