use super::*;
use crate::picture::size::geometry::{self, Fit};

/// The slow twin: `Resample.c` line by line, without any of our means. 64-bit sums, one sample at a time.
fn slow(pixels: &[u8], from: Size2, to: Size2, channels: usize, filter: Filter, arithmetic: Pixels) -> Vec<u8> {
    let vertical = |pixels: &[u8], from: Size2| -> Vec<u8> {
        if from.height == to.height {
            return pixels.to_vec();
        }
        let (weights, bits) = slow_weights(from.height as usize, to.height as usize, filter, arithmetic);
        let row = from.width as usize * channels;
        weights
            .iter()
            .flat_map(|(start, k)| (0..row).map(move |x| sum(k, bits, |t| pixels[(start + t) * row + x])))
            .collect()
    };
    let horizontal = |pixels: &[u8], from: Size2| -> Vec<u8> {
        if from.width == to.width {
            return pixels.to_vec();
        }
        let (weights, bits) = slow_weights(from.width as usize, to.width as usize, filter, arithmetic);
        let row = from.width as usize * channels;
        let mut out = Vec::new();
        for line in pixels.chunks_exact(row) {
            for (start, k) in &weights {
                out.extend((0..channels).map(|c| sum(k, bits, |t| line[(start + t) * channels + c])));
            }
        }
        out
    };
    if vertical_first(arithmetic, from, to) {
        horizontal(&vertical(pixels, from), Size2 { height: to.height, ..from })
    } else {
        vertical(&horizontal(pixels, from), Size2 { width: to.width, ..from })
    }
}

fn sum(k: &[i32], bits: u32, sample: impl Fn(usize) -> u8) -> u8 {
    let sum: i64 = k.iter().enumerate().map(|(t, k)| i64::from(*k) * i64::from(sample(t))).sum();
    ((sum + (1 << (bits - 1))) >> bits).clamp(0, 255) as u8
}

fn slow_weights(input: usize, output: usize, filter: Filter, arithmetic: Pixels) -> (Vec<(usize, Vec<i32>)>, u32) {
    let sinc = |x: f64| {
        if x == 0.0 {
            1.0
        } else {
            (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI)
        }
    };
    let f = |x: f64| -> f64 {
        let x_abs = x.abs();
        match filter {
            Filter::Nearest | Filter::Box => f64::from(u8::from(x > -0.5 && x <= 0.5)),
            Filter::Bilinear => (1.0 - x_abs).max(0.0),
            Filter::Hamming if x_abs >= 1.0 => 0.0,
            Filter::Hamming => sinc(x_abs) * (f64::from(0.54_f32) + f64::from(0.46_f32) * (x_abs * std::f64::consts::PI).cos()),
            Filter::Bicubic if x_abs < 1.0 => (1.5 * x_abs - 2.5) * x_abs * x_abs + 1.0,
            Filter::Bicubic if x_abs < 2.0 => (((x_abs - 5.0) * x_abs + 8.0) * x_abs - 4.0) * -0.5,
            Filter::Bicubic => 0.0,
            Filter::Lanczos => f64::from(u8::from((-3.0..3.0).contains(&x))) * sinc(x) * sinc(x / 3.0),
        }
    };
    let support = match filter {
        Filter::Nearest | Filter::Box => 0.5,
        Filter::Bilinear | Filter::Hamming => 1.0,
        Filter::Bicubic => 2.0,
        Filter::Lanczos => 3.0,
    };
    let scale = input as f64 / output as f64;
    let stretch = scale.max(1.0);
    let exact: Vec<(usize, Vec<f64>)> = (0..output)
        .map(|xx| {
            let center = (xx as f64 + 0.5) * scale;
            let low = ((center - support * stretch + 0.5) as i64).max(0);
            let high = ((center + support * stretch + 0.5) as i64).min(input as f64 as i64);
            let w: Vec<f64> = (low..high).map(|x| f((x as f64 - center + 0.5) * (1.0 / stretch))).collect();
            let total: f64 = w.iter().fold(0.0, |sum, w| sum + w);
            let w = w.iter().map(|w| if total == 0.0 { *w } else { w / total });
            (low as usize, w.collect())
        })
        .collect();
    let most = exact.iter().flat_map(|(_, w)| w).fold(0.0, |most: f64, w| most.max(*w));
    let mut bits = 22;
    if arithmetic == Pixels::Torchvision {
        bits = 0;
        while bits < 22 && ((0.5 + most * f64::from(1 << (bits + 1))) as i32) < (1 << 15) {
            bits += 1;
        }
    }
    let rounded = exact.into_iter().map(|(low, w)| {
        let k = w.iter().map(|w| {
            let w = w * f64::from(1 << bits);
            if w < 0.0 { (w - 0.5) as i32 } else { (w + 0.5) as i32 }
        });
        (low, k.collect())
    });
    (rounded.collect(), bits)
}

const FILTERS: [Filter; 5] = [Filter::Box, Filter::Bilinear, Filter::Hamming, Filter::Bicubic, Filter::Lanczos];

/// A small generator of noise, the same on every machine.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let mixed = (self.0 ^ (self.0 >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 32)
    }

    fn below(&mut self, n: u32) -> u32 {
        (self.next() % u64::from(n)) as u32
    }

    /// Mostly extremes, so that sums leave 0..=255 and are clipped.
    fn pixels(&mut self, count: usize) -> Vec<u8> {
        (0..count)
            .map(|_| match self.next() % 4 {
                0 => 0,
                1 => 255,
                _ => self.next() as u8,
            })
            .collect()
    }
}

fn paths() -> Vec<CodePath> {
    CodePath::all().collect()
}

/// Compares every path with the slow twin.
fn compare(noise: &mut Noise, resampler: &mut Resampler, from: Size2, to: Size2, filter: Filter) {
    for (channels, count) in [(Channels::One, 1), (Channels::Three, 3)] {
        let pixels = noise.pixels(from.width as usize * from.height as usize * count);
        for arithmetic in [Pixels::Pillow13, Pixels::Pillow12, Pixels::Torchvision] {
            let expected = slow(&pixels, from, to, count, filter, arithmetic);
            let job = Job {
                pixels: &pixels,
                size: from,
                channels,
                filter,
                arithmetic,
            };
            let placement = geometry::place(from, to, Fit::Stretch);
            for path in paths() {
                let mut out = vec![77; expected.len()];
                resampler.resample_on(path, &job, &placement, to, &mut out).unwrap();
                assert!(
                    out == expected,
                    "{path:?} {from:?} -> {to:?}, {count} channels, {filter:?}, {arithmetic:?}"
                );
            }
        }
    }
}

#[test]
fn every_small_size_equals_the_slow_twin() {
    let (mut noise, mut resampler) = (Noise(1), Resampler::default());
    for a in 1..=70 {
        for b in 1..=70 {
            let (c, d) = (1 + noise.below(45), 1 + noise.below(45));
            let filter = FILTERS[noise.below(5) as usize];
            let (width, height) = (Size2 { width: a, height: c }, Size2 { width: b, height: d });
            compare(&mut noise, &mut resampler, width, height, filter);
            let (from, to) = (Size2 { width: c, height: a }, Size2 { width: d, height: b });
            compare(&mut noise, &mut resampler, from, to, filter);
        }
    }
}

/// Rows around the lengths of registers, and few of them, so that both ends of every block are near.
#[test]
fn short_rows_equal_the_slow_twin() {
    let (mut noise, mut resampler) = (Noise(4), Resampler::default());
    for width in 16..=150 {
        for _ in 0..12 {
            let height = 1 + noise.below(9);
            let from = Size2 { width, height };
            let width = 1 + noise.below(150);
            let height = if noise.below(2) == 0 { height } else { 1 + noise.below(9) };
            let filter = FILTERS[noise.below(5) as usize];
            compare(&mut noise, &mut resampler, from, Size2 { width, height }, filter);
        }
    }
}

#[test]
fn larger_sizes_equal_the_slow_twin() {
    let (mut noise, mut resampler) = (Noise(2), Resampler::default());
    for (from, to) in [
        ((512, 512), (448, 448)),
        ((240, 210), (448, 448)),
        ((630, 587), (640, 576)),
        ((225, 225), (33, 224)),
        ((3, 700), (64, 64)),
        ((700, 3), (64, 64)),
    ] {
        for filter in FILTERS {
            let size = |(width, height)| Size2 { width, height };
            compare(&mut noise, &mut resampler, size(from), size(to), filter);
        }
    }
}

#[test]
fn windows_are_parts_of_the_whole() {
    let (mut noise, mut resampler) = (Noise(3), Resampler::default());
    for _ in 0..300 {
        let from = Size2 {
            width: 1 + noise.below(90),
            height: 1 + noise.below(90),
        };
        let target = Size2 {
            width: 1 + noise.below(50),
            height: 1 + noise.below(50),
        };
        let filter = FILTERS[noise.below(5) as usize];
        for fit in [Fit::Crop, Fit::Pad] {
            let placement = geometry::place(from, target, fit);
            let pixels = noise.pixels(from.width as usize * from.height as usize * 3);
            let job = Job {
                pixels: &pixels,
                size: from,
                channels: Channels::Three,
                filter,
                arithmetic: Pixels::Pillow13,
            };
            let mut expected = vec![0; target.width as usize * target.height as usize * 3];
            if placement.scaled.width > 0 && placement.scaled.height > 0 {
                let scaled = slow(&pixels, from, placement.scaled, 3, filter, Pixels::Pillow13);
                for y in 0..placement.window.height {
                    let row = (y + placement.window_y) * placement.scaled.width + placement.window_x;
                    let at = (y + placement.y) * target.width + placement.x;
                    let length = placement.window.width as usize * 3;
                    expected[at as usize * 3..][..length].copy_from_slice(&scaled[row as usize * 3..][..length]);
                }
            }
            let mut out = vec![77; expected.len()];
            resampler.resample(&job, &placement, target, &mut out).unwrap();
            assert!(out == expected, "{fit:?} {from:?} -> {target:?} {filter:?}");
        }
    }
}

#[test]
fn the_order_of_the_passes_is_that_of_the_version() {
    let size = |width, height| Size2 { width, height };
    assert!(vertical_first(Pixels::Pillow13, size(630, 587), size(640, 576)));
    assert!(!vertical_first(Pixels::Pillow12, size(630, 587), size(640, 576)));
    assert!(!vertical_first(Pixels::Pillow13, size(512, 512), size(448, 448)));
    assert!(vertical_first(Pixels::Pillow12, size(5, 501), size(64, 64)));
    assert!(!vertical_first(Pixels::Pillow12, size(5, 500), size(64, 64)));
}

#[test]
fn rows_that_are_too_long_to_be_turned_are_resampled_as_they_lie() {
    let (mut noise, mut resampler) = (Noise(5), Resampler::default());
    for (width, wide) in [(600_000, 37), (30, 560_000)] {
        let size = |width| Size2 { width, height: 3 };
        compare(&mut noise, &mut resampler, size(width), size(wide), Filter::Bilinear);
    }
    assert!(resampler.held() < 8 << 20, "{}", resampler.held());
}
