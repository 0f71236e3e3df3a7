//! A unit is a value: processes that are handed tasks as bytes, and nothing else, make the same data set as threads.
#![allow(clippy::unwrap_used, reason = "a test; whatever it cannot do is its failure")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mmno_fast::builder::driver::{Begun, Build, Request, build};
use mmno_fast::builder::options::Options;
use mmno_fast::builder::task::UnitTask;
use mmno_fast::builder::unit::build_unit;
use mmno_fast::ordered::{Pool, Window};
use mmno_fast::picture::ImageSpec;
use mmno_fast::progress::Counters;
use mmno_fast::scan::model::{Run, Source};
use mmno_fast::scan::options::ScanOptions;
use mmno_fast::store::folder_sink::FolderSink;
use serde_json::{Value, json};

/// Where a worker process puts its shard; only such a process has it.
const OUT: &str = "MMNO_TEST_UNIT_OUT";

const TAIL: &str = r#""color":"auto","exif":false,"sixteen_bit":"scale","alpha":"drop","decode_limit":1000000,"pixels":"pillow13""#;

const SPECS: [&str; 3] = [
    r#""kind":"original""#,
    r#""kind":"encoded""#,
    r#""kind":"resize","height":9,"width":7,"fit":"stretch","filter":"bicubic""#,
];

fn run_with<T>(threads: usize, job: impl FnOnce(Run<'_>) -> T) -> T {
    job(Run {
        pool: Pool {
            threads,
            window: Window { items: 8, bytes: 1 << 20 },
            monitor: &|| Ok(()),
        },
        chunk_bytes: 100,
        counters: &Counters::default(),
    })
}

/// What a worker process does; in any other one there is no task to do.
#[test]
fn worker() {
    let Some(out) = std::env::var_os(OUT).map(PathBuf::from) else {
        return;
    };
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).unwrap();
    let task = UnitTask::from_json(&bytes).unwrap();
    let scratch = out.join("scratch");
    fs::create_dir(&scratch).unwrap();
    let built = run_with(2, |run| build_unit(task, &FolderSink::new(&out, &scratch), run)).unwrap();
    assert!(out.join(&built.record.fingerprint[..16]).join("unit.json").is_file());
}

/// Builds a unit in a fresh process, which is told nothing but the task and where to put the shard: its folder.
fn build_elsewhere(task: &UnitTask) -> tempfile::TempDir {
    let out = tempfile::tempdir().unwrap();
    let mut worker = Command::new(std::env::current_exe().unwrap())
        .args(["worker", "--exact", "--nocapture"])
        .env_clear()
        .env(OUT, out.path())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    worker.stdin.take().unwrap().write_all(&task.to_json().unwrap()).unwrap();
    let done = worker.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    out
}

/// A bitmap of noise.
fn bitmap(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let mut bytes = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    bytes.extend(width.to_le_bytes());
    bytes.extend(height.to_le_bytes());
    bytes.extend(b"\x01\0\x18\0");
    bytes.resize(54, 0);
    let row = (3 * width).next_multiple_of(4);
    bytes.extend(noise(row * height, seed));
    bytes
}

fn noise(count: u32, seed: u32) -> impl Iterator<Item = u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    (0..count).map(move |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
}

/// A gray PNG of noise.
fn portable(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().unwrap();
    let pixels: Vec<u8> = noise(width * height, seed).collect();
    writer.write_image_data(&pixels).unwrap();
    writer.finish().unwrap();
    bytes
}

fn row(images: &[&str], answer: &str) -> Value {
    let question = "<image>".repeat(images.len()) + "What is it?";
    json!({"images": images, "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]})
}

fn write_rows(path: &Path, rows: &[Value]) {
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    fs::write(path, lines.join("\n")).unwrap();
}

/// Two sources, two roots (one of them nested), pictures of two formats, a picture that cannot be decoded, and rows without pictures.
fn corpus(folder: &Path, spec: &str) -> Request {
    let (first, second) = (folder.join("first"), folder.join("second/Dataset"));
    fs::create_dir_all(&first).unwrap();
    fs::create_dir_all(&second).unwrap();
    for number in 0..12 {
        fs::write(first.join(format!("{number}.bmp")), bitmap(5 + number, 8, number)).unwrap();
        fs::write(second.join(format!("p{number}.png")), portable(11, 4 + number, 100 + number)).unwrap();
    }
    let broken = bitmap(9, 9, 77);
    fs::write(first.join("broken.bmp"), &broken[..200]).unwrap();

    let mut rows: Vec<Value> = Vec::new();
    for number in 0..12 {
        rows.push(row(&[&format!("{number}.bmp")], "one"));
        rows.push(row(
            &[&format!("p{}.PNG", 11 - number), &format!("{number}.bmp")],
            "ünïcode and two",
        ));
        rows.push(row(&[], &format!("text alone, {number}")));
    }
    rows.insert(4, row(&["broken.bmp", "3.bmp"], "never"));
    rows.push(row(&["broken.bmp"], "never"));
    rows.push(row(&["missing.png"], "never"));
    write_rows(&folder.join("a.jsonl"), &rows);
    let more: Vec<Value> = (0..12).map(|number| row(&[&format!("p{number}.png")], "x")).collect();
    write_rows(&folder.join("b.jsonl"), &more);

    let source = |name: &str| Source {
        name: name.to_owned(),
        path: folder.join(format!("{name}.jsonl")),
    };
    Request {
        sources: vec![source("a"), source("b")],
        roots: vec![first, folder.join("second")],
        out: PathBuf::new(),
        options: Options {
            scan: ScanOptions::new(ImageSpec::from_json(&format!("{{{spec},{TAIL}}}")).unwrap()),
            shard_bytes: 900,
            shuffle_seed: Some(5),
            update: false,
            trust_previous: false,
        },
    }
}

/// Every file below a folder.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn begin(request: &Request) -> Box<Build> {
    match run_with(1, |run| Build::begin(request.clone(), run)).unwrap() {
        Begun::Build(build) => build,
        Begun::Unchanged(_) => panic!("nothing is left to do"),
    }
}

#[test]
fn processes_that_get_tasks_as_bytes_make_what_threads_make() {
    for spec in SPECS {
        let folder = tempfile::tempdir().unwrap();
        let mut request = corpus(folder.path(), spec);
        request.out = folder.path().join("threads");
        let by_threads = run_with(3, |run| build(request.clone(), run)).unwrap();
        assert!(by_threads.shards > 5 && by_threads.rows > 40, "{by_threads:?}");
        assert_eq!(by_threads.rejects["picture.truncated"], 2);

        request.out = folder.path().join("processes");
        let unfinished = begin(&request);
        let pending = unfinished.pending();
        assert_eq!(pending.len() as u64, by_threads.shards);
        assert!(
            run_with(1, |run| unfinished.commit(run))
                .unwrap_err()
                .to_string()
                .contains("build its unit")
        );

        let build = begin(&request);
        for &unit in pending.iter().rev() {
            let task = build.task(unit).unwrap();
            let made = build_elsewhere(&task);
            // Across file systems a rename would not do: what a worker sends is laid beside the data set first.
            let scratch = build.sink().scratch().join(task.folder());
            copy(&made.path().join(task.folder()), &scratch);
            build.sink().publish(&scratch, task.folder()).unwrap();
        }
        let by_processes = run_with(1, |run| build.commit(run)).unwrap();
        assert_eq!((by_processes.rows, by_processes.rejects), (by_threads.rows, by_threads.rejects));
        let (threads, processes) = (tree(&folder.path().join("threads")), tree(&request.out));
        assert_eq!(threads.keys().collect::<Vec<_>>(), processes.keys().collect::<Vec<_>>());
        for (path, bytes) in &threads {
            assert!(processes[path] == *bytes, "{spec}: {} differs", path.display());
        }
        assert!(run_with(1, |run| build_again(&request, run)));
    }
}

/// Whether nothing is left to do.
fn build_again(request: &Request, run: Run<'_>) -> bool {
    build(request.clone(), run).unwrap().unchanged
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn input_that_changed_since_the_task_was_made_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = corpus(folder.path(), SPECS[0]);
    request.out = folder.path().join("out");
    let build = begin(&request);
    let tasks: Vec<UnitTask> = build.pending().into_iter().map(|unit| build.task(unit).unwrap()).collect();
    let with_picture = tasks.iter().find(|task| !task.pictures().is_empty()).unwrap();
    let text_alone = tasks.iter().find(|task| task.pictures().is_empty()).unwrap();
    let file = |task: &UnitTask| {
        let picture = &task.pictures()[0];
        let root = &task.setting().roots[picture.root as usize];
        root.given.join(root.below.join("/")).join(&*picture.file)
    };
    let try_it = |task: &UnitTask| {
        let out = tempfile::tempdir().unwrap();
        let scratch = out.path().join("scratch");
        fs::create_dir(&scratch).unwrap();
        let sink = FolderSink::new(out.path(), &scratch);
        run_with(2, |run| build_unit(task.clone(), &sink, run))
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    let path = file(with_picture);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[1..]).unwrap();
    assert!(try_it(with_picture).unwrap_err().contains("changed since it was scanned"));
    fs::remove_file(&path).unwrap();
    assert!(try_it(with_picture).unwrap_err().contains("cannot be read"));
    fs::write(&path, &bytes).unwrap();
    assert_eq!(try_it(with_picture), Ok(()));

    let source = folder.path().join("a.jsonl");
    let text = fs::read_to_string(&source).unwrap();
    fs::write(&source, text.replace("text alone", "other text")).unwrap();
    assert!(try_it(text_alone).unwrap_err().contains("the line has changed"));
    fs::write(&source, "{}").unwrap();
    assert!(try_it(text_alone).unwrap_err().contains("has become shorter"));
}
