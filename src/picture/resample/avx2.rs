//! The two passes for AVX2. The same sums as in [`super::portable`], so the same bits: the tests compare the two over every small size.
//!
//! A weight of 23 bits is split, k = high * 2^12 + low with 0 <= low < 2^12, so that `madd` takes two samples at once:
//! sum of k * s = (sum of high * s) * 2^12 + sum of low * s, exactly, modulo 2^32; and the whole sum fits 32 bits. torch's weights have
//! 16 bits and are not split.

#![expect(unsafe_code, reason = "loads and stores of registers, and calls of code compiled for AVX2")]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_cvtsi32_si128, _mm_loadu_si128, _mm_storeu_si128, _mm256_add_epi32, _mm256_castsi128_si256,
    _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_inserti128_si256, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_packs_epi32,
    _mm256_packus_epi16, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_slli_epi32, _mm256_sra_epi32, _mm256_storeu_si256,
    _mm256_unpackhi_epi8, _mm256_unpacklo_epi8,
};

use super::coefficients::{LOW_BITS, Pair, Rounding, Weights};
use super::passes::{TILE, passes};
use super::portable::{self, TurnBuffers};
use crate::cpu::Avx2;
use crate::picture::fault::PictureResult;

type Vector = __m256i;

/// Lanes that are summed at once: the bytes of a register.
const LANES: usize = 32;

/// As [`portable::vertical`].
pub(super) fn vertical(_: Avx2, from: &[u8], first: usize, row: usize, table: &Weights, to: &mut [u8]) {
    if row < LANES {
        return portable::vertical(from, first, row, table, to);
    }
    // SAFETY: the machine has AVX2, as a value of that type proves.
    unsafe {
        match table.rounding() {
            Rounding::Pillow => vertical_pass::<true>(from, first, row, table, to),
            Rounding::Torch => vertical_pass::<false>(from, first, row, table, to),
        }
    }
}

/// As [`portable::horizontal`].
pub(super) fn horizontal<const C: usize>(
    _: Avx2,
    from: &[u8],
    row: usize,
    table: &Weights,
    to: &mut [u8],
    buffers: &mut TurnBuffers,
) -> PictureResult<()> {
    let (first, end) = table.reach();
    if (end - first) * C < TILE || table.len() * C < TILE {
        return portable::horizontal::<C>(from, row, table, to, buffers);
    }
    // SAFETY: the machine has AVX2, as a value of that type proves.
    unsafe {
        match table.rounding() {
            Rounding::Pillow => horizontal_pass::<C, true>(from, row, table, to, buffers),
            Rounding::Torch => horizontal_pass::<C, false>(from, row, table, to, buffers),
        }
    }
}

passes!("avx2");

/// The weighted and rounded sums of [`LANES`] lanes; the next sample of a lane is `step` bytes further.
#[inline]
#[target_feature(enable = "avx2")]
fn weigh<const SPLIT: bool>(samples: &[u8], step: usize, pairs: &[Pair], count: usize, precision: u32) -> Vector {
    let half = _mm256_set1_epi32(1 << (precision - 1));
    let zero = zero();
    let mut high = [if SPLIT { zero } else { half }; 4];
    let mut low = [half; 4];
    for (t, pair) in pairs.iter().enumerate() {
        // With an odd count, the last weight of the last pair is zero: any sample will do.
        let (a, b) = (load(&samples[2 * t * step..]), load(&samples[(2 * t + 1).min(count - 1) * step..]));
        let (near, far) = (unpack_low(a, b), unpack_high(a, b));
        let samples = [
            unpack_low(near, zero),
            unpack_high(near, zero),
            unpack_low(far, zero),
            unpack_high(far, zero),
        ];
        let (k_high, k_low) = (_mm256_set1_epi32(pair.high), _mm256_set1_epi32(pair.low));
        for i in 0..4 {
            high[i] = _mm256_add_epi32(high[i], _mm256_madd_epi16(samples[i], k_high));
            if SPLIT {
                low[i] = _mm256_add_epi32(low[i], _mm256_madd_epi16(samples[i], k_low));
            }
        }
    }
    let mut sums = [zero; 4];
    let shift = _mm_cvtsi32_si128(precision.cast_signed());
    for i in 0..4 {
        let sum = if SPLIT {
            _mm256_add_epi32(_mm256_slli_epi32::<LOW_BITS>(high[i]), low[i])
        } else {
            high[i]
        };
        sums[i] = _mm256_sra_epi32(sum, shift);
    }
    // Packing saturates, which is `clip8`, and undoes the order that unpacking made.
    _mm256_packus_epi16(_mm256_packs_epi32(sums[0], sums[1]), _mm256_packs_epi32(sums[2], sums[3]))
}

#[inline]
#[target_feature(enable = "avx2")]
fn zero() -> Vector {
    _mm256_setzero_si256()
}

#[inline]
#[target_feature(enable = "avx2")]
fn unpack_low(a: Vector, b: Vector) -> Vector {
    _mm256_unpacklo_epi8(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn unpack_high(a: Vector, b: Vector) -> Vector {
    _mm256_unpackhi_epi8(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8]) -> Vector {
    let bytes = &bytes[..LANES];
    // SAFETY: 32 bytes that are there; the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(bytes: &mut [u8], register: Vector) {
    let bytes = &mut bytes[..LANES];
    // SAFETY: 32 bytes that are ours; the store needs no alignment.
    unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), register) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_tile(from: &[u8], at: impl Fn(usize) -> usize) -> Vector {
    let upper = _mm256_castsi128_si256(load_part(&from[at(0)..]));
    _mm256_inserti128_si256::<1>(upper, load_part(&from[at(1)..]))
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_tile(to: &mut [u8], register: Vector, at: impl Fn(usize) -> Option<usize>) {
    if let Some(at) = at(0) {
        store_part(&mut to[at..], _mm256_castsi256_si128(register));
    }
    if let Some(at) = at(1) {
        store_part(&mut to[at..], _mm256_extracti128_si256::<1>(register));
    }
}

#[inline]
fn load_part(bytes: &[u8]) -> __m128i {
    let bytes = &bytes[..TILE];
    // SAFETY: 16 bytes that are there; the load needs no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[inline]
fn store_part(bytes: &mut [u8], register: __m128i) {
    let bytes = &mut bytes[..TILE];
    // SAFETY: 16 bytes that are ours; the store needs no alignment.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), register) }
}
