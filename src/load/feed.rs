//! Batches ahead of their consumer: a thread of their own plans, hands out pieces, and puts what comes back in order.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::RecordBatch;
use crossbeam_channel::{Sender, unbounded};

use crate::error::{Error, Kind, Result};
use crate::load::gather::{Filling, Plan, Recipe, Skipped, without};
use crate::load::order::{Permutation, Steps};
pub use crate::load::schedule::Ahead;
use crate::load::schedule::{Maker, Making, Piece, Work};
use crate::load::slot::{Lease, Slots};
use crate::load::stats::Stage;
use crate::load::table::Scratch;
use crate::ordered::background::{Background, Results};
use crate::ordered::{self, Pool, Turn, Window};

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
    /// The bytes of a batch that the consumer took, so that another may be made. Dropped first: a thread that waits for it then ends.
    taken: Option<Sender<u64>>,
    background: Background<Arc<Batch>>,
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
                stop,
            };
            maker.run(give)
        })?;
        Ok(Self {
            taken: Some(taken),
            background,
        })
    }

    /// The batches, for whoever waits for them.
    pub fn batches(&self) -> Batches {
        Batches {
            results: self.background.results(),
            taken: self.taken.clone(),
        }
    }

    /// The next batch, if it is ready now; `None` where it is not, and at the end.
    pub fn ready(&self) -> Result<Option<Arc<Batch>>> {
        Ok(self.background.ready()?.inspect(|batch| took(batch, self.taken.as_ref())))
    }

    /// Whether a batch is ready now.
    pub fn is_ready(&self) -> bool {
        self.background.is_ready()
    }

    /// Tells its threads to stop, without waiting for them; what was made ahead is lost.
    pub fn stop(&mut self) {
        self.taken = None;
        self.background.stop();
    }

    /// Ends its threads, and waits for them; `monitor` is asked meanwhile whether to go on waiting.
    pub fn close(&mut self, monitor: &dyn Fn() -> Result<()>) -> Result<()> {
        self.taken = None;
        self.background.close(monitor)
    }
}

/// Where the batches of a [`Feed`] come in. The feed may be closed meanwhile: that is then the end.
pub struct Batches {
    results: Results<Arc<Batch>>,
    taken: Option<Sender<u64>>,
}

impl Batches {
    /// The next batch; `None` at the end. Waits; `monitor` is asked meanwhile whether to go on.
    pub fn next(&self, monitor: &dyn Fn() -> Result<()>) -> Result<Option<Arc<Batch>>> {
        Ok(self.results.next(monitor)?.inspect(|batch| took(batch, self.taken.as_ref())))
    }
}

/// Lets another batch be made.
fn took(batch: &Batch, taken: Option<&Sender<u64>>) {
    if let Some(taken) = taken {
        let _ = taken.send(batch.weight);
    }
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
        let making = Making::new(self);
        let mut gathered = Gathered::default();
        ordered::map(
            pool,
            std::iter::from_fn(|| making.next_piece()),
            |_| Turn::InOrder(1),
            Scratch::default,
            |scratch, (piece, last)| self.work(scratch, piece, last),
            |done| {
                making.came_back();
                if let Some(rows) = done.rows {
                    gathered.rows = Some(rows?);
                }
                gathered.pictures.extend(done.pictures);
                if done.last {
                    let batch = self.finish(done.filling, std::mem::take(&mut gathered))?;
                    let _ = give.send(Ok(Arc::new(batch)));
                }
                Ok(())
            },
        )?;
        making.failure()
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
        let (mut plan, mut lease) = filling.into_parts();
        let Gathered { mut rows, pictures } = gathered;
        let (position, weight) = (self.steps.position_after(plan.step), plan.bytes as u64);
        let mut skipped = Vec::new();
        let mut channels = Vec::with_capacity(pictures.len());
        for (at, outcome) in pictures.into_iter().enumerate() {
            channels.push(match outcome {
                Ok(count) => count,
                Err(error) => {
                    self.refuse(error, &plan, at as i64, &mut skipped)?;
                    0
                }
            });
        }
        if !skipped.is_empty() {
            let memory = lease.slot_mut().map_or(&mut [][..], |slot| slot.bytes());
            (plan, rows) = without(plan, memory, &mut channels, rows)?;
            self.recipe.stats.skipped.fetch_add(skipped.len() as u64, Ordering::Relaxed);
        }
        Ok(Batch {
            plan,
            channels,
            rows,
            lease: Some(lease),
            skipped,
            position,
            weight,
        })
    }

    /// A picture that cannot be had: the rows that are left out for it, or an error that names the first of them.
    fn refuse(&self, error: Error, plan: &Plan, picture: i64, skipped: &mut Vec<Skipped>) -> Result<()> {
        let Kind::Data { path, code, message, .. } = error.kind() else {
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
            // What changed under the loader is no fault of a picture: that is never left out.
            let Some(code) = code.filter(|_| self.recipe.skips) else {
                return Err(Error::row(Path::new(&source), line, *code, told));
            };
            if !skipped.iter().any(|other| other.row == Some(*row)) {
                skipped.push(Skipped {
                    row: Some(*row),
                    source,
                    line,
                    code: code.name(),
                    message: told.clone(),
                });
            }
        }
        if any {
            return Ok(());
        }
        let Some(code) = code.filter(|_| self.recipe.skips) else {
            return Err(error);
        };
        skipped.push(Skipped {
            row: None,
            source: path.display().to_string(),
            line: 0,
            code: code.name(),
            message: message.clone(),
        });
        Ok(())
    }
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
