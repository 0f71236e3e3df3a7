//! The work of each bench: all that the benches call of the crate stands here.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mmno_fast::builder::driver::{Request, build};
use mmno_fast::builder::options::Options;
use mmno_fast::load::feed::{Feed, Prefetch};
use mmno_fast::load::gather::{Assembler, Task, TaskResult};
use mmno_fast::load::order::{Permutation, Steps, Uneven};
use mmno_fast::load::output::{Dtype, Layout, Normalisation, Output, Writer};
use mmno_fast::load::samples::Samples;
use mmno_fast::load::slot::{Lease, SlotPool};
use mmno_fast::load::stats::Stats;
use mmno_fast::load::table::shards::Shards;
use mmno_fast::load::table::{Table, WorkerBuffers};
use mmno_fast::ordered::{Pool, Window};
use mmno_fast::picture::{CLIP, ImageSpec, Preparer, Size, probe};
use mmno_fast::progress::Counters;
use mmno_fast::scan;
use mmno_fast::scan::model::{Depth, Run, Scan, Source};
use mmno_fast::scan::options::ScanOptions;

use crate::Work;
use crate::drawn::{Corpus, bmp, png};

/// Samples of a batch.
const BATCH: u64 = 4;

fn spec(side: usize, filter: &str) -> ImageSpec {
    ImageSpec::from_json(&format!(
        r#"{{"kind":"resize","height":{side},"width":{side},"fit":"stretch","filter":"{filter}","color":"auto","exif":false,"sixteen_bit":"reject","alpha":"drop","decode_limit":178956970,"pixels":"pillow13"}}"#
    ))
    .unwrap()
}

/// One thread, so that counts are always the same.
fn alone() -> Pool<'static> {
    Pool {
        threads: 1,
        window: Window {
            items: 4,
            bytes: 256 << 20,
        },
        monitor: &|| Ok(()),
    }
}

fn run(counters: &Counters) -> Run<'_> {
    Run {
        pool: alone(),
        chunk_bytes: 1 << 20,
        counters,
    }
}

fn sources(corpus: &Corpus) -> Vec<Source> {
    vec![Source {
        name: "rows.jsonl".to_owned(),
        path: corpus.rows(),
    }]
}

fn scanned(corpus: &Corpus, with_pictures: bool) -> Scan {
    let roots = [corpus.images()];
    let depth = if with_pictures { Depth::Headers(&roots) } else { Depth::Rows };
    let options = ScanOptions::new(spec(32, "bicubic"));
    scan::scan(sources(corpus), depth, &options, run(&Counters::default())).unwrap()
}

/// Rows, without their pictures: lines, JSON, rules, hashes.
pub(crate) fn scan_rows() -> Work {
    let corpus = Corpus::new(600, 40, &|_| Vec::new());
    Box::new(move || assert_eq!(black_box(scanned(&corpus, false)).rows.len(), 600))
}

/// Few rows with many pictures: names are resolved, files read, hashed and probed.
pub(crate) fn scan_pictures() -> Work {
    let corpus = Corpus::new(60, 60, &|number| if number % 2 == 0 { png(24, 3) } else { bmp(24, 1) });
    Box::new(move || assert_eq!(black_box(scanned(&corpus, true)).pictures.len(), 60))
}

/// Pixels in the file's own size.
pub(crate) fn decode(file: Vec<u8>) -> Work {
    let original = ImageSpec {
        size: Size::Original,
        ..spec(32, "bicubic")
    };
    prepare(file, original)
}

/// A bitmap to other pixels: its decoding is a copy.
pub(crate) fn resize(from: usize, channels: usize, to: usize, filter: &str) -> Work {
    prepare(bmp(from, channels), spec(to, filter))
}

fn prepare(file: Vec<u8>, spec: ImageSpec) -> Work {
    let (mut preparer, mut pixels) = (Preparer::new(), Vec::new());
    Box::new(move || {
        let header = probe(black_box(&file)).unwrap();
        black_box(preparer.prepare(&file, &header, &spec, &mut pixels).unwrap());
    })
}

fn built(corpus: &Corpus, out: &Path, side: usize, shard_bytes: u64) {
    let request = Request {
        sources: sources(corpus),
        roots: vec![corpus.images()],
        out: out.to_owned(),
        options: Options {
            scan: ScanOptions::new(spec(side, "bicubic")),
            shard_bytes,
            shuffle_seed: None,
            update: false,
            trust_previous: false,
        },
    };
    black_box(build(request, run(&Counters::default())).unwrap());
}

/// A build of many rows with few, small pictures: planning, tables, hashes, records and the manifest are most of it.
pub(crate) fn seal() -> Work {
    let corpus = Corpus::new(300, 20, &|_| bmp(8, 1));
    let mut number = 0;
    Box::new(move || {
        number += 1;
        built(&corpus, &corpus.shards().join(number.to_string()), 8, 1 << 20);
    })
}

/// A data set of twelve shards, each touched once.
pub(crate) fn open() -> Work {
    let corpus = Corpus::new(48, 12, &|_| bmp(8, 1));
    built(&corpus, &corpus.shards(), 8, 1);
    Box::new(move || {
        let (shards, mut pictures) = (Shards::open(&corpus.shards()).unwrap(), Vec::new());
        (0..shards.rows()).for_each(|row| shards.pictures_of(row, &mut pictures).unwrap());
        assert_eq!(black_box(pictures).len(), 48);
    })
}

/// bfloat16, channels first, normalised.
pub(crate) fn half_planes() -> Output {
    Output {
        dtype: Dtype::Bfloat16,
        layout: Layout::Nchw,
        mean: Some(CLIP.mean),
        std: Some(CLIP.std),
        normalisation: Normalisation::Fused,
        patch: None,
        merge: None,
        temporal: None,
    }
}

/// Patches, as Qwen's processors order them.
pub(crate) fn patches() -> Output {
    Output {
        layout: Layout::Patches,
        patch: Some(14),
        merge: Some(2),
        temporal: Some(2),
        ..half_planes()
    }
}

/// A small data set on its way to batches.
struct Loading {
    /// Held so that its files stay.
    corpus: Corpus,
    assembler: Arc<Assembler>,
    slots: Arc<SlotPool>,
    order: Permutation,
    steps: Steps,
}

fn loading(output: Option<Output>) -> Loading {
    let corpus = Corpus::new(32, 16, &|number| bmp(112, if number % 2 == 0 { 1 } else { 3 }));
    built(&corpus, &corpus.shards(), 112, 1 << 20);
    let table = Shards::open(&corpus.shards()).unwrap();
    let (length, stats) = (table.rows(), Arc::new(Stats::default()));
    Loading {
        corpus,
        slots: SlotPool::new(Vec::new(), Arc::clone(&stats)).unwrap(),
        assembler: Arc::new(Assembler {
            table: Arc::new(table),
            samples: Arc::new(Samples::All(length)),
            writer: output.map(|output| Writer::new(output).unwrap()),
            skips: false,
            cache: None,
            stats,
        }),
        order: Permutation::shuffled(length, 3, 1),
        steps: Steps {
            length,
            batch: BATCH,
            rank: 0,
            world: 1,
            uneven: Uneven::Short,
            start: 0,
        },
    }
}

impl Loading {
    /// Fills one batch, as a thread of the feed does; its slot is free again afterwards.
    fn fill(&self, step: u64, buffers: &mut WorkerBuffers) {
        let plan = Arc::new(self.assembler.plan(&self.order, &self.steps, step).unwrap());
        let lease = Lease::new(self.slots.take(plan.bytes).unwrap(), Arc::clone(&self.slots));
        let (split, tasks) = self.assembler.tasks(&plan, lease, 1).unwrap();
        // Rows are a bench of their own.
        for task in tasks.into_iter().filter(|task| matches!(task, Task::Pictures(_))) {
            let result = self.assembler.run(task, buffers);
            assert!(!matches!(black_box(result), TaskResult::Pictures(channels) if channels.iter().any(Result::is_err)));
        }
        drop(split.join().unwrap());
    }
}

/// Batches of an epoch, planned and filled from shards.
pub(crate) fn gather(output: Option<Output>) -> Work {
    let (loading, mut buffers) = (loading(output), WorkerBuffers::default());
    Box::new(move || (0..loading.steps.count()).for_each(|step| loading.fill(step, &mut buffers)))
}

/// The rows of an epoch's batches, as Arrow.
pub(crate) fn gather_rows() -> Work {
    let loading = loading(None);
    let rows: Vec<u64> = (0..loading.steps.length).map(|at| loading.order.at(at)).collect();
    Box::new(move || {
        assert!(loading.corpus.shards().exists());
        for rows in rows.chunks(BATCH as usize) {
            assert_eq!(black_box(loading.assembler.table.read_rows(rows).unwrap()).num_rows(), rows.len());
        }
    })
}

/// Batches that are ready are taken, and given back: half of them each time.
pub(crate) fn hand_over() -> Work {
    let loading = loading(None);
    let ahead = Prefetch {
        batches: usize::MAX >> 1,
        bytes: u64::MAX >> 1,
    };
    let Loading {
        assembler, order, steps, ..
    } = &loading;
    let feed = Feed::start(Arc::clone(assembler), order.clone(), *steps, Arc::clone(&loading.slots), 1, ahead).unwrap();
    while assembler.stats.pictures.load(Ordering::Relaxed) < loading.steps.length {
        std::thread::sleep(Duration::from_millis(10));
    }
    // The thread ends after its last batch.
    std::thread::sleep(Duration::from_millis(300));
    Box::new(move || {
        assert!(loading.corpus.shards().exists());
        for _ in 0..loading.steps.count() / 2 {
            assert!(black_box(feed.ready().unwrap()).is_some());
        }
    })
}
