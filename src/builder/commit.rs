//! The files over all shards, put into the data set. One rename makes them count: that of the manifest.

use std::collections::BTreeMap;

use crate::builder::rejects;
use crate::dataset::compare::difference;
use crate::dataset::manifest::Manifest;
use crate::dataset::record::{FileInfo, INDEX, MANIFEST, REJECTS};
use crate::error::{Error, Result};
use crate::store::{Sink, Store};

/// The files over all shards, in memory.
pub struct TopFiles {
    /// What makes the folder a data set.
    pub manifest: Manifest,
    /// The bytes of `rejects.jsonl`.
    pub rejects: Vec<u8>,
    /// The bytes of `rows.index.npy`.
    pub index: Vec<u8>,
}

impl TopFiles {
    /// Publishes them. Before the manifest gets its name, all that it names is there and lasts; a kill or a power cut at any moment leaves the
    /// data set before or this one.
    pub fn publish(&self, sink: &dyn Sink) -> Result<()> {
        let (rejects, index) = (self.manifest.name_of(REJECTS), self.manifest.name_of(INDEX));
        sink.put(&[(rejects, &self.rejects), (index, &self.index)])?;
        sink.put(&[(MANIFEST, &self.manifest.to_bytes())])?;
        // Copies, and no links: who edits one does not change what the manifest names.
        sink.put(&[(REJECTS.plain, &self.rejects), (INDEX.plain, &self.index)])
    }

    /// Writes again what `before`, which is of the same data, names or what its copies hold, where it is gone or has other bytes. Their names.
    pub fn mend(&self, before: &Manifest, store: &dyn Store, sink: &dyn Sink) -> Result<Vec<String>> {
        let (mut mended, mut scratch) = (Vec::new(), Vec::new());
        for (kind, bytes) in [(REJECTS, &self.rejects), (INDEX, &self.index)] {
            let mut names = vec![before.name_of(kind)];
            if !names.contains(&kind.plain) {
                names.push(kind.plain);
            }
            for name in names {
                let expected = FileInfo::of(name, bytes);
                let differs = difference(store, name, &expected, true, &mut scratch);
                if differs.map_err(|error| Error::io("read", &store.label(name), error))?.is_some() {
                    sink.put(&[(name, bytes)])?;
                    mended.push(name.to_owned());
                }
            }
        }
        Ok(mended)
    }

    /// The rejected rows by code.
    pub fn rejected(&self) -> BTreeMap<String, u64> {
        rejects::count(&self.rejects)
    }
}
