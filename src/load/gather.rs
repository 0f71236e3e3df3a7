//! From a step of the order to a filled slot: plan which rows and pictures a batch has and where each goes, then put its numbers there.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use arrow_array::RecordBatch;

use crate::error::{Error, Result};
use crate::load::cache::PictureCache;
use crate::load::order::{Permutation, Steps};
use crate::load::output::{Dtype, Layout, Shape, Writer};
use crate::load::samples::Samples;
use crate::load::slot::{Lease, SlotPiece, SplitLease};
use crate::load::stats::{LoadStage, Stats};
use crate::load::table::data_set::DataSet;
use crate::load::table::{PictureId, Table, WorkerBuffers};

/// The most bytes of one batch.
pub const MAX_BATCH_BYTES: u64 = 1 << 38;

/// Makes batches: plans each, and does the tasks that fill it. The same for every epoch of a loader.
pub struct Assembler {
    /// Rows and pictures.
    pub table: Arc<dyn Table>,
    /// What one position holds.
    pub samples: Arc<Samples>,
    /// What becomes of pixels; `None`: they stay as they are stored.
    pub writer: Option<Writer>,
    /// Whether rows of a picture that cannot be decoded are left out; else it is an error.
    pub skips: bool,
    /// Decoded pictures, where they are kept.
    pub cache: Option<Arc<PictureCache>>,
    /// Where the time goes.
    pub stats: Arc<Stats>,
}

/// A picture of a batch and its place in the slot.
#[derive(Debug, Clone, Copy)]
pub struct Placement {
    /// Which one.
    pub picture: PictureId,
    /// Where its numbers begin, in bytes.
    pub at: usize,
    /// How many bytes are set aside.
    pub bytes: usize,
    /// Height and width of its pixels.
    pub size: (u32, u32),
}

/// What one batch holds. Row i has the pictures `index[offsets[i]..offsets[i + 1]]`, counted in `pictures`.
#[derive(Debug, Default)]
pub struct BatchPlan {
    /// The number of the batch, from where this iteration began.
    pub step: u64,
    /// Its samples, in order.
    pub samples: Vec<u64>,
    /// Row numbers; none where pictures come alone.
    pub rows: Vec<u64>,
    /// Where the pictures of each row begin in `index`, and the end of the last.
    pub offsets: Vec<i64>,
    /// The pictures of all rows.
    pub index: Vec<i64>,
    /// The pictures, each where it stands in the slot: one after the other, without gaps.
    pub pictures: Vec<Placement>,
    /// Bytes of the slot.
    pub bytes: usize,
}

impl BatchPlan {
    /// Height and width, where there are pictures and all have the same.
    pub fn common_size(&self) -> Option<(u32, u32)> {
        let (first, rest) = self.pictures.split_first()?;
        rest.iter().all(|placement| placement.size == first.size).then_some(first.size)
    }
}

/// One piece of the work of a batch, for any thread.
pub enum Task {
    /// Read the rows as Arrow.
    Rows(Arc<BatchPlan>),
    /// Put pictures into the slot.
    Pictures(PictureTask),
}

/// Pictures of a batch, and the piece of its slot that they fill. Doing the task consumes it, so each piece is filled once.
pub struct PictureTask {
    plan: Arc<BatchPlan>,
    /// Which of the plan's pictures.
    range: Range<usize>,
    memory: SlotPiece,
}

/// What came of a [`Task`].
pub enum TaskResult {
    /// The rows.
    Rows(Result<RecordBatch>),
    /// Of each picture its channels as stored, or why it cannot be had.
    Pictures(Vec<Result<u32>>),
}

impl Assembler {
    /// Over a data set. `writer`, `skips`: as the fields say; `memory_bytes`: so many bytes of decoded pictures are kept, where any are of use.
    pub fn over(
        data: &Arc<dyn DataSet>,
        samples: Arc<Samples>,
        writer: Option<Writer>,
        skips: bool,
        memory_bytes: u64,
        stats: Arc<Stats>,
    ) -> Self {
        Self {
            cache: PictureCache::with_room(data.remembered_pictures(), memory_bytes).map(Arc::new),
            table: Arc::clone(data) as Arc<dyn Table>,
            samples,
            writer,
            skips,
            stats,
        }
    }

    /// Plans one batch.
    pub fn plan(&self, order: &Permutation, steps: &Steps, step: u64) -> Result<BatchPlan> {
        let began = Instant::now();
        let mut plan = BatchPlan {
            step,
            samples: steps.positions(step).map(|position| order.at(position % steps.length)).collect(),
            ..BatchPlan::default()
        };
        let mut pictures = Vec::new();
        match &*self.samples {
            Samples::Pictures(all) => {
                let own = plan.samples.iter().filter_map(|sample| all.get(*sample as usize));
                pictures.extend(own.copied());
                plan.offsets.push(0);
            }
            samples => {
                for sample in &plan.samples {
                    samples.rows_of(*sample, &mut plan.rows);
                }
                plan.offsets.push(0);
                for row in &plan.rows {
                    self.table.pictures_of(*row, &mut pictures)?;
                    plan.offsets.push(pictures.len() as i64);
                }
                if let Samples::Groups { .. } = samples {
                    pictures = self.share(pictures, &mut plan.index)?;
                } else {
                    plan.index.extend(0..pictures.len() as i64);
                }
            }
        }
        self.table.will_need(&pictures);
        let mut at: u64 = 0;
        for picture in pictures {
            let size = self.table.size_of(picture)?;
            let bytes = self.bytes_of(size)?;
            if at + bytes > MAX_BATCH_BYTES {
                return Err(Error::usage(format!(
                    "a batch of more than {} GiB: choose a smaller batch_size",
                    MAX_BATCH_BYTES >> 30
                )));
            }
            plan.pictures.push(Placement {
                picture,
                at: at as usize,
                bytes: bytes as usize,
                size,
            });
            at += bytes;
        }
        plan.bytes = at as usize;
        self.stats.add(LoadStage::Plan, began);
        Ok(plan)
    }

    /// Each picture once, in the order of first use; `index` says where each stands.
    fn share(&self, pictures: Vec<PictureId>, index: &mut Vec<i64>) -> Result<Vec<PictureId>> {
        let mut known = HashMap::new();
        let mut once = Vec::new();
        for picture in pictures {
            let at = *known.entry(self.table.hash_of(picture)?).or_insert_with(|| {
                once.push(picture);
                once.len() as i64 - 1
            });
            index.push(at);
        }
        Ok(once)
    }

    /// The bytes that a picture of this size takes in a slot.
    fn bytes_of(&self, size: (u32, u32)) -> Result<u64> {
        let (height, width) = (size.0 as usize, size.1 as usize);
        match &self.writer {
            None => Ok(3 * height as u64 * width as u64),
            Some(writer) => {
                let numbers: u64 = writer.shape(height, width)?.iter().map(|n| *n as u64).product();
                Ok(numbers * writer.output().dtype.bytes() as u64)
            }
        }
    }

    /// Cuts the work of a batch into tasks. `threads`: how many there are to do them.
    pub fn tasks(&self, plan: &Arc<BatchPlan>, lease: Lease, threads: usize) -> Result<(SplitLease, Vec<Task>)> {
        let ranges = self.cut(plan, threads);
        let end_of = |range: &Range<usize>| {
            let last = range.end.checked_sub(1).and_then(|last| plan.pictures.get(last));
            last.map_or(0, |last| last.at + last.bytes)
        };
        let (split, pieces) = lease.split(&ranges.iter().map(end_of).collect::<Vec<_>>())?;
        let rows = (!plan.rows.is_empty()).then(|| Task::Rows(Arc::clone(plan)));
        let pictures = ranges.into_iter().zip(pieces).map(|(range, memory)| {
            Task::Pictures(PictureTask {
                plan: Arc::clone(plan),
                range,
                memory,
            })
        });
        let tasks = rows.into_iter().chain(pictures).collect();
        Ok((split, tasks))
    }

    /// The pictures of each task: one where pictures must be decoded, else as many as are worth the hand-over to a thread. Always at least
    /// one range, which is empty where there are no pictures.
    fn cut(&self, plan: &BatchPlan, threads: usize) -> Vec<Range<usize>> {
        /// What one thread copies in well under a millisecond.
        const WORTH: usize = 512 << 10;
        let count = plan.pictures.len();
        let wanted = if self.table.decodes() {
            count
        } else {
            (plan.bytes / WORTH).clamp(1, threads.max(1))
        };
        let wanted = wanted.clamp(1, count.max(1));
        (0..wanted).map(|i| count * i / wanted..count * (i + 1) / wanted).collect()
    }

    /// Does a task, on any thread.
    pub fn run(&self, task: Task, buffers: &mut WorkerBuffers) -> TaskResult {
        match task {
            Task::Rows(plan) => TaskResult::Rows(self.stats.time(LoadStage::Rows, || self.table.read_rows(&plan.rows))),
            Task::Pictures(task) => TaskResult::Pictures(self.fill(task, buffers)),
        }
    }

    /// Puts pictures into their piece of the slot: of each its channels, or why not.
    fn fill(&self, mut task: PictureTask, buffers: &mut WorkerBuffers) -> Vec<Result<u32>> {
        let placements = task.plan.pictures.get(task.range).unwrap_or_default();
        let mut rest = task.memory.bytes();
        let each = placements.iter().map(|placement| {
            let (own, behind) = std::mem::take(&mut rest)
                .split_at_mut_checked(placement.bytes)
                .ok_or_else(|| Error::internal("a piece of a slot is smaller than its pictures"))?;
            rest = behind;
            self.fill_one(placement, own, buffers)
        });
        each.collect()
    }

    fn fill_one(&self, placement: &Placement, out: &mut [u8], buffers: &mut WorkerBuffers) -> Result<u32> {
        self.stats.pictures.fetch_add(1, Ordering::Relaxed);
        if let Some((pixels, shape)) = self.cache.as_ref().and_then(|cache| cache.get(placement.picture)) {
            self.stats.remembered.fetch_add(1, Ordering::Relaxed);
            self.stats.time(LoadStage::Output, || self.write(pixels, shape, out));
            return Ok(shape.channels as u32);
        }
        let mut channels = None;
        self.table
            .with_pixels(placement.picture, buffers, &self.stats, &mut |pixels, shape| {
                if (shape.height, shape.width) == (placement.size.0 as usize, placement.size.1 as usize) {
                    self.stats.time(LoadStage::Output, || self.write(pixels, shape, out));
                    channels = Some(shape.channels as u32);
                    if let Some(cache) = &self.cache {
                        cache.offer(placement.picture, pixels, shape, &self.stats);
                    }
                }
            })?;
        channels.ok_or_else(|| Error::internal("a picture has another size than its header says"))
    }

    fn write(&self, pixels: &[u8], shape: Shape, out: &mut [u8]) {
        let Some(writer) = &self.writer else {
            out[..pixels.len()].copy_from_slice(pixels);
            return;
        };
        // The slot begins at a page (or at 4 bytes), and everything in a batch has the same width: every picture is aligned.
        match writer.output().dtype {
            Dtype::Uint8 => writer.write_bytes(pixels, shape, out),
            Dtype::Float32 => writer.write::<f32>(pixels, shape, bytemuck::cast_slice_mut(out)),
            Dtype::Float16 | Dtype::Bfloat16 => writer.write::<u16>(pixels, shape, bytemuck::cast_slice_mut(out)),
        }
    }

    /// Whether the pictures of a batch are one array however their sizes differ.
    pub fn joins(&self) -> bool {
        self.writer.as_ref().is_some_and(|writer| writer.output().layout == Layout::Patches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_a_size_where_all_its_pictures_have() {
        let sized = |sizes: &[(u32, u32)]| {
            let pictures = sizes.iter().map(|size| Placement {
                picture: 0,
                at: 0,
                bytes: 0,
                size: *size,
            });
            let plan = BatchPlan {
                pictures: pictures.collect(),
                ..BatchPlan::default()
            };
            plan.common_size()
        };
        assert_eq!(sized(&[]), None);
        assert_eq!(sized(&[(2, 3)]), Some((2, 3)));
        assert_eq!(sized(&[(2, 3), (2, 3)]), Some((2, 3)));
        assert_eq!(sized(&[(2, 3), (2, 3), (3, 2)]), None);
    }
}
