//! The weights that a worker has used last, and what the passes make of them.

use std::sync::Arc;
#[cfg(target_arch = "x86_64")]
use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use super::blocks::Blocks;
use super::coefficients::{self, Axis, Rounding, Weights};
use crate::picture::choices::Filter;
use crate::picture::fault::PictureResult;

/// The weights of as many axes are kept by a worker. A data set has few sizes; a picture takes two axes.
const KEPT: usize = 16;

/// Of an axis with more weights than this nothing is kept: 4 MiB.
const MAX_KEPT_WEIGHTS: usize = 1 << 20;

/// The most bytes that a worker keeps of weights.
pub const MAX_KEPT_BYTES: u64 = 64 << 20;

/// The weights of an axis, with what is made of them when it is first needed.
pub(super) struct CachedWeights {
    pub(super) weights: Weights,
    /// For one channel and for three.
    #[cfg(target_arch = "x86_64")]
    blocks: [OnceLock<Option<Blocks>>; 2],
}

impl CachedWeights {
    fn new(weights: Weights) -> Self {
        Self {
            weights,
            #[cfg(target_arch = "x86_64")]
            blocks: [OnceLock::new(), OnceLock::new()],
        }
    }

    /// The same weights as blocks of rows of `C` channels, where there can be such.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn blocks<const C: usize>(&self) -> Option<&Blocks> {
        let blocks = &self.blocks[usize::from(C > 1)];
        blocks.get_or_init(|| Blocks::new::<C>(&self.weights)).as_ref()
    }
}

/// The weights that were used last, newest first.
#[derive(Default)]
pub(super) struct Cache {
    kept: Vec<(Axis, Filter, Arc<CachedWeights>)>,
}

impl Cache {
    pub(super) fn get(&mut self, axis: Axis, filter: Filter, rounding: Rounding) -> PictureResult<Arc<CachedWeights>> {
        let wanted = (axis, filter, rounding);
        if let Some(at) = self
            .kept
            .iter()
            .position(|(a, f, kept)| (*a, *f, kept.weights.rounding()) == wanted)
        {
            self.kept[..=at].rotate_right(1);
            return Ok(self.kept[0].2.clone());
        }
        let made = Arc::new(CachedWeights::new(Weights::new(axis, filter, rounding)?));
        if made.weights.all().len() <= MAX_KEPT_WEIGHTS {
            self.kept.truncate(KEPT - 1);
            self.kept.insert(0, (axis, filter, made.clone()));
            self.kept.truncate(within(&self.kept));
        }
        Ok(made)
    }
}

/// How many of them are kept: the newest one, and those before it as far as there is room.
fn within(kept: &[(Axis, Filter, Arc<CachedWeights>)]) -> usize {
    let mut bytes = 0;
    let fits = |(axis, filter, _): &&(Axis, Filter, Arc<CachedWeights>)| {
        bytes += coefficients::bytes(*axis, *filter);
        bytes <= MAX_KEPT_BYTES
    };
    kept.iter().take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_gives_the_same_weights_and_stays_small() {
        let mut cache = Cache::default();
        let first = cache.get(Axis::new(512, 448, 0, 448), Filter::Bicubic, Rounding::Pillow).unwrap();
        for output in 1..100 {
            cache
                .get(Axis::new(50, output, 0, output), Filter::Bilinear, Rounding::Pillow)
                .unwrap();
            let again = cache.get(Axis::new(512, 448, 0, 448), Filter::Bicubic, Rounding::Pillow).unwrap();
            assert!(Arc::ptr_eq(&first, &again));
            assert!(cache.kept.len() <= KEPT);
        }
    }
}
