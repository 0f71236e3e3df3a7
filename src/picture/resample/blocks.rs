//! What the horizontal pass of [`super::vbmi`] does to a row, written down once for a table: which bytes go where, and by what they are
//! multiplied.
//!
//! A block is [`BLOCK`] bytes of a row of the result that lie side by side, whatever their channels. Its weights are taken four at a time,
//! which is a group: 64 bytes of the source, to where an index sends them, times weights that are split into bytes.

use super::coefficients::Weights;

/// The bytes of a register, which are also those of the source that a group may use.
pub(super) const LANES: usize = 64;

/// The bytes of the result in a block: a register has that many sums.
pub(super) const BLOCK: usize = 16;

/// Weights in a group: what one instruction multiplies and adds up.
const GROUP: usize = LANES / BLOCK;

/// Plans of more groups are not made, to keep little: 5 MiB.
const MAX_GROUPS: usize = 1 << 14;

/// Into how many bytes a weight is split, k = a * 2^16 + b * 2^8 + c with -128 <= a, b, c < 128: three, or b and c alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Split {
    Two,
    Three,
}

impl Split {
    /// The fewest bytes that each of the weights fits; None where it is more than three.
    fn of(weights: &[i32]) -> Option<Self> {
        let fits = |split: &Self| weights.iter().all(|weight| split.bytes(*weight).is_some());
        [Self::Two, Self::Three].into_iter().find(fits)
    }

    /// The bytes of a weight, the high ones first, and zeros behind them; None where they do not hold it.
    fn bytes(self, weight: i32) -> Option<[i8; 3]> {
        let c = weight as i8;
        let rest = (weight >> 8) + i32::from(c < 0);
        let b = rest as i8;
        match self {
            Self::Two => Some([i8::try_from(rest).ok()?, c, 0]),
            Self::Three => Some([i8::try_from((rest >> 8) + i32::from(b < 0)).ok()?, b, c]),
        }
    }
}

/// A register in memory.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Lanes(pub(super) [u8; LANES]);

/// One group of one block.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// The byte of the row that the index counts from; [`LANES`] bytes from there are in the row.
    pub(super) start: usize,
    /// For each sum four bytes, its samples.
    pub(super) index: Lanes,
    /// Their weights' bytes with a sign, the high ones first.
    pub(super) weights: [Lanes; 3],
}

/// All blocks of a row; the last one overlaps the one before.
#[derive(Debug)]
pub(super) struct Blocks {
    /// Those of the first block, of the second one, and so on.
    groups: Vec<Group>,
    each: usize,
    split: Split,
}

impl Blocks {
    /// None where the row or its result is too short, where a group needs more bytes than a register has, as it does when the result is
    /// several times smaller, where a weight is too large to be split, and where the plan would be too long.
    pub(super) fn new<const C: usize>(table: &Weights) -> Option<Self> {
        let split = Split::of(table.all())?;
        let (wanted, end) = (table.len() * C, table.reach().1 * C);
        if wanted < BLOCK || end < LANES {
            return None;
        }
        let each = table.most().div_ceil(GROUP);
        let count = wanted.div_ceil(BLOCK) * each;
        if count > MAX_GROUPS {
            return None;
        }
        let mut groups = Vec::with_capacity(count);
        for first in (0..wanted).step_by(BLOCK) {
            let first = first.min(wanted - BLOCK);
            for number in 0..each {
                groups.push(group::<C>(table, first, number, end - LANES, split)?);
            }
        }
        Some(Self { groups, each, split })
    }

    /// The groups of each block, and where in a row of the result of `wanted` bytes it begins.
    pub(super) fn iter(&self, wanted: usize) -> impl Iterator<Item = (usize, &[Group])> {
        let first = move |(number, groups)| (wanted.min(number * BLOCK + BLOCK) - BLOCK, groups);
        self.groups.chunks_exact(self.each).enumerate().map(first)
    }

    /// How the weights are split.
    pub(super) fn split(&self) -> Split {
        self.split
    }
}

/// A group of the block whose first byte is `first`; it starts at `last` at the latest.
fn group<const C: usize>(table: &Weights, first: usize, number: usize, last: usize, split: Split) -> Option<Group> {
    // For each product: the byte of the row, and the weight.
    let products = |sum: usize| {
        let (start, weights) = table.get((first + sum) / C);
        let weights = weights.iter().enumerate().skip(number * GROUP).take(GROUP);
        weights.map(move |(t, weight)| ((start + t) * C + (first + sum) % C, *weight))
    };
    let places = || (0..BLOCK).flat_map(products).map(|(place, _)| place);
    let start = places().min().unwrap_or(0).min(last);
    if places().any(|place| place - start >= LANES) {
        return None;
    }
    // What a pixel lacks of four weights has the weight zero: any sample will do.
    let mut group = Group {
        start,
        index: Lanes([0; LANES]),
        weights: [Lanes([0; LANES]); 3],
    };
    for sum in 0..BLOCK {
        for (lane, (place, weight)) in (sum * GROUP..).zip(products(sum)) {
            group.index.0[lane] = (place - start) as u8;
            for (lanes, byte) in group.weights.iter_mut().zip(split.bytes(weight)?) {
                lanes.0[lane] = byte.cast_unsigned();
            }
        }
    }
    Some(group)
}

#[cfg(test)]
mod tests {
    use super::super::coefficients::{Axis, Rounding};
    use super::*;
    use crate::picture::choices::Filter;

    fn table(input: u32, output: u32, filter: Filter, rounding: Rounding) -> Weights {
        Weights::new(Axis::new(input, output, 0, output), filter, rounding).unwrap()
    }

    #[test]
    fn every_usual_size_has_blocks() {
        for (input, output) in [(512, 448), (512, 224), (240, 448), (640, 224), (64, 16)] {
            for filter in [Filter::Box, Filter::Bilinear, Filter::Hamming, Filter::Bicubic, Filter::Lanczos] {
                let table = table(input, output, filter, Rounding::Pillow);
                assert!(Blocks::new::<1>(&table).is_some(), "{input} {output} {filter:?}");
                assert_eq!(
                    Blocks::new::<3>(&table).is_some(),
                    input <= 3 * output,
                    "{input} {output} {filter:?}"
                );
            }
        }
    }

    #[test]
    fn what_does_not_fit_has_none() {
        for (input, output) in [(63, 63), (512, 15), (1000, 100)] {
            assert!(Blocks::new::<1>(&table(input, output, Filter::Bicubic, Rounding::Pillow)).is_none());
        }
        // A plan that would be too long.
        assert!(Blocks::new::<3>(&table(60_000, 50_000, Filter::Lanczos, Rounding::Pillow)).is_none());
    }

    #[test]
    fn weights_of_16_bits_are_mostly_split_in_two() {
        let split = |filter, rounding| Blocks::new::<3>(&table(512, 448, filter, rounding)).map(|blocks| blocks.split());
        assert_eq!(split(Filter::Bicubic, Rounding::Pillow), Some(Split::Three));
        assert_eq!(split(Filter::Bicubic, Rounding::Torch), Some(Split::Two));
    }

    #[test]
    fn weights_are_the_sum_of_their_bytes() {
        for weight in (-40_000..40_000).chain([-(1 << 23), (1 << 23) - 32_897, 1 << 22, -0x80_8080, 0x7f_7f7f]) {
            let whole = |[a, b, c]: [i8; 3]| (i32::from(a) << 16) + (i32::from(b) << 8) + i32::from(c);
            assert_eq!(Split::Three.bytes(weight).map(whole), Some(weight));
            let two = Split::Two.bytes(weight).map(|[b, c, _]| whole([0, b, c]));
            assert_eq!(two, (-0x8080..=0x7f7f).contains(&weight).then_some(weight));
        }
        for weight in [0x7f_7f80, -0x80_8081, i32::MAX, i32::MIN] {
            assert_eq!(Split::Three.bytes(weight), None);
        }
    }
}
