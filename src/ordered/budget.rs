//! Bytes that the workers of one job may hold together: for work whose weight shows only once a worker has begun it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// So many bytes, shared by workers. Whoever asks for more than there is waits for its turn; one is always let through, whatever it asks for.
///
/// A worker that holds a share must not wait for another one: then all of them end.
#[derive(Debug)]
pub struct Budget {
    bytes: u64,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    used: u64,
    /// Those who wait have numbers, and are served in their order: many small ones must not keep a large one waiting for ever.
    next: u64,
    serving: u64,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes: u64) -> Self {
        Self {
            bytes,
            state: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// Waits until so many bytes are free, and takes them.
    pub fn take(&self, bytes: u64) -> Share<'_> {
        let mut state = self.lock();
        if state.next != state.serving || !self.fits(&state, bytes) {
            let number = state.next;
            state.next += 1;
            while state.serving != number || !self.fits(&state, bytes) {
                state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.serving += 1;
            // The next one may fit as well.
            self.freed.notify_all();
        }
        state.used = state.used.saturating_add(bytes);
        Share { budget: self, bytes }
    }

    fn fits(&self, state: &State, bytes: u64) -> bool {
        state.used == 0 || state.used.saturating_add(bytes) <= self.bytes
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of a [`Budget`], until it is dropped.
#[derive(Debug)]
pub struct Share<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut state = self.budget.lock();
        state.used = state.used.saturating_sub(self.bytes);
        let waiting = state.next != state.serving;
        drop(state);
        if waiting {
            self.budget.freed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn no_more_is_held_than_there_is_but_for_one_alone() {
        let (budget, held, most) = (Budget::new(100), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for seed in 0..8_u64 {
                let (budget, held, most) = (&budget, &held, &most);
                scope.spawn(move || {
                    for turn in 0..300 {
                        // Every tenth asks for more than there is.
                        let bytes = if (seed + turn) % 10 == 0 {
                            1000
                        } else {
                            10 + (seed * 7 + turn * 13) % 60
                        };
                        let share = budget.take(bytes);
                        let now = held.fetch_add(bytes, Ordering::SeqCst) + bytes;
                        assert!(now <= 100 || now == 1000, "{now}");
                        most.fetch_max(now, Ordering::SeqCst);
                        std::thread::yield_now();
                        held.fetch_sub(bytes, Ordering::SeqCst);
                        drop(share);
                    }
                });
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), 1000);
        assert_eq!(budget.lock().used, 0);
    }

    #[test]
    fn a_share_comes_back_from_a_panic() {
        let budget = Budget::new(10);
        let panicked = std::panic::catch_unwind(|| {
            let _share = budget.take(10);
            panic!("on purpose");
        });
        assert!(panicked.is_err());
        drop(budget.take(10));
    }
}
