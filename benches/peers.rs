//! The resize kernel beside `fast_image_resize`, which is not exact: `cargo bench --bench peers --features fuzzing`. In turn, the fastest round counts.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot run should stop, and prints its table"
)]

use std::hint::black_box;
use std::time::Instant;

use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use mmno_fast::picture::fuzzing::Resize;
use mmno_fast::picture::{Filter, Pixels};

const ROUNDS: usize = 25;
/// Pictures of one round.
const EACH: usize = 10;

/// Seconds a picture, of the fastest round.
fn fastest(steps: &mut [&mut dyn FnMut()]) -> Vec<f64> {
    let mut best = vec![f64::INFINITY; steps.len()];
    for _ in 0..ROUNDS {
        for (step, best) in steps.iter_mut().zip(&mut best) {
            let began = Instant::now();
            for _ in 0..EACH {
                step();
            }
            *best = best.min(began.elapsed().as_secs_f64() / EACH as f64);
        }
    }
    best
}

fn main() {
    println!("pictures a second, one thread; x: times fast_image_resize in the same arrangement");
    println!("code for this machine: {}", mmno_fast::picture::resample_path());
    let filters = [
        ("bicubic", Filter::Bicubic, FilterType::CatmullRom),
        ("bilinear", Filter::Bilinear, FilterType::Bilinear),
        ("lanczos", Filter::Lanczos, FilterType::Lanczos3),
    ];
    for (from, to) in [(512, 448), (512, 336), (512, 224), (240, 448)] {
        for (name, filter, kernel) in filters {
            let noise: Vec<u8> = (0..from * from * 3)
                .map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
                .collect();
            let gray = noise[..(from * from) as usize].to_vec();
            let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(kernel));
            let (mut peer, mut peer_gray) = (Resizer::new(), Resizer::new());
            let colour_in = Image::from_vec_u8(from, from, noise.clone(), PixelType::U8x3).unwrap();
            let gray_in = Image::from_vec_u8(from, from, gray.clone(), PixelType::U8).unwrap();
            let (mut colour_out, mut gray_out) = (Image::new(to, to, PixelType::U8x3), Image::new(to, to, PixelType::U8));
            let (mut own, mut own_gray) = (Resize::default(), Resize::default());
            let (mut out, mut out_gray) = (vec![0; (to * to * 3) as usize], vec![0; (to * to) as usize]);
            let pillow = Pixels::Pillow13;
            let seconds = fastest(&mut [
                &mut || peer.resize(black_box(&colour_in), &mut colour_out, &options).unwrap(),
                &mut || own.run(black_box(&noise), (from, from, 3), (to, to), filter, pillow, &mut out),
                &mut || peer_gray.resize(black_box(&gray_in), &mut gray_out, &options).unwrap(),
                &mut || own_gray.run(black_box(&gray), (from, from, 1), (to, to), filter, pillow, &mut out_gray),
            ]);
            // Both are the same filter: nowhere far apart.
            let apart = out.iter().zip(colour_out.buffer()).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
            assert!(apart <= 40, "{apart}");
            println!(
                "{from} -> {to} {name:9} RGB {:6.0} ({:.2} x)   gray {:6.0} ({:.2} x; {:.2} x RGB)",
                1.0 / seconds[1],
                seconds[0] / seconds[1],
                1.0 / seconds[3],
                seconds[2] / seconds[3],
                seconds[1] / seconds[3],
            );
        }
    }
}
