//! A batch: while its tasks are under way, and when it is ready.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::RecordBatch;

use crate::error::{Error, Kind, Result};
use crate::load::gather::{Assembler, BatchPlan, Placement, Task, TaskResult};
use crate::load::slot::{Lease, SplitLease};
use crate::shown::{Shown, text_of};

/// A batch, ready.
pub struct Batch {
    /// What is where.
    pub plan: BatchPlan,
    /// Channels of each picture as it was stored.
    pub channels: Vec<u32>,
    /// Its rows as Arrow; `None` where pictures come alone.
    pub rows: Option<RecordBatch>,
    /// The memory that holds the pictures; `None` once it was taken.
    pub lease: Option<Lease>,
    /// Rows that were left out.
    pub skipped: Vec<SkippedRow>,
    /// Where all ranks are after it.
    pub position: u64,
    /// Bytes that it counted for while it was under way.
    pub(super) weight: u64,
}

/// A batch whose tasks are under way. It holds neither pieces nor tasks: those go to threads and come back as results.
pub(super) struct PendingBatch {
    plan: Arc<BatchPlan>,
    memory: SplitLease,
    /// Tasks whose results have not come back.
    missing: usize,
    rows: Option<RecordBatch>,
    /// In the order of the plan's pictures.
    channels: Vec<Result<u32>>,
}

impl PendingBatch {
    /// A batch of this plan, and the tasks that fill `lease`.
    pub(super) fn begin(assembler: &Assembler, plan: BatchPlan, lease: Lease, threads: usize) -> Result<(Self, Vec<Task>)> {
        let plan = Arc::new(plan);
        let (memory, tasks) = assembler.tasks(&plan, lease, threads)?;
        let pending = Self {
            missing: tasks.len(),
            rows: None,
            channels: Vec::with_capacity(plan.pictures.len()),
            plan,
            memory,
        };
        Ok((pending, tasks))
    }

    /// The number of the batch, from where this iteration began.
    pub(super) fn step(&self) -> u64 {
        self.plan.step
    }

    /// Takes the next result, in the order of the tasks. Whether it was the last one.
    pub(super) fn put(&mut self, result: TaskResult) -> Result<bool> {
        match result {
            TaskResult::Rows(rows) => self.rows = Some(rows?),
            TaskResult::Pictures(channels) => self.channels.extend(channels),
        }
        self.missing = self.missing.saturating_sub(1);
        Ok(self.missing == 0)
    }
}

impl Assembler {
    /// The batch, once every result has come back; all ranks are at `position` after it.
    pub(super) fn finish(&self, pending: PendingBatch, position: u64) -> Result<Batch> {
        let unfinished = || Error::internal("a batch was finished before its tasks");
        let mut lease = pending.memory.join().ok_or_else(unfinished)?;
        let mut plan = Arc::into_inner(pending.plan).ok_or_else(unfinished)?;
        let (mut rows, weight) = (pending.rows, plan.bytes as u64);
        let mut skipped = Vec::new();
        let mut channels = Vec::with_capacity(pending.channels.len());
        for (at, outcome) in pending.channels.into_iter().enumerate() {
            channels.push(match outcome {
                Ok(count) => count,
                Err(error) => {
                    self.refuse(error, &plan, at as i64, &mut skipped)?;
                    0
                }
            });
        }
        if !skipped.is_empty() {
            (plan, rows) = without(plan, lease.bytes(), &mut channels, rows)?;
            self.stats.skipped.fetch_add(skipped.len() as u64, Ordering::Relaxed);
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
    fn refuse(&self, error: Error, plan: &BatchPlan, picture: i64, skipped: &mut Vec<SkippedRow>) -> Result<()> {
        let Kind::Data { path, code, message, .. } = error.kind() else {
            return Err(error);
        };
        let told = format!("{}: {message}", Shown::path(path));
        let users = plan.rows.iter().zip(plan.offsets.windows(2)).filter(|(_, range)| {
            let own = plan.index.get(range[0] as usize..range[1] as usize).unwrap_or_default();
            own.contains(&picture)
        });
        let mut any = false;
        for (row, _) in users {
            any = true;
            let (source, line) = self.table.identity(*row)?;
            // What changed under the loader is no fault of a picture: that is never left out.
            let Some(code) = code.filter(|_| self.skips) else {
                return Err(Error::row(Path::new(&source), line, *code, told));
            };
            if !skipped.iter().any(|other| other.row == Some(*row)) {
                skipped.push(SkippedRow {
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
        let Some(code) = code.filter(|_| self.skips) else {
            return Err(error);
        };
        skipped.push(SkippedRow {
            row: None,
            source: text_of(path.as_os_str()),
            line: 0,
            code: code.name(),
            message: message.clone(),
        });
        Ok(())
    }
}

/// A row that was left out.
#[derive(Debug, Clone)]
pub struct SkippedRow {
    /// Its number; `None`: a picture alone.
    pub row: Option<u64>,
    /// Its source, or the picture's file.
    pub source: String,
    /// Its line.
    pub line: u64,
    /// A finding's code.
    pub code: &'static str,
    /// What went wrong.
    pub message: String,
}

/// Removes pictures that could not be had (those without channels) from a batch, and the rows that need them; the remaining pictures are
/// compacted.
fn without(
    plan: BatchPlan,
    memory: &mut [u8],
    channels: &mut Vec<u32>,
    rows: Option<RecordBatch>,
) -> Result<(BatchPlan, Option<RecordBatch>)> {
    let stored = std::mem::take(channels);
    let is_broken = |picture: i64| stored.get(picture as usize).is_none_or(|channels| *channels == 0);
    let alone = plan.rows.is_empty();
    let of_row = |row: usize| {
        plan.index
            .get(plan.offsets[row] as usize..plan.offsets[row + 1] as usize)
            .unwrap_or_default()
    };
    let kept: Vec<usize> = (0..plan.rows.len())
        .filter(|row| !of_row(*row).iter().any(|picture| is_broken(*picture)))
        .collect();
    let mut needed = vec![alone; plan.pictures.len()];
    for picture in kept.iter().flat_map(|row| of_row(*row)) {
        needed[*picture as usize] = true;
    }
    let mut left = BatchPlan {
        step: plan.step,
        offsets: vec![0],
        ..BatchPlan::default()
    };
    let mut moved = vec![-1; plan.pictures.len()];
    for (at, placement) in plan.pictures.iter().enumerate() {
        if !needed[at] || is_broken(at as i64) {
            continue;
        }
        moved[at] = left.pictures.len() as i64;
        memory.copy_within(placement.at..placement.at + placement.bytes, left.bytes);
        channels.push(stored[at]);
        left.pictures.push(Placement {
            at: left.bytes,
            ..*placement
        });
        left.bytes += placement.bytes;
        if alone {
            left.samples.push(plan.samples[at]);
        }
    }
    for row in &kept {
        left.rows.push(plan.rows[*row]);
        left.index.extend(of_row(*row).iter().map(|picture| moved[*picture as usize]));
        left.offsets.push(left.index.len() as i64);
    }
    if !alone {
        left.samples = plan.samples;
    }
    let numbers = arrow_array::UInt32Array::from_iter_values(kept.iter().map(|row| *row as u32));
    let rows = rows
        .map(|rows| arrow_select::take::take_record_batch(&rows, &numbers))
        .transpose()
        .map_err(|error| Error::internal(format!("rows that are left cannot be taken: {error}")))?;
    Ok((left, rows))
}
