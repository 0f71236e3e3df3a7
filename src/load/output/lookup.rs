//! A table of 256 numbers of 16 bits, looked up for many bytes at once: what normalising a picture comes to.
//!
//! With AVX-512 VBMI, whose instructions look 64 bytes up in a table of 128, there is no load and no store for each number: what limits is
//! the memory that is written.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "loads and stores of registers, and calls of code compiled for AVX-512")
)]

use crate::cpu::Avx512Vbmi;
use crate::picture::PatchShape;

/// Pixels that are taken apart at once: the planes stay in the nearest cache until they are looked up.
const BLOCK: usize = 2048;

/// A table, and its low bytes and its high ones.
struct Lookup<'a> {
    table: &'a [u16; 256],
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "only registers look bytes up"))]
    halves: [[u8; 256]; 2],
}

impl<'a> Lookup<'a> {
    fn new(table: &'a [u16; 256]) -> Self {
        let half = |byte: usize| std::array::from_fn(|i| table[i].to_le_bytes()[byte]);
        Self {
            table,
            halves: [half(0), half(1)],
        }
    }

    /// `to[i] = table[from[i]]`. There are as many of both.
    fn look_up(&self, from: &[u8], to: &mut [u16]) {
        assert_eq!(from.len(), to.len(), "a number for each byte");
        #[cfg(target_arch = "x86_64")]
        if Avx512Vbmi::detect().is_some() {
            // SAFETY: the machine has these instructions, as was just seen.
            unsafe { vbmi::look_up(&self.halves, from, to) };
            return;
        }
        look_up_portable(self.table, from, to);
    }
}

/// One plane for each channel, of pixels of one channel or three: NCHW from NHWC.
///
/// # Panics
///
/// Where `to` has not three numbers for each pixel, or there is no pixel.
pub(super) fn look_up_planes<const C: usize>(tables: &[[u16; 256]; 3], pixels: &[u8], to: &mut [u16]) {
    let area = pixels.len() / C;
    assert_eq!(area * 3, to.len(), "three numbers for each pixel");
    let (red, rest) = to.split_at_mut(area);
    let (green, blue) = rest.split_at_mut(area);
    let planes = red.chunks_mut(BLOCK).zip(green.chunks_mut(BLOCK)).zip(blue.chunks_mut(BLOCK));
    let (tables, mut apart) = (tables.each_ref().map(Lookup::new), [[0; BLOCK]; 3]);
    for (from, ((red, green), blue)) in pixels.chunks(BLOCK * C).zip(planes) {
        if C == 3 {
            take_apart(from, &mut apart);
        }
        for ((plane, table), apart) in [red, green, blue].into_iter().zip(&tables).zip(&apart) {
            let bytes = if C == 3 { &apart[..plane.len()] } else { from };
            table.look_up(bytes, plane);
        }
    }
}

/// A picture cut into patches, as `patchify` of transformers' `models/qwen2_vl/image_processing_qwen2_vl.py` orders them (see
/// [`crate::load::output`]). False, and nothing is written, where the machine has nothing that makes this fast, or patches are too large.
///
/// The pixels of one patch are brought together first: they then are looked up as a row of their own, into the very place of the numbers.
pub(super) fn look_up_patches<const C: usize>(
    tables: &[[u16; 256]; 3],
    pixels: &[u8],
    width: usize,
    patches: PatchShape,
    to: &mut [u16],
) -> bool {
    let [side, merge, temporal] = [patches.patch, patches.merge, patches.temporal].map(|n| n as usize);
    let plane = side * side;
    if !is_fast() || plane > BLOCK {
        return false;
    }
    let tables = tables.each_ref().map(Lookup::new);
    let (mut together, mut apart) = ([0; BLOCK * 3], [[0; BLOCK]; 3]);
    let wide = width / side / merge;
    for (number, patch) in to.chunks_exact_mut(3 * temporal * plane).enumerate() {
        let (token, within) = (number / (merge * merge), number % (merge * merge));
        let y = (token / wide * merge + within / merge) * side;
        let x = (token % wide * merge + within % merge) * side;
        let together = &mut together[..plane * C];
        for (row, to) in together.chunks_exact_mut(side * C).enumerate() {
            to.copy_from_slice(&pixels[((y + row) * width + x) * C..][..side * C]);
        }
        if C == 3 {
            take_apart(together, &mut apart);
        }
        for (channel, repeated) in patch.chunks_exact_mut(temporal * plane).enumerate() {
            let (first, others) = repeated.split_at_mut(plane);
            let bytes = if C == 3 { &apart[channel][..plane] } else { &*together };
            tables[channel].look_up(bytes, first);
            for other in others.chunks_exact_mut(plane) {
                other.copy_from_slice(first);
            }
        }
    }
    true
}

/// Whether many bytes are looked up at once here.
fn is_fast() -> bool {
    Avx512Vbmi::detect().is_some()
}

/// The channels of pixels, each by itself.
fn take_apart(pixels: &[u8], apart: &mut [[u8; BLOCK]; 3]) {
    #[cfg(target_arch = "x86_64")]
    if Avx512Vbmi::detect().is_some() {
        // SAFETY: the machine has these instructions, as was just seen.
        unsafe { vbmi::take_apart(pixels, apart) };
        return;
    }
    take_apart_portable(pixels, apart, 0);
}

fn take_apart_portable(pixels: &[u8], apart: &mut [[u8; BLOCK]; 3], first: usize) {
    let [red, green, blue] = apart;
    let planes = red.iter_mut().zip(green).zip(blue);
    for (from, ((red, green), blue)) in pixels.as_chunks::<3>().0.iter().zip(planes).skip(first) {
        [*red, *green, *blue] = *from;
    }
}

/// Four numbers are stored at once: one store for each is what would limit.
fn look_up_portable(table: &[u16; 256], from: &[u8], to: &mut [u16]) {
    let (fours, rest) = from.as_chunks::<4>();
    let (to_fours, to_rest) = to.as_chunks_mut::<4>();
    for (from, to) in fours.iter().zip(to_fours) {
        let packed = from
            .iter()
            .rev()
            .fold(0, |packed, byte| packed << 16 | u64::from(table[usize::from(*byte)]));
        *to = bytemuck::cast(packed.to_le());
    }
    for (from, to) in rest.iter().zip(to_rest) {
        *to = table[usize::from(*from)];
    }
}

#[cfg(target_arch = "x86_64")]
mod vbmi {
    use std::arch::x86_64::{
        __m512i, _mm512_loadu_si512, _mm512_mask_blend_epi8, _mm512_mask_permutexvar_epi8, _mm512_movepi8_mask, _mm512_permutex2var_epi8,
        _mm512_permutexvar_epi64, _mm512_setr_epi64, _mm512_storeu_si512, _mm512_unpackhi_epi8, _mm512_unpacklo_epi8,
    };

    use super::{BLOCK, take_apart_portable};

    /// The bytes of a register.
    const LANES: usize = 64;

    /// Half of the bytes of a table, low or high, in registers.
    struct Half([__m512i; 4]);

    impl Half {
        #[inline]
        #[target_feature(enable = "avx512bw,avx512vbmi")]
        fn new(bytes: &[u8; 256]) -> Self {
            let (parts, _) = bytes.as_chunks::<LANES>();
            Self([load(&parts[0]), load(&parts[1]), load(&parts[2]), load(&parts[3])])
        }

        /// `upper` are the lanes whose number is 128 or more.
        #[inline]
        #[target_feature(enable = "avx512bw,avx512vbmi")]
        fn at(&self, numbers: __m512i, upper: u64) -> __m512i {
            let [a, b, c, d] = self.0;
            let low = _mm512_permutex2var_epi8(a, numbers, b);
            let high = _mm512_permutex2var_epi8(c, numbers, d);
            _mm512_mask_blend_epi8(upper, low, high)
        }
    }

    #[target_feature(enable = "avx512bw,avx512vbmi")]
    pub(super) fn look_up(halves: &[[u8; 256]; 2], from: &[u8], to: &mut [u16]) {
        let [low, high] = [Half::new(&halves[0]), Half::new(&halves[1])];
        // Unpacking works within 16 bytes: so that numbers come out in order, the first 32 bytes are the lower halves of those.
        let order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
        let both = |from: &[u8; LANES]| {
            let numbers = _mm512_permutexvar_epi64(order, load(from));
            let upper = _mm512_movepi8_mask(numbers);
            let (low, high) = (low.at(numbers, upper), high.at(numbers, upper));
            [_mm512_unpacklo_epi8(low, high), _mm512_unpackhi_epi8(low, high)]
        };
        let (blocks, rest) = from.as_chunks::<LANES>();
        let (to, to_rest) = to.split_at_mut(blocks.len() * LANES);
        for (from, to) in blocks.iter().zip(to.as_chunks_mut::<LANES>().0) {
            let [first, second] = both(from);
            store(&mut to[..LANES / 2], first);
            store(&mut to[LANES / 2..], second);
        }
        if !rest.is_empty() {
            let (mut from, mut last) = ([0; LANES], [0; LANES]);
            from[..rest.len()].copy_from_slice(rest);
            let [first, second] = both(&from);
            store(&mut last[..LANES / 2], first);
            store(&mut last[LANES / 2..], second);
            to_rest.copy_from_slice(&last[..to_rest.len()]);
        }
    }

    #[target_feature(enable = "avx512bw,avx512vbmi")]
    pub(super) fn take_apart(pixels: &[u8], apart: &mut [[u8; BLOCK]; 3]) {
        // Of the 192 bytes of 64 pixels, channel c has the bytes c, c + 3, c + 6, …: from the first two registers, and then from the third.
        let place = |channel: usize, lane: usize| channel + 3 * lane;
        let early: [[u8; LANES]; 3] = std::array::from_fn(|channel| std::array::from_fn(|lane| (place(channel, lane) % 128) as u8));
        let late: [u64; 3] =
            std::array::from_fn(|channel| (0..LANES).filter(|lane| place(channel, *lane) >= 128).map(|lane| 1 << lane).sum());
        let (blocks, _) = pixels.as_chunks::<{ 3 * LANES }>();
        for (at, block) in blocks.iter().enumerate() {
            let (registers, _) = block.as_chunks::<LANES>();
            let [a, b, c] = [load(&registers[0]), load(&registers[1]), load(&registers[2])];
            for ((plane, early), late) in apart.iter_mut().zip(&early).zip(late) {
                let numbers = load(early);
                let both = _mm512_permutex2var_epi8(a, numbers, b);
                let whole = _mm512_mask_permutexvar_epi8(both, late, numbers, c);
                store_bytes(&mut plane[at * LANES..], whole);
            }
        }
        take_apart_portable(pixels, apart, blocks.len() * LANES);
    }

    #[inline]
    #[target_feature(enable = "avx512bw")]
    fn load(bytes: &[u8; LANES]) -> __m512i {
        // SAFETY: 64 bytes that are there; the load needs no alignment.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512bw")]
    fn store(numbers: &mut [u16], register: __m512i) {
        let numbers = &mut numbers[..LANES / 2];
        // SAFETY: 64 bytes that are ours; the store needs no alignment.
        unsafe { _mm512_storeu_si512(numbers.as_mut_ptr().cast(), register) }
    }

    #[inline]
    #[target_feature(enable = "avx512bw")]
    fn store_bytes(bytes: &mut [u8], register: __m512i) {
        let bytes = &mut bytes[..LANES];
        // SAFETY: 64 bytes that are ours; the store needs no alignment.
        unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), register) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> [[u16; 256]; 3] {
        std::array::from_fn(|channel| std::array::from_fn(|byte| (byte as u16).wrapping_mul(40_503).wrapping_add(channel as u16 * 7919)))
    }

    fn noise(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i * 97 % 256 ^ i / 256) as u8).collect()
    }

    #[test]
    fn every_length_is_looked_up_as_its_definition_says() {
        let tables = tables();
        for length in (0..200).chain([1000, 4096, 4097]) {
            let from = noise(length);
            let (mut fast, mut slow) = (vec![1; length], vec![2; length]);
            Lookup::new(&tables[0]).look_up(&from, &mut fast);
            look_up_portable(&tables[0], &from, &mut slow);
            assert_eq!(fast, slow, "{length}");
            assert!(
                slow.iter()
                    .zip(&from)
                    .all(|(number, byte)| *number == tables[0][usize::from(*byte)])
            );
        }
    }

    #[test]
    fn planes_are_what_each_pixel_gives() {
        let tables = tables();
        for area in (1..200).chain([BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 77]) {
            let (gray, colour) = (noise(area), noise(3 * area));
            let (mut of_gray, mut of_colour) = (vec![1; 3 * area], vec![1; 3 * area]);
            look_up_planes::<1>(&tables, &gray, &mut of_gray);
            look_up_planes::<3>(&tables, &colour, &mut of_colour);
            for channel in 0..3 {
                for pixel in 0..area {
                    let at = channel * area + pixel;
                    assert_eq!(of_gray[at], tables[channel][usize::from(gray[pixel])], "{area}");
                    assert_eq!(of_colour[at], tables[channel][usize::from(colour[3 * pixel + channel])], "{area}");
                }
            }
        }
    }

    #[test]
    fn patches_that_are_too_large_are_left_to_others() {
        let patches = PatchShape {
            patch: 64,
            merge: 1,
            temporal: 1,
        };
        assert!(!look_up_patches::<1>(
            &tables(),
            &noise(64 * 64),
            64,
            patches,
            &mut vec![0; 3 * 64 * 64]
        ));
    }

    #[test]
    fn pixels_are_taken_apart_alike_everywhere() {
        for area in 0..300 {
            let pixels = noise(3 * area);
            let [mut fast, mut slow] = [[[9; BLOCK]; 3]; 2];
            take_apart(&pixels, &mut fast);
            take_apart_portable(&pixels, &mut slow, 0);
            assert!(fast.iter().zip(&slow).all(|(fast, slow)| fast[..area] == slow[..area]), "{area}");
        }
    }
}
