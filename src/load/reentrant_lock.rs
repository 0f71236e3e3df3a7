//! A lock that its thread may take again, and that a waiting thread can give up.

use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::error;
use crate::ordered::POLL;

/// One thread at a time holds it. That thread may take it again, in a signal's handler for example.
pub(super) struct ReentrantLock {
    /// The thread that holds it; 0: none.
    owner: AtomicUsize,
    /// How often it took it.
    depth: AtomicUsize,
    waiting: AtomicUsize,
    /// Wakes one that waits.
    wake: Sender<()>,
    woken: Receiver<()>,
}

/// Holds the lock until it is dropped.
pub(super) struct Guard<'a>(&'a ReentrantLock);

impl ReentrantLock {
    /// One that nobody holds.
    pub(super) fn new() -> Self {
        let (wake, woken) = bounded(1);
        Self {
            owner: AtomicUsize::new(0),
            depth: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            wake,
            woken,
        }
    }

    /// Takes the lock if no other thread holds it.
    pub(super) fn try_lock(&self) -> Option<Guard<'_>> {
        let own = this_thread();
        let before = self.owner.compare_exchange(0, own, Ordering::SeqCst, Ordering::SeqCst);
        (before.is_ok() || before == Err(own)).then(|| {
            self.depth.fetch_add(1, Ordering::Relaxed);
            Guard(self)
        })
    }

    /// Takes the lock, and waits for it. `monitor` is asked meanwhile whether to go on.
    pub(super) fn lock(&self, monitor: &dyn Fn() -> error::Result<()>) -> error::Result<Guard<'_>> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let taken = loop {
            if let Some(held) = self.try_lock() {
                break Ok(held);
            }
            if self.woken.recv_timeout(POLL).is_err()
                && let Err(error) = monitor()
            {
                break Err(error);
            }
        };
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        taken
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let lock = self.0;
        if lock.depth.fetch_sub(1, Ordering::Relaxed) == 1 {
            lock.owner.store(0, Ordering::SeqCst);
            if lock.waiting.load(Ordering::SeqCst) > 0 {
                let _ = lock.wake.try_send(());
            }
        }
    }
}

/// A number of this thread that no other living thread has.
fn this_thread() -> usize {
    thread_local!(static HERE: u8 = const { 0 });
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::Error;

    #[test]
    fn it_goes_from_thread_to_thread_and_can_be_taken_again_by_its_own() {
        let lock = ReentrantLock::new();
        let first = lock.try_lock().unwrap();
        let again = lock.try_lock().unwrap();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                assert!(lock.try_lock().is_none());
                assert!(lock.lock(&|| Err(Error::interrupted())).is_err());
                drop(lock.lock(&|| Ok(())).unwrap());
            });
            std::thread::sleep(Duration::from_millis(50));
            drop(first);
            assert!(!other.is_finished(), "it was taken twice");
            drop(again);
            other.join().unwrap();
        });
        assert!(lock.try_lock().is_some());
    }
}
