//! How many instructions the hot paths take. `make instructions` runs each bench under callgrind and compares the counts with those in
//! `counts.json` beside this file; this program only prepares one bench and calls it.
//!
//! A count is a property of the code, so it can be compared to within 1 %, which a time on a shared machine cannot. Each bench runs on one
//! thread, on input that it draws. Valgrind hides AVX-512, so the code for AVX2 is what is counted.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot run should stop, and prints the names of its benches"
)]

#[path = "../bare/mod.rs"]
#[allow(dead_code, reason = "of what the benchmarks share, this one needs the pictures")]
mod bare;
mod drawn;
mod seeds;
mod work;

/// Prepares a bench. What is returned is counted.
type Bench = fn() -> Work;

/// Some work that may be done more than once.
type Work = Box<dyn FnMut()>;

/// Every bench, by its name in `counts.json`.
const BENCHES: [(&str, Bench); 17] = [
    ("gather/bfloat16 nchw", || work::gather(Some(work::half_planes()))),
    ("gather/bfloat16 patches", || work::gather(Some(work::patches()))),
    ("gather/bytes as stored", || work::gather(None)),
    ("gather/rows", work::gather_rows),
    ("hand-over", work::hand_over),
    ("jpeg/gray", || work::decode(drawn::jpeg(192, 1))),
    ("jpeg/gray as rgb", || work::decode(drawn::jpeg_of_gray(192))),
    ("jpeg/rgb", || work::decode(drawn::jpeg(192, 3))),
    ("open", work::open),
    ("png/gray", || work::decode(drawn::png(192, 1))),
    ("png/rgb", || work::decode(drawn::png(192, 3))),
    ("resize/bicubic gray 256 to 224", || work::resize(256, 1, 224, "bicubic")),
    ("resize/bicubic rgb 256 to 224", || work::resize(256, 3, 224, "bicubic")),
    ("resize/lanczos rgb 256 to 96", || work::resize(256, 3, 96, "lanczos")),
    ("scan/pictures", work::scan_pictures),
    ("scan/rows", work::scan_rows),
    ("seal", work::seal),
];

/// What callgrind counts: this function and whatever it calls.
#[inline(never)]
fn counted_by_callgrind(work: &mut dyn FnMut()) {
    work();
    // Not a jump in place of a call: callgrind has to see the end.
    std::hint::black_box(());
}

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let Some((_, prepare)) = BENCHES.iter().find(|(name, _)| *name == wanted) else {
        for (name, _) in &BENCHES {
            println!("{name}");
        }
        return;
    };
    let mut work = prepare();
    // Once without counting. Then tables are made, and the C library has memory of the sizes that are asked for. (How long it looks for
    // memory depends on what was freed before, which a change elsewhere also changes.)
    work();
    counted_by_callgrind(&mut *work);
}
