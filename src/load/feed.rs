//! A feed: batches of one epoch, made ahead of their consumer. A thread of its own plans them, hands out their tasks, and puts what comes
//! back in order.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::{Sender, unbounded};

use crate::error::{Error, Result};
use crate::load::batch::Batch;
use crate::load::gather::Assembler;
use crate::load::order::{Permutation, Shuffle, Steps};
pub use crate::load::schedule::Prefetch;
use crate::load::schedule::{Producer, Schedule};
use crate::load::slot::SlotPool;
use crate::load::table::WorkerBuffers;
use crate::ordered::background::Background;
use crate::ordered::budget::Budget;
use crate::ordered::{self, Pool, Turn, WINDOW_BYTES, Window};

/// The batches of one rank in one epoch, made ahead. Any thread may take the next one; each batch goes to one. Dropping it ends its threads.
pub struct Feed {
    /// The bytes of a batch that the consumer took, so that another may be made. `None` while it is dropped.
    taken: Option<Sender<u64>>,
    background: Background<Arc<Batch>>,
}

/// Which batches a feed makes, and how far ahead.
#[derive(Debug, Clone, Copy)]
pub struct FeedOptions {
    /// How the samples are shuffled; `None`: they come in their own order.
    pub shuffle: Option<Shuffle>,
    /// The batches.
    pub steps: Steps,
    /// Threads that make them; 0 means 1.
    pub threads: usize,
    /// How far ahead of the consumer; no batches means 1.
    pub prefetch: Prefetch,
}

/// How a consumer leaves a feed that it used in a `with` block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// At the end of the block.
    AtTheEnd,
    /// A generator around the block was closed.
    ByClosing,
    /// Something was raised.
    ByRaising,
}

impl Feed {
    /// Starts making the batches that `options` say.
    pub fn open(assembler: Arc<Assembler>, pool: Arc<SlotPool>, options: &FeedOptions) -> Result<Self> {
        let order = Permutation::of_epoch(assembler.samples.len(), options.shuffle);
        let prefetch = Prefetch {
            batches: options.prefetch.batches.max(1),
            ..options.prefetch
        };
        Self::start(assembler, order, options.steps, pool, options.threads.max(1), prefetch)
    }

    /// Starts making batches.
    pub fn start(
        assembler: Arc<Assembler>,
        order: Permutation,
        steps: Steps,
        pool: Arc<SlotPool>,
        threads: usize,
        prefetch: Prefetch,
    ) -> Result<Self> {
        steps.check()?;
        let (taken, returned) = unbounded();
        let background = Background::start("mmno-feed", move |give, stop| {
            let producer = Producer {
                assembler: &assembler,
                order: &order,
                steps,
                pool: &pool,
                threads,
                prefetch,
                taken: &returned,
                stop,
            };
            producer.run(give)
        })?;
        Ok(Self {
            taken: Some(taken),
            background,
        })
    }

    /// The next batch, if it is ready now; `None` where it is not, and at the end.
    pub fn ready(&self) -> Result<Option<Arc<Batch>>> {
        Ok(self.background.ready()?.inspect(|batch| self.took(batch.weight)))
    }

    /// The next batch; `None` at the end, and soon after somebody has stopped the feed. Waits; `monitor` is asked meanwhile whether to go on.
    pub fn next(&self, monitor: &dyn Fn() -> Result<()>) -> Result<Option<Arc<Batch>>> {
        Ok(self.background.next(monitor)?.inspect(|batch| self.took(batch.weight)))
    }

    /// Whether the next batch, or the end, could be had without waiting.
    pub fn is_ready(&self) -> bool {
        self.background.is_ready()
    }

    /// Tells its threads to stop, without waiting for them; what was made ahead is lost.
    pub fn stop(&self) {
        self.background.stop();
        self.took(0);
    }

    /// Ends its threads, and waits for them; `monitor` is asked meanwhile whether to go on waiting.
    pub fn close(&self, monitor: &dyn Fn() -> Result<()>) -> Result<()> {
        self.took(0);
        self.background.close(monitor)
    }

    /// Ends its threads, and waits for them; where something was raised, without waiting: nobody who presses Ctrl-C waits for a picture that
    /// is being decoded.
    pub fn leave(&self, left: Left, monitor: &dyn Fn() -> Result<()>) -> Result<()> {
        match left {
            Left::AtTheEnd | Left::ByClosing => self.close(monitor),
            Left::ByRaising => {
                self.stop();
                Ok(())
            }
        }
    }

    /// Wakes the thread: so many bytes were taken.
    fn took(&self, bytes: u64) {
        if let Some(taken) = self.taken.as_ref().filter(|_| !self.background.is_foreign()) {
            let _ = taken.send(bytes);
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let taken = self.taken.take();
        if self.background.is_foreign() {
            std::mem::forget(taken);
        }
    }
}

impl Producer<'_> {
    fn run(&self, give: &Sender<Result<Arc<Batch>>>) -> Result<()> {
        let monitor = || {
            if self.stop.load(Ordering::Relaxed) {
                Err(Error::interrupted())
            } else {
                Ok(())
            }
        };
        let pool = Pool {
            threads: self.threads,
            window: Window {
                items: self.threads * 2 + 2,
                bytes: u64::MAX,
            },
            monitor: &monitor,
        };
        let schedule = Schedule::new(self);
        let budget = Arc::new(Budget::new(WINDOW_BYTES));
        ordered::map(
            pool,
            std::iter::from_fn(|| schedule.next_task()),
            |_| Turn::InOrder(1),
            || WorkerBuffers::sharing(&budget),
            |buffers, task| self.assembler.run(task, buffers),
            |result| {
                if let Some(batch) = schedule.put(result)? {
                    let _ = give.send(Ok(Arc::new(batch)));
                }
                Ok(())
            },
        )?;
        schedule.failure()
    }
}

#[cfg(test)]
#[path = "feed_tests.rs"]
pub(super) mod tests;
