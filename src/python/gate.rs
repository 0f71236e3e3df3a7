//! The one gate to the core: run, turn errors and panics into exceptions. What may take long runs by [`enter`], without the interpreter and
//! with a look for Ctrl-C; what takes a moment runs by [`attached`].

use std::cell::Cell;
use std::io::ErrorKind;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyFileNotFoundError, PyKeyboardInterrupt, PyMemoryError, PyOSError, PyPermissionError, PyValueError};
use pyo3::prelude::*;

use crate::error::{Error, Kind, Result, caught};
use crate::finding::Code;

create_exception!(
    mmno_fast,
    MmnoError,
    PyException,
    "What went wrong with data or shards: `code`, `path`, `line` and `byte` say where, as far as they are known."
);
create_exception!(
    mmno_fast,
    DataError,
    MmnoError,
    "Rows or pictures cannot be used, or have changed since they were scanned; `code` is a finding's."
);
create_exception!(
    mmno_fast,
    ShardError,
    MmnoError,
    "A folder of shards is damaged, is none, or is of a newer format."
);
create_exception!(
    mmno_fast,
    StateError,
    MmnoError,
    "A state does not belong to this data set or loader."
);
create_exception!(
    mmno_fast,
    InternalError,
    MmnoError,
    "A fault of mmno_fast itself, whatever the input was: please report it."
);
create_exception!(mmno_fast, ClosedError, MmnoError, "What is used was closed before.");

/// How often signals are looked for: Ctrl-C must work within 100 ms.
const SIGNALS_EVERY: Duration = Duration::from_millis(40);

/// Runs `job` without the interpreter. The job is given a monitor that it must call between items.
pub(super) fn enter<T: Send>(py: Python<'_>, job: impl FnOnce(&dyn Fn() -> Result<()>) -> Result<T> + Send) -> PyResult<T> {
    // What a signal's handler has raised: KeyboardInterrupt, or whatever the program's own handler raises.
    let raised = Mutex::new(None);
    let outcome = py.detach(|| {
        let last = Cell::new(Instant::now());
        let monitor = || {
            if last.get().elapsed() < SIGNALS_EVERY {
                return Ok(());
            }
            last.set(Instant::now());
            // Nothing where the interpreter is ending: whoever waits then stops.
            #[expect(
                clippy::redundant_closure_for_method_calls,
                reason = "the method is not general enough over lifetimes"
            )]
            let Some(signals) = Python::try_attach(|py| py.check_signals()) else {
                return Err(Error::interrupted());
            };
            signals.map_err(|error| {
                *raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Error::interrupted()
            })
        };
        caught(|| job(&monitor)).flatten()
    });
    let raised = raised.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcome.map_err(|error| match (error.kind(), raised) {
        (Kind::Interrupted, Some(raised)) => raised,
        _ => raise(py, &error),
    })
}

/// Runs `job` with the interpreter: it takes less than the way out and back. Nothing is spent where it does not panic.
pub(super) fn attached<T>(py: Python<'_>, job: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    caught(job).unwrap_or_else(|error| Err(raise(py, &error)))
}

/// An error as the exception that a Python programmer expects.
pub(super) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let text = error.to_string();
    let (raised, path, line, byte, code) = match error.kind() {
        Kind::Io { path, source, .. } => {
            let raised = match source.kind() {
                ErrorKind::NotFound => PyFileNotFoundError::new_err(text),
                ErrorKind::PermissionDenied => PyPermissionError::new_err(text),
                _ => PyOSError::new_err(text),
            };
            (raised, Some(path), None, None, None)
        }
        Kind::Data {
            path, line, byte, code, ..
        } => (DataError::new_err(text), Some(path), *line, *byte, code.map(Code::name)),
        Kind::Shard { path, .. } => (ShardError::new_err(text), Some(path), None, None, None),
        Kind::Memory { .. } => (PyMemoryError::new_err(text), None, None, None, None),
        Kind::Usage(_) | Kind::TooMuchText => (PyValueError::new_err(text), None, None, None, None),
        Kind::Interrupted => (PyKeyboardInterrupt::new_err(()), None, None, None, None),
        Kind::Internal(_) => (InternalError::new_err(text), None, None, None, None),
    };
    if raised.is_instance_of::<MmnoError>(py) {
        let value = raised.value(py);
        let set = || -> PyResult<()> {
            value.setattr("code", code)?;
            value.setattr("path", path.map(|path| path.as_os_str()))?;
            value.setattr("line", line)?;
            value.setattr("byte", byte)
        };
        if let Err(other) = set() {
            return other;
        }
    }
    raised
}
