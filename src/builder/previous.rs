//! What an update can take over from the data set that is there: whole pixel files, or single pictures.

use std::collections::HashMap;

use crate::builder::task::TaskPicture;
use crate::dataset::manifest::Manifest;
use crate::dataset::picture_store::PictureStore;
use crate::dataset::pictures::StoredPicture;
use crate::picture::{ImageSpec, PIXELS_VERSION};
use crate::store::Store;

/// The pictures of the data set before, if its pixels are what this build would make.
#[derive(Default)]
pub struct Previous {
    shards: Vec<Shard>,
    by_hash: HashMap<[u8; 32], (usize, usize)>,
    by_sequence: HashMap<[u8; 32], usize>,
}

/// A shard of the data set before.
pub struct Shard {
    /// Its name there.
    pub name: String,
    /// Its pictures.
    pub pictures: PictureStore,
}

/// One name for a sequence of pictures.
fn sequence<'h>(hashes: impl Iterator<Item = &'h [u8; 32]>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for hash in hashes {
        hasher.update(hash);
    }
    *hasher.finalize().as_bytes()
}

impl Previous {
    /// Reads the tables of the data set before, which `store` holds. A shard that cannot be read is as good as absent.
    pub fn open(store: &dyn Store, manifest: Option<&Manifest>, spec: &ImageSpec) -> Self {
        let mut previous = Self::default();
        let usable = manifest.filter(|manifest| manifest.spec == *spec && manifest.pixels_version == PIXELS_VERSION);
        for record in usable.iter().flat_map(|manifest| &manifest.shards) {
            let Ok(pictures) = PictureStore::open(&*store.below(&record.folder), record, spec) else {
                continue;
            };
            let number = previous.shards.len();
            let all = pictures.all();
            if !all.is_empty() {
                previous
                    .by_sequence
                    .insert(sequence(all.iter().map(|picture| &picture.hash)), number);
            }
            for (i, picture) in all.iter().enumerate() {
                previous.by_hash.entry(picture.hash).or_insert((number, i));
            }
            previous.shards.push(Shard {
                name: record.folder.clone(),
                pictures,
            });
        }
        previous
    }

    /// The shard that holds exactly these pictures in this order.
    pub fn same_pictures(&self, pictures: &[TaskPicture]) -> Option<&Shard> {
        if self.by_sequence.is_empty() || pictures.is_empty() {
            return None;
        }
        let name = sequence(pictures.iter().map(|picture| &picture.hash));
        self.shards.get(*self.by_sequence.get(&name)?)
    }

    /// A stored picture of this hash, and its bytes.
    pub fn find(&self, hash: &[u8; 32]) -> Option<(&StoredPicture, &[u8])> {
        let (shard, picture) = self.by_hash.get(hash)?;
        self.shards.get(*shard)?.pictures.get(*picture as u32)
    }
}
