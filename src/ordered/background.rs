//! Work that goes on while its consumer does something else: one thread, whose results wait in a channel.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use crate::error::{Error, Result};
use crate::ordered::poll::POLL;

/// How often a thread that was told to stop is looked for.
const STOPPING: Duration = Duration::from_millis(1);

/// How long dropping waits for the thread; what it has in hand is nearly always shorter.
const PATIENCE: Duration = Duration::from_millis(50);

/// A thread and what it has made. Dropping it tells the thread to stop; unless somebody has told it before, it also waits for it, but not
/// long.
///
/// In a forked child there is no such thread, and its locks may be held for ever: there nothing is touched, and nothing waited for.
pub struct Background<R> {
    /// `None` once it was dropped.
    inner: Option<Inner<R>>,
    process: u32,
}

struct Inner<R> {
    results: Receiver<Result<R>>,
    stop: Arc<AtomicBool>,
    /// `None` once it has ended.
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<R: Send + 'static> Background<R> {
    /// Starts `job`, which sends its results and looks at the flag, so as to stop soon after it is set. What it returns as an error comes
    /// after its results; a panic does, too.
    pub fn start(name: &str, job: impl FnOnce(&Sender<Result<R>>, &AtomicBool) -> Result<()> + Send + 'static) -> Result<Self> {
        let (give, results) = unbounded();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let run = move || {
            let outcome = catch_unwind(AssertUnwindSafe(|| job(&give, &stopped))).unwrap_or_else(|payload| Err(Error::panic(&*payload)));
            // Whoever told it to stop knows; for others that wait, it is the end.
            if let Err(error) = outcome
                && !stopped.load(Ordering::Relaxed)
            {
                let _ = give.send(Err(error));
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(|error| {
            Error::usage(format!(
                "a thread cannot be started ({error}): ask for fewer threads, or raise the limit of processes"
            ))
        })?;
        let thread = Mutex::new(Some(thread));
        Ok(Self {
            inner: Some(Inner { results, stop, thread }),
            process: std::process::id(),
        })
    }
}

impl<R> Background<R> {
    /// A result that is there already; `None` where there is none yet, or none any more, or in a forked child.
    pub fn ready(&self) -> Result<Option<R>> {
        let inner = self.inner.as_ref().filter(|inner| !self.is_foreign() && !inner.is_stopped());
        inner.and_then(|inner| inner.results.try_recv().ok()).transpose()
    }

    /// The next result; `None` when there will be none, or once the thread was told to stop. Waits; `monitor` is asked meanwhile whether to
    /// go on. Several threads may wait; each result goes to one.
    pub fn next(&self, monitor: &dyn Fn() -> Result<()>) -> Result<Option<R>> {
        if self.is_foreign() {
            return Err(Error::usage(
                "this iterator belongs to the process that made it: its threads do not survive a fork",
            ));
        }
        let Some(inner) = &self.inner else { return Ok(None) };
        while !inner.is_stopped() {
            match inner.results.recv_timeout(POLL) {
                Ok(result) => return result.map(Some),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => monitor()?,
            }
        }
        Ok(None)
    }

    /// Whether a result is there, or the end.
    pub fn is_ready(&self) -> bool {
        self.inner
            .as_ref()
            .filter(|_| !self.is_foreign())
            .is_none_or(|inner| !inner.results.is_empty() || inner.is_stopped() || inner.has_ended())
    }

    /// Whether this is another process than the one that started the thread.
    pub fn is_foreign(&self) -> bool {
        std::process::id() != self.process
    }

    /// Tells the thread to stop, without waiting: it ends once it has finished what it has in hand. Results that nobody took are dropped.
    pub fn stop(&self) {
        if let Some(inner) = self.inner.as_ref().filter(|_| !self.is_foreign()) {
            inner.stop.store(true, Ordering::Relaxed);
            inner.drop_results();
        }
    }

    /// Stops the thread and waits for it; `monitor` is asked meanwhile whether to go on waiting. Where it is not, the thread ends by itself: it
    /// holds on to all that it uses.
    pub fn close(&self, monitor: &dyn Fn() -> Result<()>) -> Result<()> {
        self.stop();
        let Some(inner) = self.inner.as_ref().filter(|_| !self.is_foreign()) else {
            return Ok(());
        };
        // No lock is held while the monitor runs: a signal's handler may close it, too, on this very thread.
        while !inner.has_ended() {
            monitor()?;
            std::thread::sleep(STOPPING);
        }
        let thread = inner.lock_thread().take();
        // Its panics were caught and sent.
        let _ = thread.map(JoinHandle::join);
        inner.drop_results();
        Ok(())
    }
}

impl<R> Inner<R> {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn has_ended(&self) -> bool {
        self.lock_thread().as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn lock_thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drop_results(&self) {
        while self.results.try_recv().is_ok() {}
    }
}

impl<R> Drop for Background<R> {
    fn drop(&mut self) {
        if self.is_foreign() {
            std::mem::forget(self.inner.take());
            return;
        }
        // Somebody who has told it to stop does not want to wait.
        if self.inner.as_ref().is_some_and(Inner::is_stopped) {
            return;
        }
        let began = Instant::now();
        let patient = || {
            if began.elapsed() < PATIENCE {
                Ok(())
            } else {
                Err(Error::interrupted())
            }
        };
        let _ = self.close(&patient);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_does_not_want_to_wait_for_the_end_does_not_wait_when_it_is_dropped_either() {
        let (tell, told) = crossbeam_channel::bounded::<()>(0);
        let working = Background::<()>::start("test", move |_, _| {
            let _ = told.recv();
            Ok(())
        })
        .unwrap();
        let began = Instant::now();
        assert!(working.close(&|| Err(Error::interrupted())).is_err());
        drop(working);
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
        drop(tell);
    }

    #[test]
    fn results_come_in_order_and_then_the_error_or_the_end() {
        let counting = Background::start("test", |give, _| {
            for i in 0..3 {
                let _ = give.send(Ok(i));
            }
            Ok(())
        })
        .unwrap();
        let mut seen = Vec::new();
        while !counting.is_ready() {
            std::thread::yield_now();
        }
        seen.extend(counting.ready().unwrap());
        while let Some(i) = counting.next(&|| Ok(())).unwrap() {
            seen.push(i);
        }
        assert_eq!(seen, [0, 1, 2]);
        assert!(counting.ready().unwrap().is_none());
        assert!(counting.next(&|| Ok(())).unwrap().is_none());

        let panicking = Background::<()>::start("test", |_, _| panic!("on purpose")).unwrap();
        let error = panicking.next(&|| Ok(())).unwrap_err();
        assert!(error.to_string().contains("on purpose"));
    }

    #[test]
    fn a_waiting_consumer_asks_its_monitor_and_closing_ends_the_thread() {
        let idle = Background::<()>::start("test", |_, stop| {
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        })
        .unwrap();
        let began = Instant::now();
        assert!(idle.next(&|| Err(Error::interrupted())).is_err());
        assert!(began.elapsed() < Duration::from_millis(100));
        assert!(!idle.is_ready());
        idle.close(&|| Ok(())).unwrap();
        assert!(idle.next(&|| Ok(())).unwrap().is_none());
    }

    #[test]
    fn nobody_waits_long_for_a_thread_that_is_at_work() {
        let (finish, finished) = unbounded::<()>();
        let job = move |_: &Sender<Result<()>>, _: &AtomicBool| {
            let _ = finished.recv();
            Ok(())
        };
        let busy = Background::start("test", job).unwrap();
        let began = Instant::now();
        assert!(busy.close(&|| Err(Error::interrupted())).is_err());
        drop(busy);
        assert!(began.elapsed() < Duration::from_secs(5));
        drop(finish);
    }
}
