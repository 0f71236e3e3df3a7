//! Resampling, to the bit as `Resample.c` of Pillow does it: two passes, each rounded to 8 bits, in the order of its version; or as
//! torch does it, with weights of 16 bits.

use super::cache::Cache;
use super::code_path::CodePath;
use super::coefficients::{self, Axis, Rounding};
use super::portable::TurnBuffers;
use super::{nearest, sixteen};
use crate::picture::choices::{Filter, Pixels};
use crate::picture::fault::PictureResult;
use crate::picture::memory::set_length;
use crate::picture::pixels::colour::Channels;
use crate::picture::size::geometry::{Placement, Size2};

/// One resize.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::picture) struct Step {
    /// What it is applied to.
    pub(in crate::picture) from: Size2,
    pub(in crate::picture) placement: Placement,
    /// The size of its result.
    pub(in crate::picture) target: Size2,
    pub(in crate::picture) filter: Filter,
    pub(in crate::picture) arithmetic: Pixels,
    /// Whether the picture still has its own mode.
    pub(in crate::picture) in_own_mode: bool,
}

/// Resamples pictures; keeps weights and buffers from one to the next.
#[derive(Default)]
pub(in crate::picture) struct Resampler {
    cache: Cache,
    turned: TurnBuffers,
    /// Between the passes.
    between: Vec<u8>,
    /// The window, where the target is larger.
    window: Vec<u8>,
}

/// A picture, and what is to become of it.
pub(in crate::picture) struct Job<'a> {
    pub(in crate::picture) pixels: &'a [u8],
    pub(in crate::picture) size: Size2,
    pub(in crate::picture) channels: Channels,
    pub(in crate::picture) filter: Filter,
    pub(in crate::picture) arithmetic: Pixels,
}

/// Whether the picture cannot be resampled to this size because Pillow would not.
pub(in crate::picture) fn is_beyond_pillow(size: Size2, scaled: Size2, filter: Filter) -> bool {
    let beyond = |input, output| input != output && output > 0 && coefficients::is_beyond_pillow(input, output, filter);
    filter != Filter::Nearest && (beyond(size.width, scaled.width) || beyond(size.height, scaled.height))
}

/// Whether the vertical pass comes first.
pub(super) fn vertical_first(arithmetic: Pixels, from: Size2, to: Size2) -> bool {
    let [w, h, out_w, out_h] = [from.width, from.height, to.width, to.height].map(i64::from);
    match arithmetic {
        // `ImagingResampleInner` from 13.0: whichever leaves less to do.
        Pixels::Pillow13 => h - out_h > 0 && h - out_h > 2 * (w - out_w),
        // `Image.resize` up to 12.3: only for very tall pictures.
        Pixels::Pillow12 => h > 100 * w && out_h < h,
        // `upsample_avx_bilinear_bicubic_uint8`.
        Pixels::Torchvision => false,
    }
}

impl Resampler {
    /// Gives all buffers back; weights are kept.
    pub(in crate::picture) fn release(&mut self) {
        *self = Self {
            cache: std::mem::take(&mut self.cache),
            ..Self::default()
        };
    }

    /// The bytes that its buffers hold.
    pub(in crate::picture) fn held(&self) -> usize {
        self.turned.held() + self.between.capacity() + self.window.capacity()
    }

    /// Fills `out`, a picture of size `target`, as the placement says; what it does not cover is filled.
    pub(in crate::picture) fn resample(
        &mut self,
        job: &Job<'_>,
        placement: &Placement,
        target: Size2,
        out: &mut [u8],
    ) -> PictureResult<()> {
        self.resample_on(CodePath::best(), job, placement, target, out)
    }

    pub(in crate::picture) fn resample_on(
        &mut self,
        path: CodePath,
        job: &Job<'_>,
        placement: &Placement,
        target: Size2,
        out: &mut [u8],
    ) -> PictureResult<()> {
        let channels = job.channels.count();
        if placement.window == target {
            return self.fill_window(path, job, placement, out);
        }
        out.fill(placement.fill);
        let row = placement.window.width as usize * channels;
        if row == 0 || placement.window.height == 0 {
            return Ok(());
        }
        let mut window = std::mem::take(&mut self.window);
        set_length(&mut window, row * placement.window.height as usize)?;
        self.fill_window(path, job, placement, &mut window)?;
        let target_row = target.width as usize * channels;
        let rows = out.chunks_exact_mut(target_row).skip(placement.y as usize);
        for (to, from) in rows.zip(window.chunks_exact(row)) {
            to[placement.x as usize * channels..][..row].copy_from_slice(from);
        }
        self.window = window;
        Ok(())
    }

    /// Gray of 16 bits (two bytes a sample, the high one first) as the step says; its window must be the whole result.
    pub(in crate::picture) fn resample_16(pixels: &[u8], step: &Step, out: &mut [u8]) -> PictureResult<()> {
        let (size, target, placement) = (step.from, step.target, step.placement);
        let (scaled, window) = (placement.scaled, placement.window);
        if window != target {
            out.fill(0);
            return Ok(());
        }
        let horizontal = Axis::new(size.width, scaled.width, placement.window_x, window.width);
        let vertical = Axis::new(size.height, scaled.height, placement.window_y, window.height);
        if step.filter == Filter::Nearest {
            return nearest::resample(pixels, horizontal, vertical, 2, out);
        }
        sixteen::resample(
            pixels,
            [horizontal, vertical],
            step.filter,
            vertical_first(step.arithmetic, size, scaled),
            out,
        )
    }

    /// The window alone, without gaps.
    fn fill_window(&mut self, path: CodePath, job: &Job<'_>, placement: &Placement, out: &mut [u8]) -> PictureResult<()> {
        let (size, scaled, window) = (job.size, placement.scaled, placement.window);
        let channels = job.channels.count();
        let horizontal = Axis::new(size.width, scaled.width, placement.window_x, window.width);
        let vertical = Axis::new(size.height, scaled.height, placement.window_y, window.height);
        if job.filter == Filter::Nearest {
            return nearest::resample(job.pixels, horizontal, vertical, channels, out);
        }
        let row = size.width as usize * channels;
        let window_row = window.width as usize * channels;
        let rounding = match job.arithmetic {
            Pixels::Pillow12 | Pixels::Pillow13 => Rounding::Pillow,
            Pixels::Torchvision => Rounding::Torch,
        };
        let columns = (size.width != scaled.width)
            .then(|| self.cache.get(horizontal, job.filter, rounding))
            .transpose()?;
        let rows = (size.height != scaled.height)
            .then(|| self.cache.get(vertical, job.filter, rounding))
            .transpose()?;
        let turned = &mut self.turned;
        match (columns, rows) {
            (None, None) => cut(job.pixels, row, placement, channels, out),
            (Some(columns), None) => {
                let first = placement.window_y as usize * row;
                let pixels = &job.pixels[first..][..window.height as usize * row];
                path.horizontal(pixels, row, &columns, channels, out, turned)?;
            }
            (None, Some(rows)) => {
                let between = &mut self.between;
                if window.width == size.width {
                    path.vertical(job.pixels, 0, row, &rows.weights, out);
                } else {
                    set_length(between, window.height as usize * row)?;
                    path.vertical(job.pixels, 0, row, &rows.weights, between);
                    cut_columns(between, row, placement.window_x as usize * channels, window_row, out);
                }
            }
            (Some(columns), Some(rows)) if vertical_first(job.arithmetic, size, scaled) => {
                set_length(&mut self.between, window.height as usize * row)?;
                path.vertical(job.pixels, 0, row, &rows.weights, &mut self.between);
                path.horizontal(&self.between, row, &columns, channels, out, turned)?;
            }
            (Some(columns), Some(rows)) => {
                // Only the rows that the vertical pass reads.
                let (first, end) = rows.weights.reach();
                set_length(&mut self.between, (end - first) * window_row)?;
                let pixels = &job.pixels[first * row..end * row];
                path.horizontal(pixels, row, &columns, channels, &mut self.between, turned)?;
                path.vertical(&self.between, first, window_row, &rows.weights, out);
            }
        }
        Ok(())
    }
}

/// Where nothing is scaled.
fn cut(pixels: &[u8], row: usize, placement: &Placement, channels: usize, out: &mut [u8]) {
    let rows = &pixels[placement.window_y as usize * row..];
    cut_columns(
        rows,
        row,
        placement.window_x as usize * channels,
        placement.window.width as usize * channels,
        out,
    );
}

/// A part of each row.
fn cut_columns(pixels: &[u8], row: usize, first: usize, length: usize, out: &mut [u8]) {
    for (to, from) in out.chunks_exact_mut(length).zip(pixels.chunks_exact(row)) {
        to.copy_from_slice(&from[first..first + length]);
    }
}

#[cfg(test)]
#[path = "resampler_tests.rs"]
mod tests;
