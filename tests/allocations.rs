//! In the steady state a worker asks for no memory: what pictures need belongs to it already. And it never holds more than was counted before.
#![allow(clippy::unwrap_used, reason = "a test; whatever it cannot read is its failure")]
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;

use mmno_fast::picture::{ImageSpec, Preparer, probe};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

fn counted() {
    // A thread that is ending has no counter any more.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

/// So many bytes more are held.
fn held(bytes: isize) {
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: everything is the system's allocator's; counting touches nothing of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        counted();
        held(layout.size() as isize);
        // SAFETY: the caller's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        counted();
        held(layout.size() as isize);
        // SAFETY: the caller's contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        counted();
        held(size as isize - layout.size() as isize);
        // SAFETY: the caller's contract.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        held(-(layout.size() as isize));
        // SAFETY: the caller's contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn spec(head: &str) -> ImageSpec {
    coloured(head, "auto")
}

fn coloured(head: &str, color: &str) -> ImageSpec {
    let tail = r#""exif":true,"sixteen_bit":"scale","alpha":"drop","decode_limit":1000000,"pixels":"pillow13""#;
    ImageSpec::from_json(&format!("{{{head},\"color\":\"{color}\",{tail}}}")).unwrap()
}

#[test]
fn a_worker_that_has_seen_a_size_allocates_nothing_for_it() {
    let specs = [
        spec(r#""kind":"original""#),
        spec(r#""kind":"resize","height":48,"width":56,"fit":"stretch","filter":"bicubic""#),
        spec(r#""kind":"resize","height":20,"width":20,"fit":"crop","filter":"lanczos""#),
        spec(r#""kind":"resize","height":30,"width":20,"fit":"pad","filter":"bilinear""#),
    ];
    let mut asking = Vec::new();
    for name in NAMES {
        let bytes = fs::read(format!("fuzz/seeds/{name}")).unwrap();
        let (mut preparer, mut out) = (Preparer::new(), Vec::new());
        let mut allocations = Vec::new();
        for _ in 0..4 {
            COUNT.set(0);
            for spec in &specs {
                let header = probe(&bytes).unwrap();
                preparer.prepare(&bytes, &header, spec, &mut out).unwrap();
            }
            allocations.push(COUNT.get());
        }
        assert!(allocations[0] > 0, "{name}: nothing was counted");
        // The state of `png`'s inflater, which cannot be kept: a few tables of fixed size a picture.
        let allowed = if name.starts_with("png/") { INFLATER * specs.len() } else { 0 };
        if allocations[3] > allowed {
            asking.push((name, allocations));
        }
    }
    assert!(asking.is_empty(), "{asking:?}");
}

/// Every seed that is a picture, by its path.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for folder in ["jpeg", "png", "picture", "tiff"] {
        let Ok(entries) = fs::read_dir(format!("fuzz/seeds/{folder}")) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            found.push((path.display().to_string(), fs::read(path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn a_picture_takes_no_more_memory_than_its_header_says() {
    let specs = [
        spec(r#""kind":"original""#),
        coloured(r#""kind":"original""#, "rgb"),
        spec(r#""kind":"resize","height":1200,"width":1500,"fit":"stretch","filter":"bicubic""#),
        coloured(
            r#""kind":"resize","height":1200,"width":1500,"fit":"crop","filter":"lanczos""#,
            "rgb",
        ),
        coloured(
            r#""kind":"resize","height":1500,"width":900,"fit":"pad","filter":"bilinear""#,
            "gray",
        ),
        spec(r#""kind":"resize","height":900,"width":1500,"fit":"pad","filter":"nearest""#),
        spec(r#""kind":"profile","name":"llamafactory/qwen3_vl""#),
        spec(r#""kind":"profile","name":"open_clip/biomedclip_224""#),
    ];
    let mut tried = 0;
    for (name, bytes) in seeds() {
        let Ok(header) = probe(&bytes) else { continue };
        for spec in &specs {
            let (before, counted) = (LIVE.get(), spec.working_bytes(&header));
            PEAK.set(before);
            let (mut preparer, mut out) = (Preparer::new(), Vec::new());
            if preparer.prepare(&bytes, &header, spec, &mut out).is_err() {
                continue;
            }
            let peak = (PEAK.get() - before) as u64;
            assert!(
                peak <= counted + TABLES,
                "{name}: {peak} bytes held, {counted} counted for {}",
                spec.to_json()
            );
            tried += 1;
        }
    }
    assert!(tried > 500, "{tried}");
}

/// What does not depend on the picture's size: tables of the decoders and of the worker.
const TABLES: u64 = 400 << 10;

/// What the crate `png` asks for with every picture, however large.
const INFLATER: usize = 5;

/// Formats whose readers are ours or libjpeg-turbo (which has its own allocator); those of TIFF, GIF and WebP make tables as they go.
const NAMES: [&str; 17] = [
    "jpeg/rgb-baseline",
    "jpeg/l-progressive",
    "jpeg/neutral-420",
    "jpeg/cmyk-baseline",
    "jpeg/sampled-411",
    "png/file-1",
    "png/file-l",
    "png/file-p",
    "png/file-rgb",
    "png/file-rgba",
    "png/file-i16",
    "picture/bmp-1",
    "picture/bmp-l",
    "picture/bmp-p",
    "picture/bmp-rgb",
    "picture/bmp-rgba",
    "picture/bmp-runs",
];
