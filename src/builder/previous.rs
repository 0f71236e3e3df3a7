//! What an update can take over from the data set that is there: whole pixel files, or single pictures.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::builder::task::TaskPicture;
use crate::dataset::manifest::Manifest;
use crate::dataset::read::{StoredPicture, read_pictures};
use crate::picture::{ImageSpec, PIXELS_VERSION};

/// The pictures of the data set before, if its pixels are what this build would make.
#[derive(Debug, Default)]
pub struct Previous {
    shards: Vec<Shard>,
    by_hash: HashMap<[u8; 32], (usize, usize)>,
    by_sequence: HashMap<[u8; 32], usize>,
}

/// A shard of the data set before.
#[derive(Debug)]
pub struct Shard {
    /// Its name there.
    pub name: String,
    folder: PathBuf,
    /// Its pictures.
    pub pictures: Vec<StoredPicture>,
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
    /// Reads the tables of the data set before. A shard that cannot be read is as good as absent.
    pub fn open(out: &Path, manifest: Option<&Manifest>, spec: &ImageSpec) -> Self {
        let mut previous = Self::default();
        let usable = manifest.filter(|manifest| manifest.spec == *spec && manifest.pixels_version == PIXELS_VERSION);
        for record in usable.iter().flat_map(|manifest| &manifest.shards) {
            let folder = out.join(&record.folder);
            let Ok(pictures) = read_pictures(&folder) else { continue };
            let number = previous.shards.len();
            if !pictures.is_empty() {
                previous
                    .by_sequence
                    .insert(sequence(pictures.iter().map(|picture| &picture.hash)), number);
            }
            for (i, picture) in pictures.iter().enumerate() {
                previous.by_hash.entry(picture.hash).or_insert((number, i));
            }
            previous.shards.push(Shard {
                name: record.folder.clone(),
                folder,
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

    /// A stored picture of this hash, and its shard's folder.
    pub fn find(&self, hash: &[u8; 32]) -> Option<(&Path, &StoredPicture)> {
        let (shard, picture) = self.by_hash.get(hash)?;
        let shard = self.shards.get(*shard)?;
        Some((&shard.folder, shard.pictures.get(*picture)?))
    }
}
