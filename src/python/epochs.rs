//! Handing batches over to the consumer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::load::consumer::{Consumer as CoreConsumer, Patience};
use crate::python::batches::Batch;
use crate::python::feeds::Feed;
use crate::python::gate::raise;

/// Where a consumer is in its epochs, what it was handed, and how long it waited for it.
#[pyclass(frozen, module = "mmno_fast._core")]
pub(super) struct Consumer {
    consumer: Mutex<CoreConsumer>,
}

impl Consumer {
    fn lock(&self) -> std::sync::MutexGuard<'_, CoreConsumer> {
        self.consumer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Consumer {
    /// `window`: seconds.
    #[new]
    fn new(window: f64, share: f64) -> Self {
        let window = Duration::try_from_secs_f64(window).unwrap_or_default();
        Self {
            consumer: Mutex::new(CoreConsumer::new(Patience { window, share })),
        }
    }

    /// The epoch of the next batch, its position, and whether one of this epoch was handed out since somebody went to this place.
    #[getter]
    fn place(&self) -> (u64, u64, bool) {
        let place = self.lock().place();
        (place.epoch, place.position, place.begun)
    }

    /// The next batch is there.
    fn go_to(&self, epoch: u64, position: u64) {
        self.lock().go_to(epoch, position);
    }

    /// An iteration begins: the time since the last one does not count.
    fn begin(&self) {
        self.lock().begin();
    }

    /// A batch is handed out that was waited for so many seconds. Whether the consumer is to be told that it waits too much.
    fn handed_out(&self, position: u64, rows: u64, pictures: u64, nbytes: u64, waited: f64) -> bool {
        let mut consumer = self.lock();
        consumer.pass(position);
        let waited = Duration::try_from_secs_f64(waited).unwrap_or_default();
        consumer.count(Instant::now(), waited, [rows, pictures, nbytes])
    }

    /// `batches`, `rows`, `pictures`, `bytes`; `elapsed` and `waited`, seconds.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (handed, (elapsed, waited)) = {
            let consumer = self.lock();
            (consumer.handed(), consumer.times())
        };
        let dict = PyDict::new(py);
        let counts = [handed.batches, handed.rows, handed.pictures, handed.bytes];
        for (name, count) in ["batches", "rows", "pictures", "bytes"].into_iter().zip(counts) {
            dict.set_item(name, count)?;
        }
        dict.set_item("elapsed", elapsed.as_secs_f64())?;
        dict.set_item("waited", waited.as_secs_f64())?;
        Ok(dict)
    }
}

/// One iteration over an epoch. A batch that is there is handed over at once; all else, waiting and ends and errors, is the method `take` of
/// the class in Python that derives from this one.
///
/// After a step of the consumer's, memory that it has not used for a while is no longer in a cache, and neither is the interpreter's code:
/// each thing that is touched costs. Handing over in Python alone took 20 us.
#[pyclass(subclass, frozen, module = "mmno_fast._core")]
pub(super) struct Epoch {
    feed: Mutex<Option<Py<Feed>>>,
    consumer: Py<Consumer>,
    /// What makes of a batch of the core that which is handed out, and its arguments `output` and `labels`. `None`: always by `take`.
    make: Option<[Py<PyAny>; 3]>,
    /// Threads in `take`: what comes is theirs.
    taking: AtomicUsize,
}

impl Epoch {
    /// A batch that is there.
    fn at_once<'py>(&self, py: Python<'py>, asked: Instant) -> PyResult<Option<(Bound<'py, PyAny>, bool)>> {
        let Some([make, output, labels]) = &self.make else {
            return Ok(None);
        };
        if self.taking.load(Ordering::Relaxed) > 0 {
            return Ok(None);
        }
        let consumer = self.consumer.get();
        let (batch, before) = {
            // Held until the place is behind the batch, so that places follow each other as batches do; nothing of Python runs meanwhile.
            let Ok(feed) = self.feed.try_lock() else { return Ok(None) };
            match feed.as_ref().map_or(Ok(None), |feed| feed.get().ready()) {
                Ok(Some(batch)) => {
                    let before = consumer.lock().pass(batch.position);
                    (batch, before)
                }
                Ok(None) => return Ok(None),
                Err(error) => {
                    drop(feed);
                    return Err(raise(py, &error));
                }
            }
        };
        let position = batch.position;
        let counts = [batch.plan.rows.len(), batch.plan.pictures.len(), batch.plan.bytes].map(|count| count as u64);
        let made = make.bind(py).call1((Batch::new(batch), output, before.epoch, labels));
        // Ctrl-C, for example.
        let made = made.inspect_err(|_| consumer.lock().go_back(before, position))?;
        let now = Instant::now();
        Ok(Some((made, consumer.lock().count(now, now - asked, counts))))
    }
}

#[pymethods]
impl Epoch {
    #[new]
    #[pyo3(signature = (feed, consumer, make, *_others))]
    fn new(feed: Py<Feed>, consumer: Py<Consumer>, make: Option<[Py<PyAny>; 3]>, _others: &Bound<'_, PyTuple>) -> Self {
        Self {
            feed: Mutex::new(Some(feed)),
            consumer,
            make,
            taking: AtomicUsize::new(0),
        }
    }

    /// Where batches come from; `None` where there are no more.
    #[getter]
    fn feed(&self, py: Python<'_>) -> Option<Py<Feed>> {
        let feed = self.feed.lock().unwrap_or_else(PoisonError::into_inner);
        feed.as_ref().map(|feed| feed.clone_ref(py))
    }

    #[setter]
    fn set_feed(&self, feed: Option<Py<Feed>>) {
        let before = std::mem::replace(&mut *self.feed.lock().unwrap_or_else(PoisonError::into_inner), feed);
        drop(before);
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let (own, asked) = (slf.get(), Instant::now());
        match own.at_once(slf.py(), asked) {
            Ok(Some((made, too_long))) => {
                if too_long {
                    slf.call_method0("warn")?;
                }
                Ok(made)
            }
            Ok(None) => {
                own.taking.fetch_add(1, Ordering::Relaxed);
                let taken = slf.call_method1("take", (asked.elapsed().as_secs_f64(),));
                own.taking.fetch_sub(1, Ordering::Relaxed);
                taken
            }
            Err(error) => {
                slf.call_method0("stop")?;
                Err(error)
            }
        }
    }
}
