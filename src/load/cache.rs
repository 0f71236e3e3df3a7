//! Decoded pictures that are kept in memory, so that one which seven rows share is decoded once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::load::output::Shape;
use crate::load::stats::Stats;
use crate::load::table::PictureId;

/// A bounded cache of decoded pixels, by picture. It evicts nothing: an order that visits every row once an epoch would evict what it needs
/// next, and no rule does better than keeping whatever fits.
pub struct PictureCache {
    pictures: Vec<OnceLock<(Shape, Box<[u8]>)>>,
    /// Bytes that may still be taken.
    left: AtomicU64,
}

impl PictureCache {
    /// Room for `bytes` bytes of pixels, of `pictures` pictures at most.
    pub fn new(pictures: u64, bytes: u64) -> Self {
        Self {
            pictures: (0..pictures).map(|_| OnceLock::new()).collect(),
            left: AtomicU64::new(bytes),
        }
    }

    /// Room for `bytes` bytes of pixels, of `pictures` pictures at most; `None` where nothing would ever be kept.
    pub fn with_room(pictures: u64, bytes: u64) -> Option<Self> {
        (pictures > 0 && bytes > 0).then(|| Self::new(pictures, bytes))
    }

    /// The pixels of a picture, if they are here.
    pub fn get(&self, picture: PictureId) -> Option<(&[u8], Shape)> {
        let (shape, pixels) = self.pictures.get(usize::try_from(picture).ok()?)?.get()?;
        Some((pixels, *shape))
    }

    /// Keeps pixels, if they fit.
    pub fn offer(&self, picture: PictureId, pixels: &[u8], shape: Shape, stats: &Stats) {
        let Some(place) = usize::try_from(picture).ok().and_then(|at| self.pictures.get(at)) else {
            return;
        };
        let bytes = pixels.len() as u64;
        let fits = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        if fits.is_err() {
            return;
        }
        if place.set((shape, pixels.into())).is_ok() {
            stats.memory_bytes.fetch_add(bytes, Ordering::Relaxed);
        } else {
            // Another worker was faster.
            self.left.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_none_without_room() {
        for (pictures, bytes, there_is) in [(0, 9, false), (9, 0, false), (0, 0, false), (1, 1, true)] {
            assert_eq!(PictureCache::with_room(pictures, bytes).is_some(), there_is, "{pictures} {bytes}");
        }
    }

    #[test]
    fn what_fits_stays_and_nothing_beyond() {
        let (cache, stats) = (PictureCache::new(3, 10), Stats::default());
        let shape = Shape {
            height: 2,
            width: 3,
            channels: 1,
        };
        cache.offer(0, &[1; 6], shape, &stats);
        cache.offer(0, &[2; 6], shape, &stats);
        cache.offer(1, &[3; 6], shape, &stats);
        cache.offer(9, &[4; 1], shape, &stats);
        assert_eq!(cache.get(0), Some((&[1; 6][..], shape)));
        assert_eq!((cache.get(1), cache.get(9)), (None, None));
        cache.offer(2, &[5; 4], shape, &stats);
        assert_eq!(cache.get(2).map(|(pixels, _)| pixels.len()), Some(4));
        assert_eq!(stats.memory_bytes.load(Ordering::Relaxed), 10);
    }
}
