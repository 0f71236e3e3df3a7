//! The two passes for AVX-512 with its vector neural network instructions, of which one takes two samples, multiplies and adds. The sums are
//! those of [`super::avx2`], in registers of twice the width.

#![expect(unsafe_code, reason = "loads and stores of registers, and calls of code compiled for AVX-512")]

use std::arch::x86_64::{
    __m128i, __m512i, _mm_cvtsi32_si128, _mm_loadu_si128, _mm_storeu_si128, _mm512_add_epi32, _mm512_castsi128_si512,
    _mm512_castsi512_si128, _mm512_dpwssd_epi32, _mm512_extracti32x4_epi32, _mm512_inserti32x4, _mm512_loadu_si512, _mm512_packs_epi32,
    _mm512_packus_epi16, _mm512_set1_epi32, _mm512_setzero_si512, _mm512_slli_epi32, _mm512_sra_epi32, _mm512_storeu_si512,
    _mm512_unpackhi_epi8, _mm512_unpacklo_epi8,
};

use super::avx2;
use super::coefficients::{LOW_BITS, Pair, Rounding, Weights};
use super::passes::{TILE, passes};
use super::portable::TurnBuffers;
use crate::cpu::Avx512Vnni;
use crate::picture::fault::PictureResult;

type Vector = __m512i;

/// Lanes that are summed at once: the bytes of a register.
const LANES: usize = 64;

/// As [`avx2::vertical`].
pub(super) fn vertical(set: Avx512Vnni, from: &[u8], first: usize, row: usize, table: &Weights, to: &mut [u8]) {
    if row < LANES {
        return avx2::vertical(set.avx2(), from, first, row, table, to);
    }
    // SAFETY: the machine has these instructions, as `set` proves.
    unsafe {
        match table.rounding() {
            Rounding::Pillow => vertical_pass::<true>(from, first, row, table, to),
            Rounding::Torch => vertical_pass::<false>(from, first, row, table, to),
        }
    }
}

/// As [`avx2::horizontal`].
pub(super) fn horizontal<const C: usize>(
    set: Avx512Vnni,
    from: &[u8],
    row: usize,
    table: &Weights,
    to: &mut [u8],
    buffers: &mut TurnBuffers,
) -> PictureResult<()> {
    let (first, end) = table.reach();
    if (end - first) * C < TILE || table.len() * C < TILE {
        return avx2::horizontal::<C>(set.avx2(), from, row, table, to, buffers);
    }
    // SAFETY: the machine has these instructions, as `set` proves.
    unsafe {
        match table.rounding() {
            Rounding::Pillow => horizontal_pass::<C, true>(from, row, table, to, buffers),
            Rounding::Torch => horizontal_pass::<C, false>(from, row, table, to, buffers),
        }
    }
}

passes!("avx512bw,avx512vnni");

/// The weighted and rounded sums of [`LANES`] lanes; the next sample of a lane is `step` bytes further.
#[inline]
#[target_feature(enable = "avx512bw,avx512vnni")]
fn weigh<const SPLIT: bool>(samples: &[u8], step: usize, pairs: &[Pair], count: usize, precision: u32) -> Vector {
    let half = _mm512_set1_epi32(1 << (precision - 1));
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
        let (k_high, k_low) = (_mm512_set1_epi32(pair.high), _mm512_set1_epi32(pair.low));
        for i in 0..4 {
            high[i] = _mm512_dpwssd_epi32(high[i], samples[i], k_high);
            if SPLIT {
                low[i] = _mm512_dpwssd_epi32(low[i], samples[i], k_low);
            }
        }
    }
    let mut sums = [zero; 4];
    let shift = _mm_cvtsi32_si128(precision.cast_signed());
    for i in 0..4 {
        let sum = if SPLIT {
            _mm512_add_epi32(_mm512_slli_epi32::<{ LOW_BITS.cast_unsigned() }>(high[i]), low[i])
        } else {
            high[i]
        };
        sums[i] = _mm512_sra_epi32(sum, shift);
    }
    // Packing saturates, which is `clip8`, and undoes the order that unpacking made.
    _mm512_packus_epi16(_mm512_packs_epi32(sums[0], sums[1]), _mm512_packs_epi32(sums[2], sums[3]))
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vnni")]
fn zero() -> Vector {
    _mm512_setzero_si512()
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vnni")]
fn unpack_low(a: Vector, b: Vector) -> Vector {
    _mm512_unpacklo_epi8(a, b)
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vnni")]
fn unpack_high(a: Vector, b: Vector) -> Vector {
    _mm512_unpackhi_epi8(a, b)
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vnni")]
fn load(bytes: &[u8]) -> Vector {
    let bytes = &bytes[..LANES];
    // SAFETY: 64 bytes that are there; the load needs no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vnni")]
fn store(bytes: &mut [u8], register: Vector) {
    let bytes = &mut bytes[..LANES];
    // SAFETY: 64 bytes that are ours; the store needs no alignment.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), register) }
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vnni")]
fn load_tile(from: &[u8], at: impl Fn(usize) -> usize) -> Vector {
    let mut register = _mm512_castsi128_si512(load_part(&from[at(0)..]));
    register = _mm512_inserti32x4::<1>(register, load_part(&from[at(1)..]));
    register = _mm512_inserti32x4::<2>(register, load_part(&from[at(2)..]));
    _mm512_inserti32x4::<3>(register, load_part(&from[at(3)..]))
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vnni")]
fn store_tile(to: &mut [u8], register: Vector, at: impl Fn(usize) -> Option<usize>) {
    let parts = [
        _mm512_castsi512_si128(register),
        _mm512_extracti32x4_epi32::<1>(register),
        _mm512_extracti32x4_epi32::<2>(register),
        _mm512_extracti32x4_epi32::<3>(register),
    ];
    for (number, part) in parts.into_iter().enumerate() {
        if let Some(at) = at(number) {
            store_part(&mut to[at..], part);
        }
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
