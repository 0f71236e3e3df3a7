//! What lies in the folder of a data set and is no part of it: what is not ours is refused, what nothing names any more is removed.

use std::collections::HashSet;
use std::io::ErrorKind;

use crate::dataset::manifest::Manifest;
use crate::dataset::pixels::PIXEL_FILES;
use crate::dataset::record::{MANIFEST, TOP_FILES, UNIT_FILE, WORK_FOLDER, is_named_by_content, is_shard_name};
use crate::error::{Error, Result};
use crate::shown::Shown;
use crate::store::{Entry, Sink, Store};

/// The tables of a shard.
const TABLES: [&str; 2] = ["rows.arrow", "pictures.arrow"];

/// A folder with anything in it that is not ours is left alone.
pub(super) fn refuse_foreign(store: &dyn Store) -> Result<()> {
    let entries = match store.list("") {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| Error::io("open the folder of shards", &store.label(""), error))?,
    };
    for entry in entries {
        if !is_ours(store, &entry)? {
            let folder = store.label("");
            let message = format!(
                "{}: expected an empty folder or shards, found \"{}\"; name another folder",
                Shown::path(&folder),
                Shown::path(entry.name.as_ref())
            );
            return Err(Error::usage(message));
        }
    }
    Ok(())
}

fn is_ours(store: &dyn Store, entry: &Entry) -> Result<bool> {
    Ok(match entry.name.to_str() {
        Some(MANIFEST | WORK_FOLDER) => true,
        Some(name) if is_shard_name(name) => entry.is_folder && is_shard(store, name)?,
        Some(name) => is_named_by_content(name) || TOP_FILES.iter().any(|kind| name == kind.plain),
        None => false,
    })
}

/// Whether a folder with the name of a shard holds the record of one, or nothing but files of one. A power cut may leave a shard that was being
/// removed without its record. Not to know is an error.
fn is_shard(store: &dyn Store, folder: &str) -> Result<bool> {
    let entries = store
        .list(folder)
        .map_err(|error| Error::io("open the folder", &store.label(folder), error))?;
    let is_known = |entry: &Entry| {
        let mut known = TABLES.iter().chain(&PIXEL_FILES).chain([&UNIT_FILE]);
        !entry.is_folder && known.any(|name| entry.name == *name)
    };
    Ok(entries.iter().any(|entry| entry.name == UNIT_FILE) || entries.iter().all(is_known))
}

/// Removes what the data set does not name: shards of an older plan, and the files beside its shards. How many shards.
pub(super) fn remove_strays(store: &dyn Store, sink: &dyn Sink, manifest: &Manifest) -> Result<u64> {
    let shards: HashSet<&str> = manifest.shards.iter().map(|shard| shard.folder.as_str()).collect();
    let entries = store.list("");
    let mut removed = 0;
    for entry in entries.map_err(|error| Error::io("look for old shards in", &store.label(""), error))? {
        let Some(name) = entry.name.to_str() else { continue };
        if is_shard_name(name) && !shards.contains(name) {
            sink.remove(name)?;
            removed += 1;
        } else if is_named_by_content(name) && !manifest.files.iter().any(|file| file.name == name) {
            sink.remove(name)?;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::folder::FolderStore;

    #[test]
    fn what_is_not_ours_is_refused_and_what_a_power_cut_leaves_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let store = FolderStore::new(dir.path());
        let shard = dir.path().join("0123456789abcdef");
        let refused = || refuse_foreign(&store).is_err();
        assert!(!refused());
        for name in [
            "manifest.json",
            "rejects.jsonl",
            "rows.index.npy",
            "rejects-0123456789abcdef.jsonl",
            "rows.index-0123456789abcdef.npy",
        ] {
            fs::write(dir.path().join(name), b"").unwrap();
            assert!(!refused(), "{name}");
        }
        fs::create_dir(&shard).unwrap();
        assert!(!refused());
        fs::write(shard.join("gray.npy"), b"").unwrap();
        assert!(!refused());
        fs::write(shard.join("thesis.txt"), b"").unwrap();
        assert!(refused());
        fs::write(shard.join("unit.json"), b"").unwrap();
        assert!(!refused());
        for name in [
            "rejects-0123456789abcdeg.jsonl",
            "rejects-.jsonl",
            "0123456789abcdeg",
            "fedcba9876543210",
        ] {
            fs::write(dir.path().join(name), b"").unwrap();
            assert!(refused(), "{name}");
            fs::remove_file(dir.path().join(name)).unwrap();
        }
    }
}
