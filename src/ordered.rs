//! Work over N threads, results in the order of the items. **The only place that starts threads.**
//!
//! The caller takes part: with one thread none is started, with two one is. Items are handed out in order, and results are taken in the
//! same order, so whatever `take` writes does not depend on the number of threads. A slow item never lets more than the [`Window`] pile up.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};

use crate::error::{Error, Result};

/// How long the caller waits for a result before it asks the monitor again. A third of the 100 ms within which Ctrl-C must work.
const POLL: Duration = Duration::from_millis(30);

/// How much may be under way at once.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Items handed out and not yet taken.
    pub items: usize,
    /// Their weights together. One item is always let through, whatever it weighs.
    pub bytes: u64,
}

/// How to run: threads (the caller counted), window, and whom to ask whether to go on.
#[derive(Clone, Copy)]
pub struct Pool<'a> {
    /// Threads, the caller counted; 0 means 1.
    pub threads: usize,
    /// What may be under way.
    pub window: Window,
    /// Asked by the caller's thread between items; an error stops everything.
    pub monitor: &'a dyn Fn() -> Result<()>,
}

type Outcome<R> = std::result::Result<R, Box<dyn Any + Send>>;

/// Calls `work` on every item, on any thread, and `take` on every result, on this thread, in the order of the items.
///
/// `items` may yield `None` and go on later: it is asked again after each result, and the end is when it yields nothing while nothing is
/// under way. So `take` may queue further items (sealing a shard, say) behind the ones already handed out.
/// `weigh` says what an item counts in the window's bytes. `scratch` makes what belongs to one worker.
pub fn map<T: Send, R: Send, S>(
    pool: Pool<'_>,
    mut items: impl Iterator<Item = T>,
    weigh: impl Fn(&T) -> u64,
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T) -> R + Sync,
    mut take: impl FnMut(R) -> Result<()>,
) -> Result<()> {
    let mut own = scratch();
    if pool.threads <= 1 {
        #[expect(
            clippy::while_let_on_iterator,
            reason = "the iterator may go on after `None`, once `take` has queued more"
        )]
        while let Some(item) = items.next() {
            (pool.monitor)()?;
            take(guarded(&work, &mut own, item).map_err(|payload| Error::panic(&*payload))?)?;
        }
        return Ok(());
    }

    let stop = AtomicBool::new(false);
    let (give, jobs) = bounded::<(u64, T)>(pool.window.items.max(1));
    let (done, results) = unbounded::<(u64, Outcome<R>)>();
    std::thread::scope(|scope| {
        for i in 1..pool.threads {
            let (jobs, done, stop, work, scratch) = (jobs.clone(), done.clone(), &stop, &work, &scratch);
            std::thread::Builder::new()
                .name(format!("mmno-{i}"))
                .spawn_scoped(scope, move || run_worker(&jobs, &done, stop, scratch, work))
                .map_err(|error| Error::io("start a thread", Path::new(""), error))?;
        }
        let mut queue = Queue {
            next: 0,
            first: 0,
            ready: VecDeque::new(),
            weights: VecDeque::new(),
            bytes: 0,
        };
        let outcome = drive(
            pool,
            &mut items,
            &weigh,
            &mut own,
            &work,
            &mut take,
            &mut queue,
            (&give, &jobs, &results),
        );
        // Workers finish the item in hand, drop the rest, and end when the channel closes.
        stop.store(outcome.is_err(), Ordering::Relaxed);
        drop(give);
        outcome
    })
}

/// Runs `work`; a panic becomes a value, so that it can be carried to the caller instead of killing a thread silently.
fn guarded<T, R, S>(work: &impl Fn(&mut S, T) -> R, scratch: &mut S, item: T) -> Outcome<R> {
    catch_unwind(AssertUnwindSafe(|| work(scratch, item)))
}

fn run_worker<T, R, S>(
    jobs: &Receiver<(u64, T)>,
    done: &Sender<(u64, Outcome<R>)>,
    stop: &AtomicBool,
    scratch: &impl Fn() -> S,
    work: &impl Fn(&mut S, T) -> R,
) {
    let mut own = scratch();
    while let Ok((number, item)) = jobs.recv() {
        if stop.load(Ordering::Relaxed) {
            continue;
        }
        if done.send((number, guarded(work, &mut own, item))).is_err() {
            return;
        }
    }
}

/// What is under way: `ready[i]` is the result of item `first + i`, if it has come.
struct Queue<R> {
    next: u64,
    first: u64,
    ready: VecDeque<Option<Outcome<R>>>,
    weights: VecDeque<u64>,
    bytes: u64,
}

impl<R> Queue<R> {
    fn admits(&self, weight: u64, window: Window) -> bool {
        self.ready.is_empty() || (self.ready.len() < window.items && self.bytes.saturating_add(weight) <= window.bytes)
    }

    fn push(&mut self, weight: u64) -> u64 {
        self.ready.push_back(None);
        self.weights.push_back(weight);
        self.bytes = self.bytes.saturating_add(weight);
        self.next += 1;
        self.next - 1
    }

    fn store(&mut self, number: u64, outcome: Outcome<R>) {
        if let Some(place) = self.ready.get_mut((number - self.first) as usize) {
            *place = Some(outcome);
        }
    }

    fn pop_ready(&mut self) -> Option<Outcome<R>> {
        let outcome = self.ready.front_mut()?.take()?;
        self.ready.pop_front();
        self.bytes = self.bytes.saturating_sub(self.weights.pop_front().unwrap_or(0));
        self.first += 1;
        Some(outcome)
    }
}

/// The caller's side: hand out, take what is ready, and otherwise work or wait.
#[expect(
    clippy::too_many_arguments,
    reason = "one private call site; a struct would only rename the arguments of `map`"
)]
fn drive<T, R, S>(
    pool: Pool<'_>,
    items: &mut impl Iterator<Item = T>,
    weigh: &impl Fn(&T) -> u64,
    own: &mut S,
    work: &impl Fn(&mut S, T) -> R,
    take: &mut impl FnMut(R) -> Result<()>,
    queue: &mut Queue<R>,
    (give, jobs, results): (&Sender<(u64, T)>, &Receiver<(u64, T)>, &Receiver<(u64, Outcome<R>)>),
) -> Result<()> {
    let mut held: Option<T> = None;
    loop {
        (pool.monitor)()?;
        while let Some(item) = held.take().or_else(|| items.next()) {
            let weight = weigh(&item);
            if !queue.admits(weight, pool.window) {
                held = Some(item);
                break;
            }
            // The channel holds `window.items`, so this never blocks.
            let _ = give.send((queue.push(weight), item));
        }
        while let Ok((number, outcome)) = results.try_recv() {
            queue.store(number, outcome);
        }
        if let Some(outcome) = queue.pop_ready() {
            take(outcome.map_err(|payload| Error::panic(&*payload))?)?;
        } else if queue.ready.is_empty() && held.is_none() {
            return Ok(());
        } else if let Ok((number, item)) = jobs.try_recv() {
            queue.store(number, guarded(work, own, item));
        } else {
            match results.recv_timeout(POLL) {
                Ok((number, outcome)) => queue.store(number, outcome),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn pool(threads: usize, items: usize, monitor: &dyn Fn() -> Result<()>) -> Pool<'_> {
        Pool {
            threads,
            window: Window { items, bytes: 1 << 20 },
            monitor,
        }
    }

    #[test]
    fn results_keep_the_order_of_items_for_every_thread_count_and_window() {
        for threads in [1, 2, 3, 7] {
            for items in [1, 2, 64] {
                let mut seen = Vec::new();
                let slow_first = |(): &mut (), i: u64| {
                    std::thread::sleep(Duration::from_micros(if i.is_multiple_of(5) { 300 } else { 1 }));
                    i * i
                };
                map(
                    pool(threads, items, &|| Ok(())),
                    0..100,
                    |_| 1,
                    || (),
                    slow_first,
                    |r| {
                        seen.push(r);
                        Ok(())
                    },
                )
                .unwrap();
                assert_eq!(seen, (0..100).map(|i| i * i).collect::<Vec<u64>>());
            }
        }
    }

    #[test]
    fn the_window_bounds_items_and_bytes_under_way() {
        let under_way = AtomicUsize::new(0);
        let most = Cell::new(0);
        let items = (0..200).inspect(|_| {
            most.set(most.get().max(under_way.fetch_add(1, Ordering::Relaxed) + 1));
        });
        let p = Pool {
            threads: 3,
            window: Window { items: 100, bytes: 50 },
            monitor: &|| Ok(()),
        };
        map(
            p,
            items,
            |_| 10,
            || (),
            |(), i: u32| i,
            |_| {
                under_way.fetch_sub(1, Ordering::Relaxed);
                Ok(())
            },
        )
        .unwrap();
        // Five weigh 50; one more may have been drawn from the iterator and be held.
        assert!(most.get() <= 6, "{}", most.get());
    }

    #[test]
    fn take_may_queue_further_items() {
        for threads in [1, 3] {
            let queue = RefCell::new(VecDeque::from([1, 2, 3]));
            let items = std::iter::from_fn(|| queue.borrow_mut().pop_front());
            let mut seen = Vec::new();
            map(
                pool(threads, 8, &|| Ok(())),
                items,
                |_| 0,
                || (),
                |(), i| i,
                |r: i32| {
                    if r < 10 {
                        queue.borrow_mut().push_back(r * 10);
                    }
                    seen.push(r);
                    Ok(())
                },
            )
            .unwrap();
            assert_eq!(seen, [1, 2, 3, 10, 20, 30]);
        }
    }

    #[test]
    fn an_error_and_a_panic_and_the_monitor_stop_everything() {
        for threads in [1, 3] {
            let broken = map(
                pool(threads, 4, &|| Ok(())),
                0..,
                |_| 0,
                || (),
                |(), i| i,
                |i: i32| {
                    if i == 5 { Err(Error::usage("five")) } else { Ok(()) }
                },
            );
            assert_eq!(broken.unwrap_err().to_string(), "five");

            let calls = Cell::new(0);
            let monitor = || {
                calls.set(calls.get() + 1);
                if calls.get() > 10 { Err(Error::interrupted()) } else { Ok(()) }
            };
            let stopped = map(pool(threads, 4, &monitor), 0.., |_| 0, || (), |(), i: i32| i, |_| Ok(()));
            assert_eq!(stopped.unwrap_err().to_string(), "interrupted");

            let panicked = map(
                pool(threads, 4, &|| Ok(())),
                0..9,
                |_| 0,
                || (),
                |(), i: i32| assert_ne!(i, 7),
                |()| Ok(()),
            );
            assert!(panicked.unwrap_err().to_string().contains("a worker panicked"));
        }
    }
}
