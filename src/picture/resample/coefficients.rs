//! The weights of a resampling pass: `precompute_coeffs` and `normalize_coeffs_8bpc` of `Resample.c`; and, of torch, what
//! `_compute_index_ranges_int16_weights` of `UpSampleKernel.cpp` makes of the same weights.

use crate::picture::choices::Filter;
use crate::picture::fault::PictureResult;
use crate::picture::memory::{filled, reserve};

/// Bits behind the point of a weight: 8 for the result, 2 because a sum may be negative or exceed 1.
pub(super) const PRECISION_BITS: u32 = 32 - 8 - 2;

/// How weights are rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rounding {
    /// To [`PRECISION_BITS`], as in Pillow.
    Pillow,
    /// To 16 bits with as many of them behind the point as the largest weight of the axis leaves, as in torch.
    Torch,
}

/// The bits of the lower part of a weight, where it is split.
pub(super) const LOW_BITS: i32 = 12;

/// What weights depend on, besides the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Axis {
    /// The pixels of the source.
    pub(super) input: u32,
    /// The pixels of the whole result.
    pub(super) output: u32,
    /// The first pixel of the result that is wanted.
    pub(super) first: u32,
    /// How many are wanted.
    pub(super) count: u32,
}

impl Axis {
    /// From `input` pixels to `output` ones, of which `count` are wanted from `first` on.
    pub(super) fn new(input: u32, output: u32, first: u32, count: u32) -> Self {
        Self {
            input,
            output,
            first,
            count,
        }
    }
}

/// Two weights that follow each other, each split in a higher part (with its sign) and a lower one of [`LOW_BITS`] bits: as 16-bit
/// numbers side by side, the first one in the lower half.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) high: i32,
    pub(super) low: i32,
}

impl Pair {
    fn new(weights: &[i32], rounding: Rounding) -> Self {
        let side_by_side = |part: fn(i32) -> i32| {
            let [first, second] = [weights.first(), weights.get(1)].map(|w| part(w.copied().unwrap_or(0)));
            first & 0xffff | second << 16
        };
        match rounding {
            Rounding::Pillow => Self {
                high: side_by_side(|w| w >> LOW_BITS),
                low: side_by_side(|w| w & ((1 << LOW_BITS) - 1)),
            },
            // 16 bits already: nothing to split.
            Rounding::Torch => Self {
                high: side_by_side(|w| w),
                low: 0,
            },
        }
    }
}

/// For each wanted pixel of the result: where its pixels of the source begin, and their weights.
#[derive(Debug)]
pub(super) struct Weights {
    /// The first pixel of the source, and the number of weights.
    spans: Vec<(u32, u32)>,
    /// The weights of each pixel, `stride` apart; those behind its number are zero.
    all: Vec<i32>,
    stride: usize,
    /// The same weights two by two, half of the stride (rounded up) apart.
    pairs: Vec<Pair>,
    rounding: Rounding,
    /// The bits of a weight behind the point.
    precision: u32,
}

/// The weights of one axis, not yet rounded.
pub(super) struct ExactWeights {
    scale: f64,
    support: f64,
    inverse: f64,
    function: fn(f64) -> f64,
    input: u32,
}

impl ExactWeights {
    pub(super) fn new(axis: Axis, filter: Filter) -> Self {
        let (function, support) = kernel(filter);
        let scale = f64::from(axis.input) / f64::from(axis.output);
        let filter_scale = scale.max(1.0);
        Self {
            scale,
            support: support * filter_scale,
            inverse: 1.0 / filter_scale,
            function,
            input: axis.input,
        }
    }

    /// The most weights that a pixel of the result has: `ksize`, unless the source is shorter.
    pub(super) fn stride(&self) -> usize {
        // An axis of no pixels has an endless support.
        (self.support.ceil() as usize)
            .saturating_mul(2)
            .saturating_add(1)
            .min(self.input as usize)
    }

    /// The weights of a pixel of the whole result, into the front of `weights`: the first pixel of the source, and how many there are.
    pub(super) fn fill(&self, pixel: u32, weights: &mut [f64]) -> (u32, u32) {
        let center = (f64::from(pixel) + 0.5) * self.scale;
        // Truncation towards zero, as C does it; what is negative becomes 0.
        let start = (center - self.support + 0.5).max(0.0) as u32;
        let end = ((center + self.support + 0.5) as u32).min(self.input);
        let weights = &mut weights[..end.saturating_sub(start) as usize];
        let mut sum = 0.0;
        for (x, weight) in weights.iter_mut().enumerate() {
            *weight = (self.function)((x as f64 + f64::from(start) - center + 0.5) * self.inverse);
            sum += *weight;
        }
        if sum != 0.0 {
            for weight in weights.iter_mut() {
                *weight /= sum;
            }
        }
        (start, weights.len() as u32)
    }

    /// torch's bits behind the point: as many as leave the largest weight of the whole axis in 16 bits.
    fn torch_precision(&self, output: u32) -> PictureResult<u32> {
        let mut weights = filled(0.0, self.stride())?;
        let mut largest: f64 = 0.0;
        for pixel in 0..output {
            let (_, count) = self.fill(pixel, &mut weights);
            largest = weights[..count as usize].iter().fold(largest, |most, weight| most.max(*weight));
        }
        let enough = |bits: &u32| (0.5 + largest * f64::from(1 << (bits + 1))) as i32 >= 1 << 15;
        Ok((0..PRECISION_BITS).find(enough).unwrap_or(PRECISION_BITS))
    }
}

/// Bytes of the place of one pixel, with [`Filter::Nearest`].
pub(super) const NEAREST_BYTES: u64 = size_of::<Option<u32>>() as u64;

/// The bytes that [`Weights`] of an axis take, with those of their making and what [`super::blocks`] makes of them.
pub(super) fn bytes(axis: Axis, filter: Filter) -> u64 {
    let (count, stride) = (u64::from(axis.count), ExactWeights::new(axis, filter).stride() as u64);
    let each = (size_of::<(u32, u32)>() + size_of::<i32>() * stride as usize + size_of::<Pair>() * stride.div_ceil(2) as usize) as u64;
    // Blocks of three channels: two registers of places and three of weights for each group of four weights.
    let blocks = (count * 3)
        .div_ceil(16)
        .saturating_mul(stride.div_ceil(4))
        .saturating_mul(320)
        .min(MOST_BLOCKS_BYTES);
    count.saturating_mul(each).saturating_add(8 * stride + blocks)
}

/// What blocks of one axis take at most, for one channel and for three: beyond `MAX_GROUPS` there are none.
const MOST_BLOCKS_BYTES: u64 = 2 * (5 << 20);

impl Weights {
    pub(super) fn new(axis: Axis, filter: Filter, rounding: Rounding) -> PictureResult<Self> {
        let exact = ExactWeights::new(axis, filter);
        let stride = exact.stride();
        let precision = match rounding {
            Rounding::Pillow => PRECISION_BITS,
            Rounding::Torch => exact.torch_precision(axis.output)?,
        };
        let mut spans = Vec::new();
        reserve(&mut spans, axis.count as usize)?;
        let mut weights = filled(0, axis.count as usize * stride)?;
        let mut unrounded = filled(0.0, stride)?;
        for (pixel, row) in (axis.first..).zip(weights.chunks_exact_mut(stride)) {
            let (start, count) = exact.fill(pixel, &mut unrounded);
            for (to, weight) in row.iter_mut().zip(&unrounded[..count as usize]) {
                let half = if *weight < 0.0 { -0.5 } else { 0.5 };
                *to = (half + *weight * f64::from(1 << precision)) as i32;
            }
            spans.push((start, count));
        }
        let mut pairs = Vec::new();
        reserve(&mut pairs, axis.count as usize * stride.div_ceil(2))?;
        for row in weights.chunks_exact(stride) {
            pairs.extend(row.chunks(2).map(|pair| Pair::new(pair, rounding)));
        }
        Ok(Self {
            spans,
            all: weights,
            stride,
            pairs,
            rounding,
            precision,
        })
    }

    /// How the weights were rounded.
    pub(super) fn rounding(&self) -> Rounding {
        self.rounding
    }

    /// The bits of a weight behind the point.
    pub(super) fn precision(&self) -> u32 {
        self.precision
    }

    /// How many pixels of the result there are.
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// Where the pixels of the source for this one begin, and their weights.
    pub(super) fn get(&self, i: usize) -> (usize, &[i32]) {
        let (start, count) = self.spans[i];
        (start as usize, &self.all[i * self.stride..][..count as usize])
    }

    /// Likewise two by two, and their number (of single ones).
    pub(super) fn pairs(&self, i: usize) -> (usize, &[Pair], usize) {
        let (start, count) = self.spans[i];
        let pairs = &self.pairs[i * self.stride.div_ceil(2)..][..count.div_ceil(2) as usize];
        (start as usize, pairs, count as usize)
    }

    /// The most weights that a pixel has.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn most(&self) -> usize {
        self.spans.iter().map(|(_, count)| *count).max().unwrap_or(0) as usize
    }

    /// All weights, in no order that matters.
    pub(super) fn all(&self) -> &[i32] {
        &self.all
    }

    /// The first pixel of the source that is needed, and the first behind them.
    pub(super) fn reach(&self) -> (usize, usize) {
        let start = self.spans.iter().map(|(start, _)| *start).min().unwrap_or(0);
        let end = self.spans.iter().map(|(start, count)| start + count).max().unwrap_or(0);
        (start as usize, end as usize)
    }
}

/// Whether Pillow gives up on this size because its table of weights would exceed 2 GiB (`MemoryError`).
pub(super) fn is_beyond_pillow(input: u32, output: u32, filter: Filter) -> bool {
    let scale = (f64::from(input) / f64::from(output)).max(1.0);
    let taps = (kernel(filter).1 * scale).ceil() * 2.0 + 1.0;
    f64::from(output) > (f64::from(i32::MAX) / (taps * 8.0)).floor()
}

/// A filter's function and its support, in pixels of the larger scale.
fn kernel(filter: Filter) -> (fn(f64) -> f64, f64) {
    match filter {
        Filter::Nearest | Filter::Box => (box_filter, 0.5),
        Filter::Bilinear => (bilinear, 1.0),
        Filter::Hamming => (hamming, 1.0),
        Filter::Bicubic => (bicubic, 2.0),
        Filter::Lanczos => (lanczos, 3.0),
    }
}

fn box_filter(x: f64) -> f64 {
    if x > -0.5 && x <= 0.5 { 1.0 } else { 0.0 }
}

fn bilinear(x: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 { 1.0 - x } else { 0.0 }
}

fn hamming(x: f64) -> f64 {
    let x = x.abs();
    if x == 0.0 {
        return 1.0;
    }
    if x >= 1.0 {
        return 0.0;
    }
    let x = x * std::f64::consts::PI;
    // Single-precision constants, as in C.
    x.sin() / x * (f64::from(0.54_f32) + f64::from(0.46_f32) * x.cos())
}

/// The cubic with a = -0.5, written as in C: another order of the operations rounds differently.
fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

fn lanczos(x: f64) -> f64 {
    if (-3.0..3.0).contains(&x) { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * std::f64::consts::PI;
    x.sin() / x
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(input: u32, output: u32) -> Axis {
        Axis {
            input,
            output,
            first: 0,
            count: output,
        }
    }

    #[test]
    fn weights_sum_to_one_but_for_rounding() {
        for filter in [Filter::Box, Filter::Bilinear, Filter::Hamming, Filter::Bicubic, Filter::Lanczos] {
            for (input, output) in [(1, 7), (7, 1), (512, 448), (240, 448), (1000, 3)] {
                let table = Weights::new(whole(input, output), filter, Rounding::Pillow).unwrap();
                for i in 0..table.len() {
                    let (start, weights) = table.get(i);
                    assert!(!weights.is_empty() && start + weights.len() <= input as usize);
                    let sum: i64 = weights.iter().map(|w| i64::from(*w)).sum();
                    assert!(
                        (sum - (1 << PRECISION_BITS)).unsigned_abs() <= weights.len() as u64,
                        "{filter:?} {sum}"
                    );
                    // No sum of products leaves 32 bits.
                    let most: i64 = weights.iter().map(|w| i64::from(*w).abs() * 255).sum();
                    assert!(most < i64::from(i32::MAX) - (1 << (PRECISION_BITS - 1)));
                }
            }
        }
    }

    #[test]
    fn a_window_is_a_part_of_the_whole() {
        let all = Weights::new(whole(630, 480), Filter::Bicubic, Rounding::Pillow).unwrap();
        let part = Weights::new(
            Axis {
                input: 630,
                output: 480,
                first: 16,
                count: 448,
            },
            Filter::Bicubic,
            Rounding::Pillow,
        )
        .unwrap();
        for i in 0..448 {
            assert_eq!(part.get(i), all.get(i + 16));
        }
    }
}
