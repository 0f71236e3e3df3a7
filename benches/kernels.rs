//! The Rust kernels, each by itself: rows, decoders beside the bare libraries, the resize kernel.
#![allow(missing_docs, reason = "the macros of criterion define undocumented functions")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot run should stop, and one of these prints its own table"
)]

mod bare;

use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use bare::{Jpeg, bitmap, decode_png, encode_jpeg, resize};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mmno_fast::jsonl::judge::judge;
use mmno_fast::jsonl::lines;
use mmno_fast::jsonl::options::RowOptions;
use mmno_fast::picture::{ImageSpec, Prepared, Preparer, Size, probe};

/// Height and width of every picture here.
const SIDE: usize = 512;

/// The spec of a square of that side.
fn resized(side: u32) -> ImageSpec {
    ImageSpec::from_json(&format!(
        r#"{{"kind":"resize","height":{side},"width":{side},"fit":"stretch","filter":"bicubic","color":"auto","exif":false,"sixteen_bit":"reject","alpha":"drop","decode_limit":178956970,"pixels":"pillow13"}}"#
    ))
    .unwrap()
}

/// Rings with some grain and another phase in each channel: compresses about as well as a slice does.
fn picture(channels: usize) -> Vec<u8> {
    let middle = SIDE as f64 / 2.0;
    let mut grain = 1_u32;
    let samples = (0..SIDE * SIDE * channels).map(|i| {
        let (x, y) = ((i / channels % SIDE) as f64 - middle, (i / channels / SIDE) as f64 - middle);
        grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let wave = (x.hypot(1.3 * y) / 17.0 + (i % channels) as f64).sin();
        (120.0 + 90.0 * wave + f64::from(grain >> 28)) as u8
    });
    samples.collect()
}

fn rows(criterion: &mut Criterion) {
    let chat = |question: &str, answer: &str| {
        format!(
            r#"{{"messages": [{{"role": "user", "content": "<image>{question}"}}, {{"role": "assistant", "content": "{answer}"}}], "images": ["glioma/t1/glioma_t1 (1).jpg"]}}"#
        ) + "\n"
    };
    let options = r"Options:\nA. A bright spot\nB. A dark spot\nC. No lesion\n\nAnswer with the letter only.";
    let text = [
        chat(
            "Describe what this slice shows.",
            &"The border between the two tissues is folded, as it should be. ".repeat(15),
        ),
        chat(&format!(r"What does the slice show?\n\n{options}"), "B"),
        chat(
            &format!(r"What does the slice show?\n\n{options}"),
            r"Final: A\nExplanation: it is brighter than what surrounds it.",
        ),
    ];
    let bytes = text.concat().repeat(1000);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes.as_bytes()).unwrap();
    let (size, mut buffer, options) = (bytes.len() as u64, Vec::new(), RowOptions::default());
    let mut read = || {
        let mut accepted = 0;
        for range in lines::ranges(size, 1 << 20) {
            let each = |line: lines::Line<'_>| {
                let mut findings = Vec::new();
                black_box(judge(line.bytes.unwrap_or_default(), line.offset, &options, &mut findings)).unwrap();
                accepted += u64::from(findings.is_empty());
            };
            lines::for_each(&file, Path::new("rows"), size, range, 1 << 24, &mut buffer, each).unwrap();
        }
        accepted
    };
    assert_eq!(read(), 3000);
    let mut group = criterion.benchmark_group("rows");
    group.throughput(Throughput::Bytes(size));
    group.bench_function("lines + row + rules", |bencher| bencher.iter(&mut read));
}

fn decoders(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    let (jpeg, mut preparer, mut pixels) = (Jpeg::decoder(), Preparer::new(), Vec::new());
    let spec = resized(448);
    for (name, channels) in [("gray", 1), ("rgb", 3)] {
        let samples = picture(channels);
        group.throughput(Throughput::Bytes(samples.len() as u64));
        let files = [
            ("jpeg", encode_jpeg(&samples, SIDE, channels)),
            ("png", encode_png(&samples, channels)),
        ];
        decode_png(&files[1].1, &mut pixels).unwrap();
        assert_eq!(pixels, samples, "PNG loses nothing");
        for (format, bytes) in &files {
            let header = probe(bytes).unwrap();
            group.bench_function(BenchmarkId::new(*format, name), |bencher| {
                bencher.iter(|| preparer.decode_only(black_box(bytes), &header, &spec).unwrap());
            });
            group.bench_function(BenchmarkId::new(format!("{format}, bare"), name), |bencher| {
                bencher.iter(|| match *format {
                    "jpeg" => jpeg.decode(black_box(bytes), &mut pixels).unwrap(),
                    _ => decode_png(black_box(bytes), &mut pixels).unwrap(),
                });
            });
        }
    }
}

/// JPEG beside bare libjpeg-turbo, in turns, so that both see the same machine; the fastest of many counts.
fn jpeg_beside_bare(_: &mut Criterion) {
    let (jpeg, mut preparer, mut ours, mut theirs) = (Jpeg::decoder(), Preparer::new(), Vec::new(), Vec::new());
    let spec = ImageSpec {
        size: Size::Original,
        ..resized(448)
    };
    let gray = picture(1);
    let gray_as_colour = gray.iter().flat_map(|level| [*level; 3]).collect();
    for (name, channels, samples) in [
        ("gray", 1, gray),
        ("rgb", 3, picture(3)),
        ("gray, stored as rgb", 3, gray_as_colour),
    ] {
        let bytes = encode_jpeg(&samples, SIDE, channels);
        let header = probe(&bytes).unwrap();
        let made = preparer.prepare(&bytes, &header, &spec, &mut ours).unwrap();
        jpeg.decode(&bytes, &mut theirs).unwrap();
        // Three equal channels are kept as one.
        assert!(ours.iter().eq(theirs.iter().step_by(channels / made.channels as usize)));
        let mut best = [f64::INFINITY; 2];
        for _ in 0..200 {
            let began = Instant::now();
            preparer.decode_only(black_box(&bytes), &header, &spec).unwrap();
            best[0] = best[0].min(began.elapsed().as_secs_f64());
            let began = Instant::now();
            jpeg.decode(black_box(&bytes), &mut theirs).unwrap();
            best[1] = best[1].min(began.elapsed().as_secs_f64());
        }
        println!(
            "JPEG, {name}: {:.0} pictures/s, {:.3} of bare libjpeg-turbo",
            1.0 / best[0],
            best[1] / best[0]
        );
    }
}

fn encode_png(pixels: &[u8], channels: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, SIDE as u32, SIDE as u32);
    encoder.set_color(if channels == 1 {
        png::ColorType::Grayscale
    } else {
        png::ColorType::Rgb
    });
    encoder.write_header().unwrap().write_image_data(pixels).unwrap();
    bytes
}

fn resampling(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("resample, bicubic");
    let (mut preparer, mut out) = (Preparer::new(), Vec::new());
    for (name, channels) in [("gray", 1), ("rgb", 3)] {
        let shape = Prepared {
            height: SIDE as u32,
            width: SIDE as u32,
            channels: channels as u32,
        };
        let file = bitmap(&picture(channels), shape);
        for side in [448, 224] {
            let spec = resized(side);
            group.throughput(Throughput::Bytes((SIDE * SIDE * channels) as u64));
            group.bench_function(BenchmarkId::new(format!("512 -> {side}"), name), |bencher| {
                bencher.iter_custom(|times| (0..times).map(|_| resize(&mut preparer, &file, &spec, &mut out).unwrap()).sum());
            });
        }
    }
}

criterion_group!(kernels, rows, jpeg_beside_bare, decoders, resampling);
criterion_main!(kernels);
