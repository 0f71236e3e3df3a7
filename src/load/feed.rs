//! Batches ahead of their consumer: a thread of their own plans, hands out pieces, and puts what comes back in order.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::RecordBatch;
use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::error::{Error, Kind, Result};
use crate::load::gather::{Filling, Plan, Recipe, Skipped, without};
use crate::load::order::{Permutation, Steps};
use crate::load::slot::{Lease, Slots};
use crate::load::stats::Stage;
use crate::load::table::Scratch;
use crate::ordered::background::Background;
use crate::ordered::{self, Pool, Turn, Window};

/// How far ahead of the consumer batches are made.
#[derive(Debug, Clone, Copy)]
pub struct Ahead {
    /// Batches, those in the making counted; at least 1.
    pub batches: usize,
    /// Their bytes together. One batch is always let through, whatever it weighs.
    pub bytes: u64,
}

/// A batch, ready.
pub struct Batch {
    /// What is where.
    pub plan: Plan,
    /// Channels of each picture as it was stored.
    pub channels: Vec<u32>,
    /// Its rows as Arrow; `None` where pictures come alone.
    pub rows: Option<RecordBatch>,
    /// The memory that holds the pictures; `None` once it was taken.
    pub lease: Option<Lease>,
    /// Rows that were left out.
    pub skipped: Vec<Skipped>,
    /// Where all ranks are after it.
    pub position: u64,
    /// What it weighed while it was under way.
    weight: u64,
}

/// The batches of one rank in one epoch, made ahead. Dropping it ends its threads.
pub struct Feed {
    background: Background<Batch>,
    /// The bytes of a batch that the consumer took, so that another may be made.
    taken: Option<Sender<u64>>,
}

impl Feed {
    /// Starts making batches.
    pub fn start(recipe: Arc<Recipe>, order: Permutation, steps: Steps, slots: Arc<Slots>, threads: usize, ahead: Ahead) -> Result<Self> {
        steps.check()?;
        let (taken, returned) = unbounded();
        let background = Background::start("mmno-feed", move |give, stop| {
            let maker = Maker {
                recipe: &recipe,
                order: &order,
                steps,
                slots: &slots,
                threads,
                ahead,
                returned: &returned,
            };
            maker.run(give, stop)
        })?;
        Ok(Self {
            background,
            taken: Some(taken),
        })
    }

    /// The next batch; `None` at the end. Waits; `monitor` is asked meanwhile whether to go on.
    pub fn next(&mut self, monitor: &dyn Fn() -> Result<()>) -> Result<Option<Batch>> {
        let batch = self.background.next(monitor)?;
        if let (Some(batch), Some(taken)) = (&batch, &self.taken) {
            let _ = taken.send(batch.weight);
        }
        Ok(batch)
    }

    /// Whether a batch is ready now.
    pub fn is_ready(&self) -> bool {
        self.background.is_ready()
    }

    /// Ends its threads; what was made ahead is lost.
    pub fn close(&mut self) {
        self.taken = None;
        self.background.close();
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.close();
    }
}

/// What the thread of a feed works with.
struct Maker<'a> {
    recipe: &'a Recipe,
    order: &'a Permutation,
    steps: Steps,
    slots: &'a Arc<Slots>,
    threads: usize,
    ahead: Ahead,
    returned: &'a Receiver<u64>,
}

/// One piece of work of a batch.
struct Piece {
    filling: Arc<Filling>,
    work: Work,
}

enum Work {
    Rows,
    Pictures(Range<usize>),
}

/// What came of it.
struct Done {
    filling: Arc<Filling>,
    rows: Option<Result<RecordBatch>>,
    pictures: Vec<Result<u32>>,
    last: bool,
}

/// What is known of the batch whose pieces are coming in.
#[derive(Default)]
struct Gathered {
    rows: Option<RecordBatch>,
    pictures: Vec<Result<u32>>,
}

impl Maker<'_> {
    fn run(&self, give: &Sender<Result<Batch>>, stop: &AtomicBool) -> Result<()> {
        let monitor = || {
            if stop.load(Ordering::Relaxed) {
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
        let making = Making {
            maker: self,
            step: Cell::new(0),
            planned: RefCell::default(),
            pieces: RefCell::default(),
            under_way: Cell::new(0),
            ahead: Cell::new((0, 0)),
            failed: RefCell::default(),
        };
        let mut gathered = Gathered::default();
        ordered::map(
            pool,
            std::iter::from_fn(|| making.next_piece()),
            |_| Turn::InOrder(1),
            Scratch::default,
            |scratch, (piece, last)| self.work(scratch, piece, last),
            |done| {
                making.under_way.set(making.under_way.get() - 1);
                if let Some(rows) = done.rows {
                    gathered.rows = Some(rows?);
                }
                gathered.pictures.extend(done.pictures);
                if done.last {
                    let batch = self.finish(done.filling, std::mem::take(&mut gathered))?;
                    let _ = give.send(Ok(batch));
                }
                Ok(())
            },
        )?;
        making.failed.take().map_or(Ok(()), Err)
    }

    fn work(&self, scratch: &mut Scratch, piece: Piece, last: bool) -> Done {
        let (filling, recipe) = (piece.filling, self.recipe);
        let (rows, pictures) = match piece.work {
            Work::Rows => {
                let read = || recipe.table.read_rows(&filling.plan.rows);
                (Some(recipe.stats.time(Stage::Rows, read)), Vec::new())
            }
            Work::Pictures(range) => (None, recipe.fill(&filling, range, scratch)),
        };
        Done {
            filling,
            rows,
            pictures,
            last,
        }
    }

    /// Every piece has come back.
    fn finish(&self, filling: Arc<Filling>, gathered: Gathered) -> Result<Batch> {
        let filling = Arc::into_inner(filling).ok_or_else(|| Error::usage("a piece of a batch is still under way"))?;
        let (mut plan, mut slot) = filling.into_parts();
        let Gathered { mut rows, pictures } = gathered;
        let (position, weight) = (self.steps.position_after(plan.step), plan.bytes as u64);
        let mut skipped = Vec::new();
        let mut channels = Vec::with_capacity(pictures.len());
        let mut broken = vec![false; pictures.len()];
        for (at, outcome) in pictures.into_iter().enumerate() {
            match outcome {
                Ok(count) => channels.push(count),
                Err(error) => {
                    self.refuse(error, &plan, at as i64, &mut skipped)?;
                    broken[at] = true;
                }
            }
        }
        if !skipped.is_empty() {
            (plan, rows) = without(plan, &mut slot, &broken, rows)?;
            self.recipe.stats.skipped.fetch_add(skipped.len() as u64, Ordering::Relaxed);
        }
        channels.truncate(plan.pictures.len());
        Ok(Batch {
            plan,
            channels,
            rows,
            lease: Some(Lease::new(slot, Arc::clone(self.slots))),
            skipped,
            position,
            weight,
        })
    }

    /// A picture that cannot be had: the rows that are left out for it, or an error that names the first of them.
    fn refuse(&self, error: Error, plan: &Plan, picture: i64, skipped: &mut Vec<Skipped>) -> Result<()> {
        let Kind::Data {
            path,
            code: Some(code),
            message,
            ..
        } = error.kind()
        else {
            return Err(error);
        };
        let told = format!("{}: {message}", path.display());
        let users = plan.rows.iter().zip(plan.offsets.windows(2)).filter(|(_, range)| {
            let own = plan.index.get(range[0] as usize..range[1] as usize).unwrap_or_default();
            own.contains(&picture)
        });
        let mut any = false;
        for (row, _) in users {
            any = true;
            let (source, line) = self.recipe.table.identity(*row)?;
            if !self.recipe.skips {
                return Err(Error::row(Path::new(&source), line, code, told));
            }
            if !skipped.iter().any(|other| other.row == Some(*row)) {
                skipped.push(Skipped {
                    row: Some(*row),
                    source,
                    line,
                    code,
                    message: told.clone(),
                });
            }
        }
        if any {
            return Ok(());
        }
        if !self.recipe.skips {
            return Err(error);
        }
        skipped.push(Skipped {
            row: None,
            source: path.display().to_string(),
            line: 0,
            code,
            message: message.clone(),
        });
        Ok(())
    }
}

/// The pieces of the batches to come, one after the other; begun only while few enough batches are ahead of the consumer.
struct Making<'a> {
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

impl Making<'_> {
    /// `None`: nothing now; it is asked again when something has come back, and the end is when nothing is under way.
    fn next_piece(&self) -> Option<(Piece, bool)> {
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
            self.maker.recipe.stats.full.fetch_add(1, Ordering::Relaxed);
            match self.maker.returned.recv() {
                Ok(bytes) => self.take(bytes),
                // The consumer is gone.
                Err(_) => return false,
            }
        }
    }

    fn take(&self, bytes: u64) {
        let (batches, held) = self.ahead.get();
        self.ahead.set((batches.saturating_sub(1), held.saturating_sub(bytes)));
    }

    fn begin(&self, plan: Plan) -> Result<()> {
        let slot = self.maker.slots.take(plan.bytes)?;
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
        let filling = Arc::new(Filling::new(plan, slot));
        let last = work.len() - 1;
        let pieces = work.into_iter().enumerate().map(|(i, work)| {
            let filling = Arc::clone(&filling);
            (Piece { filling, work }, i == last)
        });
        self.pieces.borrow_mut().extend(pieces);
        Ok(())
    }
}
