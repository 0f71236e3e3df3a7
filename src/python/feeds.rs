//! Feeds, and the memory that a caller gives for their batches.

#![expect(unsafe_code, reason = "memory that Python's buffer protocol gives")]

use std::ptr::NonNull;
use std::sync::Arc;

use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyBufferError, PyGeneratorExit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use crate::load::feed::{Feed as CoreFeed, FeedOptions, Left, Prefetch};
use crate::load::gather::Assembler as CoreAssembler;
use crate::load::order::{self, Shuffle, Steps, Uneven};
use crate::load::output::{Output, Writer};
use crate::load::slot::{CallerMemory, SlotPool as CoreSlotPool};
use crate::load::stats::{LoadStage, Stats as CoreStats};
use crate::python::arrays::{array_of, numbers_of};
use crate::python::batches::Batch;
use crate::python::gate::{attached, enter, raise};
use crate::python::samples::Samples;
use crate::python::tables::Table;

/// Counters of one loader.
#[pyclass(frozen, module = "mmno_fast._core")]
pub(super) struct Stats {
    stats: Arc<CoreStats>,
}

#[pymethods]
impl Stats {
    #[new]
    fn new() -> Self {
        Self { stats: Arc::default() }
    }

    /// Seconds of work by stage, and counts.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = &self.stats;
        let busy = PyDict::new(py);
        let seconds = attached(py, || Ok(LoadStage::ALL.map(|stage| (stage.name(), stats.seconds(stage)))))?;
        for (stage, seconds) in seconds {
            busy.set_item(stage, seconds)?;
        }
        let dict = PyDict::new(py);
        dict.set_item("busy", busy)?;
        let counters = [
            ("pictures", &stats.pictures),
            ("decoded", &stats.decoded),
            ("remembered", &stats.remembered),
            ("memory_bytes", &stats.memory_bytes),
            ("skipped", &stats.skipped),
            ("slots", &stats.slots),
            ("slot_bytes", &stats.slot_bytes),
        ];
        for (name, counter) in counters {
            dict.set_item(name, counter.load(std::sync::atomic::Ordering::Relaxed))?;
        }
        Ok(dict)
    }
}

/// Memory that the caller gave.
struct Buffer {
    buffer: PyBuffer<u8>,
    start: NonNull<u8>,
}

// SAFETY: the memory belongs to the Python object that the buffer holds on to, and stays where it is while it does; the caller of `Loader`
// promises not to use it meanwhile; a `PyBuffer` may be dropped on any thread.
unsafe impl Send for Buffer {}
// SAFETY: as above; there is nothing to change.
unsafe impl Sync for Buffer {}

// SAFETY: `new` has checked that the buffer is one writable, contiguous piece of memory.
unsafe impl CallerMemory for Buffer {
    fn start(&self) -> NonNull<u8> {
        self.start
    }

    fn len(&self) -> usize {
        self.buffer.len_bytes()
    }
}

impl Buffer {
    fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let buffer = PyBuffer::<u8>::get(object)?;
        let start = NonNull::new(buffer.buf_ptr().cast::<u8>());
        match start {
            Some(start) if !buffer.readonly() && buffer.is_c_contiguous() => Ok(Self { buffer, start }),
            _ => Err(PyBufferError::new_err("slots: expected writable, contiguous arrays of uint8")),
        }
    }
}

/// A pool of memory that batches are written into.
#[pyclass(frozen, module = "mmno_fast._core")]
pub(super) struct SlotPool {
    pool: Arc<CoreSlotPool>,
}

#[pymethods]
impl SlotPool {
    #[new]
    fn new(py: Python<'_>, stats: &Bound<'_, Stats>, given: Vec<Bound<'_, PyAny>>) -> PyResult<Self> {
        let mut memory: Vec<Box<dyn CallerMemory>> = Vec::new();
        for object in given {
            memory.push(Box::new(Buffer::new(&object)?));
        }
        let stats = Arc::clone(&stats.get().stats);
        let pool = attached(py, || CoreSlotPool::new(memory, stats).map_err(|error| raise(py, &error)))?;
        Ok(Self { pool })
    }
}

/// Makes batches: what of, and how.
#[pyclass(frozen, module = "mmno_fast._core")]
pub(super) struct Assembler {
    assembler: Arc<CoreAssembler>,
}

#[pymethods]
impl Assembler {
    #[new]
    #[pyo3(signature = (table, samples, stats, *, output, skips, memory_bytes))]
    fn new(
        py: Python<'_>,
        table: &Bound<'_, Table>,
        samples: &Bound<'_, Samples>,
        stats: &Bound<'_, Stats>,
        output: Option<&str>,
        skips: bool,
        memory_bytes: u64,
    ) -> PyResult<Self> {
        attached(py, || {
            let writer = output.map(|text| Output::from_json(text).and_then(Writer::new)).transpose();
            let writer = writer.map_err(|error| raise(py, &error))?;
            let (samples, stats) = (Arc::clone(&samples.get().samples), Arc::clone(&stats.get().stats));
            let assembler = CoreAssembler::over(table.get().data(), samples, writer, skips, memory_bytes, stats);
            Ok(Self {
                assembler: Arc::new(assembler),
            })
        })
    }
}

/// How many batches a rank gets in an epoch, from a position on.
#[pyfunction]
pub(super) fn count_batches(py: Python<'_>, length: u64, batch: u64, rank: u64, world: u64, uneven: &str, start: u64) -> PyResult<u64> {
    enter(py, |_| {
        let steps = Steps {
            length,
            batch,
            rank,
            world,
            uneven: Uneven::from_name(uneven)?,
            start,
        };
        Ok(steps.checked()?.count())
    })
}

/// The samples at these positions of an epoch.
#[pyfunction]
pub(super) fn samples_at<'py>(
    py: Python<'py>,
    length: u64,
    seed: u64,
    epoch: u64,
    positions: PyReadonlyArray1<'py, u64>,
) -> PyResult<Bound<'py, PyArray1<u64>>> {
    let positions = numbers_of(&positions)?;
    let samples = enter(py, |_| order::samples_at(length, Shuffle { seed, epoch }, &positions))?;
    array_of(py, samples)
}

/// Batches of one rank in one epoch, made ahead by threads.
#[pyclass(frozen, module = "mmno_fast._core")]
pub(super) struct Feed {
    feed: Arc<CoreFeed>,
}

impl Feed {
    pub(super) fn feed(&self) -> Arc<CoreFeed> {
        Arc::clone(&self.feed)
    }
}

#[pymethods]
impl Feed {
    #[new]
    #[pyo3(signature = (assembler, pool, *, shuffle, seed, epoch, batch, rank, world, uneven, start, threads, batches_ahead, bytes_ahead))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword arguments of a private class; the Python layer names and documents them"
    )]
    fn new(
        py: Python<'_>,
        assembler: &Bound<'_, Assembler>,
        pool: &Bound<'_, SlotPool>,
        shuffle: bool,
        seed: u64,
        epoch: u64,
        batch: u64,
        rank: u64,
        world: u64,
        uneven: &str,
        start: u64,
        threads: usize,
        batches_ahead: usize,
        bytes_ahead: u64,
    ) -> PyResult<Self> {
        let assembler = Arc::clone(&assembler.get().assembler);
        let pool = Arc::clone(&pool.get().pool);
        let open = || {
            let options = FeedOptions {
                shuffle: shuffle.then_some(Shuffle { seed, epoch }),
                steps: Steps {
                    length: assembler.samples.len(),
                    batch,
                    rank,
                    world,
                    uneven: Uneven::from_name(uneven)?,
                    start,
                },
                threads,
                prefetch: Prefetch {
                    batches: batches_ahead,
                    bytes: bytes_ahead,
                },
            };
            CoreFeed::open(assembler, pool, &options)
        };
        let feed = attached(py, || open().map_err(|error| raise(py, &error)))?;
        Ok(Self { feed: Arc::new(feed) })
    }

    /// The next batch; `None` at the end.
    fn next(&self, py: Python<'_>) -> PyResult<Option<Batch>> {
        let batch = enter(py, |monitor| self.feed.next(monitor))?;
        Ok(batch.map(Batch::new))
    }

    /// Ends its threads, and waits for them.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        enter(py, |monitor| self.feed.close(monitor))
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    /// Ends its threads, and waits for them unless something was raised; a generator that is closed (`GeneratorExit`) waits.
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: Option<&Bound<'_, PyType>>,
        _error: Option<&Bound<'_, PyAny>>,
        _trace: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let left = match kind {
            None => Left::AtTheEnd,
            Some(kind) if kind.is_subclass_of::<PyGeneratorExit>()? => Left::ByClosing,
            Some(_) => Left::ByRaising,
        };
        enter(py, |monitor| self.feed.leave(left, monitor))
    }
}
