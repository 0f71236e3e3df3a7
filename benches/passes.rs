//! The two passes of the resize kernel, each by itself, in every code that this machine has: what the choice between them rests on.
//! `cargo bench --bench passes --features fuzzing`. In turns; the fastest round counts.
#![allow(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::hint::black_box;
use std::time::Instant;

use mmno_fast::picture::fuzzing::Resize;
use mmno_fast::picture::{Filter, Pixels};

const ROUNDS: usize = 40;
/// Pictures of one round.
const EACH: usize = 4;

/// Microseconds a picture for each code but the portable one, which the others must equal.
fn measure(from: (u32, u32), to: (u32, u32), channels: usize, filter: Filter, arithmetic: Pixels) -> Vec<String> {
    let count = from.0 as usize * from.1 as usize * channels;
    let pixels: Vec<u8> = (0..count as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut out = vec![0; to.0 as usize * to.1 as usize * channels];
    let mut ways = Resize::every_way();
    let mut expected = Vec::new();
    let mut best = vec![f64::INFINITY; ways.len()];
    for round in 0..=ROUNDS {
        for ((name, way), best) in ways.iter_mut().zip(&mut best) {
            if round > 0 && *name == "portable" {
                continue;
            }
            let began = Instant::now();
            for _ in 0..EACH {
                way.run(black_box(&pixels), (from.0, from.1, channels), to, filter, arithmetic, &mut out);
            }
            *best = best.min(began.elapsed().as_secs_f64() / EACH as f64);
            if round == 0 {
                if expected.is_empty() {
                    expected.clone_from(&out);
                }
                assert!(out == expected, "{name} differs");
            }
        }
    }
    let named = ways.iter().zip(&best).skip(1);
    named.map(|((name, _), best)| format!("{name} {:5.0}", best * 1e6)).collect()
}

fn main() {
    println!("microseconds a picture, one thread");
    let filters = [
        ("bilinear", Filter::Bilinear),
        ("bicubic", Filter::Bicubic),
        ("lanczos", Filter::Lanczos),
    ];
    for (arithmetic, name) in [(Pixels::Pillow13, "Pillow"), (Pixels::Torchvision, "torch")] {
        for (from, to) in [(512, 448), (512, 336), (512, 224), (512, 128), (240, 448)] {
            for (filter_name, filter) in filters {
                for channels in [3, 1] {
                    let horizontal = measure((from, from), (from, to), channels, filter, arithmetic).join(", ");
                    let vertical = measure((from, from), (to, from), channels, filter, arithmetic).join(", ");
                    println!("{name:6} {from} -> {to} {filter_name:8} x{channels}: horizontal {horizontal}; vertical {vertical}");
                }
            }
        }
    }
}
