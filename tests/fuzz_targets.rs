//! The bodies of the fuzz targets, over their seeds and some thousand mutations of them, without a fuzzer.

#[expect(unreachable_pub, clippy::expect_used, reason = "the fuzz crate's library, as it stands")]
#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::path::Path;

/// Mutations of each seed.
const ROUNDS: u32 = 60;

/// `xorshift64*`: the same numbers every time.
struct Noise(u64);

impl Noise {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end.max(1)
    }
}

#[test]
fn seeds_and_their_mutations_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (name, target) in targets::TARGETS {
        let mut paths: Vec<_> = fs::read_dir(folder.join(name))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        assert!(paths.len() > 5, "{name} has too few seeds");
        let mut noise = Noise(name.len() as u64 + 1);
        for path in paths {
            let seed = fs::read(&path).unwrap();
            target(&seed);
            for _ in 0..ROUNDS {
                let mut bytes = seed.clone();
                for _ in 0..=noise.below(4) {
                    let at = noise.below(bytes.len());
                    match noise.below(3) {
                        0 => bytes[at] = noise.below(256) as u8,
                        1 => bytes.truncate(at + 1),
                        _ => bytes[at] ^= 1 << noise.below(8),
                    }
                }
                target(&bytes);
            }
        }
    }
}
