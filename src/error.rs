//! What can go wrong for the program itself, as opposed to what is wrong with the data ([`crate::finding`]).

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::finding::Code;
use crate::shown::Shown;

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// An error, one word wide: the kind, and where it happened.
#[derive(Debug)]
pub struct Error(Box<Kind>);

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Kind {
    /// The system refused an operation on a file or folder.
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done, as in "read", "create".
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The input is not what it was during the scan, or cannot be used at all.
    Data {
        /// The file.
        path: PathBuf,
        /// The line, from 1, where it is known.
        line: Option<u64>,
        /// The byte from the start of the file, where it is known.
        byte: Option<u64>,
        /// The finding's code, where the data are at fault in a way that the catalogue knows.
        code: Option<Code>,
        /// What was expected, what was found, what to do.
        message: String,
    },
    /// A folder of shards is not what its manifest says, or cannot be used by this version.
    Shard {
        /// The file or folder.
        path: PathBuf,
        /// What was expected, what was found, what to do.
        message: String,
    },
    /// The caller asked for something that makes no sense.
    Usage(String),
    /// There is not so much memory.
    Memory {
        /// How much was asked for, what for, and what to do.
        message: String,
    },
    /// The texts of a batch take more than the 2 GiB that its offsets of 32 bits count.
    TooMuchText,
    /// The caller asked to stop (Ctrl-C, a cancelled job).
    Interrupted,
    /// An invariant of this crate does not hold, or a worker panicked: a bug of ours, whatever the input was.
    Internal(String),
}

impl Error {
    /// The kind of this error.
    pub fn kind(&self) -> &Kind {
        &self.0
    }

    /// The system refused to do `doing` to `path`.
    pub fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self(Box::new(Kind::Io {
            path: path.to_owned(),
            doing,
            source,
        }))
    }

    /// The input at `path` cannot be used.
    pub fn data(path: &Path, line: Option<u64>, byte: Option<u64>, message: impl Into<String>) -> Self {
        Self(Box::new(Kind::Data {
            path: path.to_owned(),
            line,
            byte,
            code: None,
            message: message.into(),
        }))
    }

    /// A picture cannot be used, for a reason that the catalogue knows as `code`.
    ///
    /// That there is no memory for it is none of its faults, and must reject no row: elsewhere, or tomorrow, there may be.
    pub fn picture(path: &Path, code: Code, message: &str) -> Self {
        if code == Code::PictureMemory {
            let message = format!("{}: {message}; {} ({})", Shown::path(path), code.entry().hint, code.name());
            return Self(Box::new(Kind::Memory { message }));
        }
        Self(Box::new(Kind::Data {
            path: path.to_owned(),
            line: None,
            byte: None,
            code: Some(code),
            message: format!("{message} ({})", code.name()),
        }))
    }

    /// A row cannot be used, perhaps for a reason that the catalogue knows as `code`; `path` is its source.
    pub fn row(path: &Path, line: u64, code: Option<Code>, message: String) -> Self {
        Self(Box::new(Kind::Data {
            path: path.to_owned(),
            line: Some(line),
            byte: None,
            code,
            message,
        }))
    }

    /// The shards at `path` cannot be used.
    pub fn shard(path: &Path, message: impl Into<String>) -> Self {
        Self(Box::new(Kind::Shard {
            path: path.to_owned(),
            message: message.into(),
        }))
    }

    /// A wrong argument.
    pub fn usage(message: impl Into<String>) -> Self {
        Self(Box::new(Kind::Usage(message.into())))
    }

    /// So many bytes cannot be had.
    pub fn memory(bytes: u64, message: impl Into<String>) -> Self {
        Self(Box::new(Kind::Memory {
            message: format!("{bytes} bytes of memory cannot be had: {}", message.into()),
        }))
    }

    /// The texts of a batch take more than 2 GiB.
    pub fn too_much_text() -> Self {
        Self(Box::new(Kind::TooMuchText))
    }

    /// Whether fewer rows at once would help.
    pub fn is_too_much_text(&self) -> bool {
        matches!(self.kind(), Kind::TooMuchText)
    }

    /// An invariant of this crate does not hold.
    pub fn internal(message: impl Into<String>) -> Self {
        Self(Box::new(Kind::Internal(message.into())))
    }

    /// The caller asked to stop.
    pub fn interrupted() -> Self {
        Self(Box::new(Kind::Interrupted))
    }

    /// A worker panicked with `payload`.
    pub fn panic(payload: &(dyn std::any::Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        Self::internal(format!("a worker panicked: {text}"))
    }
}

/// Room for so many more elements, where a file or a caller says how many; `what` needs them.
pub(crate) fn reserve<T>(buffer: &mut Vec<T>, more: usize, what: impl FnOnce() -> String) -> Result<()> {
    let bytes = (more as u64).saturating_mul(size_of::<T>() as u64);
    buffer
        .try_reserve_exact(more)
        .map_err(|_| Error::memory(bytes, format!("{}; give the process more memory", what())))
}

/// Runs a job. A panic of it becomes an error of ours, [`Kind::Internal`], and goes no further.
pub fn caught<T>(job: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(job)).map_err(|payload| Error::panic(&*payload))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            Kind::Io { path, doing, source } => write!(f, "{}: cannot {doing}: {source}", Shown::path(path)),
            Kind::Data {
                path, line, byte, message, ..
            } => {
                write!(f, "{}", Shown::path(path))?;
                if let Some(line) = line {
                    write!(f, ":{line}")?;
                }
                if let Some(byte) = byte {
                    write!(f, " (byte {byte})")?;
                }
                write!(f, ": {message}")
            }
            Kind::Shard { path, message } => write!(f, "{}: {message}", Shown::path(path)),
            Kind::Usage(message) | Kind::Memory { message } => f.write_str(message),
            Kind::TooMuchText => f.write_str("the texts of these rows take more than 2 GiB: choose fewer rows at once"),
            Kind::Interrupted => f.write_str("interrupted"),
            Kind::Internal(message) => write!(
                f,
                "internal fault: {message}. This is a bug in mmno_fast {}: please report this message, the command or call, and the output of `mmno-fast info --build`",
                env!("CARGO_PKG_VERSION")
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.kind() {
            Kind::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_with_what_it_says_and_what_is_returned_passes() {
        assert_eq!(caught(|| 7).unwrap(), 7);
        let said = |job: fn()| {
            let error = caught(job).unwrap_err();
            let Kind::Internal(message) = error.kind() else { panic!("{error}") };
            message.clone()
        };
        assert_eq!(said(|| panic!("on purpose")), "a worker panicked: on purpose");
        assert_eq!(said(|| panic!("{}", 1 + 1)), "a worker panicked: 2");
        assert_eq!(said(|| std::panic::panic_any(3)), "a worker panicked: no message");
    }
}
