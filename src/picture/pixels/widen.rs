//! Gray to three channels: what nearly every picture of a batch goes through, so it runs at the speed of memory.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "loads and stores of registers, and a call of code compiled for SSSE3")
)]

#[cfg(target_arch = "x86_64")]
use crate::cpu::Ssse3;

/// Repeats each value three times: gray pixels to RGB.
///
/// # Panics
///
/// Where `rgb` has not three bytes for each gray pixel.
pub fn widen(gray: &[u8], rgb: &mut [u8]) {
    assert_eq!(gray.len() * 3, rgb.len(), "three bytes for each gray pixel");
    #[cfg(target_arch = "x86_64")]
    if Ssse3::detect().is_some() {
        // SAFETY: the machine has these instructions, as was just seen.
        unsafe { widen_ssse3(gray, rgb) };
        return;
    }
    widen_portable(gray, rgb);
}

fn widen_portable(gray: &[u8], rgb: &mut [u8]) {
    for (pixel, value) in rgb.as_chunks_mut::<3>().0.iter_mut().zip(gray) {
        *pixel = [*value; 3];
    }
}

/// Sixteen pixels at once: one register is shuffled into three.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "ssse3")]
fn widen_ssse3(gray: &[u8], rgb: &mut [u8]) {
    use std::arch::x86_64::{_mm_loadu_si128, _mm_setr_epi8, _mm_shuffle_epi8, _mm_storeu_si128};

    let thirds = [
        _mm_setr_epi8(0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5),
        _mm_setr_epi8(5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10),
        _mm_setr_epi8(10, 11, 11, 11, 12, 12, 12, 13, 13, 13, 14, 14, 14, 15, 15, 15),
    ];
    let (blocks, rest) = gray.as_chunks::<16>();
    let (to, to_rest) = rgb.split_at_mut(blocks.len() * 48);
    for (from, to) in blocks.iter().zip(to.as_chunks_mut::<48>().0) {
        // SAFETY: 16 bytes that are there; the load needs no alignment.
        let pixels = unsafe { _mm_loadu_si128(from.as_ptr().cast()) };
        for (third, to) in thirds.into_iter().zip(to.as_chunks_mut::<16>().0) {
            let spread = _mm_shuffle_epi8(pixels, third);
            // SAFETY: 16 bytes that are ours; the store needs no alignment.
            unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), spread) };
        }
    }
    widen_portable(rest, to_rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_equals_the_slow_twin() {
        for length in (0..70).chain([1000, 1023, 1024, 1025]) {
            let gray: Vec<u8> = (0..length).map(|i| (i * 37 % 251) as u8).collect();
            let (mut fast, mut slow) = (vec![9; length * 3], vec![8; length * 3]);
            widen(&gray, &mut fast);
            widen_portable(&gray, &mut slow);
            assert_eq!(fast, slow);
            assert!(slow.chunks(3).zip(&gray).all(|(pixel, value)| pixel == [*value; 3]));
        }
    }
}
