//! The work of a feed, cut up: which piece of which batch comes next, and whether it may begin.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};

use crate::error::{Error, Result};
use crate::load::gather::{Filling, Plan, Recipe};
use crate::load::order::{Permutation, Steps};
use crate::load::slot::{Lease, Slots};
use crate::ordered::POLL;

/// How long nothing else is done: a consumer that has nothing to do but take batches is back within this time.
const WATCHING: Duration = Duration::from_micros(50);

/// The shortest time between two looks for a batch that was taken. A system adds some 50 us of its own.
const NAP: Duration = Duration::from_micros(20);

/// How long this goes on: a step of this length bears the cost of waking.
const NAPPING: Duration = Duration::from_millis(5);

/// How far ahead of the consumer batches are made.
#[derive(Debug, Clone, Copy)]
pub struct Ahead {
    /// Batches, those in the making counted; at least 1.
    pub batches: usize,
    /// Their bytes together. One batch is always let through, whatever it weighs.
    pub bytes: u64,
}

/// What the thread of a feed works with.
pub(super) struct Maker<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) order: &'a Permutation,
    pub(super) steps: Steps,
    pub(super) slots: &'a Arc<Slots>,
    pub(super) threads: usize,
    pub(super) ahead: Ahead,
    pub(super) returned: &'a Receiver<u64>,
    pub(super) stop: &'a AtomicBool,
}

/// One piece of work of a batch.
pub(super) struct Piece {
    pub(super) filling: Arc<Filling>,
    pub(super) work: Work,
}

pub(super) enum Work {
    Rows,
    Pictures(Range<usize>),
}

/// The pieces of the batches to come, one after the other; begun only while few enough batches are ahead of the consumer.
pub(super) struct Making<'a> {
    maker: &'a Maker<'a>,
    step: Cell<u64>,
    /// The next batch, when it has to wait.
    planned: RefCell<Option<Plan>>,
    pieces: RefCell<VecDeque<(Piece, bool)>>,
    /// Pieces handed out and not yet taken.
    under_way: Cell<usize>,
    /// Batches begun and not yet taken by the consumer, and their bytes.
    ahead: Cell<(usize, u64)>,
    /// Why no batch could be planned; said when everything before it is done.
    failed: RefCell<Option<Error>>,
}

impl<'a> Making<'a> {
    /// Nothing is begun yet.
    pub(super) fn new(maker: &'a Maker<'a>) -> Self {
        Self {
            maker,
            step: Cell::new(0),
            planned: RefCell::default(),
            pieces: RefCell::default(),
            under_way: Cell::new(0),
            ahead: Cell::new((0, 0)),
            failed: RefCell::default(),
        }
    }

    /// One piece has come back.
    pub(super) fn came_back(&self) {
        self.under_way.set(self.under_way.get() - 1);
    }

    /// Why there were no more pieces, if something went wrong.
    pub(super) fn failure(&self) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// `None`: nothing now; it is asked again when something has come back, and the end is when nothing is under way.
    pub(super) fn next_piece(&self) -> Option<(Piece, bool)> {
        loop {
            if let Some(piece) = self.pieces.borrow_mut().pop_front() {
                self.under_way.set(self.under_way.get() + 1);
                return Some(piece);
            }
            let mut planned = self.planned.borrow_mut();
            if planned.is_none() {
                let step = self.step.get();
                if self.failed.borrow().is_some() || step >= self.maker.steps.count() {
                    return None;
                }
                match self.maker.recipe.plan(self.maker.order, &self.maker.steps, step) {
                    Ok(plan) => *planned = Some(plan),
                    Err(error) => {
                        *self.failed.borrow_mut() = Some(error);
                        return None;
                    }
                }
                self.step.set(step + 1);
            }
            let bytes = planned.as_ref().map_or(0, |plan| plan.bytes as u64);
            if !self.admits(bytes) {
                return None;
            }
            let plan = planned.take()?;
            drop(planned);
            if let Err(error) = self.begin(plan) {
                *self.failed.borrow_mut() = Some(error);
                return None;
            }
        }
    }

    /// Whether a batch of these bytes may begin. Waits where nothing else is left to do.
    fn admits(&self, bytes: u64) -> bool {
        let limit = self.maker.ahead;
        let began = Instant::now();
        loop {
            while let Ok(bytes) = self.maker.returned.try_recv() {
                self.take(bytes);
            }
            let (batches, held) = self.ahead.get();
            if batches == 0 || (batches < limit.batches && held.saturating_add(bytes) <= limit.bytes) {
                return true;
            }
            if self.under_way.get() > 0 {
                return false;
            }
            // Whoever is asleep has to be woken, and the consumer pays: several microseconds, as much as for all the rest of a batch. So
            // for a while this thread looks by itself, the less often the longer it waits; only where steps are long is it woken.
            let waited = began.elapsed();
            let news = if waited < NAPPING {
                if waited < WATCHING {
                    std::thread::yield_now();
                } else {
                    std::thread::sleep((waited / 8).max(NAP));
                }
                // `recv_timeout` would spin first.
                self.maker.returned.try_recv().map_err(|error| match error {
                    TryRecvError::Empty => RecvTimeoutError::Timeout,
                    TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
                })
            } else {
                self.maker.returned.recv_timeout(POLL)
            };
            match news {
                Ok(bytes) => self.take(bytes),
                Err(RecvTimeoutError::Timeout) if !self.maker.stop.load(Ordering::Relaxed) => {}
                // The consumer is gone, or wants no more.
                Err(_) => return false,
            }
        }
    }

    fn take(&self, bytes: u64) {
        let (batches, held) = self.ahead.get();
        self.ahead.set((batches.saturating_sub(1), held.saturating_sub(bytes)));
    }

    fn begin(&self, plan: Plan) -> Result<()> {
        let lease = Lease::new(self.maker.slots.take(plan.bytes)?, Arc::clone(self.maker.slots));
        let (batches, held) = self.ahead.get();
        self.ahead.set((batches + 1, held.saturating_add(plan.bytes as u64)));
        let mut work: Vec<Work> = Vec::new();
        if !plan.rows.is_empty() {
            work.push(Work::Rows);
        }
        work.extend(self.maker.recipe.pieces(&plan, self.maker.threads).into_iter().map(Work::Pictures));
        if work.is_empty() {
            work.push(Work::Pictures(0..0));
        }
        let filling = Arc::new(Filling::new(plan, lease));
        let last = work.len() - 1;
        let pieces = work.into_iter().enumerate().map(|(i, work)| {
            let filling = Arc::clone(&filling);
            (Piece { filling, work }, i == last)
        });
        self.pieces.borrow_mut().extend(pieces);
        Ok(())
    }
}
