//! Why a picture is refused.

use crate::finding::Code;

/// Why a picture is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which kind: one of the `picture.*` codes.
    pub code: Code,
    /// What was expected and what was found, in lower case.
    pub message: String,
}

impl Fault {
    /// A fault of this kind.
    pub(in crate::picture) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The data end early.
    pub(in crate::picture) fn truncated(message: impl Into<String>) -> Self {
        Self::new(Code::PictureTruncated, message)
    }

    /// So many bytes of memory cannot be had.
    pub(in crate::picture) fn memory(bytes: u64) -> Self {
        let message = format!("{bytes} bytes of memory cannot be had for it");
        Self::new(Code::PictureMemory, message)
    }

    /// The decoder refuses the data.
    pub(in crate::picture) fn corrupt(message: impl Into<String>) -> Self {
        Self::new(Code::PictureCorrupt, message)
    }
}

/// What every step from bytes to pixels returns.
pub(in crate::picture) type PictureResult<T> = std::result::Result<T, Fault>;
