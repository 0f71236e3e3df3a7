//! Work over N threads, results in the order of the items. **The only place that starts threads.**
//!
//! The caller takes part: with one thread none is started, with two one is. Items are handed out in order, and results are taken in the
//! same order, so whatever `take` writes does not depend on the number of threads. A slow item never lets more than the [`Window`] pile up;
//! one that nobody has to wait for (sealing a shard) says so by its [`Turn`].

mod poll;
pub mod budget;
pub mod background;

pub(crate) use poll::POLL;

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, select_biased, unbounded};

use crate::error::{Error, Result};

/// How much may be under way at once.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Items handed out and not yet taken.
    pub items: usize,
    /// Their weights together. One item is always let through, whatever it weighs.
    pub bytes: u64,
}

/// Bytes under way at most, of jobs over pictures: all that pictures take while their pixels are made, and the pixels until they are taken.
pub const WINDOW_BYTES: u64 = 512 << 20;

impl Window {
    /// Of a job over pictures: so many items at most, and no more bytes than a machine can spare.
    pub fn of(items: usize) -> Self {
        Self {
            items: items.max(1),
            bytes: WINDOW_BYTES,
        }
    }
}

impl Default for Window {
    /// Of a job whose caller has no number of items in mind.
    fn default() -> Self {
        Self::of(16)
    }
}

/// When the result of an item is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// After those of all items before it. It counts this many bytes in the window.
    InOrder(u64),
    /// As soon as it is there. It counts nothing, so what makes such items must be bounded itself.
    WhenDone,
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

/// Calls `work` on every item, on any thread, and `take` on every result, on this thread, in the order of the items (but see [`Turn`]).
///
/// `items` may yield `None` and go on later: it is asked again after each result, and the end is when it yields nothing while nothing is
/// under way. So `take` may queue further items (sealing a shard, say) behind the ones already handed out.
/// `turn` says how an item stands in that order. `scratch` makes what belongs to one worker.
pub fn map<T: Send, R: Send, S>(
    pool: Pool<'_>,
    mut items: impl Iterator<Item = T>,
    turn: impl Fn(&T) -> Turn,
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
    // Neither grows: the window bounds what is handed out.
    let (give, jobs) = unbounded::<(Place, T)>();
    let (give_loose, loose_jobs) = unbounded::<(Place, T)>();
    let (done, results) = unbounded::<(Place, Outcome<R>)>();
    std::thread::scope(|scope| {
        for i in 1..pool.threads {
            let (jobs, loose_jobs, done) = (jobs.clone(), loose_jobs.clone(), done.clone());
            let (stop, work, scratch) = (&stop, &work, &scratch);
            std::thread::Builder::new()
                .name(format!("mmno-{i}"))
                .spawn_scoped(scope, move || run_worker([&loose_jobs, &jobs], &done, stop, scratch, work))
                .map_err(|error| {
                    Error::usage(format!(
                        "a thread cannot be started ({error}): ask for fewer threads, or raise the limit of processes"
                    ))
                })?;
        }
        let mut queue = Queue {
            next: 0,
            first: 0,
            ready: VecDeque::new(),
            weights: VecDeque::new(),
            bytes: 0,
            loose: 0,
            loose_ready: VecDeque::new(),
        };
        let outcome = drive(
            pool,
            &mut items,
            &turn,
            &mut own,
            &work,
            &mut take,
            &mut queue,
            ([&give_loose, &give], [&loose_jobs, &jobs], &results),
        );
        // Workers finish the item in hand, drop the rest, and end when the channel closes.
        stop.store(outcome.is_err(), Ordering::Relaxed);
        drop((give, give_loose));
        outcome
    })
}

/// Runs `work`; a panic becomes a value, so that it can be carried to the caller instead of killing a thread silently.
fn guarded<T, R, S>(work: &impl Fn(&mut S, T) -> R, scratch: &mut S, item: T) -> Outcome<R> {
    catch_unwind(AssertUnwindSafe(|| work(scratch, item)))
}

fn run_worker<T, R, S>(
    jobs: [&Receiver<(Place, T)>; 2],
    done: &Sender<(Place, Outcome<R>)>,
    stop: &AtomicBool,
    scratch: &impl Fn() -> S,
    work: &impl Fn(&mut S, T) -> R,
) {
    let mut own = scratch();
    let [loose, in_order] = jobs;
    // Both channels close together, and what is left in them is handed out first.
    while let Ok((place, item)) =
        select_biased! { recv(loose) -> job => job.or_else(|_| in_order.recv()), recv(in_order) -> job => job.or_else(|_| loose.recv()) }
    {
        if stop.load(Ordering::Relaxed) {
            continue;
        }
        if done.send((place, guarded(work, &mut own, item))).is_err() {
            return;
        }
    }
}

/// The number of an item whose result has its turn; `None`: [`Turn::WhenDone`].
type Place = Option<u64>;

/// What is under way: `ready[i]` is the result of item `first + i`, if it has come.
struct Queue<R> {
    next: u64,
    first: u64,
    ready: VecDeque<Option<Outcome<R>>>,
    weights: VecDeque<u64>,
    bytes: u64,
    /// Items without a turn that are not done, and the results of those that are.
    loose: usize,
    loose_ready: VecDeque<Outcome<R>>,
}

impl<R> Queue<R> {
    fn admits(&self, turn: Turn, window: Window) -> bool {
        let Turn::InOrder(weight) = turn else { return true };
        self.ready.is_empty() || (self.ready.len() < window.items && self.bytes.saturating_add(weight) <= window.bytes)
    }

    fn push(&mut self, turn: Turn) -> Place {
        let Turn::InOrder(weight) = turn else {
            self.loose += 1;
            return None;
        };
        self.ready.push_back(None);
        self.weights.push_back(weight);
        self.bytes = self.bytes.saturating_add(weight);
        self.next += 1;
        Some(self.next - 1)
    }

    fn store(&mut self, place: Place, outcome: Outcome<R>) {
        let Some(number) = place else {
            self.loose -= 1;
            self.loose_ready.push_back(outcome);
            return;
        };
        if let Some(slot) = self.ready.get_mut((number - self.first) as usize) {
            *slot = Some(outcome);
        }
    }

    fn pop_ready(&mut self) -> Option<Outcome<R>> {
        if let Some(outcome) = self.loose_ready.pop_front() {
            return Some(outcome);
        }
        let outcome = self.ready.front_mut()?.take()?;
        self.ready.pop_front();
        self.bytes = self.bytes.saturating_sub(self.weights.pop_front().unwrap_or(0));
        self.first += 1;
        Some(outcome)
    }

    fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.loose == 0 && self.loose_ready.is_empty()
    }
}

/// The senders and receivers of jobs (without a turn, in order), and the receiver of results.
type Channels<'a, T, R> = (
    [&'a Sender<(Place, T)>; 2],
    [&'a Receiver<(Place, T)>; 2],
    &'a Receiver<(Place, Outcome<R>)>,
);

/// The caller's side: hand out, take what is ready, and otherwise work or wait.
#[expect(
    clippy::too_many_arguments,
    reason = "one private call site; a struct would only rename the arguments of `map`"
)]
fn drive<T, R, S>(
    pool: Pool<'_>,
    items: &mut impl Iterator<Item = T>,
    turn: &impl Fn(&T) -> Turn,
    own: &mut S,
    work: &impl Fn(&mut S, T) -> R,
    take: &mut impl FnMut(R) -> Result<()>,
    queue: &mut Queue<R>,
    ([give_loose, give], [loose_jobs, jobs], results): Channels<'_, T, R>,
) -> Result<()> {
    let mut held: Option<T> = None;
    loop {
        (pool.monitor)()?;
        while let Some(item) = held.take().or_else(|| items.next()) {
            let turn = turn(&item);
            if !queue.admits(turn, pool.window) {
                held = Some(item);
                break;
            }
            let channel = if turn == Turn::WhenDone { give_loose } else { give };
            let _ = channel.send((queue.push(turn), item));
        }
        while let Ok((place, outcome)) = results.try_recv() {
            queue.store(place, outcome);
        }
        if let Some(outcome) = queue.pop_ready() {
            take(outcome.map_err(|payload| Error::panic(&*payload))?)?;
        } else if queue.is_empty() && held.is_none() {
            return Ok(());
        } else if let Ok((place, item)) = jobs.try_recv() {
            queue.store(place, guarded(work, own, item));
        } else if queue.ready.is_empty()
            && let Ok((place, item)) = loose_jobs.try_recv()
        {
            // Only when nothing else is left: while the caller works on a long item, nobody takes results.
            queue.store(place, guarded(work, own, item));
        } else {
            match results.recv_timeout(POLL) {
                Ok((place, outcome)) => queue.store(place, outcome),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
