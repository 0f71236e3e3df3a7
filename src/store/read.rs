//! The one place that reads a picture's file: resolve its name, read, hash, compare.
//!
//! One policy holds for errors. What is the file's own (it is gone, may not be read, is no regular file, is too long) is a fault of that picture.
//! What may be the machine's ends the job: it must never leave rows out in silence.

use std::io;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::finding::{Code, quote};
use crate::shown::Shown;
use crate::store::fault::is_of_the_file;
use crate::store::resolve::{Resolved, Resolver};
use crate::store::{MAX_FILE_BYTES, Store};

/// A file that a name stands for; its bytes were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// BLAKE3 of the bytes.
    pub hash: [u8; 32],
    /// The first root that holds it, by number.
    pub root: usize,
    /// Its name below that root.
    pub file: String,
    /// Whether it is another name than the row gives.
    pub renamed: bool,
    /// Bytes that were read, over all roots that hold it.
    pub read: u64,
}

/// Why a name stands for no file that can be used: the code of a finding, and what was found.
pub type Refusal = (Code, String);

/// Finds the file of `name`, which must be well-formed, and replaces `into` with its bytes. Where several roots hold it, all are read and compared.
pub fn find(resolver: &Resolver, name: &str, into: &mut Vec<u8>) -> Result<std::result::Result<Found, Refusal>> {
    let (file, roots, renamed) = match resolver.resolve(name)? {
        Resolved::Found { name, roots, renamed } => (name, roots, renamed),
        Resolved::Fault(code, message) => return Ok(Err((code, message))),
    };
    let mut known: Option<([u8; 32], usize)> = None;
    let mut read = 0;
    // Backwards, so that the first root's bytes are the ones left in the buffer.
    for &root in roots.iter().rev() {
        let store = resolver
            .store(root)
            .ok_or_else(|| Error::internal("a name was found in a root that is not there"))?;
        if let Err(error) = read_whole(store, &file, into)? {
            let code = match error.kind() {
                io::ErrorKind::NotFound => Code::ImagesMissing, // it was there a moment ago
                _ => Code::PictureUnreadable,
            };
            return Ok(Err((code, format!("{}: cannot be read: {error}", quote(&file)))));
        }
        read += into.len() as u64;
        let found = *blake3::hash(into).as_bytes();
        if known.is_some_and(|(other, _)| other != found) {
            return Ok(Err((
                Code::ImagesTwoRoots,
                format!("two roots hold other bytes under {}", quote(&file)),
            )));
        }
        known = Some((found, root));
    }
    let (hash, root) = known.ok_or_else(|| Error::internal("a name was found in no root"))?;
    Ok(Ok(Found {
        hash,
        root,
        file,
        renamed,
        read,
    }))
}

/// A picture's file that was found before, and what is said where it holds other bytes now.
#[derive(Debug, Clone, Copy)]
pub struct KnownFile<'a> {
    /// Its name in its store.
    pub file: &'a str,
    /// BLAKE3 of the bytes that it had.
    pub hash: &'a [u8; 32],
    /// What is said of a file that has changed, and what to do.
    pub changed: &'a str,
}

/// Replaces `into` with the bytes of a file that was found before; what to call it in a message.
///
/// A file that cannot be read any more, or has changed, is an error about the data.
pub fn read_known(store: &dyn Store, known: KnownFile<'_>, into: &mut Vec<u8>) -> Result<PathBuf> {
    let path = store.label(known.file);
    if let Err(error) = read_whole(store, known.file, into)? {
        return Err(Error::picture(&path, Code::PictureUnreadable, &format!("cannot be read: {error}")));
    }
    if blake3::hash(into) != *known.hash {
        return Err(Error::data(&path, None, None, known.changed));
    }
    Ok(path)
}

/// Reads a whole file. The inner error is the file's own fault, the outer one the machine's.
fn read_whole(store: &dyn Store, file: &str, into: &mut Vec<u8>) -> Result<io::Result<()>> {
    match store.read(file, MAX_FILE_BYTES, into) {
        Err(error) if error.kind() == io::ErrorKind::OutOfMemory => {
            let path = store.label(file);
            let message = format!("{} is as long; give the process more memory", Shown::path(&path));
            Err(Error::memory(store.length(file).unwrap_or_default(), message))
        }
        Err(error) if !is_of_the_file(&error) => Err(Error::io("read", &store.label(file), error)),
        done => Ok(done),
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
