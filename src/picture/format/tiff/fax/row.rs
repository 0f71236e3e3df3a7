//! One row of a fax: the macros of `tif_fax3.h` of libtiff, as methods. The names are theirs where T.6 has them, too.

use super::codes::{BLACK_RUNS, CodeTable, Entry, FaxCode, MODES, WHITE_RUNS};

/// Why a row is not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The data end.
    Ended,
    /// The data end, and there was no end of a line in them.
    NoEnds,
    /// There are more runs than there is room for, or none to refer to.
    Astray,
}

type RowResult = Result<(), Stop>;

/// Bits, the next one lowest.
pub(super) struct Bits<'a> {
    bytes: std::slice::Iter<'a, u8>,
    reversed: bool,
    value: u32,
    available: u32,
    /// Whether the first bits of an end of line were read (`EOLcnt`).
    pub(super) at_end_of_line: bool,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8], reversed: bool) -> Self {
        Self {
            bytes: bytes.iter(),
            reversed,
            value: 0,
            available: 0,
            at_end_of_line: false,
        }
    }

    /// Sees to it that there are so many bits: `NeedBits16`. Behind the last one are zeros; but there must be one.
    fn need(&mut self, count: u32) -> RowResult {
        while self.available < count {
            if let Some(byte) = self.bytes.next() {
                let byte = if self.reversed { *byte } else { byte.reverse_bits() };
                self.value |= u32::from(byte) << self.available;
                self.available += 8;
            } else if self.available == 0 {
                return Err(Stop::Ended);
            } else {
                self.available = count;
            }
        }
        Ok(())
    }

    fn get(&self, count: u32) -> u32 {
        self.value & ((1 << count) - 1)
    }

    fn clear(&mut self, count: u32) {
        self.available -= count;
        self.value >>= count;
    }

    /// To the next whole byte.
    pub(super) fn align(&mut self) {
        self.clear(self.available % 8);
    }

    fn find(&mut self, table: &CodeTable) -> Result<FaxCode, Stop> {
        self.need(table.bits)?;
        let (code, width): Entry = table.find(self.value);
        self.clear(width);
        Ok(code)
    }
}

/// A row that is being read.
pub(super) struct Row<'a, 'b> {
    bits: &'a mut Bits<'b>,
    runs: &'a mut [u32],
    /// The runs of the row above.
    above: &'a [u32],
    width: i32,
    /// The runs that were written.
    written: usize,
    /// Where the next run begins.
    a0: i32,
    /// What is known of its length.
    length: i32,
    /// The next change in the row above, and the run behind it.
    b1: i32,
    next_above: usize,
}

impl<'a, 'b> Row<'a, 'b> {
    pub(super) fn new(bits: &'a mut Bits<'b>, runs: &'a mut [u32], above: &'a [u32], width: u32) -> Self {
        Self {
            bits,
            runs,
            width: width as i32,
            written: 0,
            a0: 0,
            length: 0,
            b1: above[0] as i32,
            next_above: 1,
            above,
        }
    }

    pub(super) fn written(&self) -> usize {
        self.written
    }

    /// `SYNC_EOL`.
    pub(super) fn skip_end(&mut self, without_ends: bool) -> RowResult {
        if without_ends {
            return Ok(());
        }
        let bits = &mut *self.bits;
        if !bits.at_end_of_line {
            loop {
                bits.need(11)?;
                if bits.get(11) == 0 {
                    break;
                }
                bits.clear(1);
            }
        }
        loop {
            bits.need(8).map_err(|_| Stop::NoEnds)?;
            if bits.get(8) != 0 {
                break;
            }
            bits.clear(8);
        }
        while bits.get(1) == 0 {
            bits.clear(1);
        }
        bits.clear(1);
        bits.at_end_of_line = false;
        Ok(())
    }

    /// A row that says itself whether it refers to the one above.
    pub(super) fn read_either(&mut self) -> RowResult {
        self.bits.need(1)?;
        let alone = self.bits.get(1) == 1;
        self.bits.clear(1);
        if alone { self.read_alone() } else { self.read_below() }
    }

    /// `EXPAND1D`. A code that nobody knows ends the row.
    pub(super) fn read_alone(&mut self) -> RowResult {
        let outcome = self.read_runs();
        self.clean_up().and(outcome)
    }

    fn read_runs(&mut self) -> RowResult {
        loop {
            for table in [&*WHITE_RUNS, &*BLACK_RUNS] {
                match self.read_run(table)? {
                    FaxCode::Run(_) if self.a0 < self.width => {}
                    code => {
                        self.bits.at_end_of_line |= code == FaxCode::EndOfLine;
                        return Ok(());
                    }
                }
            }
            if self.runs[self.written - 2..self.written] == [0, 0] {
                self.written -= 2;
            }
        }
    }

    /// One run; what ended it, which should be [`FaxCode::Run`].
    fn read_run(&mut self, table: &CodeTable) -> Result<FaxCode, Stop> {
        loop {
            let code = self.bits.find(table)?;
            match code {
                FaxCode::Part(length) => {
                    self.a0 = self.a0.wrapping_add(length as i32);
                    self.length = self.length.wrapping_add(length as i32);
                }
                FaxCode::Run(length) => {
                    self.set(length as i32)?;
                    return Ok(code);
                }
                _ => return Ok(code),
            }
        }
    }

    /// `EXPAND2D`.
    pub(super) fn read_below(&mut self) -> RowResult {
        let outcome = self.read_changes();
        if outcome == Err(Stop::Astray) {
            return outcome;
        }
        self.clean_up().and(outcome)
    }

    fn read_changes(&mut self) -> RowResult {
        while self.a0 < self.width {
            match self.bits.find(&MODES)? {
                FaxCode::Pass => {
                    self.find_b1()?;
                    let below = self.b1.wrapping_add(self.take_above()?);
                    self.length = self.length.wrapping_add(below.wrapping_sub(self.a0));
                    self.a0 = below;
                    self.b1 = below.wrapping_add(self.take_above()?);
                }
                FaxCode::Horizontal => {
                    let mut tables = [&*WHITE_RUNS, &*BLACK_RUNS];
                    if self.written % 2 == 1 {
                        tables.reverse();
                    }
                    for table in tables {
                        if !matches!(self.read_run(table)?, FaxCode::Run(_)) {
                            return Ok(());
                        }
                    }
                    self.find_b1()?;
                }
                FaxCode::Right(by) => {
                    self.find_b1()?;
                    self.set(self.b1.wrapping_sub(self.a0).wrapping_add(by as i32))?;
                    self.b1 = self.b1.wrapping_add(self.take_above()?);
                }
                FaxCode::Left(by) => {
                    self.find_b1()?;
                    if self.b1 < self.a0.wrapping_add(by as i32) {
                        return Ok(());
                    }
                    self.set(self.b1.wrapping_sub(self.a0).wrapping_sub(by as i32))?;
                    self.next_above = self.next_above.checked_sub(1).ok_or(Stop::Astray)?;
                    self.b1 = self.b1.wrapping_sub(self.above[self.next_above] as i32);
                }
                code @ (FaxCode::Extension | FaxCode::EndOfLine) => {
                    self.push(self.width - self.a0)?;
                    if code == FaxCode::EndOfLine {
                        self.bits.need(4)?;
                        self.bits.clear(4);
                        self.bits.at_end_of_line = true;
                    }
                    return Ok(());
                }
                _ => return Ok(()),
            }
        }
        if self.length != 0 {
            if self.length.wrapping_add(self.a0) < self.width {
                // A change right below one is expected.
                self.bits.need(1)?;
                if self.bits.get(1) == 0 {
                    return Ok(());
                }
                self.bits.clear(1);
            }
            self.set(0)?;
        }
        Ok(())
    }

    /// `CHECK_b1`: the next change above that is right of here.
    fn find_b1(&mut self) -> RowResult {
        if self.written > 0 {
            while self.b1 <= self.a0 && self.b1 < self.width {
                let both = self.take_above()?.wrapping_add(self.take_above()?);
                self.b1 = self.b1.wrapping_add(both);
            }
        }
        Ok(())
    }

    fn take_above(&mut self) -> Result<i32, Stop> {
        let run = *self.above.get(self.next_above).ok_or(Stop::Astray)?;
        self.next_above += 1;
        Ok(run as i32)
    }

    fn push(&mut self, run: i32) -> RowResult {
        *self.runs.get_mut(self.written).ok_or(Stop::Astray)? = run as u32;
        self.written += 1;
        Ok(())
    }

    /// `SETVALUE`.
    fn set(&mut self, more: i32) -> RowResult {
        self.push(self.length.wrapping_add(more))?;
        self.a0 = self.a0.wrapping_add(more);
        self.length = 0;
        Ok(())
    }

    /// `CLEANUP_RUNS`: makes the runs as long as the row.
    fn clean_up(&mut self) -> RowResult {
        if self.length != 0 {
            self.set(0)?;
        }
        while self.a0 > self.width && self.written > 0 {
            self.written -= 1;
            self.a0 = self.a0.wrapping_sub(self.runs[self.written] as i32);
        }
        if self.a0 < self.width {
            self.a0 = self.a0.max(0);
            if self.written % 2 == 1 {
                self.set(0)?;
            }
            self.set(self.width - self.a0)?;
        } else if self.a0 > self.width {
            self.set(self.width)?;
            self.set(0)?;
        }
        Ok(())
    }
}
