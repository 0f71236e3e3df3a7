//! The codes of fax (ITU-T T.4 and T.6), and tables to look them up in, as `mkg3states.c` of libtiff makes them: by the next bits, the
//! first one lowest.

use std::sync::LazyLock;

/// White runs of 0 to 63 pixels.
const WHITE: [&str; 64] = [
    "00110101", "000111", "0111", "1000", "1011", "1100", "1110", "1111", "10011", "10100", "00111", "01000", "001000", "000011", "110100",
    "110101", "101010", "101011", "0100111", "0001100", "0001000", "0010111", "0000011", "0000100", "0101000", "0101011", "0010011",
    "0100100", "0011000", "00000010", "00000011", "00011010", "00011011", "00010010", "00010011", "00010100", "00010101", "00010110",
    "00010111", "00101000", "00101001", "00101010", "00101011", "00101100", "00101101", "00000100", "00000101", "00001010", "00001011",
    "01010010", "01010011", "01010100", "01010101", "00100100", "00100101", "01011000", "01011001", "01011010", "01011011", "01001010",
    "01001011", "00110010", "00110011", "00110100",
];

/// White runs of 64, 128, … 1728 pixels, with more to come.
const WHITE_PARTS: [&str; 27] = [
    "11011",
    "10010",
    "010111",
    "0110111",
    "00110110",
    "00110111",
    "01100100",
    "01100101",
    "01101000",
    "01100111",
    "011001100",
    "011001101",
    "011010010",
    "011010011",
    "011010100",
    "011010101",
    "011010110",
    "011010111",
    "011011000",
    "011011001",
    "011011010",
    "011011011",
    "010011000",
    "010011001",
    "010011010",
    "011000",
    "010011011",
];

/// Black runs of 0 to 63 pixels.
const BLACK: [&str; 64] = [
    "0000110111",
    "010",
    "11",
    "10",
    "011",
    "0011",
    "0010",
    "00011",
    "000101",
    "000100",
    "0000100",
    "0000101",
    "0000111",
    "00000100",
    "00000111",
    "000011000",
    "0000010111",
    "0000011000",
    "0000001000",
    "00001100111",
    "00001101000",
    "00001101100",
    "00000110111",
    "00000101000",
    "00000010111",
    "00000011000",
    "000011001010",
    "000011001011",
    "000011001100",
    "000011001101",
    "000001101000",
    "000001101001",
    "000001101010",
    "000001101011",
    "000011010010",
    "000011010011",
    "000011010100",
    "000011010101",
    "000011010110",
    "000011010111",
    "000001101100",
    "000001101101",
    "000011011010",
    "000011011011",
    "000001010100",
    "000001010101",
    "000001010110",
    "000001010111",
    "000001100100",
    "000001100101",
    "000001010010",
    "000001010011",
    "000000100100",
    "000000110111",
    "000000111000",
    "000000100111",
    "000000101000",
    "000001011000",
    "000001011001",
    "000000101011",
    "000000101100",
    "000001011010",
    "000001100110",
    "000001100111",
];

/// Black runs of 64, 128, … 1728 pixels, with more to come.
const BLACK_PARTS: [&str; 27] = [
    "0000001111",
    "000011001000",
    "000011001001",
    "000001011011",
    "000000110011",
    "000000110100",
    "000000110101",
    "0000001101100",
    "0000001101101",
    "0000001001010",
    "0000001001011",
    "0000001001100",
    "0000001001101",
    "0000001110010",
    "0000001110011",
    "0000001110100",
    "0000001110101",
    "0000001110110",
    "0000001110111",
    "0000001010010",
    "0000001010011",
    "0000001010100",
    "0000001010101",
    "0000001011010",
    "0000001011011",
    "0000001100100",
    "0000001100101",
];

/// Runs of either colour, of 1792, 1856, … 2560 pixels, with more to come.
const LONG_PARTS: [&str; 13] = [
    "00000001000",
    "00000001100",
    "00000001101",
    "000000010010",
    "000000010011",
    "000000010100",
    "000000010101",
    "000000010110",
    "000000010111",
    "000000011100",
    "000000011101",
    "000000011110",
    "000000011111",
];

/// What a code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FaxCode {
    /// No code begins so.
    Unknown,
    /// The end of a run, of so many pixels.
    Run(u32),
    /// So many pixels of a longer run.
    Part(u32),
    /// The end of a line, but for its last bits.
    EndOfLine,
    /// The run goes on below the next one above.
    Pass,
    /// Two runs follow by themselves.
    Horizontal,
    /// The run ends so far to the right of the one above.
    Right(u32),
    /// The run ends so far to the left of the one above.
    Left(u32),
    /// Something else follows.
    Extension,
}

/// A code, and how many bits it has.
pub(super) type Entry = (FaxCode, u32);

/// The codes of runs, by as many bits as the longest has.
pub(super) struct CodeTable {
    pub(super) bits: u32,
    entries: Vec<Entry>,
}

impl CodeTable {
    fn new(bits: u32) -> Self {
        Self {
            bits,
            entries: vec![(FaxCode::Unknown, 0); 1 << bits],
        }
    }

    fn add(&mut self, code: &str, meaning: FaxCode) {
        let width = code.len() as u32;
        let first = code.bytes().rev().fold(0, |value, bit| value << 1 | usize::from(bit == b'1'));
        for entry in self.entries.iter_mut().skip(first).step_by(1 << width) {
            *entry = (meaning, width);
        }
    }

    fn of_runs(bits: u32, runs: &[&str], parts: &[&str]) -> Self {
        let mut table = Self::new(bits);
        for (code, length) in runs.iter().zip(0..) {
            table.add(code, FaxCode::Run(length));
        }
        for (code, number) in parts.iter().zip(1..) {
            table.add(code, FaxCode::Part(64 * number));
        }
        for (code, number) in LONG_PARTS.iter().zip(28..) {
            table.add(code, FaxCode::Part(64 * number));
        }
        table.add("00000000000", FaxCode::EndOfLine);
        table
    }

    /// The code that these bits begin with; those above [`Self::bits`] do not count.
    pub(super) fn find(&self, bits: u32) -> Entry {
        self.entries[bits as usize & (self.entries.len() - 1)]
    }
}

pub(super) static WHITE_RUNS: LazyLock<CodeTable> = LazyLock::new(|| CodeTable::of_runs(12, &WHITE, &WHITE_PARTS));

pub(super) static BLACK_RUNS: LazyLock<CodeTable> = LazyLock::new(|| CodeTable::of_runs(13, &BLACK, &BLACK_PARTS));

/// The ways that a run can refer to the row above.
pub(super) static MODES: LazyLock<CodeTable> = LazyLock::new(|| {
    let mut table = CodeTable::new(7);
    for (code, meaning) in [
        ("0001", FaxCode::Pass),
        ("001", FaxCode::Horizontal),
        ("1", FaxCode::Right(0)),
        ("011", FaxCode::Right(1)),
        ("000011", FaxCode::Right(2)),
        ("0000011", FaxCode::Right(3)),
        ("010", FaxCode::Left(1)),
        ("000010", FaxCode::Left(2)),
        ("0000010", FaxCode::Left(3)),
        ("0000001", FaxCode::Extension),
        ("0000000", FaxCode::EndOfLine),
    ] {
        table.add(code, meaning);
    }
    table
});
