//! Where the time goes: counters that workers add to and anyone may read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What workers do. Their order is that of the flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadStage {
    /// Which rows and pictures a batch needs.
    Plan,
    /// Rows as Arrow.
    Rows,
    /// Reading files of pictures, and hashing them.
    Read,
    /// Decoding and resizing.
    Decode,
    /// Into the slot: copied, widened, normalised.
    Output,
}

impl LoadStage {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Plan, Self::Rows, Self::Read, Self::Decode, Self::Output];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Rows => "rows",
            Self::Read => "read",
            Self::Decode => "decode",
            Self::Output => "output",
        }
    }
}

/// Counts of one loader, over all its epochs.
#[derive(Debug, Default)]
pub struct Stats {
    busy: [AtomicU64; 5],
    /// Pictures written into slots.
    pub pictures: AtomicU64,
    /// Of those, decoded now.
    pub decoded: AtomicU64,
    /// Of those, found in the memory of decoded pictures.
    pub remembered: AtomicU64,
    /// Bytes that those remembered pictures take.
    pub memory_bytes: AtomicU64,
    /// Rows left out because a picture of theirs cannot be decoded.
    pub skipped: AtomicU64,
    /// Slots that were made.
    pub slots: AtomicU64,
    /// Bytes of all slots.
    pub slot_bytes: AtomicU64,
}

impl Stats {
    /// Runs `work`, and counts its time for `stage`.
    pub fn time<R>(&self, stage: LoadStage, work: impl FnOnce() -> R) -> R {
        let began = Instant::now();
        let result = work();
        self.add(stage, began);
        result
    }

    /// Counts the time since `began` for `stage`.
    pub fn add(&self, stage: LoadStage, began: Instant) {
        let nanoseconds = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.busy[stage as usize].fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Seconds of work in a stage, over all threads.
    pub fn seconds(&self, stage: LoadStage) -> f64 {
        self.busy[stage as usize].load(Ordering::Relaxed) as f64 / 1e9
    }
}
