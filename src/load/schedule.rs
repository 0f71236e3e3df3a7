//! The schedule of a feed: which task of which batch comes next, and whether another batch may begin.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};

use crate::error::{Error, Result};
use crate::load::batch::{Batch, PendingBatch};
use crate::load::gather::{Assembler, BatchPlan, Task, TaskResult};
use crate::load::order::{Permutation, Steps};
use crate::load::slot::{Lease, SlotPool};
use crate::ordered::POLL;

/// How long nothing else is done: a consumer that has nothing to do but take batches is back within this time.
const WATCHING: Duration = Duration::from_micros(50);

/// The shortest time between two looks for a batch that was taken. A system adds some 50 us of its own.
const NAP: Duration = Duration::from_micros(20);

/// How long this goes on: a step of this length bears the cost of waking.
const NAPPING: Duration = Duration::from_millis(5);

/// How many batches are made before the consumer asks for them.
#[derive(Debug, Clone, Copy)]
pub struct Prefetch {
    /// Batches, those in the making counted; at least 1.
    pub batches: usize,
    /// Their bytes together. One batch is always let through, whatever it weighs.
    pub bytes: u64,
}

/// What the thread of a feed works with.
pub(super) struct Producer<'a> {
    pub(super) assembler: &'a Assembler,
    pub(super) order: &'a Permutation,
    pub(super) steps: Steps,
    pub(super) pool: &'a Arc<SlotPool>,
    pub(super) threads: usize,
    pub(super) prefetch: Prefetch,
    /// Bytes of batches that the consumer took.
    pub(super) taken: &'a Receiver<u64>,
    pub(super) stop: &'a AtomicBool,
}

/// The tasks of the batches to come, in order; a batch begins only while few enough are ahead of the consumer.
pub(super) struct Schedule<'a> {
    producer: &'a Producer<'a>,
    step: Cell<u64>,
    /// The next batch, when it has to wait.
    planned: RefCell<Option<BatchPlan>>,
    tasks: RefCell<VecDeque<Task>>,
    /// Batches whose tasks were queued and have not all come back, in order.
    pending: RefCell<VecDeque<PendingBatch>>,
    /// Tasks handed out and not yet come back.
    under_way: Cell<usize>,
    /// Batches begun and not yet taken by the consumer, and their bytes.
    ahead: Cell<(usize, u64)>,
    /// Why no batch could be planned; reported when everything before it is done.
    failed: RefCell<Option<Error>>,
}

impl<'a> Schedule<'a> {
    /// Nothing is begun yet.
    pub(super) fn new(producer: &'a Producer<'a>) -> Self {
        Self {
            producer,
            step: Cell::new(0),
            planned: RefCell::default(),
            tasks: RefCell::default(),
            pending: RefCell::default(),
            under_way: Cell::new(0),
            ahead: Cell::new((0, 0)),
            failed: RefCell::default(),
        }
    }

    /// The result of the next task has come back; the batch, where it was the last of one.
    pub(super) fn put(&self, result: TaskResult) -> Result<Option<Batch>> {
        self.under_way.set(self.under_way.get().saturating_sub(1));
        let mut queue = self.pending.borrow_mut();
        let first = queue.front_mut().ok_or_else(|| Error::internal("a result of no batch"))?;
        if !first.put(result)? {
            return Ok(None);
        }
        let done = queue.pop_front();
        drop(queue);
        done.map(|pending| {
            let position = self.producer.steps.position_after(pending.step());
            self.producer.assembler.finish(pending, position)
        })
        .transpose()
    }

    /// Why there were no more tasks, if something went wrong.
    pub(super) fn failure(&self) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// `None`: nothing now; it is asked again when something has come back, and the end is when nothing is under way.
    pub(super) fn next_task(&self) -> Option<Task> {
        loop {
            if let Some(task) = self.tasks.borrow_mut().pop_front() {
                self.under_way.set(self.under_way.get() + 1);
                return Some(task);
            }
            let mut planned = self.planned.borrow_mut();
            if planned.is_none() {
                let step = self.step.get();
                if self.failed.borrow().is_some() || step >= self.producer.steps.count() {
                    return None;
                }
                match self.producer.assembler.plan(self.producer.order, &self.producer.steps, step) {
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
        let limit = self.producer.prefetch;
        let began = Instant::now();
        loop {
            while let Ok(bytes) = self.producer.taken.try_recv() {
                self.take(bytes);
            }
            if self.producer.stop.load(Ordering::Relaxed) {
                return false;
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
                self.producer.taken.try_recv().map_err(|error| match error {
                    TryRecvError::Empty => RecvTimeoutError::Timeout,
                    TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
                })
            } else {
                self.producer.taken.recv_timeout(POLL)
            };
            match news {
                Ok(bytes) => self.take(bytes),
                Err(RecvTimeoutError::Timeout) => {}
                // The consumer is gone.
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    fn take(&self, bytes: u64) {
        let (batches, held) = self.ahead.get();
        self.ahead.set((batches.saturating_sub(1), held.saturating_sub(bytes)));
    }

    fn begin(&self, plan: BatchPlan) -> Result<()> {
        let pool = self.producer.pool;
        let bytes = plan.bytes;
        let lease = Lease::new(pool.take(bytes)?, Arc::clone(pool));
        let (pending, tasks) = PendingBatch::begin(self.producer.assembler, plan, lease, self.producer.threads)?;
        let (batches, held) = self.ahead.get();
        self.ahead.set((batches + 1, held.saturating_add(bytes as u64)));
        self.pending.borrow_mut().push_back(pending);
        self.tasks.borrow_mut().extend(tasks);
        Ok(())
    }
}
