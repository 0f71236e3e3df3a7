//! A file and its entry in a record: do they agree?

use std::io::{self, ErrorKind};

use crate::dataset::record::FileInfo;
use crate::error::{Error, Kind};
use crate::store::hash::hash;
use crate::store::{Store, fault};

/// How a file differs from its entry, if it does. Its length is looked at first, and no more is read than it should hold. With `hashed` its
/// bytes are compared, too.
///
/// A file that is gone, or is no regular one, differs. What may be the machine's fault is an error, and so is a refused permission.
pub fn difference(store: &dyn Store, path: &str, listed: &FileInfo, hashed: bool, scratch: &mut Vec<u8>) -> io::Result<Option<String>> {
    let found = store.stream(path).and_then(|(file, length)| {
        if length != listed.bytes || !hashed {
            return Ok((length, None));
        }
        hash(file, length, scratch).map(|(read, hash)| (read, Some(hash)))
    });
    match found {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Some("the file is missing".to_owned())),
        Err(error) if fault::is_damage(&error) => Ok(Some(error.to_string())),
        Err(error) => Err(error),
        Ok((length, _)) if length != listed.bytes => Ok(Some(format!("expected {} bytes, found {length}", listed.bytes))),
        Ok((_, Some(hash))) if hash.to_hex().as_str() != listed.blake3 => Ok(Some(
            "the bytes are not those that were written: the hash does not agree".to_owned(),
        )),
        Ok(_) => Ok(None),
    }
}

/// Whether an error says that a file of our own is damaged, rather than that the machine is at fault.
pub fn is_damage(error: &Error) -> bool {
    match error.kind() {
        Kind::Shard { .. } => true,
        Kind::Io { source, .. } => fault::is_damage(source),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::folder::FolderStore;

    #[test]
    fn every_other_byte_is_found_and_lengths_alone_where_asked() {
        let dir = tempfile::tempdir().unwrap();
        let store = FolderStore::new(dir.path());
        let listed = FileInfo::of("file", b"0123");
        let differs = |hashed| difference(&store, "file", &listed, hashed, &mut Vec::new()).unwrap();
        assert_eq!(differs(true).unwrap(), "the file is missing");
        fs::write(dir.path().join("file"), b"0123").unwrap();
        assert_eq!(differs(true), None);
        fs::write(dir.path().join("file"), b"0124").unwrap();
        assert!(differs(true).unwrap().contains("the hash does not agree"));
        assert_eq!(differs(false), None);
        fs::write(dir.path().join("file"), b"01234").unwrap();
        assert_eq!(differs(false).unwrap(), "expected 4 bytes, found 5");
        fs::remove_file(dir.path().join("file")).unwrap();
        fs::create_dir(dir.path().join("file")).unwrap();
        assert!(differs(true).unwrap().contains("found a folder"));
    }
}
