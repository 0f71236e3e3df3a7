//! An open data set: the one door through which Python reads.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::dataset::pictures::pictures_schema;
use crate::dataset::rejects;
use crate::error::{Error, Result};
use crate::finding::Code;
use crate::load::stats::Stats;
use crate::load::table::data_set::DataSet;
use crate::load::table::numbering::Numbering;
use crate::load::table::raw::Raw;
use crate::load::table::rows::{Query, columns, needs_numbering};
use crate::load::table::shards::Shards;
use crate::load::table::{PictureId, Table as CoreTable, WorkerBuffers};
use crate::python::arrow::Batches;
use crate::python::gate::enter;
use crate::python::jobs::{Progress, counters, run_of, sources_of};
use crate::python::pictures::plain;
use crate::python::pixels::Pixels;
use crate::python::values::row_of;
use crate::scan;
use crate::scan::model::Depth;
use crate::scan::options::ScanOptions;

/// An open data set. Rows and pictures go by number.
#[pyclass(frozen, module = "mmno_fast._core")]
pub(super) struct Table {
    kind: Kind,
    numbering: OnceLock<Numbering>,
}

enum Kind {
    Shards(Arc<Shards>),
    Raw(Arc<Raw>),
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

/// What asks whether to go on.
type Monitor<'a> = &'a dyn Fn() -> Result<()>;

impl Table {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            numbering: OnceLock::new(),
        }
    }

    pub(super) fn table(&self) -> Arc<dyn CoreTable> {
        match &self.kind {
            Kind::Shards(shards) => Arc::clone(shards) as Arc<dyn CoreTable>,
            Kind::Raw(raw) => Arc::clone(raw) as Arc<dyn CoreTable>,
        }
    }

    /// How many pictures a memory of decoded ones may hold.
    pub(super) fn picture_count(&self) -> u64 {
        match &self.kind {
            Kind::Shards(_) => 0,
            Kind::Raw(raw) => raw.scan().pictures.len() as u64,
        }
    }

    fn data(&self) -> &dyn DataSet {
        match &self.kind {
            Kind::Shards(shards) => &**shards,
            Kind::Raw(raw) => &**raw,
        }
    }

    fn numbered(&self, monitor: Monitor<'_>) -> Result<&Numbering> {
        if let Some(numbering) = self.numbering.get() {
            return Ok(numbering);
        }
        // Two threads may both count; one of the results stays.
        let numbering = Numbering::of(self.data(), monitor)?;
        Ok(self.numbering.get_or_init(|| numbering))
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
        let kind = enter(py, |monitor| match (location, roots, scan) {
            (Location::Folder(folder), None, None) => Ok(Kind::Shards(Arc::new(Shards::open(&folder)?))),
            (Location::Sources(sources), Some(roots), Some(scan)) => {
                let options = ScanOptions::from_json(scan)?;
                let run = run_of((threads, chunk_bytes, window), monitor, &counters);
                let scan = scan::scan(sources_of(sources), Depth::Headers(&roots), &options, run)?;
                Ok(Kind::Raw(Arc::new(Raw::new(scan, options, &rejects)?)))
            }
            _ => Err(Error::usage(
                "expected a folder of shards, or sources with roots and options of a scan",
            )),
        })?;
        Ok(Self::new(kind))
    }

    /// The same data set, for a forked child: nothing in it waits for a thread that is not there any more.
    fn after_fork(&self) -> Self {
        Self::new(match &self.kind {
            Kind::Shards(shards) => Kind::Shards(Arc::new(shards.unopened())),
            Kind::Raw(raw) => Kind::Raw(Arc::clone(raw)),
        })
    }

    #[getter]
    fn row_count(&self) -> u64 {
        self.table().rows()
    }

    /// What becomes of pictures, as JSON.
    #[getter]
    fn spec(&self) -> String {
        self.data().spec().to_json()
    }

    /// The hash of `manifest.json`, which identifies the data set; `None` for JSONL.
    #[getter]
    fn fingerprint(&self) -> Option<&str> {
        match &self.kind {
            Kind::Shards(shards) => Some(&shards.manifest().manifest_blake3),
            Kind::Raw(_) => None,
        }
    }

    /// The text of `manifest.json`; `None` for JSONL.
    #[getter]
    fn manifest(&self) -> Option<&str> {
        match &self.kind {
            Kind::Shards(shards) => Some(shards.manifest_text()),
            Kind::Raw(_) => None,
        }
    }

    /// (name, BLAKE3) of each source, and (source, line) of each rejected row, sorted.
    #[expect(clippy::type_complexity, reason = "two lists of pairs")]
    fn identity(&self, py: Python<'_>) -> PyResult<(Vec<(String, String)>, Vec<(String, u64)>)> {
        enter(py, |_| {
            let sources = self.data().sources().into_iter().map(|source| (source.name, source.blake3));
            let rejected = self.data().rejected()?.into_iter().map(|row| (row.source, row.line));
            Ok((sources.collect(), rejected.collect()))
        })
    }

    /// Of JSONL: (source, line, codes) of each rejected row; no codes where only the caller's list rejects it.
    fn rejected(&self, py: Python<'_>) -> PyResult<Vec<(String, u64, Vec<&'static str>)>> {
        enter(py, |_| {
            let Kind::Raw(raw) = &self.kind else {
                return Err(Error::usage(
                    "shards hold accepted rows only; rejects.jsonl beside them has the others",
                ));
            };
            let scan = raw.scan();
            let named = scan.rejected().map(|(row, codes)| {
                let source = scan.sources[row.source as usize].name.clone();
                (source, row.line, codes.into_iter().map(Code::name).collect())
            });
            Ok(named.collect())
        })
    }

    /// These rows, or all in order, as Arrow; some of their columns, or all.
    #[pyo3(signature = (numbers = None, names = None))]
    fn rows(&self, py: Python<'_>, numbers: Option<PyReadonlyArray1<'_, u64>>, names: Option<Vec<String>>) -> PyResult<Batches> {
        let numbers = numbers.map(|numbers| numbers.as_array().to_vec());
        let (schema, batches) = enter(py, |monitor| {
            let columns = columns(names.as_deref())?;
            let query = Query {
                rows: numbers.as_deref(),
                numbering: needs_numbering(&columns).then(|| self.numbered(monitor)).transpose()?,
                columns: Arc::clone(&columns),
            };
            Ok((columns, query.read(self.data(), monitor)?))
        })?;
        Ok(Batches::new(schema, batches))
    }

    /// One row as plain values: all columns, except `pictures`.
    fn row<'py>(&self, py: Python<'py>, number: u64) -> PyResult<Bound<'py, PyDict>> {
        let batch = enter(py, |_| self.data().read_rows(&[number]))?;
        row_of(py, &batch, 0)
    }

    /// Where the pictures of each row begin in the second array (and the end of the last); and the pictures of all rows, by their places in
    /// `picture_ids`.
    fn row_pictures<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>)> {
        let numbering = enter(py, |monitor| self.numbered(monitor))?;
        Ok((
            PyArray1::from_slice(py, &numbering.offsets),
            PyArray1::from_slice(py, &numbering.numbers),
        ))
    }

    /// Every distinct picture that rows name, in the order in which they first do.
    fn picture_ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<u64>>> {
        let numbering = enter(py, |monitor| self.numbered(monitor))?;
        Ok(PyArray1::from_slice(py, &numbering.pictures))
    }

    /// The pictures of one row.
    fn pictures_of(&self, py: Python<'_>, row: u64) -> PyResult<Vec<PictureId>> {
        enter(py, |_| {
            let mut pictures = Vec::new();
            self.data().pictures_of(row, &mut pictures)?;
            Ok(pictures)
        })
    }

    /// What is known of these pictures, as Arrow: the columns of `pictures.arrow`.
    fn pictures(&self, py: Python<'_>, pictures: PyReadonlyArray1<'_, u64>) -> PyResult<Batches> {
        let pictures = pictures.as_array().to_vec();
        let batch = enter(py, |_| self.data().describe(&pictures))?;
        Ok(Batches::new(pictures_schema(), vec![batch]))
    }

    /// What is known of one picture, as plain values: the columns of `pictures.arrow`.
    fn picture<'py>(&self, py: Python<'py>, picture: PictureId) -> PyResult<Bound<'py, PyDict>> {
        let batch = enter(py, |_| self.data().describe(&[picture]))?;
        row_of(py, &batch, 0)
    }

    /// BLAKE3 of the files of these pictures, 32 bytes each.
    fn hashes<'py>(&self, py: Python<'py>, pictures: PyReadonlyArray1<'_, u64>) -> PyResult<Bound<'py, PyBytes>> {
        let pictures = pictures.as_array().to_vec();
        let hashes = enter(py, |_| {
            let mut hashes = Vec::with_capacity(pictures.len() * 32);
            for picture in &pictures {
                hashes.extend(self.data().hash_of(*picture)?);
            }
            Ok(hashes)
        })?;
        Ok(PyBytes::new(py, &hashes))
    }

    /// The pixels of a picture as stored, and their shape: (H, W) or (H, W, 3). A view of the mapped shard, or an array of their own.
    fn pixels<'py>(&self, py: Python<'py>, picture: PictureId) -> PyResult<(Bound<'py, PyAny>, Vec<usize>)> {
        enum Found {
            InPlace(bytes::Bytes),
            Made(Vec<u8>),
        }
        let (found, dims) = enter(py, |_| {
            if let Some((bytes, shape)) = self.data().pixels_in_place(picture)? {
                let dims = match shape.channels {
                    1 => vec![shape.height, shape.width],
                    _ => vec![shape.height, shape.width, 3],
                };
                return Ok((Found::InPlace(bytes), dims));
            }
            let mut made = None;
            self.data()
                .with_pixels(picture, &mut WorkerBuffers::default(), &Stats::default(), &mut |pixels, shape| {
                    made = Some(plain(pixels.to_vec(), shape, true));
                })?;
            let (pixels, dims) = made.ok_or_else(|| Error::internal("a picture without pixels"))?;
            Ok((Found::Made(pixels), dims))
        })?;
        let array = match found {
            Found::InPlace(bytes) => Bound::new(py, Pixels::new(bytes))?.into_any(),
            Found::Made(pixels) => PyArray1::from_vec(py, pixels).reshape(dims.clone())?.into_any(),
        };
        Ok((array, dims))
    }

    /// The file that a picture came from, where it is kept.
    fn file<'py>(&self, py: Python<'py>, picture: PictureId) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = enter(py, |_| self.data().file_of(picture))?;
        Ok(PyBytes::new(py, &bytes))
    }
}
