//! The fuzz targets' bodies over their seeds and some mutations: seconds, without a fuzzer or a sanitiser. `make fuzz` is the real thing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    unreachable_pub,
    reason = "a test; and its modules are those of a library"
)]

#[path = "../fuzz/src/jpeg.rs"]
mod jpeg;
#[path = "../fuzz/src/picture.rs"]
mod picture;
#[path = "../fuzz/src/pictures.rs"]
mod pictures;
#[path = "../fuzz/src/png.rs"]
mod png;
#[path = "../fuzz/src/probe.rs"]
mod probe;
#[path = "../fuzz/src/resample.rs"]
mod resample;
#[path = "../fuzz/src/lines.rs"]
mod lines;
#[path = "../fuzz/src/manifest.rs"]
mod manifest;
#[path = "../fuzz/src/order.rs"]
mod order;
#[path = "../fuzz/src/rows.rs"]
mod rows;
#[path = "../fuzz/src/shard.rs"]
mod shard;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Mutations of all seeds of a target together.
const MUTATIONS: usize = 3000;

/// A small generator of noise, the same on every machine.
struct Noise(u64);

impl Noise {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % n.max(1) as u64) as usize
    }

    /// A few bytes set, flipped, cut out or said twice; or the end cut off.
    fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            let end = (at + 1 + self.below(8)).min(bytes.len());
            match self.below(6) {
                _ if bytes.is_empty() => {}
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = self.below(256) as u8,
                2 => bytes[at] = [0, 1, 127, 128, 255][self.below(5)],
                3 => drop(bytes.drain(at..end)),
                4 => {
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                _ => bytes.truncate(at),
            }
        }
        bytes
    }
}

/// Runs `check` over the seeds of a target and their mutations; what fails is kept where the build keeps its files.
fn run(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let seeds: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(seeds.len() > 5, "{target} has seeds");
    for (path, seed) in paths.iter().zip(&seeds) {
        attempt(&path.display().to_string(), seed, check);
    }
    let mut noise = Noise(1);
    for i in 0..MUTATIONS {
        let seed = &seeds[noise.below(seeds.len())];
        let mutated = noise.mutate(seed);
        attempt(&format!("mutation {i} of {target}"), &mutated, check);
    }
}

fn attempt(name: &str, bytes: &[u8], check: fn(&[u8])) {
    if catch_unwind(AssertUnwindSafe(|| check(bytes))).is_err() {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name.replace(['/', ' '], "-"));
        fs::write(&path, bytes).unwrap();
        panic!("{name}: the bytes are in {}", path.display());
    }
}

#[test]
fn jpeg_keeps_its_promises() {
    run("jpeg", jpeg::check);
}

#[test]
fn picture_keeps_its_promises() {
    run("picture", picture::check);
}

#[test]
fn png_keeps_its_promises() {
    run("png", png::check);
}

#[test]
fn probe_keeps_its_promises() {
    run("probe", probe::check);
}

#[test]
fn resample_keeps_its_promises() {
    run("resample", resample::check);
}

#[test]
fn lines_keep_their_promises() {
    run("lines", lines::check);
}

#[test]
fn manifest_keeps_its_promises() {
    run("manifest", manifest::check);
}

#[test]
fn order_keeps_its_promises() {
    run("order", order::check);
}

#[test]
fn rows_keep_their_promises() {
    run("rows", rows::check);
}

#[test]
fn shard_keeps_its_promises() {
    run("shard", shard::check);
}
