//! What an update can take over from the data set that is there: whole pixel files, or single pictures.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::builder::task::TaskPicture;
use crate::dataset::compare::{difference, is_damage};
use crate::dataset::manifest::{Manifest, ShardRecord};
use crate::dataset::picture_store::PictureStore;
use crate::dataset::pictures::StoredPicture;
use crate::dataset::record::UNIT_FILE;
use crate::error::{Error, Result};
use crate::picture::{ImageSpec, PIXELS_VERSION};
use crate::store::Store;

/// The pictures of the data set before, if its pixels are what this build would make.
#[derive(Default)]
pub struct Previous {
    shards: Vec<Shard>,
    /// The names of shards that could not be opened.
    refused: Vec<String>,
    by_hash: HashMap<[u8; 32], (usize, usize)>,
    by_sequence: HashMap<[u8; 32], usize>,
}

/// A shard of the data set before.
pub struct Shard {
    /// Its name there.
    pub name: String,
    /// Its pictures.
    pub pictures: PictureStore,
    record: ShardRecord,
    store: Box<dyn Store>,
    /// Whether its files have the hashes that the manifest says; `None`: nobody has looked yet.
    whole: Mutex<Option<bool>>,
}

impl Shard {
    /// Whether its tables and pixels are what was written. The first who asks reads them; others wait meanwhile.
    fn is_whole(&self, scratch: &mut Vec<u8>) -> Result<bool> {
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = *whole {
            return Ok(known);
        }
        let mut found = true;
        for file in self.record.files.iter().filter(|file| file.name != UNIT_FILE) {
            let differs = difference(&*self.store, &file.name, file, true, scratch);
            found &= differs
                .map_err(|error| Error::io("read", &self.store.label(&file.name), error))?
                .is_none();
        }
        *whole = Some(found);
        Ok(found)
    }
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
    /// Reads the tables of the data set before, which `store` holds. A shard that is damaged is as good as absent.
    ///
    /// With `trust`, the hashes of what is taken over are not compared.
    pub fn open(store: &dyn Store, manifest: Option<&Manifest>, spec: &ImageSpec, trust: bool) -> Result<Self> {
        let mut previous = Self::default();
        let usable = manifest.filter(|manifest| manifest.spec == *spec && manifest.pixels_version == PIXELS_VERSION);
        for record in usable.iter().flat_map(|manifest| &manifest.shards) {
            let shard = store.below(&record.folder);
            let pictures = match PictureStore::open(&*shard, record, spec) {
                Err(error) if is_damage(&error) => {
                    previous.refused.push(record.folder.clone());
                    continue;
                }
                opened => opened?,
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
                record: record.clone(),
                store: shard,
                whole: Mutex::new(trust.then_some(true)),
            });
        }
        Ok(previous)
    }

    /// The shards that were found damaged: when they were opened, or when somebody first needed them.
    pub fn damaged(&self) -> impl Iterator<Item = &str> {
        let is_damaged = |shard: &&Shard| *shard.whole.lock().unwrap_or_else(PoisonError::into_inner) == Some(false);
        let looked_at = self.shards.iter().filter(is_damaged).map(|shard| &shard.name);
        self.refused.iter().chain(looked_at).map(String::as_str)
    }

    /// Whether a shard holds exactly these pictures in this order. It may be damaged.
    pub fn has_same_pictures(&self, pictures: &[TaskPicture]) -> bool {
        self.of_same_pictures(pictures).is_some()
    }

    /// The shard that holds exactly these pictures in this order, if it is whole.
    pub fn same_pictures(&self, pictures: &[TaskPicture], scratch: &mut Vec<u8>) -> Result<Option<&Shard>> {
        match self.of_same_pictures(pictures) {
            Some(shard) if shard.is_whole(scratch)? => Ok(Some(shard)),
            _ => Ok(None),
        }
    }

    fn of_same_pictures(&self, pictures: &[TaskPicture]) -> Option<&Shard> {
        if self.by_sequence.is_empty() || pictures.is_empty() {
            return None;
        }
        let name = sequence(pictures.iter().map(|picture| &picture.hash));
        self.shards.get(*self.by_sequence.get(&name)?)
    }

    /// A stored picture of this hash, and its bytes, if its shard is whole.
    pub fn find(&self, hash: &[u8; 32], scratch: &mut Vec<u8>) -> Result<Option<(&StoredPicture, &[u8])>> {
        let place = self.by_hash.get(hash);
        let Some((shard, picture)) = place.and_then(|(shard, picture)| Some((self.shards.get(*shard)?, *picture))) else {
            return Ok(None);
        };
        Ok(if shard.is_whole(scratch)? {
            shard.pictures.get(picture as u32)
        } else {
            None
        })
    }
}
