//! Feeds, and the memory that a caller gives for their batches.

#![expect(unsafe_code, reason = "memory that Python's buffer protocol gives")]

use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::Error;
use crate::load::cache::Remembered;
use crate::load::feed::{Ahead, Batch as CoreBatch, Feed as CoreFeed};
use crate::load::gather::Recipe as CoreRecipe;
use crate::load::order::{Permutation, Steps, Uneven};
use crate::load::output::{Output, Writer};
use crate::load::slot::{Given, Slots as CoreSlots};
use crate::load::stats::{Stage, Stats as CoreStats};
use crate::python::batches::Batch;
use crate::python::gate::{enter, raise};
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
        for stage in Stage::ALL {
            busy.set_item(stage.name(), stats.seconds(stage))?;
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
unsafe impl Given for Buffer {
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
pub(super) struct Slots {
    slots: Arc<CoreSlots>,
}

#[pymethods]
impl Slots {
    #[new]
    fn new(py: Python<'_>, stats: &Bound<'_, Stats>, given: Vec<Bound<'_, PyAny>>) -> PyResult<Self> {
        let mut memory: Vec<Box<dyn Given>> = Vec::new();
        for object in given {
            memory.push(Box::new(Buffer::new(&object)?));
        }
        let slots = CoreSlots::new(memory, Arc::clone(&stats.get().stats)).map_err(|error| raise(py, &error))?;
        Ok(Self { slots })
    }
}

/// What batches are made of, and how.
#[pyclass(frozen, module = "mmno_fast._core")]
pub(super) struct Recipe {
    recipe: Arc<CoreRecipe>,
}

#[pymethods]
impl Recipe {
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
        let writer = output.map(|text| Output::from_json(text).and_then(Writer::new)).transpose();
        let writer = writer.map_err(|error| raise(py, &error))?;
        let pictures = table.get().picture_count();
        let remembered = (memory_bytes > 0 && pictures > 0).then(|| Arc::new(Remembered::new(pictures, memory_bytes)));
        Ok(Self {
            recipe: Arc::new(CoreRecipe {
                table: table.get().table(),
                samples: Arc::clone(&samples.get().samples),
                writer,
                skips,
                remembered,
                stats: Arc::clone(&stats.get().stats),
            }),
        })
    }
}

fn steps_of(length: u64, batch: u64, rank: u64, world: u64, uneven: &str, start: u64) -> crate::error::Result<Steps> {
    let steps = Steps {
        length,
        batch,
        rank,
        world,
        uneven: Uneven::from_name(uneven)?,
        start,
    };
    steps.check()?;
    Ok(steps)
}

/// How many batches a rank gets in an epoch, from a position on.
#[pyfunction]
pub(super) fn count_batches(py: Python<'_>, length: u64, batch: u64, rank: u64, world: u64, uneven: &str, start: u64) -> PyResult<u64> {
    let steps = steps_of(length, batch, rank, world, uneven, start);
    steps.map(|steps| steps.count()).map_err(|error| raise(py, &error))
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
    let positions = positions.as_array().to_vec();
    let samples = enter(py, |_| {
        if positions.iter().any(|position| *position >= length) {
            return Err(Error::usage(format!("a position beyond {length}")));
        }
        let order = Permutation::shuffled(length, seed, epoch);
        Ok(positions.into_iter().map(|position| order.at(position)).collect::<Vec<u64>>())
    })?;
    Ok(PyArray1::from_vec(py, samples))
}

/// Batches of one rank in one epoch, made ahead by threads.
#[pyclass(frozen, module = "mmno_fast._core")]
pub(super) struct Feed {
    feed: Mutex<Option<CoreFeed>>,
}

impl Feed {
    /// The next batch, if it is there and nobody else is at the feed.
    pub(super) fn ready(&self) -> crate::error::Result<Option<Arc<CoreBatch>>> {
        let Ok(feed) = self.feed.try_lock() else { return Ok(None) };
        feed.as_ref().map_or(Ok(None), CoreFeed::ready)
    }
}

#[pymethods]
impl Feed {
    #[new]
    #[pyo3(signature = (recipe, slots, *, shuffle, seed, epoch, batch, rank, world, uneven, start, threads, batches_ahead, bytes_ahead))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword arguments of a private class; the Python layer names and documents them"
    )]
    fn new(
        py: Python<'_>,
        recipe: &Bound<'_, Recipe>,
        slots: &Bound<'_, Slots>,
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
        let recipe = Arc::clone(&recipe.get().recipe);
        let pool = Arc::clone(&slots.get().slots);
        let length = recipe.samples.len();
        let order = if shuffle {
            Permutation::shuffled(length, seed, epoch)
        } else {
            Permutation::identity(length)
        };
        let ahead = Ahead {
            batches: batches_ahead.max(1),
            bytes: bytes_ahead,
        };
        let started = steps_of(length, batch, rank, world, uneven, start)
            .and_then(|steps| CoreFeed::start(recipe, order, steps, pool, threads.max(1), ahead));
        Ok(Self {
            feed: Mutex::new(Some(started.map_err(|error| raise(py, &error))?)),
        })
    }

    /// The next batch; `None` at the end.
    fn next(&self, py: Python<'_>) -> PyResult<Option<Batch>> {
        let batch = enter(py, |monitor| {
            // The lock is not held while this waits: a signal's handler may close the feed, on this very thread.
            let batches = self
                .feed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .as_ref()
                .map(CoreFeed::batches);
            batches.map_or(Ok(None), |batches| batches.next(monitor))
        })?;
        Ok(batch.map(Batch::new))
    }

    /// Whether a batch could be taken without waiting.
    fn is_ready(&self) -> bool {
        let feed = self.feed.try_lock();
        feed.is_ok_and(|feed| feed.as_ref().is_none_or(CoreFeed::is_ready))
    }

    /// Tells its threads to stop, without waiting for them.
    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        // Without the interpreter: whoever holds the lock may want it.
        enter(py, |_| {
            if let Some(feed) = self.feed.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                feed.stop();
            }
            Ok(())
        })
    }

    /// Ends its threads, and waits for them.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        enter(py, |monitor| {
            let feed = self.feed.lock().unwrap_or_else(PoisonError::into_inner).take();
            feed.map_or(Ok(()), |mut feed| feed.close(monitor))
        })
    }
}
