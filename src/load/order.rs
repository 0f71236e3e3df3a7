//! Which sample comes when: pure functions of seed, epoch, length and position. Nothing is stored, and nothing is rebuilt on resume.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::finding::quote;

/// Up to this many samples, the permutation is drawn as a table: exactly uniform, and no more memory than a few pages. Beyond it, the halves
/// of the Feistel network are large enough for its rounds to mix.
const TABLE: u64 = 4096;

/// The most samples of a batch: their numbers alone then take a few hundred MiB.
const MAX_BATCH: u64 = 1 << 24;

/// Rounds of the Feistel network. Four make a random permutation of large domains (Luby and Rackoff, 1988); the halves here may have as few
/// as 64 values, so there are three times as many.
const ROUNDS: usize = 12;

/// A keyed permutation of `0..length`: of the same key, always the same one.
#[derive(Debug, Clone)]
pub struct Permutation {
    length: u64,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Identity,
    Table(Box<[u16]>),
    /// A generalised Feistel network over pairs (left below `left`, right below `right`), cycle-walked (Black and Rogaway, 2002): what
    /// falls beyond the length is permuted again. At most one in `sqrt(length)` does.
    Feistel {
        left: u64,
        right: u64,
        keys: Box<[u64; ROUNDS]>,
    },
}

impl Permutation {
    /// Every position is its own sample.
    pub fn identity(length: u64) -> Self {
        Self {
            length,
            kind: Kind::Identity,
        }
    }

    /// The permutation of this seed and epoch.
    pub fn shuffled(length: u64, seed: u64, epoch: u64) -> Self {
        let mut key = blake3::Hasher::new();
        key.update(b"mmno_fast order 1");
        for number in [seed, epoch, length] {
            key.update(&number.to_le_bytes());
        }
        let mut stream = key.finalize_xof();
        let mut draw = || {
            let mut bytes = [0; 8];
            stream.fill(&mut bytes);
            u64::from_le_bytes(bytes)
        };
        let kind = if length <= TABLE {
            Kind::Table(drawn(length, &mut draw))
        } else {
            let left = length.isqrt() + 1;
            Kind::Feistel {
                left,
                right: length.div_ceil(left),
                keys: Box::new(std::array::from_fn(|_| draw())),
            }
        };
        Self { length, kind }
    }

    /// The order of one epoch.
    pub fn of_epoch(length: u64, shuffle: Option<Shuffle>) -> Self {
        match shuffle {
            Some(Shuffle { seed, epoch }) => Self::shuffled(length, seed, epoch),
            None => Self::identity(length),
        }
    }

    /// How many samples there are.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The sample at a position.
    ///
    /// # Panics
    ///
    /// Where there is no such position.
    pub fn at(&self, position: u64) -> u64 {
        assert!(position < self.length, "position {position} of {}", self.length);
        match &self.kind {
            Kind::Identity => position,
            Kind::Table(table) => u64::from(table[position as usize]),
            Kind::Feistel { left, right, keys } => {
                let mut sample = position;
                loop {
                    sample = permuted(sample, *left, *right, keys);
                    if sample < self.length {
                        return sample;
                    }
                }
            }
        }
    }
}

/// How an epoch is shuffled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shuffle {
    /// The seed of all epochs.
    pub seed: u64,
    /// The epoch.
    pub epoch: u64,
}

/// The samples at these positions of a shuffled epoch.
pub fn samples_at(length: u64, shuffle: Shuffle, positions: &[u64]) -> Result<Vec<u64>> {
    if positions.iter().any(|position| *position >= length) {
        return Err(Error::usage(format!("a position beyond {length}")));
    }
    let order = Permutation::of_epoch(length, Some(shuffle));
    Ok(positions.iter().map(|position| order.at(*position)).collect())
}

/// Fisher and Yates' shuffle (Knuth, volume 2, algorithm P).
fn drawn(length: u64, draw: &mut impl FnMut() -> u64) -> Box<[u16]> {
    let mut table: Box<[u16]> = (0..length as u16).collect();
    for i in (1..table.len()).rev() {
        let j = below(i as u64 + 1, draw) as usize;
        table.swap(i, j);
    }
    table
}

/// A number below `bound`, each as likely as any other: what the last, incomplete run of 64-bit numbers would favour is drawn again.
fn below(bound: u64, draw: &mut impl FnMut() -> u64) -> u64 {
    let beyond = u64::MAX - u64::MAX % bound;
    loop {
        let number = draw();
        if number < beyond {
            return number % bound;
        }
    }
}

/// One pass through the network. Each round adds to one half a function of the other, modulo its size, and so can be undone.
fn permuted(number: u64, left: u64, right: u64, keys: &[u64; ROUNDS]) -> u64 {
    let (mut l, mut r) = (number / right, number % right);
    for pair in keys.as_chunks::<2>().0 {
        l = added(l, scaled(mixed(r ^ pair[0]), left), left);
        r = added(r, scaled(mixed(l ^ pair[1]), right), right);
    }
    l * right + r
}

fn added(a: u64, b: u64, modulus: u64) -> u64 {
    let sum = a + b;
    if sum >= modulus { sum - modulus } else { sum }
}

/// 64 random bits to a number below `bound`.
fn scaled(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}

/// The finaliser of `SplitMix64` (Steele, Lea and Flood, 2014).
fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What happens to the samples that are left when no whole batch of all ranks can be made of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uneven {
    /// They are left out of this epoch.
    Drop,
    /// The epoch's first samples fill them up.
    Wrap,
    /// They are dealt out: ranks get fewer, some may get none.
    Short,
    /// There must be none.
    Raise,
}

impl Uneven {
    /// By its name in Python.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "drop" => Ok(Self::Drop),
            "wrap" => Ok(Self::Wrap),
            "short" => Ok(Self::Short),
            "raise" => Ok(Self::Raise),
            _ => Err(Error::usage(format!(
                "uneven: expected \"drop\", \"wrap\", \"short\" or \"raise\", found {}",
                quote(name)
            ))),
        }
    }
}

/// The batches of one rank in one epoch, from a position on.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    /// Samples of the epoch.
    pub length: u64,
    /// Samples of a batch of this rank.
    pub batch: u64,
    /// This rank.
    pub rank: u64,
    /// How many ranks there are.
    pub world: u64,
    /// What becomes of the rest.
    pub uneven: Uneven,
    /// Where to begin, counted in samples of all ranks.
    pub start: u64,
}

impl Steps {
    /// Samples of a batch of all ranks.
    fn global(&self) -> u64 {
        self.batch * self.world
    }

    /// These, unless they cannot be.
    pub fn checked(self) -> Result<Self> {
        self.check().map(|()| self)
    }

    /// Refuses what cannot be.
    pub fn check(&self) -> Result<()> {
        if self.batch > MAX_BATCH {
            return Err(Error::usage(format!(
                "batch_size: expected at most {MAX_BATCH} samples, found {}",
                self.batch
            )));
        }
        let global = self
            .batch
            .checked_mul(self.world)
            .and_then(|global| global.checked_add(self.length));
        if self.batch == 0 || self.world == 0 || global.is_none() {
            return Err(Error::usage(
                "batch_size and world_size: expected at least 1, and fewer than 2^64 samples together",
            ));
        }
        if self.rank >= self.world {
            return Err(Error::usage(format!(
                "rank: expected less than world_size = {}, found {}",
                self.world, self.rank
            )));
        }
        let left = self.length.saturating_sub(self.start);
        if self.uneven == Uneven::Raise && !left.is_multiple_of(self.global()) {
            return Err(Error::usage(format!(
                "{} samples do not make whole batches of {} ({} ranks of {}): {} are left. Choose uneven=\"drop\", \"wrap\" or \"short\"",
                left,
                self.global(),
                self.world,
                self.batch,
                left % self.global()
            )));
        }
        Ok(())
    }

    /// How many batches this rank gets from the start on.
    pub fn count(&self) -> u64 {
        let left = self.length.saturating_sub(self.start);
        let whole = left / self.global();
        let rest = left % self.global();
        let one_more = match self.uneven {
            Uneven::Drop | Uneven::Raise => false,
            Uneven::Wrap => rest > 0,
            Uneven::Short => !self.dealt(rest).is_empty(),
        };
        whole + u64::from(one_more)
    }

    /// This rank's share of the rest of an epoch: of the samples after the last whole step (the remainder).
    fn dealt(&self, rest: u64) -> Range<u64> {
        rest * self.rank / self.world..rest * (self.rank + 1) / self.world
    }

    /// The positions of batch number `step`, counted from the start; they may lie beyond the length, and then wrap.
    pub fn positions(&self, step: u64) -> Range<u64> {
        let from = self.start + step * self.global();
        let left = self.length.saturating_sub(from);
        if left < self.global() && self.uneven == Uneven::Short {
            let share = self.dealt(left);
            return from + share.start..from + share.end;
        }
        from + self.rank * self.batch..from + (self.rank + 1) * self.batch
    }

    /// Where all ranks are once this batch is done: the `position` of a state.
    pub fn position_after(&self, step: u64) -> u64 {
        (self.start + (step + 1) * self.global()).min(self.length)
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
