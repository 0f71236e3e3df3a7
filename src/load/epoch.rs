//! One iteration over one epoch, from its first batch to its end. **An [`Epoch`] alone decides when a batch counts as handed out.**
//!
//! 1. Whoever asks for a batch takes the turn; other threads wait for it, so batches are handed out in order.
//! 2. The batch is taken from the feed, ready or waited for, and the [`Host`] makes of it what is handed out.
//! 3. The last act moves the consumer's cursor and counts the batch: what fails or is interrupted before was not handed out.
//! 4. A batch of a feed that was replaced meanwhile (`set_epoch`) is dropped, and the next one is taken.
//! 5. An error ends the iteration and stops its threads without waiting for them; the cursor stays before the batch.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{self, Error};
use crate::load::batch::Batch;
use crate::load::consumer::{Consumer, Owner};
use crate::load::feed::Feed;
use crate::load::reentrant_lock::{Guard, ReentrantLock};

/// The side that batches are handed to: Python.
pub trait Host {
    /// A batch that was made for the consumer, and perhaps is still on its way to a device.
    type Made: Send;
    /// What is handed out.
    type Object;
    /// What the consumer catches.
    type Error;

    /// How many batches are made before their turn, where they are ready: those are on their way while the consumer works.
    fn ahead(&self) -> usize;

    /// Runs what waits; it asks its monitor whether to go on.
    fn wait<R: Send>(&self, job: impl FnOnce(&dyn Fn() -> error::Result<()>) -> error::Result<R> + Send) -> Result<R, Self::Error>;

    /// Makes a batch of this epoch for the consumer.
    fn make(&self, batch: Arc<Batch>, epoch: u64) -> Result<Self::Made, Self::Error>;

    /// The batch has its turn.
    fn arrive(&self, made: Self::Made) -> Result<Self::Made, Self::Error>;

    /// Whether [`Host::collate`] does anything; that is the consumer's own work, and no waiting.
    fn collates(&self) -> bool;

    /// What is handed out of a batch.
    fn collate(&self, made: Self::Made) -> Result<Self::Object, Self::Error>;

    /// Tells the consumer that it waited for this share of its time.
    fn tell(&self, share: f64) -> Result<(), Self::Error>;

    /// An error of the core.
    fn error(&self, error: Error) -> Self::Error;

    /// A use that is refused.
    fn refused(&self, why: Refused) -> Self::Error;
}

/// Why an iteration hands out nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Another one of the same loader was begun before its end.
    Superseded,
    /// It is used in a forked child.
    OtherProcess,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Superseded => "a newer iteration of this loader has ended this one: one epoch runs at a time. Make another Loader",
            Self::OtherProcess => "this loader belongs to the process that made it: its threads do not survive a fork. Make one here",
        })
    }
}

/// One iteration over one epoch; `M` is [`Host::Made`]. Dropping it ends its threads.
///
/// No lock is held while the host runs: a signal's handler may use the same iteration, or end it.
pub struct Epoch<M> {
    state: Mutex<State<M>>,
    consumer: Arc<Mutex<Consumer>>,
    turn: ReentrantLock,
    owner: Owner,
}

enum State<M> {
    Running(Run<M>),
    /// The feed of this number came to its end.
    Finished(u64),
    /// Somebody has ended it; `superseded`: by a newer iteration.
    Ended {
        superseded: bool,
    },
}

struct Run<M> {
    feed: Arc<Feed>,
    /// Counts feeds: of an iteration that begins again, the first one is 0.
    number: u64,
    epoch: u64,
    /// Batches that were made before their turn.
    ahead: VecDeque<InHand<M>>,
    /// What went wrong with the batch after those.
    failed: Option<Error>,
}

/// A batch that was taken from a feed and is not handed out yet.
struct InHand<M> {
    made: M,
    position: u64,
    /// Rows, pictures, bytes.
    counts: [u64; 3],
}

/// What an iteration does next.
enum Next<M> {
    /// Hand out a batch that was made before its turn.
    HandOver(InHand<M>),
    /// Take one from the feed.
    Take,
    Fail(Error),
}

impl<M: Send> Epoch<M> {
    /// An iteration over the batches of `feed`, which begin at the consumer's cursor.
    pub fn new(feed: Arc<Feed>, consumer: Arc<Mutex<Consumer>>) -> Self {
        let epoch = locked(&consumer).cursor().epoch;
        Self {
            state: Mutex::new(State::Running(Run {
                feed,
                number: 0,
                epoch,
                ahead: VecDeque::new(),
                failed: None,
            })),
            consumer,
            turn: ReentrantLock::new(),
            owner: Owner::this(),
        }
    }

    /// Hands out the next batch; `None` at the end. Waits where none is ready.
    pub fn next<H: Host<Made = M>>(&self, host: &H) -> Result<Option<H::Object>, H::Error> {
        let asked = Instant::now();
        let unless_handed = EndsWhenDropped(self);
        let handed = self.take_turn(host).and_then(|_held| self.hand_over(host, asked));
        if handed.is_ok() {
            std::mem::forget(unless_handed);
        }
        handed
    }

    /// Whether the next batch, or the end, could be had without waiting.
    pub fn is_ready(&self) -> bool {
        match &*locked(&self.state) {
            State::Running(run) => !run.ahead.is_empty() || run.failed.is_some() || run.feed.is_ready(),
            _ => true,
        }
    }

    /// Whether it hands out nothing more.
    pub fn has_ended(&self) -> bool {
        !matches!(&*locked(&self.state), State::Running(_))
    }

    /// Hands out nothing more; the feed to stop or close, if there was one. `superseded`: a newer iteration begins.
    pub fn end(&self, superseded: bool) -> Option<Arc<Feed>> {
        let mut state = locked(&self.state);
        if !matches!(*state, State::Running(_)) {
            return None;
        }
        let before = std::mem::replace(&mut *state, State::Ended { superseded });
        drop(state); // what was made ahead is dropped without a lock
        if let State::Running(run) = before { Some(run.feed) } else { None }
    }

    /// Begins again with `feed`, which has the batches of `epoch` from its first one on. Gives back the feed to close: the one before, or
    /// `Err(feed)` where a batch was handed out already, or no more are.
    pub fn begin_again(&self, feed: Arc<Feed>, epoch: u64) -> Result<Arc<Feed>, Arc<Feed>> {
        let mut state = locked(&self.state);
        let mut consumer = locked(&self.consumer);
        let State::Running(run) = &mut *state else { return Err(feed) };
        if consumer.cursor().begun {
            return Err(feed);
        }
        consumer.go_to(epoch, 0);
        let number = run.number + 1;
        let next = Run {
            feed,
            number,
            epoch,
            ahead: VecDeque::new(),
            failed: None,
        };
        let before = std::mem::replace(run, next);
        drop((state, consumer));
        Ok(before.feed)
    }

    /// The whole way of one batch; `asked`: since when the consumer waits.
    fn hand_over<H: Host<Made = M>>(&self, host: &H, asked: Instant) -> Result<Option<H::Object>, H::Error> {
        loop {
            let Some((number, batch)) = self.take(host)? else { return Ok(None) };
            let made = host.arrive(batch.made)?;
            let came = Instant::now();
            let object = host.collate(made)?;
            let now = if host.collates() { Instant::now() } else { came };
            let waited = came - asked;
            let excess = locked(&self.consumer).excess(now, waited);
            if let Some(share) = excess {
                host.tell(share)?;
            }
            // Nothing of the host runs from here on: the batch is handed out, or it is not.
            if self.count(number, batch.position, now, waited, batch.counts) {
                return Ok(Some(object));
            }
        }
    }

    /// Moves the cursor after a batch of feed `number`, and counts it. Whether it is handed out: not where another feed has replaced its own.
    fn count(&self, number: u64, position: u64, now: Instant, waited: Duration, counts: [u64; 3]) -> bool {
        let state = locked(&self.state);
        let mut consumer = locked(&self.consumer);
        match &*state {
            State::Running(run) if run.number == number => consumer.pass(position),
            // A signal's handler has taken all the rest meanwhile.
            State::Finished(finished) if *finished == number => {}
            _ => return false,
        }
        consumer.count(now, waited, counts);
        true
    }

    /// Takes the next batch, and the number of its feed; `None` at the end.
    fn take<H: Host<Made = M>>(&self, host: &H) -> Result<Option<(u64, InHand<M>)>, H::Error> {
        loop {
            let (feed, number, epoch, next) = match self.look() {
                Ok(found) => found,
                Err(superseded) => {
                    self.check_process(host)?;
                    return if superseded {
                        Err(host.refused(Refused::Superseded))
                    } else {
                        Ok(None)
                    };
                }
            };
            let batch = match next {
                Next::HandOver(batch) => batch,
                Next::Fail(error) => return Err(host.error(error)),
                Next::Take => {
                    let ready = feed.ready().map_err(|error| host.error(error))?;
                    let taken = if ready.is_some() { ready } else { self.wait(host, &feed)? };
                    match taken {
                        Some(batch) => in_hand(host, batch, epoch)?,
                        None if self.finish(number) => {
                            host.wait(|monitor| feed.close(monitor))?;
                            return Ok(None);
                        }
                        // Another feed has replaced it, or somebody has ended this iteration.
                        None => continue,
                    }
                }
            };
            self.make_ahead(host, &feed, number, epoch)?;
            return Ok(Some((number, batch)));
        }
    }

    /// The feed, its number, its epoch, and what comes next; where it has ended, `Err`: whether a newer iteration has ended it.
    fn look(&self) -> Result<(Arc<Feed>, u64, u64, Next<M>), bool> {
        match &mut *locked(&self.state) {
            State::Running(run) => {
                let next = match run.ahead.pop_front() {
                    Some(batch) => Next::HandOver(batch),
                    None => run.failed.take().map_or(Next::Take, Next::Fail),
                };
                Ok((Arc::clone(&run.feed), run.number, run.epoch, next))
            }
            State::Finished(_) => Err(false),
            State::Ended { superseded } => Err(*superseded),
        }
    }

    fn wait<H: Host<Made = M>>(&self, host: &H, feed: &Feed) -> Result<Option<Arc<Batch>>, H::Error> {
        self.check_process(host)?;
        host.wait(|monitor| feed.next(monitor))
    }

    /// Makes batches before their turn, where they are ready.
    fn make_ahead<H: Host<Made = M>>(&self, host: &H, feed: &Feed, number: u64, epoch: u64) -> Result<(), H::Error> {
        for _ in 0..host.ahead() {
            let room = self.with_run(number, |run| run.ahead.len() < host.ahead() && run.failed.is_none());
            if room != Some(true) {
                break;
            }
            match feed.ready() {
                Ok(None) => break,
                Ok(Some(batch)) => {
                    let batch = in_hand(host, batch, epoch)?;
                    self.with_run(number, |run| run.ahead.push_back(batch));
                }
                // It comes after the batches before it.
                Err(error) => {
                    self.with_run(number, |run| run.failed = Some(error));
                }
            }
        }
        Ok(())
    }

    fn with_run<R>(&self, number: u64, then: impl FnOnce(&mut Run<M>) -> R) -> Option<R> {
        match &mut *locked(&self.state) {
            State::Running(run) if run.number == number => Some(then(run)),
            _ => None,
        }
    }

    /// Feed `number` is at its end, and with it the epoch: the cursor moves to the next one. Whether that is so: the feed may have been
    /// replaced.
    fn finish(&self, number: u64) -> bool {
        let mut state = locked(&self.state);
        let is_so = matches!(&*state, State::Running(run) if run.number == number);
        if is_so {
            let before = std::mem::replace(&mut *state, State::Finished(number));
            locked(&self.consumer).next_epoch();
            drop(state);
            drop(before);
        }
        is_so
    }

    fn take_turn<H: Host<Made = M>>(&self, host: &H) -> Result<Guard<'_>, H::Error> {
        if let Some(held) = self.turn.try_lock() {
            return Ok(held);
        }
        self.check_process(host)?;
        host.wait(|monitor| self.turn.lock(monitor))
    }

    /// Refuses a forked child. A batch that is ready needs no look at the process: in a child, no feed has one.
    fn check_process<H: Host<Made = M>>(&self, host: &H) -> Result<(), H::Error> {
        if self.owner.is_other() {
            Err(host.refused(Refused::OtherProcess))
        } else {
            Ok(())
        }
    }
}

/// Ends an iteration, after an error as after a panic.
struct EndsWhenDropped<'a, M: Send>(&'a Epoch<M>);

impl<M: Send> Drop for EndsWhenDropped<'_, M> {
    fn drop(&mut self) {
        // Nobody who presses Ctrl-C waits for a picture that is being decoded.
        if let Some(feed) = self.0.end(false) {
            feed.stop();
        }
    }
}

fn in_hand<H: Host>(host: &H, batch: Arc<Batch>, epoch: u64) -> Result<InHand<H::Made>, H::Error> {
    let (position, plan) = (batch.position, &batch.plan);
    let counts = [plan.rows.len(), plan.pictures.len(), plan.bytes].map(|count| count as u64);
    let made = host.make(batch, epoch)?;
    Ok(InHand { made, position, counts })
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "epoch_tests.rs"]
mod tests;
