//! What fuzz targets and benchmarks need to reach inside. Not part of the interface: behind the feature `fuzzing`.

use super::choices::{Filter, Pixels};
use super::pixels::colour::Channels;
use super::resample::code_path::CodePath;
use super::resample::{self, Job, Resampler};
use super::size::geometry::{self, Fit, Size2};

/// Resamples `pixels` (height times width times 1 or 3 channels) by every code that this machine has; the portable one comes first. None where
/// the sizes are refused.
pub fn resample_every_way(
    pixels: &[u8],
    (height, width, channels): (u32, u32, usize),
    (target_height, target_width): (u32, u32),
    fit: Fit,
    filter: Filter,
    arithmetic: Pixels,
) -> Option<Vec<Vec<u8>>> {
    let size = Size2 { width, height };
    let target = Size2 {
        width: target_width,
        height: target_height,
    };
    let channels = if channels == 1 { Channels::One } else { Channels::Three };
    let placement = geometry::place(size, target, fit);
    if resample::is_beyond_pillow(size, placement.scaled, filter) {
        return None;
    }
    let job = Job {
        pixels,
        size,
        channels,
        filter,
        arithmetic,
    };
    let length = target_height as usize * target_width as usize * channels.count();
    // One resampler for all, and twice each: what is left over from before must not show.
    let mut resampler = Resampler::default();
    let mut made = Vec::new();
    for ground in [0x55, 0xaa] {
        for path in CodePath::all() {
            let mut out = vec![ground; length];
            resampler.resample_on(path, &job, &placement, target, &mut out).ok()?;
            made.push(out);
        }
    }
    Some(made)
}

/// A resampler alone, for benchmarks.
pub struct Resize {
    resampler: Resampler,
    path: CodePath,
}

impl Default for Resize {
    fn default() -> Self {
        Self::on(CodePath::best())
    }
}

impl Resize {
    fn on(path: CodePath) -> Self {
        Self {
            resampler: Resampler::default(),
            path,
        }
    }

    /// One for each code that this machine has, better ones last, with its name.
    pub fn every_way() -> Vec<(&'static str, Self)> {
        CodePath::all().map(|path| (path.name(), Self::on(path))).collect()
    }

    /// Stretches `pixels` (height, width, channels 1 or 3) into `out` (target height and width, as many channels).
    pub fn run(
        &mut self,
        pixels: &[u8],
        (height, width, channels): (u32, u32, usize),
        (target_height, target_width): (u32, u32),
        filter: Filter,
        arithmetic: Pixels,
        out: &mut [u8],
    ) {
        let target = Size2 {
            width: target_width,
            height: target_height,
        };
        let size = Size2 { width, height };
        let job = Job {
            pixels,
            size,
            channels: if channels == 1 { Channels::One } else { Channels::Three },
            filter,
            arithmetic,
        };
        let placement = geometry::place(size, target, Fit::Stretch);
        let done = self.resampler.resample_on(self.path, &job, &placement, target, out);
        assert!(done.is_ok(), "a benchmark has the memory that it needs");
    }
}
