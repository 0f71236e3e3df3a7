//! The packings that TIFF shares with nobody, or not with this order of bits, and what is undone behind them.

use weezl::decode::Decoder as Lzw;
use weezl::{BitOrder, LzwStatus};

use super::header::Header;
use super::layout::Predictor;
use crate::picture::fault::{Fault, PictureResult};
use crate::picture::memory::copy;

/// Strings; how many bytes came out.
pub(super) fn lzw(mut data: &[u8], out: &mut [u8]) -> PictureResult<usize> {
    let mut decoder = Lzw::with_tiff_size_switch(BitOrder::Msb, 8);
    let mut filled = 0;
    while filled < out.len() {
        let done = decoder.decode_bytes(data, &mut out[filled..]);
        let status = done.status.map_err(|error| Fault::corrupt(format!("TIFF: {error}")))?;
        data = &data[done.consumed_in..];
        filled += done.consumed_out;
        if matches!(status, LzwStatus::Done | LzwStatus::NoProgress) {
            break;
        }
    }
    Ok(filled)
}

/// Runs and copies; how many bytes came out.
pub(super) fn pack_bits(mut data: &[u8], out: &mut [u8]) -> usize {
    let mut at = 0;
    while let Some((head, rest)) = data.split_first() {
        data = rest;
        let (count, step) = match *head {
            n @ 0..=127 => (usize::from(n) + 1, usize::from(n) + 1),
            128 => continue,
            n => (257 - usize::from(n), 1),
        };
        let count = count.min(out.len() - at);
        let Some(source) = data.get(..step.min(data.len())).filter(|source| !source.is_empty()) else {
            break;
        };
        if step == 1 && count > 1 {
            out[at..at + count].fill(source[0]);
            at += count;
        } else {
            let copied = count.min(source.len());
            out[at..at + copied].copy_from_slice(&source[..copied]);
            at += copied;
        }
        data = &data[step.min(data.len())..];
        if at == out.len() {
            break;
        }
    }
    at
}

/// Turns the bits of every byte round (`TIFFReverseBits`).
pub(super) fn reverse(bytes: &mut [u8]) {
    for byte in bytes {
        *byte = byte.reverse_bits();
    }
}

/// Makes samples of what is stored in their place (`tif_predict.c`), along one row of pixels of `each` samples.
pub(super) fn undo(row: &mut [u8], each: usize, header: &Header, spare: &mut Vec<u8>) -> PictureResult<()> {
    match (header.predictor, header.bits) {
        (Predictor::Itself, _) => {}
        (Predictor::Bytes, _) => {
            add_up(row, each);
            let count = row.len() / 4;
            copy(row, spare)?;
            for (i, sample) in row.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                let high_first = [0, 1, 2, 3].map(|place| spare[place * count + i]);
                *sample = if header.little {
                    u32::from_be_bytes(high_first).to_le_bytes()
                } else {
                    high_first
                };
            }
        }
        (Predictor::Difference, 8) => add_up(row, each),
        (Predictor::Difference, 16) => {
            let (read, write): (fn([u8; 2]) -> u16, fn(u16) -> [u8; 2]) = if header.little {
                (u16::from_le_bytes, u16::to_le_bytes)
            } else {
                (u16::from_be_bytes, u16::to_be_bytes)
            };
            let samples = row.as_chunks_mut::<2>().0;
            for i in each..samples.len() {
                samples[i] = write(read(samples[i - each]).wrapping_add(read(samples[i])));
            }
        }
        (Predictor::Difference, _) => {
            let (read, write): (fn([u8; 4]) -> u32, fn(u32) -> [u8; 4]) = if header.little {
                (u32::from_le_bytes, u32::to_le_bytes)
            } else {
                (u32::from_be_bytes, u32::to_be_bytes)
            };
            let samples = row.as_chunks_mut::<4>().0;
            for i in each..samples.len() {
                samples[i] = write(read(samples[i - each]).wrapping_add(read(samples[i])));
            }
        }
    }
    Ok(())
}

fn add_up(row: &mut [u8], each: usize) {
    for i in each..row.len() {
        row[i] = row[i].wrapping_add(row[i - each]);
    }
}
