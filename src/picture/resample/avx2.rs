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

use super::coefficients::{LOW_BITS, Pair, Rounding, Table};
use super::portable::{self, Scratch};

/// Lanes that are summed at once: the bytes of a register.
const LANES: usize = portable::LANES;

/// The side of the tiles that are turned, in bytes.
const TILE: usize = 16;

/// As [`portable::vertical`].
pub(super) fn vertical(from: &[u8], first: usize, row: usize, table: &Table, to: &mut [u8]) {
    assert!(std::is_x86_feature_detected!("avx2"));
    if row < LANES {
        return portable::vertical(from, first, row, table, to);
    }
    // SAFETY: the machine has AVX2, as was just seen (in a cached word).
    unsafe {
        match table.rounding() {
            Rounding::Pillow => vertical_avx2::<true>(from, first, row, table, to),
            Rounding::Torch => vertical_avx2::<false>(from, first, row, table, to),
        }
    }
}

/// As [`portable::horizontal`].
pub(super) fn horizontal<const C: usize>(from: &[u8], row: usize, table: &Table, to: &mut [u8], scratch: &mut Scratch) {
    assert!(std::is_x86_feature_detected!("avx2"));
    let (first, end) = table.reach();
    if (end - first) * C < TILE || table.len() * C < TILE {
        return portable::horizontal::<C>(from, row, table, to, scratch);
    }
    // SAFETY: the machine has AVX2, as was just seen (in a cached word).
    unsafe {
        match table.rounding() {
            Rounding::Pillow => horizontal_avx2::<C, true>(from, row, table, to, scratch),
            Rounding::Torch => horizontal_avx2::<C, false>(from, row, table, to, scratch),
        }
    }
}

#[target_feature(enable = "avx2")]
fn vertical_avx2<const SPLIT: bool>(from: &[u8], first: usize, row: usize, table: &Table, to: &mut [u8]) {
    for (i, target) in to.chunks_exact_mut(row).enumerate() {
        let (start, pairs, count) = table.pairs(i);
        let rows = &from[(start - first) * row..][..count * row];
        let mut x = 0;
        while x < row {
            // The last block overlaps the one before.
            x = x.min(row - LANES);
            let bytes = weigh::<SPLIT>(&rows[x..], row, pairs, count, table.precision());
            store(&mut target[x..], bytes);
            x += LANES;
        }
    }
}

#[target_feature(enable = "avx2")]
fn horizontal_avx2<const C: usize, const SPLIT: bool>(from: &[u8], row: usize, table: &Table, to: &mut [u8], scratch: &mut Scratch) {
    let (first, end) = table.reach();
    let (used, wanted) = ((end - first) * C, table.len() * C);
    let (turned, result) = scratch.lanes(used, wanted);
    for (from, to) in from.chunks(row * LANES).zip(to.chunks_mut(wanted * LANES)) {
        turn_in(from, row, first * C, turned);
        for (i, target) in result.chunks_exact_mut(C * LANES).enumerate() {
            let (start, pairs, count) = table.pairs(i);
            let samples = &turned[(start - first) * C * LANES..][..count * C * LANES];
            for c in 0..C {
                let bytes = weigh::<SPLIT>(&samples[c * LANES..], C * LANES, pairs, count, table.precision());
                store(&mut target[c * LANES..], bytes);
            }
        }
        turn_out(result, wanted, to);
    }
}

/// The weighted and rounded sums of [`LANES`] lanes; the next sample of a lane is `step` bytes further.
#[inline]
#[target_feature(enable = "avx2")]
fn weigh<const SPLIT: bool>(samples: &[u8], step: usize, pairs: &[Pair], count: usize, precision: u32) -> __m256i {
    let half = _mm256_set1_epi32(1 << (precision - 1));
    let zero = _mm256_setzero_si256();
    let mut high = [if SPLIT { zero } else { half }; 4];
    let mut low = [half; 4];
    for (t, pair) in pairs.iter().enumerate() {
        // With an odd count, the last weight of the last pair is zero: any sample will do.
        let (a, b) = (load(&samples[2 * t * step..]), load(&samples[(2 * t + 1).min(count - 1) * step..]));
        let (near, far) = (_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b));
        let samples = [
            _mm256_unpacklo_epi8(near, zero),
            _mm256_unpackhi_epi8(near, zero),
            _mm256_unpacklo_epi8(far, zero),
            _mm256_unpackhi_epi8(far, zero),
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

/// As [`portable::turn_in`]; at least [`TILE`] columns.
#[inline]
#[target_feature(enable = "avx2")]
fn turn_in(from: &[u8], row: usize, first: usize, turned: &mut [u8]) {
    let last = from.len() / row - 1;
    let columns = turned.len() / LANES;
    let mut x = 0;
    while x < columns {
        x = x.min(columns - TILE);
        let mut tile = [_mm256_setzero_si256(); TILE];
        for (y, register) in tile.iter_mut().enumerate() {
            // Lanes without a row repeat the last one; their results go nowhere.
            let (upper, lower) = (y.min(last) * row, (y + TILE).min(last) * row);
            let (upper, lower) = (load_tile(&from[upper + first + x..]), load_tile(&from[lower + first + x..]));
            *register = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(upper), lower);
        }
        for (dx, register) in turn_tile(&tile).into_iter().enumerate() {
            store(&mut turned[(x + dx) * LANES..], register);
        }
        x += TILE;
    }
}

/// As [`portable::turn_out`]; rows of at least [`TILE`] bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn turn_out(turned: &[u8], row: usize, to: &mut [u8]) {
    let rows = to.len() / row;
    let mut x = 0;
    while x < row {
        x = x.min(row - TILE);
        let mut tile = [_mm256_setzero_si256(); TILE];
        for (dx, register) in tile.iter_mut().enumerate() {
            *register = load(&turned[(x + dx) * LANES..]);
        }
        for (y, register) in turn_tile(&tile).into_iter().enumerate() {
            if y < rows {
                store_tile(&mut to[y * row + x..], _mm256_castsi256_si128(register));
            }
            if y + TILE < rows {
                store_tile(&mut to[(y + TILE) * row + x..], _mm256_extracti128_si256::<1>(register));
            }
        }
        x += TILE;
    }
}

/// Turns two tiles of 16 by 16 bytes, one in the lower halves of the registers, one in the upper ones: four rounds, each of which
/// interleaves registers i and i + 8. (After each round the index of a byte is rotated by one bit; after four, rows are columns.)
#[inline]
#[target_feature(enable = "avx2")]
fn turn_tile(tile: &[__m256i; TILE]) -> [__m256i; TILE] {
    let mut rows = *tile;
    for _ in 0..4 {
        let mut next = rows;
        for i in 0..TILE / 2 {
            next[2 * i] = _mm256_unpacklo_epi8(rows[i], rows[i + TILE / 2]);
            next[2 * i + 1] = _mm256_unpackhi_epi8(rows[i], rows[i + TILE / 2]);
        }
        rows = next;
    }
    rows
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8]) -> __m256i {
    let bytes = &bytes[..LANES];
    // SAFETY: 32 bytes that are there; the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_tile(bytes: &[u8]) -> __m128i {
    let bytes = &bytes[..TILE];
    // SAFETY: 16 bytes that are there; the load needs no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(bytes: &mut [u8], register: __m256i) {
    let bytes = &mut bytes[..LANES];
    // SAFETY: 32 bytes that are ours; the store needs no alignment.
    unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), register) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_tile(bytes: &mut [u8], register: __m128i) {
    let bytes = &mut bytes[..TILE];
    // SAFETY: 16 bytes that are ours; the store needs no alignment.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), register) }
}
