//! The two passes for AVX-512 with VBMI and VNNI, of whose instructions one sends 64 bytes anywhere, and one multiplies 64 of them by 64
//! weights of 8 bits and adds up four products each.
//!
//! A weight of 24 bits is split in bytes with a sign, k = a * 2^16 + b * 2^8 + c with -128 <= b, c < 128: sum of k * s = (sum of a * s) * 2^16
//! + (sum of b * s) * 2^8 + sum of c * s, exactly, modulo 2^32; and the whole sum fits 32 bits. torch's weights, of 16 bits, mostly need two.
//!
//! So the horizontal pass takes rows as they lie, whatever their channels: nothing is turned, and nothing is written but the result.

#![expect(unsafe_code, reason = "loads and stores of registers, and calls of code compiled for AVX-512")]

use std::arch::x86_64::{
    __m128i, __m512i, _mm_cvtsi32_si128, _mm_storeu_si128, _mm512_add_epi32, _mm512_castsi512_si128, _mm512_dpbusd_epi32,
    _mm512_extracti32x4_epi32, _mm512_loadu_si512, _mm512_packs_epi32, _mm512_packus_epi16, _mm512_permutexvar_epi8,
    _mm512_permutexvar_epi32, _mm512_set1_epi32, _mm512_setr_epi32, _mm512_setzero_si512, _mm512_slli_epi32, _mm512_sra_epi32,
};

use super::avx512;
use super::blocks::{BLOCK, Blocks, Group, LANES, Split};
use super::coefficients::Weights;
use super::portable::TurnBuffers;
use crate::cpu::{Avx512Vbmi, Avx512Vnni};
use crate::picture::fault::PictureResult;

/// Rows that a block is made of before the next one: what was fetched for one serves all, and the rows stay in a near cache. 16 are as good,
/// 8 are 5 % slower.
const BAND: usize = 32;

/// Rows that are summed at once: as many as fill a register with results.
const ROWS: usize = 4;

/// As [`avx512::horizontal`]; `blocks` are those of the table for `C` channels, where there can be such.
pub(super) fn horizontal<const C: usize>(
    (vnni, _): (Avx512Vnni, Avx512Vbmi),
    from: &[u8],
    row: usize,
    table: &Weights,
    blocks: Option<&Blocks>,
    to: &mut [u8],
    buffers: &mut TurnBuffers,
) -> PictureResult<()> {
    let Some(blocks) = blocks else {
        return avx512::horizontal::<C>(vnni, from, row, table, to, buffers);
    };
    let (wanted, precision) = (table.len() * C, table.precision());
    for (from, to) in from.chunks(row * BAND).zip(to.chunks_mut(wanted * BAND)) {
        for (x, groups) in blocks.iter(wanted) {
            // SAFETY: the machine has these instructions, as values of their types prove.
            unsafe {
                match blocks.split() {
                    Split::Three => block::<3>(from, row, groups, precision, &mut to[x..], wanted),
                    Split::Two => block::<2>(from, row, groups, precision, &mut to[x..], wanted),
                }
            }
        }
    }
    Ok(())
}

/// One block of each row of `from`, `row` bytes apart, to the first bytes of `to`, `wanted` bytes apart.
#[target_feature(enable = "avx512bw,avx512vnni,avx512vbmi")]
fn block<const BYTES: usize>(from: &[u8], row: usize, groups: &[Group], precision: u32, to: &mut [u8], wanted: usize) {
    let rows = from.len() / row;
    for y in (0..rows).step_by(ROWS) {
        // What has no row repeats the last one; its results go nowhere.
        let at: [usize; ROWS] = std::array::from_fn(|i| (y + i).min(rows - 1) * row);
        let mut sums = [[_mm512_setzero_si512(); ROWS]; BYTES];
        sums[BYTES - 1] = [_mm512_set1_epi32(1 << (precision - 1)); ROWS];
        for group in groups {
            let index = load(&group.index.0);
            for i in 0..ROWS {
                let samples = _mm512_permutexvar_epi8(index, load(&from[at[i] + group.start..]));
                for (sums, weights) in sums.iter_mut().zip(&group.weights) {
                    sums[i] = _mm512_dpbusd_epi32(sums[i], samples, load(&weights.0));
                }
            }
        }
        // The sums of a row are a register; packed, each 16 bytes have four results of each row.
        let packed = round(&sums, precision);
        let in_rows = _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), packed);
        let results = [
            _mm512_castsi512_si128(in_rows),
            _mm512_extracti32x4_epi32::<1>(in_rows),
            _mm512_extracti32x4_epi32::<2>(in_rows),
            _mm512_extracti32x4_epi32::<3>(in_rows),
        ];
        for (y, result) in (y..rows).zip(results) {
            store_block(&mut to[y * wanted..], result);
        }
    }
}

/// The sums of the weights' bytes, the high ones first, as one, rounded and packed: in each 16 bytes, four of the first register, then of the
/// second one, and so on. Packing saturates, which is `clip8`.
#[inline]
#[target_feature(enable = "avx512bw,avx512vnni,avx512vbmi")]
fn round<const BYTES: usize>(sums: &[[__m512i; 4]; BYTES], precision: u32) -> __m512i {
    let shift = _mm_cvtsi32_si128(precision.cast_signed());
    let mut whole = sums[0];
    for next in &sums[1..] {
        for (whole, next) in whole.iter_mut().zip(next) {
            *whole = _mm512_add_epi32(_mm512_slli_epi32::<8>(*whole), *next);
        }
    }
    let [a, b, c, d] = whole.map(|sum| _mm512_sra_epi32(sum, shift));
    _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d))
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vnni,avx512vbmi")]
fn load(bytes: &[u8]) -> __m512i {
    let bytes = &bytes[..LANES];
    // SAFETY: 64 bytes that are there; the load needs no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
fn store_block(bytes: &mut [u8], register: __m128i) {
    let bytes = &mut bytes[..BLOCK];
    // SAFETY: 16 bytes that are ours; the store needs no alignment.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), register) }
}
