//! An open data set: the one door through which Python reads.

use std::path::PathBuf;
use std::sync::Arc;

use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::dataset::pictures::pictures_schema;
use crate::dataset::rejects;
use crate::error::Error;
use crate::finding::Code;
use crate::load::table::PictureId;
use crate::load::table::data_set::{DataSet, Found};
use crate::load::table::numbering::{LazyNumbering, Numbering};
use crate::load::table::raw::Raw;
use crate::load::table::rows;
use crate::load::table::shards::Shards;
use crate::python::arrays::{copy_of, numbers_of, shaped};
use crate::python::arrow::Batches;
use crate::python::gate::{attached, enter};
use crate::python::jobs::{Progress, counters, run_of, sources_of};
use crate::python::pixels::Pixels;
use crate::python::values::row_of;
use crate::scan;
use crate::scan::model::Depth;
use crate::scan::options::ScanOptions;

/// An open data set. Rows and pictures go by number.
#[pyclass(frozen, module = "mmno_fast._core")]
pub(super) struct Table {
    data: Arc<dyn DataSet>,
    numbering: LazyNumbering,
}

/// Where a data set lies.
#[derive(FromPyObject)]
pub(super) enum Location {
    /// A folder of shards.
    Folder(PathBuf),
    /// (name, path) of JSONL files.
    Sources(Vec<(String, PathBuf)>),
}

/// (source, line) of each row in a `rejects.jsonl`.
#[pyfunction]
pub(super) fn read_rejects(py: Python<'_>, path: PathBuf) -> PyResult<Vec<(String, u64)>> {
    let rows = enter(py, |_| rejects::read_file(&path))?;
    Ok(rows.into_iter().map(|row| (row.source, row.line)).collect())
}

impl Table {
    fn new(data: Arc<dyn DataSet>) -> Self {
        Self {
            data,
            numbering: LazyNumbering::default(),
        }
    }

    pub(super) fn data(&self) -> &Arc<dyn DataSet> {
        &self.data
    }

    fn numbered(&self, py: Python<'_>) -> PyResult<&Numbering> {
        enter(py, |monitor| self.numbering.of(&*self.data, monitor))
    }
}

#[pymethods]
impl Table {
    /// The finished data set in a folder; or, with `roots`, JSONL with its pictures, scanned now.
    #[staticmethod]
    #[pyo3(signature = (location, roots = None, *, scan = None, rejects = vec![], threads = 1, chunk_bytes = 1 << 20, window = 1, progress = None))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword arguments of a private function; the Python layer names and documents them"
    )]
    fn open(
        py: Python<'_>,
        location: Location,
        roots: Option<Vec<PathBuf>>,
        scan: Option<&str>,
        rejects: Vec<(String, u64)>,
        threads: usize,
        chunk_bytes: u64,
        window: usize,
        progress: Option<&Bound<'_, Progress>>,
    ) -> PyResult<Self> {
        let counters = counters(progress);
        let data = enter(py, |monitor| match (location, roots, scan) {
            (Location::Folder(folder), None, None) => Ok(Arc::new(Shards::open(&folder)?) as Arc<dyn DataSet>),
            (Location::Sources(sources), Some(roots), Some(scan)) => {
                let options = ScanOptions::from_json(scan)?;
                let run = run_of((threads, chunk_bytes, window), monitor, &counters);
                let scan = scan::scan(sources_of(sources), Depth::Headers(&roots), &options, run)?;
                Ok(Arc::new(Raw::new(scan, options, &rejects)?) as Arc<dyn DataSet>)
            }
            _ => Err(Error::usage(
                "expected a folder of shards, or sources with roots and options of a scan",
            )),
        })?;
        Ok(Self::new(data))
    }

    /// The same data set, for a forked child: nothing in it waits for a thread that is not there any more.
    fn after_fork(&self, py: Python<'_>) -> PyResult<Self> {
        attached(py, || Ok(Self::new(Arc::clone(&self.data).after_fork())))
    }

    #[getter]
    fn row_count(&self, py: Python<'_>) -> PyResult<u64> {
        attached(py, || Ok(self.data.rows()))
    }

    /// What becomes of pictures, as JSON.
    #[getter]
    fn spec(&self, py: Python<'_>) -> PyResult<String> {
        attached(py, || Ok(self.data.spec().to_json()))
    }

    /// The hash of `manifest.json`, which identifies the data set; `None` for JSONL.
    #[getter]
    fn fingerprint(&self, py: Python<'_>) -> PyResult<Option<&str>> {
        attached(py, || Ok(self.data.manifest().map(|(manifest, _)| &*manifest.manifest_blake3)))
    }

    /// The text of `manifest.json`; `None` for JSONL.
    #[getter]
    fn manifest(&self, py: Python<'_>) -> PyResult<Option<&str>> {
        attached(py, || Ok(self.data.manifest().map(|(_, text)| text)))
    }

    /// (name, BLAKE3) of each source, and (source, line) of each rejected row, sorted.
    #[expect(clippy::type_complexity, reason = "two lists of pairs")]
    fn identity(&self, py: Python<'_>) -> PyResult<(Vec<(String, String)>, Vec<(String, u64)>)> {
        enter(py, |_| {
            let sources = self.data.sources().into_iter().map(|source| (source.name, source.blake3));
            let rejected = self.data.rejected()?.into_iter().map(|row| (row.source, row.line));
            Ok((sources.collect(), rejected.collect()))
        })
    }

    /// Of JSONL: (source, line, codes) of each rejected row; no codes where only the caller's list rejects it.
    fn rejected(&self, py: Python<'_>) -> PyResult<Vec<(String, u64, Vec<&'static str>)>> {
        let rejected = enter(py, |_| self.data.rejected_for())?;
        let named = rejected
            .into_iter()
            .map(|(row, codes)| (row.source, row.line, codes.into_iter().map(Code::name).collect()));
        Ok(named.collect())
    }

    /// These rows, or all in order, as Arrow; some of their columns, or all.
    #[pyo3(signature = (numbers = None, names = None))]
    fn rows(&self, py: Python<'_>, numbers: Option<PyReadonlyArray1<'_, u64>>, names: Option<Vec<String>>) -> PyResult<Batches> {
        let numbers = numbers.as_ref().map(numbers_of).transpose()?;
        let (schema, batches) = enter(py, |monitor| {
            rows::read(&*self.data, &self.numbering, numbers.as_deref(), names.as_deref(), monitor)
        })?;
        Ok(Batches::new(schema, batches))
    }

    /// One row as plain values: all columns, except `pictures`.
    fn row<'py>(&self, py: Python<'py>, number: u64) -> PyResult<Bound<'py, PyDict>> {
        let batch = enter(py, |_| self.data.read_rows(&[number]))?;
        row_of(py, &batch, 0)
    }

    /// Where the pictures of each row begin in the second array (and the end of the last); and the pictures of all rows, by their places in
    /// `picture_ids`.
    fn row_pictures<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>)> {
        let numbering = self.numbered(py)?;
        Ok((copy_of(py, &numbering.offsets)?, copy_of(py, &numbering.numbers)?))
    }

    /// Every distinct picture that rows name, in the order in which they first do.
    fn picture_ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<u64>>> {
        copy_of(py, &self.numbered(py)?.pictures)
    }

    /// The pictures of one row.
    fn pictures_of(&self, py: Python<'_>, row: u64) -> PyResult<Vec<PictureId>> {
        enter(py, |_| {
            let mut pictures = Vec::new();
            self.data.pictures_of(row, &mut pictures)?;
            Ok(pictures)
        })
    }

    /// What is known of these pictures, as Arrow: the columns of `pictures.arrow`.
    fn pictures(&self, py: Python<'_>, pictures: PyReadonlyArray1<'_, u64>) -> PyResult<Batches> {
        let pictures = numbers_of(&pictures)?;
        let batch = enter(py, |_| self.data.describe(&pictures))?;
        Ok(Batches::new(pictures_schema(), vec![batch]))
    }

    /// What is known of one picture, as plain values: the columns of `pictures.arrow`.
    fn picture<'py>(&self, py: Python<'py>, picture: PictureId) -> PyResult<Bound<'py, PyDict>> {
        let batch = enter(py, |_| self.data.describe(&[picture]))?;
        row_of(py, &batch, 0)
    }

    /// BLAKE3 of the files of these pictures, 32 bytes each.
    fn hashes<'py>(&self, py: Python<'py>, pictures: PyReadonlyArray1<'_, u64>) -> PyResult<Bound<'py, PyBytes>> {
        let pictures = numbers_of(&pictures)?;
        let hashes = enter(py, |_| self.data.hashes_of(&pictures))?;
        Ok(PyBytes::new(py, &hashes))
    }

    /// The pixels of a picture as stored, and their shape: (H, W) or (H, W, 3). A view of the mapped shard, or an array of their own.
    fn pixels<'py>(&self, py: Python<'py>, picture: PictureId) -> PyResult<(Bound<'py, PyAny>, Vec<usize>)> {
        let (found, shape) = enter(py, |_| self.data.pixels(picture))?;
        let dims = shape.dims();
        let array = match found {
            Found::InPlace(bytes) => Bound::new(py, Pixels::new(bytes))?.into_any(),
            Found::Made(pixels) => shaped(py, pixels, dims.clone())?.into_any(),
        };
        Ok((array, dims))
    }

    /// The file that a picture came from, where it is kept.
    fn file<'py>(&self, py: Python<'py>, picture: PictureId) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = enter(py, |_| self.data.file_of(picture))?;
        Ok(PyBytes::new(py, &bytes))
    }
}
