//! Handing batches over to the consumer: the view of `load/consumer.rs` and `load/epoch.rs` from Python.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::{Error, Result};
use crate::load::batch::Batch as CoreBatch;
use crate::load::consumer::{Consumer as CoreConsumer, Owner, WaitLimit};
use crate::load::epoch::{Epoch as CoreEpoch, Host, Refused};
use crate::load::feed::Feed as CoreFeed;
use crate::python::batches::Batch;
use crate::python::feeds::Feed;
use crate::python::gate::{attached, enter, raise};

/// Where a consumer is in its epochs, what it was handed, and how long it waited for it.
#[pyclass(frozen, module = "mmno_fast._core")]
pub(super) struct Consumer {
    consumer: Arc<Mutex<CoreConsumer>>,
    owner: Owner,
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
            consumer: Arc::new(Mutex::new(CoreConsumer::new(WaitLimit { window, share }))),
            owner: Owner::this(),
        }
    }

    /// The epoch of the next batch, its position, and whether a batch of this epoch was handed out since the cursor was set.
    #[getter]
    fn cursor(&self, py: Python<'_>) -> PyResult<(u64, u64, bool)> {
        let cursor = attached(py, || Ok(self.lock().cursor()))?;
        Ok((cursor.epoch, cursor.position, cursor.begun))
    }

    /// The next batch is there.
    fn go_to(&self, py: Python<'_>, epoch: u64, position: u64) -> PyResult<()> {
        attached(py, || {
            self.lock().go_to(epoch, position);
            Ok(())
        })
    }

    /// Refuses to be used in a forked child.
    fn check_process(&self) -> PyResult<()> {
        if self.owner.is_other() {
            return Err(PyRuntimeError::new_err(Refused::OtherProcess.to_string()));
        }
        Ok(())
    }

    /// An iteration begins; at which epoch and position.
    fn begin(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        let cursor = attached(py, || Ok(self.lock().begin()))?;
        Ok((cursor.epoch, cursor.position))
    }

    /// `batches`, `rows`, `pictures`, `bytes`; `elapsed` and `waited`, seconds.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (totals, times) = attached(py, || {
            let consumer = self.lock();
            Ok((consumer.totals(), consumer.times()))
        })?;
        let dict = PyDict::new(py);
        let counts = [totals.batches, totals.rows, totals.pictures, totals.bytes];
        for (name, count) in ["batches", "rows", "pictures", "bytes"].into_iter().zip(counts) {
            dict.set_item(name, count)?;
        }
        dict.set_item("elapsed", times.elapsed.as_secs_f64())?;
        dict.set_item("waited", times.waited.as_secs_f64())?;
        Ok(dict)
    }
}

/// One iteration over one epoch. It holds on to its loader by `tell`, and the loader not to it: when it goes, its threads end.
///
/// After a step of the consumer's, memory that it has not used for a while is no longer in a cache, and neither is the interpreter's code:
/// each thing that is touched costs.
#[pyclass(frozen, weakref, module = "mmno_fast._core")]
pub(super) struct Epoch {
    epoch: CoreEpoch<Py<PyAny>>,
    calls: Calls,
}

/// What is called in Python.
struct Calls {
    /// Makes a batch, of that of the core and `output`, epoch, `labels`; the function, and the two arguments that stay.
    make: [Py<PyAny>; 3],
    /// With what `make` returned, when the batch has its turn; `None`: nothing more happens to it.
    arrive: Option<Py<PyAny>>,
    /// With the batch; what it returns is handed out. `None`: the batch itself is.
    collate: Option<Py<PyAny>>,
    /// With the share of its time that the consumer waited.
    tell: Py<PyAny>,
    ahead: usize,
}

struct Caller<'a, 'py> {
    py: Python<'py>,
    calls: &'a Calls,
}

impl<'py> Host for Caller<'_, 'py> {
    type Made = Py<PyAny>;
    type Object = Bound<'py, PyAny>;
    type Error = PyErr;

    fn ahead(&self) -> usize {
        self.calls.ahead
    }

    fn wait<R: Send>(&self, job: impl FnOnce(&dyn Fn() -> Result<()>) -> Result<R> + Send) -> PyResult<R> {
        enter(self.py, job)
    }

    fn make(&self, batch: Arc<CoreBatch>, epoch: u64) -> PyResult<Py<PyAny>> {
        let [make, output, labels] = &self.calls.make;
        let made = make.bind(self.py).call1((Batch::new(batch), output, epoch, labels))?;
        Ok(made.unbind())
    }

    fn arrive(&self, made: Py<PyAny>) -> PyResult<Py<PyAny>> {
        match &self.calls.arrive {
            None => Ok(made),
            Some(arrive) => Ok(arrive.bind(self.py).call1((made,))?.unbind()),
        }
    }

    fn collates(&self) -> bool {
        self.calls.collate.is_some()
    }

    fn collate(&self, made: Py<PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match &self.calls.collate {
            None => Ok(made.into_bound(self.py)),
            Some(collate) => collate.bind(self.py).call1((made,)),
        }
    }

    fn tell(&self, share: f64) -> PyResult<()> {
        self.calls.tell.bind(self.py).call1((share,)).map(drop)
    }

    fn error(&self, error: Error) -> PyErr {
        raise(self.py, &error)
    }

    fn refused(&self, why: Refused) -> PyErr {
        PyRuntimeError::new_err(why.to_string())
    }
}

#[pymethods]
impl Epoch {
    #[new]
    #[pyo3(signature = (feed, consumer, make, tell, *, arrive = None, collate = None, ahead = 0))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword arguments of a private class; the Python layer names and documents them"
    )]
    fn new(
        py: Python<'_>,
        feed: &Bound<'_, Feed>,
        consumer: &Bound<'_, Consumer>,
        make: [Py<PyAny>; 3],
        tell: Py<PyAny>,
        arrive: Option<Py<PyAny>>,
        collate: Option<Py<PyAny>>,
        ahead: usize,
    ) -> PyResult<Self> {
        let calls = Calls {
            make,
            arrive,
            collate,
            tell,
            ahead,
        };
        let (feed, consumer) = (feed.get().feed(), Arc::clone(&consumer.get().consumer));
        let epoch = attached(py, || Ok(CoreEpoch::new(feed, consumer)))?;
        Ok(Self { epoch, calls })
    }

    /// Whether the next batch, or the end, could be had without waiting.
    fn is_ready(&self, py: Python<'_>) -> PyResult<bool> {
        attached(py, || Ok(self.epoch.is_ready()))
    }

    /// Whether it hands out nothing more.
    #[getter]
    fn ended(&self, py: Python<'_>) -> PyResult<bool> {
        attached(py, || Ok(self.epoch.has_ended()))
    }

    /// Begins again with `feed`, from the beginning of `epoch`. Nothing where a batch was handed out already, or no more are. Whether it was done.
    fn begin_again(&self, py: Python<'_>, feed: &Bound<'_, Feed>, epoch: u64) -> PyResult<bool> {
        let outcome = attached(py, || Ok(self.epoch.begin_again(feed.get().feed(), epoch)))?;
        let done = outcome.is_ok();
        let (Ok(unused) | Err(unused)) = outcome;
        close(py, &unused)?;
        Ok(done)
    }

    /// Hands out nothing more, and ends its threads. `superseded`: a newer iteration begins.
    #[pyo3(signature = (*, superseded = false))]
    fn close(&self, py: Python<'_>, superseded: bool) -> PyResult<()> {
        let ended = attached(py, || Ok(self.epoch.end(superseded)))?;
        ended.map_or(Ok(()), |feed| close(py, &feed))
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        attached(py, || self.epoch.next(&Caller { py, calls: &self.calls }))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> std::result::Result<(), PyTraverseError> {
        for object in self.calls.make.iter().chain([&self.calls.tell]) {
            visit.call(object)?;
        }
        visit.call(&self.calls.arrive)?;
        visit.call(&self.calls.collate)
    }
}

fn close(py: Python<'_>, feed: &Arc<CoreFeed>) -> PyResult<()> {
    enter(py, |monitor| feed.close(monitor))
}
