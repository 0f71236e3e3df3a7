//! Whether the system has a mapped file in memory, as far as it says so.

#![expect(unsafe_code, reason = "a system call that std does not offer")]

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// So many batches are hinted at after the disk was last waited for.
const HINTED: u32 = 64;

/// How often this process has waited for the disk because a page of a mapped file was not there; 0 where the system does not say.
pub fn major_faults() -> u64 {
    #[cfg(unix)]
    {
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: memory of the right size, which the call fills; all bits zero are a value of it, too.
        let usage = unsafe {
            libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
            usage.assume_init()
        };
        usage.ru_majflt as u64
    }
    #[cfg(not(unix))]
    0
}

/// Whether read-ahead hints are worth their price.
///
/// Each hint is a system call. For pages that are in the page cache already, all hints together cost a tenth of a batch. So hints are given
/// only while the process has lately waited for the disk.
pub struct Hints {
    faults: AtomicU64,
    left: AtomicU32,
}

impl Default for Hints {
    /// The first batches are hinted at.
    fn default() -> Self {
        Self {
            faults: AtomicU64::new(0),
            left: AtomicU32::new(HINTED),
        }
    }
}

impl Hints {
    /// `faults`: how often the process has waited for the disk so far. (Two threads that ask at once may each count for the other: a hint
    /// more or less.)
    pub fn are_of_use(&self, faults: u64) -> bool {
        if self.faults.swap(faults, Ordering::Relaxed) != faults {
            self.left.store(HINTED, Ordering::Relaxed);
        }
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_end_where_nobody_waits_for_the_disk_and_come_back() {
        let hints = Hints::default();
        assert!((0..HINTED).all(|_| hints.are_of_use(0)));
        assert!(!hints.are_of_use(0));
        assert!((0..HINTED).all(|_| hints.are_of_use(3)));
        assert!((0..1000).all(|_| !hints.are_of_use(3)));
        assert!((4..1000).all(|faults| hints.are_of_use(faults)));
    }
}
