//! Fax: runs of white and black, as `tif_fax3.c` and `tif_fax3.h` of libtiff read them, faults in the data included.

mod codes;
mod row;

use row::{Bits, Row, Stop};

use super::layout::Packing;
use crate::picture::fault::{Fault, PictureResult};
use crate::picture::memory::reserve;

/// The most pixels of a row: there are four numbers for each.
const MAX_WIDTH: usize = 1 << 22;

/// What is kept from row to row, and from strip to strip.
#[derive(Default)]
pub(super) struct Fax {
    /// The runs of this row, and those of the row above: white, black, and so on. Behind them stand those of rows before.
    runs: Vec<u32>,
    above: Vec<u32>,
    /// Whether there are no ends of lines, as showed in this strip or one before (`FAXMODE_NOEOL`).
    without_ends: bool,
}

impl Fax {
    /// The bytes that it holds.
    pub(super) fn held(&self) -> usize {
        (self.runs.capacity() + self.above.capacity()) * size_of::<u32>()
    }

    /// Forgets the picture before: `Fax3SetupState`.
    pub(super) fn start(&mut self, packing: Packing, width: usize) -> PictureResult<()> {
        if width > MAX_WIDTH {
            return Err(Fault::corrupt(format!("TIFF with a fax of {width} pixels a row")));
        }
        let room = (width + 1).next_multiple_of(32) * 2;
        for runs in [&mut self.runs, &mut self.above] {
            runs.clear();
            reserve(runs, room)?;
            runs.resize(room, 0);
        }
        self.without_ends = packing == Packing::FaxLines;
        Ok(())
    }

    /// One strip or tile into `out`, of rows of `width` pixels: a bit each, 0 is white. `reversed`: the low bits come first.
    pub(super) fn decode(&mut self, packing: Packing, data: &[u8], reversed: bool, width: usize, out: &mut [u8]) -> PictureResult<()> {
        // The row above the first is white: `Fax3PreDecode`.
        self.above[0] = width as u32;
        self.above[1] = 0;
        let bytes = width.div_ceil(8);
        let mut bits = Bits::new(data, reversed);
        let mut done = 0;
        while done * bytes < out.len() {
            let mut row = Row::new(&mut bits, &mut self.runs, &self.above, width as u32);
            let outcome = match packing {
                Packing::FaxLines => row.read_alone(),
                Packing::Fax3 => row.skip_end(self.without_ends).and_then(|()| row.read_alone()),
                Packing::Fax3InTwoDimensions => row.skip_end(self.without_ends).and_then(|()| row.read_either()),
                _ => row.read_below(),
            };
            let written = row.written();
            let is_last = (done + 1) * bytes == out.len();
            let out = &mut out[done * bytes..(done + 1) * bytes];
            match outcome {
                Ok(()) if packing != Packing::Fax4 || !bits.at_end_of_line => fill(&mut self.runs, written, width as u32, out),
                // Group 4 may end early (`Fax4Decode`), and the row that it ends in counts; but what stands in rows behind that is left
                // over from elsewhere.
                Ok(()) | Err(Stop::Ended) if packing == Packing::Fax4 && done > 0 && is_last => {
                    fill(&mut self.runs, written, width as u32, out);
                    return Ok(());
                }
                Err(Stop::NoEnds) => {
                    // Once more from the start of the data; but the rows that are done stay.
                    self.without_ends = true;
                    bits = Bits::new(data, reversed);
                    continue;
                }
                _ => return Err(Fault::truncated("TIFF whose fax ends before the picture is complete")),
            }
            if matches!(packing, Packing::Fax4 | Packing::Fax3InTwoDimensions) {
                if let Some(next) = self.runs.get_mut(written) {
                    // A change that the next row can refer to.
                    *next = 0;
                }
                std::mem::swap(&mut self.runs, &mut self.above);
            }
            if packing == Packing::FaxLines {
                bits.align();
            }
            done += 1;
        }
        Ok(())
    }
}

/// `_TIFFFax3fillruns`: as many runs as were written, white first, cut off at the end of the row.
fn fill(runs: &mut [u32], written: usize, width: u32, out: &mut [u8]) {
    let mut x = 0;
    out.fill(0);
    for (i, run) in runs.iter_mut().take(written).enumerate() {
        if *run > width - x {
            *run = width - x;
        }
        if i % 2 == 1 {
            blacken(out, x as usize, (x + *run) as usize);
        }
        x += *run;
    }
}

/// Sets the bits from `start` to before `end`.
fn blacken(out: &mut [u8], start: usize, end: usize) {
    if start == end {
        return;
    }
    let (first, last) = (start / 8, (end - 1) / 8);
    let (head, tail) = (0xff >> (start % 8), !(0x7f_u8 >> ((end - 1) % 8)));
    if first == last {
        out[first] |= head & tail;
    } else {
        out[first] |= head;
        out[first + 1..last].fill(0xff);
        out[last] |= tail;
    }
}

#[cfg(test)]
mod tests {
    use super::blacken;

    #[test]
    fn bits_are_set_one_by_one() {
        for start in 0..24 {
            for end in start..=24 {
                let mut out = [0; 3];
                blacken(&mut out, start, end);
                let expected: u32 = (start..end).map(|i| 1 << (23 - i)).sum();
                assert_eq!(out, expected.to_be_bytes()[1..], "{start}..{end}");
            }
        }
    }
}
