//! A picture that belongs to no data set: its file's bytes, or where they lie.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::finding::Code;
use crate::picture::{Fault, Probe, probe};
use crate::store::MAX_FILE_BYTES;
use crate::store::folder::read_at_most;

/// A picture by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The file's bytes.
    Bytes(Vec<u8>),
    /// Where the file lies.
    Path(PathBuf),
}

impl Input {
    /// The bytes. A file must be a regular one, and as long as a picture of a data set may be.
    pub fn read(&self) -> Result<Cow<'_, [u8]>> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.into()),
            Self::Path(path) => {
                let mut bytes = Vec::new();
                read_at_most(path, MAX_FILE_BYTES, &mut bytes).map_err(|error| match error.kind() {
                    ErrorKind::OutOfMemory => Error::picture(path, Code::PictureMemory, "there is no memory for its file"),
                    _ => Error::io("read", path, error),
                })?;
                Ok(bytes.into())
            }
        }
    }

    /// What messages call it; `number`: its place among several.
    pub fn name(&self, number: Option<usize>) -> Cow<'_, Path> {
        match (self, number) {
            (Self::Path(path), _) => path.into(),
            (Self::Bytes(_), None) => Path::new("picture").into(),
            (Self::Bytes(_), Some(number)) => PathBuf::from(format!("picture {number}")).into(),
        }
    }

    /// Its header.
    pub fn probe(&self) -> Result<Probe> {
        probe(&self.read()?).map_err(|fault| self.refuse(None, &fault))
    }

    /// BLAKE3 of the file.
    pub fn hash(&self) -> Result<[u8; 32]> {
        Ok(*blake3::hash(&self.read()?).as_bytes())
    }

    /// The error that says why it is refused; `number`: its place among several.
    pub fn refuse(&self, number: Option<usize>, fault: &Fault) -> Error {
        Error::picture(&self.name(number), fault.code, &fault.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn bytes_are_named_by_their_place_where_there_are_several_and_files_by_their_path() {
        let (bytes, file) = (Input::Bytes(b"BM".to_vec()), Input::Path("a/b.png".into()));
        assert_eq!(bytes.name(None), Path::new("picture"));
        assert_eq!(bytes.name(Some(3)), Path::new("picture 3"));
        assert_eq!(file.name(Some(3)), Path::new("a/b.png"));
    }

    #[test]
    fn a_file_and_its_bytes_have_one_header_and_what_has_none_is_refused_by_name() {
        let bytes = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x02\0\0\0\x01\0\0\0\x01\0\x18\0";
        let bytes = [&bytes[..], &[0; 32]].concat();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bmp");
        std::fs::write(&path, &bytes).unwrap();
        let header = Input::Bytes(bytes).probe().unwrap();
        assert_eq!((header.width, header.height), (2, 1));
        assert_eq!(Input::Path(path.clone()).probe().unwrap(), header);
        std::fs::write(&path, b"BM").unwrap();
        let error = Input::Path(path.clone()).probe().unwrap_err();
        assert!(matches!(error.kind(), Kind::Data { path: named, .. } if *named == path), "{error}");
        let error = Input::Path(folder.path().join("none.bmp")).probe().unwrap_err();
        assert!(matches!(error.kind(), Kind::Io { doing: "read", .. }), "{error}");
    }
}
