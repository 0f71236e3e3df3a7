//! How far a job is: counters that workers add to and anyone may read.

use std::sync::atomic::{AtomicU64, Ordering};

/// The stages of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Every line of every source is read and judged.
    Rows,
    /// Every distinct picture is found, read and probed.
    Pictures,
    /// Units become shards.
    Build,
    /// The files over all shards are written.
    Commit,
    /// Every file of a data set is hashed. A build does this, before its units, with the shards that are there already.
    Verify,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 5] = [Self::Rows, Self::Pictures, Self::Build, Self::Commit, Self::Verify];

    /// Its name, as progress shows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Pictures => "pictures",
            Self::Build => "build",
            Self::Commit => "commit",
            Self::Verify => "verify",
        }
    }
}

/// How far a job is; written by workers, read by anyone.
#[derive(Debug, Default)]
pub struct Counters {
    /// The stage, counted from 1 in [`Stage::ALL`]; 0: none yet.
    stage: AtomicU64,
    /// Items of the stage that are done.
    pub done: AtomicU64,
    /// Items of the stage; 0: unknown.
    pub total: AtomicU64,
    /// Rows seen.
    pub rows: AtomicU64,
    /// Pictures seen.
    pub pictures: AtomicU64,
    /// Bytes moved.
    pub bytes: AtomicU64,
    /// Rows rejected so far.
    pub rejects: AtomicU64,
    /// Pictures decoded.
    pub decoded: AtomicU64,
}

impl Counters {
    /// Enters a stage of `total` items.
    pub fn enter(&self, stage: Stage, total: u64) {
        self.stage.store(stage as u64 + 1, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    /// The stage that was entered last, if any was.
    pub fn stage(&self) -> Option<Stage> {
        let number = self.stage.load(Ordering::Relaxed).checked_sub(1)?;
        Stage::ALL.get(number as usize).copied()
    }

    /// Adds to one of the counters.
    pub fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_begins_with_nothing_done() {
        let counters = Counters::default();
        assert_eq!(counters.stage(), None);
        for stage in Stage::ALL {
            Counters::add(&counters.done, 3);
            counters.enter(stage, 7);
            assert_eq!(counters.stage(), Some(stage));
            assert_eq!(counters.done.load(Ordering::Relaxed), 0);
            assert_eq!(counters.total.load(Ordering::Relaxed), 7);
        }
    }
}
