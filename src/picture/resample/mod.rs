//! Resampling, to the bit as `Resample.c` of Pillow does it: two passes, each rounded to 8 bits, in the order of its version; or as
//! torch does it, with weights of 16 bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod blocks;
mod coefficients;
mod nearest;
#[cfg(target_arch = "x86_64")]
mod passes;
mod portable;
mod sixteen;
#[cfg(target_arch = "x86_64")]
mod vbmi;

use super::choices::{Filter, Pixels};
use super::colour::Channels;
use super::geometry::{Placement, Size2};
use coefficients::{Axis, Cache, Rounding, Table};
use portable::Scratch;

/// One resize.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// What it is applied to.
    pub(super) from: Size2,
    pub(super) placement: Placement,
    /// The size of its result.
    pub(super) target: Size2,
    pub(super) filter: Filter,
    pub(super) arithmetic: Pixels,
    /// Whether the picture still has its own mode.
    pub(super) in_own_mode: bool,
}

/// Resamples pictures; keeps tables of weights and scratch from one to the next.
#[derive(Default)]
pub(super) struct Resampler {
    cache: Cache,
    scratch: Scratch,
    /// Between the passes.
    between: Vec<u8>,
    /// The window, where the target is larger.
    window: Vec<u8>,
}

/// Which code does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Vbmi,
}

impl Path {
    /// The best one of this machine.
    pub(super) fn best() -> Self {
        Self::all().last().unwrap_or(Self::Portable)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Vbmi => "vbmi",
        }
    }

    /// All that this machine has, better ones last.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let portable = std::iter::once(Self::Portable);
        #[cfg(target_arch = "x86_64")]
        let vectors = {
            let avx2 = std::is_x86_feature_detected!("avx2");
            let avx512 = avx2 && avx512::is_there();
            let vbmi = avx512 && vbmi::is_there();
            [
                avx2.then_some(Self::Avx2),
                avx512.then_some(Self::Avx512),
                vbmi.then_some(Self::Vbmi),
            ]
        };
        #[cfg(not(target_arch = "x86_64"))]
        let vectors: [Option<Self>; 0] = [];
        portable.chain(vectors.into_iter().flatten())
    }
}

/// The name of the code that resamples on this machine: `vbmi` (of AVX-512, as is the next), `avx512`, `avx2` or `portable`.
pub fn name_of_path() -> &'static str {
    Path::best().name()
}

/// A picture, and what is to become of it.
pub(super) struct Job<'a> {
    pub(super) pixels: &'a [u8],
    pub(super) size: Size2,
    pub(super) channels: Channels,
    pub(super) filter: Filter,
    pub(super) arithmetic: Pixels,
}

/// Whether the picture cannot be resampled to this size because Pillow would not.
pub(super) fn is_beyond_pillow(size: Size2, scaled: Size2, filter: Filter) -> bool {
    let beyond = |input, output| input != output && output > 0 && coefficients::is_beyond_pillow(input, output, filter);
    filter != Filter::Nearest && (beyond(size.width, scaled.width) || beyond(size.height, scaled.height))
}

/// Whether the vertical pass comes first.
fn vertical_first(arithmetic: Pixels, from: Size2, to: Size2) -> bool {
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
    /// Fills `out`, a picture of size `target`, as the placement says; what it does not cover is filled.
    pub(super) fn resample(&mut self, job: &Job<'_>, placement: &Placement, target: Size2, out: &mut [u8]) {
        self.resample_on(Path::best(), job, placement, target, out);
    }

    pub(super) fn resample_on(&mut self, path: Path, job: &Job<'_>, placement: &Placement, target: Size2, out: &mut [u8]) {
        let channels = job.channels.count();
        if placement.window == target {
            self.fill_window(path, job, placement, out);
            return;
        }
        out.fill(placement.fill);
        let row = placement.window.width as usize * channels;
        if row == 0 || placement.window.height == 0 {
            return;
        }
        let mut window = std::mem::take(&mut self.window);
        window.resize(row * placement.window.height as usize, 0);
        self.fill_window(path, job, placement, &mut window);
        let target_row = target.width as usize * channels;
        let rows = out.chunks_exact_mut(target_row).skip(placement.y as usize);
        for (to, from) in rows.zip(window.chunks_exact(row)) {
            to[placement.x as usize * channels..][..row].copy_from_slice(from);
        }
        self.window = window;
    }

    /// Gray of 16 bits (two bytes a sample, the high one first) as the step says; its window must be the whole result.
    pub(super) fn resample_16(pixels: &[u8], step: &Step, out: &mut [u8]) {
        let (size, target, placement) = (step.from, step.target, step.placement);
        let (scaled, window) = (placement.scaled, placement.window);
        if window != target {
            out.fill(0);
            return;
        }
        let horizontal = axis(size.width, scaled.width, placement.window_x, window.width);
        let vertical = axis(size.height, scaled.height, placement.window_y, window.height);
        if step.filter == Filter::Nearest {
            nearest::resample(pixels, horizontal, vertical, 2, out);
            return;
        }
        sixteen::resample(
            pixels,
            [horizontal, vertical],
            step.filter,
            vertical_first(step.arithmetic, size, scaled),
            out,
        );
    }

    /// The window alone, without gaps.
    fn fill_window(&mut self, path: Path, job: &Job<'_>, placement: &Placement, out: &mut [u8]) {
        let (size, scaled, window) = (job.size, placement.scaled, placement.window);
        let channels = job.channels.count();
        let horizontal = axis(size.width, scaled.width, placement.window_x, window.width);
        let vertical = axis(size.height, scaled.height, placement.window_y, window.height);
        if job.filter == Filter::Nearest {
            nearest::resample(job.pixels, horizontal, vertical, channels, out);
            return;
        }
        let row = size.width as usize * channels;
        let window_row = window.width as usize * channels;
        let rounding = match job.arithmetic {
            Pixels::Pillow12 | Pixels::Pillow13 => Rounding::Pillow,
            Pixels::Torchvision => Rounding::Torch,
        };
        let columns = (size.width != scaled.width).then(|| self.cache.get(horizontal, job.filter, rounding));
        let rows = (size.height != scaled.height).then(|| self.cache.get(vertical, job.filter, rounding));
        let scratch = &mut self.scratch;
        match (columns, rows) {
            (None, None) => cut(job.pixels, row, placement, channels, out),
            (Some(columns), None) => {
                let first = placement.window_y as usize * row;
                let pixels = &job.pixels[first..][..window.height as usize * row];
                run_horizontal(path, pixels, row, &columns, channels, out, scratch);
            }
            (None, Some(rows)) => {
                let between = &mut self.between;
                if window.width == size.width {
                    run_vertical(path, job.pixels, 0, row, &rows, out);
                } else {
                    between.resize(window.height as usize * row, 0);
                    run_vertical(path, job.pixels, 0, row, &rows, between);
                    cut_columns(between, row, placement.window_x as usize * channels, window_row, out);
                }
            }
            (Some(columns), Some(rows)) if vertical_first(job.arithmetic, size, scaled) => {
                self.between.resize(window.height as usize * row, 0);
                run_vertical(path, job.pixels, 0, row, &rows, &mut self.between);
                run_horizontal(path, &self.between, row, &columns, channels, out, scratch);
            }
            (Some(columns), Some(rows)) => {
                // Only the rows that the vertical pass reads.
                let (first, end) = rows.reach();
                self.between.resize((end - first) * window_row, 0);
                let pixels = &job.pixels[first * row..end * row];
                run_horizontal(path, pixels, row, &columns, channels, &mut self.between, scratch);
                run_vertical(path, &self.between, first, window_row, &rows, out);
            }
        }
    }
}

fn axis(input: u32, output: u32, first: u32, count: u32) -> Axis {
    Axis {
        input,
        output,
        first,
        count,
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

fn run_vertical(path: Path, from: &[u8], first: usize, row: usize, table: &Table, to: &mut [u8]) {
    match path {
        Path::Portable => portable::vertical(from, first, row, table, to),
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 => avx2::vertical(from, first, row, table, to),
        #[cfg(target_arch = "x86_64")]
        Path::Avx512 | Path::Vbmi => avx512::vertical(from, first, row, table, to),
    }
}

fn run_horizontal(path: Path, from: &[u8], row: usize, table: &Table, channels: usize, to: &mut [u8], scratch: &mut Scratch) {
    match (path, channels) {
        (Path::Portable, 1) => portable::horizontal::<1>(from, row, table, to, scratch),
        (Path::Portable, _) => portable::horizontal::<3>(from, row, table, to, scratch),
        #[cfg(target_arch = "x86_64")]
        (Path::Avx2, 1) => avx2::horizontal::<1>(from, row, table, to, scratch),
        #[cfg(target_arch = "x86_64")]
        (Path::Avx2, _) => avx2::horizontal::<3>(from, row, table, to, scratch),
        #[cfg(target_arch = "x86_64")]
        (Path::Avx512, 1) => avx512::horizontal::<1>(from, row, table, to, scratch),
        #[cfg(target_arch = "x86_64")]
        (Path::Avx512, _) => avx512::horizontal::<3>(from, row, table, to, scratch),
        #[cfg(target_arch = "x86_64")]
        (Path::Vbmi, 1) => vbmi::horizontal::<1>(from, row, table, to, scratch),
        #[cfg(target_arch = "x86_64")]
        (Path::Vbmi, _) => vbmi::horizontal::<3>(from, row, table, to, scratch),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
