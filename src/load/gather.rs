//! From a step of the order to a filled slot: which rows and pictures, where each goes, and its numbers put there.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use arrow_array::RecordBatch;

use crate::error::{Error, Result};
use crate::load::cache::Remembered;
use crate::load::order::{Permutation, Steps};
use crate::load::output::{Dtype, Layout, Shape, Writer};
use crate::load::samples::Samples;
use crate::load::slot::Lease;
use crate::load::stats::{Stage, Stats};
use crate::load::table::{PictureId, Scratch, Table};

/// The most bytes of one batch.
const MAX_BATCH_BYTES: u64 = 1 << 38;

/// Everything that says what batches are; the same for every epoch of a loader.
pub struct Recipe {
    /// Rows and pictures.
    pub table: Arc<dyn Table>,
    /// What one position holds.
    pub samples: Arc<Samples>,
    /// What becomes of pixels; `None`: they stay as they are stored.
    pub writer: Option<Writer>,
    /// Whether rows of a picture that cannot be decoded are left out; else it is an error.
    pub skips: bool,
    /// Decoded pictures, where they are kept.
    pub remembered: Option<Arc<Remembered>>,
    /// Where the time goes.
    pub stats: Arc<Stats>,
}

/// A picture of a batch and its place in the slot.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
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
pub struct Plan {
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
    /// The pictures, each where it stands in the slot.
    pub pictures: Vec<Wanted>,
    /// Bytes of the slot.
    pub bytes: usize,
}

impl Recipe {
    /// Plans one batch.
    pub fn plan(&self, order: &Permutation, steps: &Steps, step: u64) -> Result<Plan> {
        let began = Instant::now();
        let mut plan = Plan {
            step,
            samples: steps.positions(step).map(|position| order.at(position % steps.length)).collect(),
            ..Plan::default()
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
            plan.pictures.push(Wanted {
                picture,
                at: at as usize,
                bytes: bytes as usize,
                size,
            });
            at += bytes;
        }
        plan.bytes = at as usize;
        self.stats.add(Stage::Plan, began);
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

    /// How the pictures of a batch are cut up for several threads: as many pieces as there are pictures where they must be decoded, else
    /// pieces that are worth the hand-over.
    pub fn pieces(&self, plan: &Plan, threads: usize) -> Vec<Range<usize>> {
        /// What one thread copies in well under a millisecond.
        const WORTH: usize = 512 << 10;
        let count = plan.pictures.len();
        let wanted = if self.table.decodes() {
            count
        } else {
            (plan.bytes / WORTH).clamp(1, threads.max(1))
        };
        let wanted = wanted.clamp(1, count.max(1));
        (0..wanted)
            .map(|i| count * i / wanted..count * (i + 1) / wanted)
            .filter(|piece| !piece.is_empty())
            .collect()
    }

    /// Puts some pictures of a batch into its slot: of each its channels, or why not.
    ///
    /// Pieces of one batch are disjoint, and each is filled once; that is what makes writing into the shared slot sound.
    pub fn fill(&self, filling: &Filling, piece: Range<usize>, scratch: &mut Scratch) -> Vec<Result<u32>> {
        let wanted = filling.plan.pictures.get(piece).unwrap_or_default();
        wanted.iter().map(|wanted| self.fill_one(filling, wanted, scratch)).collect()
    }

    fn fill_one(&self, filling: &Filling, wanted: &Wanted, scratch: &mut Scratch) -> Result<u32> {
        let out = filling.part(wanted);
        self.stats.pictures.fetch_add(1, Ordering::Relaxed);
        if let Some((pixels, shape)) = self.remembered.as_ref().and_then(|memory| memory.get(wanted.picture)) {
            self.stats.remembered.fetch_add(1, Ordering::Relaxed);
            self.stats.time(Stage::Output, || self.write(pixels, shape, out));
            return Ok(shape.channels as u32);
        }
        let mut channels = None;
        self.table.with_pixels(wanted.picture, scratch, &self.stats, &mut |pixels, shape| {
            if (shape.height, shape.width) == (wanted.size.0 as usize, wanted.size.1 as usize) {
                self.stats.time(Stage::Output, || self.write(pixels, shape, out));
                channels = Some(shape.channels as u32);
                if let Some(memory) = &self.remembered {
                    memory.offer(wanted.picture, pixels, shape, &self.stats);
                }
            }
        })?;
        channels.ok_or_else(|| Error::usage("a picture has another size than its header says"))
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

/// A batch that is being filled.
pub struct Filling {
    /// What goes where.
    pub plan: Plan,
    /// The memory; back in its pool also when the batch is never finished.
    lease: Lease,
}

impl Filling {
    /// Puts a plan and its memory together.
    pub fn new(plan: Plan, lease: Lease) -> Self {
        debug_assert!(lease.slot().is_some_and(|slot| plan.bytes <= slot.len()));
        Self { plan, lease }
    }

    #[expect(
        unsafe_code,
        clippy::mut_from_ref,
        reason = "a part of the slot that only this picture's filler touches"
    )]
    fn part(&self, wanted: &Wanted) -> &mut [u8] {
        // SAFETY: the parts of a plan's pictures do not overlap; each picture is in one piece, and each piece is filled once (`fill`'s
        // contract); `into_parts` needs the only reference.
        self.lease
            .slot()
            .map_or(&mut [], |slot| unsafe { slot.part(wanted.at..wanted.at + wanted.bytes) })
    }

    /// Both, once every piece has come back.
    pub fn into_parts(self) -> (Plan, Lease) {
        (self.plan, self.lease)
    }
}

/// A row that was left out.
#[derive(Debug, Clone)]
pub struct Skipped {
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

/// Takes pictures that could not be had (those without channels) out of a batch, and the rows that need them; what is left moves together.
pub fn without(plan: Plan, memory: &mut [u8], channels: &mut Vec<u32>, rows: Option<RecordBatch>) -> Result<(Plan, Option<RecordBatch>)> {
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
    let mut left = Plan {
        step: plan.step,
        offsets: vec![0],
        ..Plan::default()
    };
    let mut moved = vec![-1; plan.pictures.len()];
    for (at, wanted) in plan.pictures.iter().enumerate() {
        if !needed[at] || is_broken(at as i64) {
            continue;
        }
        moved[at] = left.pictures.len() as i64;
        memory.copy_within(wanted.at..wanted.at + wanted.bytes, left.bytes);
        channels.push(stored[at]);
        left.pictures.push(Wanted { at: left.bytes, ..*wanted });
        left.bytes += wanted.bytes;
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
        .map_err(|error| Error::usage(error.to_string()))?;
    Ok((left, rows))
}
