//! Handing batches over to the consumer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::load::consumer::{Consumer as CoreConsumer, Patience, Place};
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
    feeds: Mutex<Feeds>,
    consumer: Py<Consumer>,
    /// What makes of a batch of the core that which is handed out, and its arguments `output` and `labels`. `None`: always by `take`.
    make: Option<[Py<PyAny>; 3]>,
    /// Threads in `take`: what comes is theirs.
    taking: AtomicUsize,
}

struct Feeds {
    /// Where batches come from; `None` where there are no more.
    current: Option<Py<Feed>>,
    /// The one that came to its end. Another thread may still have a batch of it in hand.
    finished: Option<Py<Feed>>,
}

/// What is handed out, and what undoes it.
struct HandedOut<'py> {
    what: Bound<'py, PyAny>,
    /// Where the consumer was before, and is now.
    before: Place,
    position: u64,
    /// The share of a window that the consumer waited, where it is to be told.
    too_long: Option<f64>,
}

impl Epoch {
    fn lock(&self) -> std::sync::MutexGuard<'_, Feeds> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch that is there.
    fn at_once<'py>(&self, py: Python<'py>, asked: Instant) -> PyResult<Option<HandedOut<'py>>> {
        let Some([make, output, labels]) = &self.make else {
            return Ok(None);
        };
        if self.taking.load(Ordering::Relaxed) > 0 {
            return Ok(None);
        }
        let consumer = self.consumer.get();
        let (batch, before) = {
            // Held until the place is behind the batch, so that places follow each other as batches do; nothing of Python runs meanwhile.
            let Ok(feeds) = self.feeds.try_lock() else { return Ok(None) };
            match feeds.current.as_ref().map_or(Ok(None), |feed| feed.get().ready()) {
                Ok(Some(batch)) => {
                    let before = consumer.lock().pass(batch.position);
                    (batch, before)
                }
                Ok(None) => return Ok(None),
                Err(error) => {
                    drop(feeds);
                    return Err(raise(py, &error));
                }
            }
        };
        let position = batch.position;
        let counts = [batch.plan.rows.len(), batch.plan.pictures.len(), batch.plan.bytes].map(|count| count as u64);
        let made = make.bind(py).call1((Batch::new(batch), output, before.epoch, labels));
        // Ctrl-C, for example.
        let what = made.inspect_err(|_| consumer.lock().go_back(before, position))?;
        let now = Instant::now();
        Ok(Some(HandedOut {
            what,
            before,
            position,
            too_long: consumer.lock().count(now, now - asked, counts),
        }))
    }

    /// What `take` of the class in Python gives: what to hand out, the feed that it came from, its batch, and how many seconds were spent on
    /// it besides waiting. Asked again where another epoch was begun meanwhile, to which it does not belong.
    fn by_taking<'py>(slf: &Bound<'py, Self>, asked: Instant) -> PyResult<HandedOut<'py>> {
        let (own, py) = (slf.get(), slf.py());
        loop {
            let taken = slf.call_method0("take")?;
            let (what, feed, batch, besides): (Bound<'py, PyAny>, Bound<'py, Feed>, Bound<'py, PyAny>, f64) = taken.extract()?;
            let number = |name: &str| -> PyResult<u64> { batch.getattr(name)?.extract() };
            let position = number("position")?;
            let counts = [number("row_count")?, number("picture_count")?, number("nbytes")?];
            let besides = Duration::try_from_secs_f64(besides).unwrap_or_default();
            // From here on nothing of Python runs: it is handed out or it is not.
            let before = {
                let feeds = own.lock();
                let is = |other: &Option<Py<Feed>>| other.as_ref().is_some_and(|other| other.is(&feed));
                let mut consumer = own.consumer.get().lock();
                if is(&feeds.current) {
                    Some(consumer.pass(position))
                } else {
                    is(&feeds.finished).then(|| consumer.place())
                }
            };
            let now = Instant::now();
            if let Some(before) = before {
                let waited = (now - asked).saturating_sub(besides);
                let too_long = own.consumer.get().lock().count(now, waited, counts);
                return Ok(HandedOut {
                    what,
                    before,
                    position,
                    too_long,
                });
            }
            py.check_signals()?;
        }
    }
}

#[pymethods]
impl Epoch {
    #[new]
    #[pyo3(signature = (feed, consumer, make, *_others))]
    fn new(feed: Py<Feed>, consumer: Py<Consumer>, make: Option<[Py<PyAny>; 3]>, _others: &Bound<'_, PyTuple>) -> Self {
        Self {
            feeds: Mutex::new(Feeds {
                current: Some(feed),
                finished: None,
            }),
            consumer,
            make,
            taking: AtomicUsize::new(0),
        }
    }

    /// Where batches come from; `None` where there are no more.
    #[getter]
    fn feed(&self, py: Python<'_>) -> Option<Py<Feed>> {
        self.lock().current.as_ref().map(|feed| feed.clone_ref(py))
    }

    /// No more batches come; where they came from, if there were some.
    fn end(&self) -> Option<Py<Feed>> {
        self.lock().current.take()
    }

    /// `feed` is at its end: no more batches come, and the next place is the beginning of the epoch behind this one. Whether that is so:
    /// another epoch may have been begun meanwhile.
    fn finish(&self, feed: &Bound<'_, Feed>) -> bool {
        let mut feeds = self.lock();
        let ended = feeds.current.take_if(|current| current.is(feed));
        let is_so = ended.is_some();
        if is_so {
            feeds.finished = ended;
            self.consumer.get().lock().go_on();
        }
        is_so
    }

    /// Batches come from `feed` instead, from the beginning of `epoch` on; where they came from before. Nothing where there are no more.
    fn begin_again(&self, feed: Py<Feed>, epoch: u64) -> Option<Py<Feed>> {
        let mut feeds = self.lock();
        if feeds.current.is_some() {
            self.consumer.get().lock().go_to(epoch, 0);
        }
        feeds.current.as_mut().map(|current| std::mem::replace(current, feed))
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let (own, asked) = (slf.get(), Instant::now());
        let handed = own.at_once(slf.py(), asked).and_then(|ready| {
            ready.map_or_else(
                || {
                    own.taking.fetch_add(1, Ordering::Relaxed);
                    let taken = Self::by_taking(slf, asked);
                    own.taking.fetch_sub(1, Ordering::Relaxed);
                    taken
                },
                Ok,
            )
        });
        let told = handed.and_then(|handed| {
            if let Some(share) = handed.too_long {
                // What is raised there (Ctrl-C, for example) takes the batch back.
                slf.call_method1("warn", (share,))
                    .inspect_err(|_| own.consumer.get().lock().go_back(handed.before, handed.position))?;
            }
            Ok(handed.what)
        });
        told.or_else(|error| {
            // Nobody who presses Ctrl-C waits for a picture that is being decoded.
            slf.call_method0("stop")?;
            Err(error)
        })
    }
}
