//! Output against the machine: how many bytes a second are written, beside filling the same memory. `cargo bench --bench output`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot run should stop, and prints its table"
)]

use std::hint::black_box;
use std::time::Instant;

use half::bf16;
use mmno_fast::load::output::{Dtype, Layout, Normalisation, Output, Shape, Writer};
use mmno_fast::picture::{CLIP, HALF, Statistics};

const SIDE: usize = 448;
/// Pictures of one round: more memory than any cache.
const PICTURES: usize = 64;
const ROUNDS: usize = 7;

fn output(layout: Layout, statistics: Statistics) -> Output {
    let patches = layout == Layout::Patches;
    Output {
        dtype: Dtype::Bfloat16,
        layout,
        mean: Some(statistics.mean),
        std: Some(statistics.std),
        normalisation: Normalisation::Fused,
        patch: patches.then_some(14),
        merge: patches.then_some(2),
        temporal: patches.then_some(2),
    }
}

/// Seconds of the fastest of several rounds, each step in turn, so that all see the same machine.
fn fastest(steps: &mut [&mut dyn FnMut()]) -> Vec<f64> {
    let mut best = vec![f64::INFINITY; steps.len()];
    for _ in 0..ROUNDS {
        for (step, best) in steps.iter_mut().zip(&mut best) {
            let began = Instant::now();
            step();
            *best = best.min(began.elapsed().as_secs_f64());
        }
    }
    best
}

fn main() {
    println!("448 x 448 to bfloat16, one thread: GB/s written, and the share of filling the same memory");
    for channels in [1, 3] {
        let shape = Shape {
            height: SIDE,
            width: SIDE,
            channels,
        };
        let pixels: Vec<u8> = (0..SIDE * SIDE * channels).map(|i| (i * 31 % 251) as u8).collect();
        for (name, statistics) in [("CLIP", CLIP), ("half", HALF)] {
            let (mut row, mut rates) = (Vec::new(), Vec::new());
            for layout in [Layout::Nchw, Layout::Nhwc, Layout::Patches] {
                let writer = Writer::new(output(layout, statistics)).unwrap();
                let each: usize = writer.shape(SIDE, SIDE).unwrap().iter().product();
                let mut out = vec![0_u16; each * PICTURES];
                writer.write(&pixels, shape, &mut out[..each]);
                let (mean, std) = (statistics.mean[0] as f32, statistics.std[0] as f32);
                let first = (f32::from(pixels[0]) - mean * 255.0) / (std * 255.0);
                assert_eq!(out[0], bf16::from_f32(first).to_bits());
                let mut filled = vec![0_u16; each * PICTURES];
                let seconds = fastest(&mut [
                    &mut || {
                        for out in out.chunks_exact_mut(each) {
                            writer.write(black_box(&pixels), shape, out);
                        }
                    },
                    &mut || black_box(&mut filled).fill(black_box(7)),
                ]);
                let rate = |seconds: f64| (each * PICTURES * 2) as f64 / seconds / 1e9;
                rates.push(rate(seconds[0]));
                row.push(format!("{layout:?} {:5.1} ({:.2})", rate(seconds[0]), seconds[1] / seconds[0]));
            }
            // Byte for byte, how much longer patches take than NCHW.
            let patches = rates[0] / rates[2];
            println!("{channels} channels, {name}: {}   patches {patches:.2} x NCHW", row.join("   "));
        }
    }
}
