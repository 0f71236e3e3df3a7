//! The two passes, in code that the compiler vectorises for whatever it is compiled for.
//!
//! Both are one kernel: bytes that lie side by side ("lanes") get the same weights. In the vertical pass these are the samples of a
//! row; for the horizontal one, blocks of rows are turned so that a block's rows are the lanes.

use super::coefficients::Weights;
use crate::picture::fault::PictureResult;
use crate::picture::memory::set_length;

/// Lanes that are summed at once.
const LANES: usize = 32;

/// The most bytes that a block of rows may take, turned. What is longer is resampled as it lies: a picture of one row must not take 64 times its
/// own memory.
pub(super) const MAX_TURNED: usize = 32 << 20;

/// The lanes of the widest register.
const MOST_LANES: usize = 64;

/// The buffers of the horizontal pass, which takes its input in columns.
#[derive(Default)]
pub(super) struct TurnBuffers {
    /// A block of rows, turned: [`LANES`] bytes (or as many as a register has) for each sample of a row.
    turned: Vec<u8>,
    /// The result, likewise.
    result: Vec<u8>,
}

impl TurnBuffers {
    /// The bytes that they hold.
    pub(super) fn held(&self) -> usize {
        self.turned.capacity() + self.result.capacity()
    }

    /// Room for a turned block of `used` samples a row in `lanes` rows, and for its result of `wanted` ones.
    pub(super) fn lanes(&mut self, used: usize, wanted: usize, lanes: usize) -> PictureResult<(&mut [u8], &mut [u8])> {
        set_length(&mut self.turned, used * lanes)?;
        set_length(&mut self.result, wanted * lanes)?;
        Ok((&mut self.turned, &mut self.result))
    }
}

/// Each row of `to` from rows of `from`; both have rows of `row` bytes, and the first row in `from` is number `first` of the picture.
pub(super) fn vertical(from: &[u8], first: usize, row: usize, table: &Weights, to: &mut [u8]) {
    for (i, target) in to.chunks_exact_mut(row).enumerate() {
        let (start, weights) = table.get(i);
        let rows = &from[(start - first) * row..][..weights.len() * row];
        if row < LANES {
            for (x, sample) in target.iter_mut().enumerate() {
                let sum = weights
                    .iter()
                    .enumerate()
                    .fold(half(table), |sum, (t, w)| add(sum, *w, rows[t * row + x]));
                *sample = clip(sum, table);
            }
            continue;
        }
        let mut x = 0;
        while x < row {
            // The last block overlaps the one before.
            x = x.min(row - LANES);
            let sums = weigh(rows, x, row, weights, half(table));
            store(&sums, &mut target[x..x + LANES], table);
            x += LANES;
        }
    }
}

/// Each row of `to` from the row of `from` at the same place; `C` samples a pixel.
pub(super) fn horizontal<const C: usize>(
    from: &[u8],
    row: usize,
    table: &Weights,
    to: &mut [u8],
    buffers: &mut TurnBuffers,
) -> PictureResult<()> {
    let (first, end) = table.reach();
    let (used, wanted) = ((end - first) * C, table.len() * C);
    let (turned, result) = buffers.lanes(used, wanted, LANES)?;
    for (from, to) in from.chunks(row * LANES).zip(to.chunks_mut(wanted * LANES)) {
        turn_in(from, row, first * C, turned);
        for (i, target) in result.chunks_exact_mut(C * LANES).enumerate() {
            let (start, weights) = table.get(i);
            let samples = &turned[(start - first) * C * LANES..][..weights.len() * C * LANES];
            for c in 0..C {
                let sums = weigh(samples, c * LANES, C * LANES, weights, half(table));
                store(&sums, &mut target[c * LANES..][..LANES], table);
            }
        }
        turn_out(result, wanted, to);
    }
    Ok(())
}

/// Whether rows of `row` bytes, and of `wanted` in the result, are too long for [`horizontal`] and its like.
pub(super) fn is_too_long_to_turn(row: usize, wanted: usize) -> bool {
    (row + wanted) * MOST_LANES > MAX_TURNED
}

/// As [`horizontal`], of rows as they lie: slower, and without any buffer.
pub(super) fn horizontal_in_place(from: &[u8], row: usize, table: &Weights, channels: usize, to: &mut [u8]) {
    for (from, to) in from.chunks_exact(row).zip(to.chunks_exact_mut(table.len() * channels)) {
        for (i, pixel) in to.chunks_exact_mut(channels).enumerate() {
            let (start, weights) = table.get(i);
            for (c, sample) in pixel.iter_mut().enumerate() {
                let samples = from[start * channels + c..].iter().step_by(channels);
                let sum = weights
                    .iter()
                    .zip(samples)
                    .fold(half(table), |sum, (weight, sample)| add(sum, *weight, *sample));
                *sample = clip(sum, table);
            }
        }
    }
}

/// Half of the last bit that is kept, so that the shift rounds.
fn half(table: &Weights) -> i32 {
    1 << (table.precision() - 1)
}

/// No sum leaves 32 bits (a test of the tables shows it); wrapping spares the check.
fn add(sum: i32, weight: i32, sample: u8) -> i32 {
    sum.wrapping_add(weight.wrapping_mul(i32::from(sample)))
}

/// `clip8`.
fn clip(sum: i32, table: &Weights) -> u8 {
    (sum >> table.precision()).clamp(0, 255) as u8
}

/// The weighted sums of [`LANES`] lanes, the first at `at`; the next sample of a lane is `step` bytes further.
fn weigh(samples: &[u8], at: usize, step: usize, weights: &[i32], half: i32) -> [i32; LANES] {
    let mut sums = [half; LANES];
    for (t, weight) in weights.iter().enumerate() {
        let lanes: &[u8; LANES] = samples[at + t * step..].first_chunk().unwrap_or(&[0; LANES]);
        for (sum, sample) in sums.iter_mut().zip(lanes) {
            *sum = add(*sum, *weight, *sample);
        }
    }
    sums
}

fn store(sums: &[i32; LANES], to: &mut [u8], table: &Weights) {
    for (sample, sum) in to.iter_mut().zip(sums) {
        *sample = clip(*sum, table);
    }
}

/// Up to [`LANES`] rows of `row` bytes, from byte `first` of each: `turned[x][lane]`. Lanes without a row keep what they had.
fn turn_in(from: &[u8], row: usize, first: usize, turned: &mut [u8]) {
    let rows = from.len() / row;
    let columns = turned.len() / LANES;
    for y in (0..rows).step_by(8) {
        for x in (0..columns).step_by(8) {
            let mut tile = [0_u64; 8];
            for (dy, word) in tile.iter_mut().enumerate().take(rows - y) {
                *word = load(&from[(y + dy) * row + first + x..], columns - x);
            }
            turn_tile(&mut tile);
            for (dx, word) in tile.iter().enumerate().take(columns - x) {
                turned[(x + dx) * LANES + y..][..8].copy_from_slice(&word.to_le_bytes());
            }
        }
    }
}

/// The way back: rows of `row` bytes.
fn turn_out(turned: &[u8], row: usize, to: &mut [u8]) {
    let rows = to.len() / row;
    for y in (0..rows).step_by(8) {
        for x in (0..row).step_by(8) {
            let mut tile = [0_u64; 8];
            for (dx, word) in tile.iter_mut().enumerate().take(row - x) {
                *word = load(&turned[(x + dx) * LANES + y..], 8);
            }
            turn_tile(&mut tile);
            for (dy, word) in tile.iter().enumerate().take(rows - y) {
                let length = (row - x).min(8);
                to[(y + dy) * row + x..][..length].copy_from_slice(&word.to_le_bytes()[..length]);
            }
        }
    }
}

/// Eight bytes, or the `count` that there are.
fn load(bytes: &[u8], count: usize) -> u64 {
    if let (Some(word), 8..) = (bytes.first_chunk::<8>(), count) {
        return u64::from_le_bytes(*word);
    }
    let count = count.min(8);
    let mut word = [0; 8];
    word[..count].copy_from_slice(&bytes[..count]);
    u64::from_le_bytes(word)
}

/// Turns eight by eight bytes: three rounds of swaps, of 4, 2 and 1 bytes.
fn turn_tile(tile: &mut [u64; 8]) {
    const ROUNDS: [(usize, u64); 3] = [(4, 0x0000_0000_ffff_ffff), (2, 0x0000_ffff_0000_ffff), (1, 0x00ff_00ff_00ff_00ff)];
    for (distance, mask) in ROUNDS {
        for i in 0..8 {
            if i & distance == 0 {
                let (low, high) = (tile[i], tile[i + distance]);
                let bits = 8 * distance;
                tile[i] = (low & mask) | ((high & mask) << bits);
                tile[i + distance] = ((low >> bits) & mask) | (high & !mask);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turning_there_and_back_changes_nothing() {
        for (rows, row) in [(1, 1), (3, 5), (8, 8), (9, 17), (32, 40)] {
            let from: Vec<u8> = (0..rows * row).map(|i| (i * 37 + i / 11) as u8).collect();
            let mut turned = vec![0; row * LANES];
            turn_in(&from, row, 0, &mut turned);
            for y in 0..rows {
                for x in 0..row {
                    assert_eq!(turned[x * LANES + y], from[y * row + x]);
                }
            }
            let mut to = vec![0; from.len()];
            turn_out(&turned, row, &mut to);
            assert_eq!(to, from);
        }
    }
}
