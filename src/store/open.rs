//! From a path or URI to the store that reads it.

use std::path::Path;

use crate::error::{Error, Result};
use crate::shown::Shown;
use crate::store::Store;
use crate::store::folder::FolderStore;

/// The scheme of a URI: `s3` of `s3://bucket/name`. A path has none.
fn scheme(location: &Path) -> Option<&str> {
    let (scheme, _) = location.to_str()?.split_once("://")?;
    let is_one = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_one.then_some(scheme)
}

/// Opens the folder of a data set.
///
/// It does not look whether the folder is there: the first file that is read says so.
pub fn data_set(location: &Path) -> Result<Box<dyn Store>> {
    match scheme(location) {
        None => Ok(Box::new(FolderStore::new(location))),
        Some(scheme) => Err(unsupported(location, scheme)),
    }
}

/// Opens a root of pictures. Without `follow_links`, links that lead out of it are as good as absent.
pub fn root(location: &Path, follow_links: bool) -> Result<Box<dyn Store>> {
    match scheme(location) {
        None => Ok(Box::new(FolderStore::open(location, follow_links)?)),
        Some(scheme) => Err(unsupported(location, scheme)),
    }
}

fn unsupported(location: &Path, scheme: &str) -> Error {
    Error::usage(format!(
        "{}: found a {scheme} address, expected the path of a folder; copy the data to a folder first",
        Shown::path(location)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_have_a_scheme() {
        for (location, wanted) in [
            ("s3://bucket/x", Some("s3")),
            ("a/b", None),
            ("://a", None),
            ("a b://c", None),
            ("c:/x", None),
        ] {
            assert_eq!(scheme(Path::new(location)), wanted, "{location}");
        }
        assert!(root(Path::new("s3://bucket"), true).is_err());
        assert!(data_set(Path::new("gs://bucket")).is_err());
    }
}
