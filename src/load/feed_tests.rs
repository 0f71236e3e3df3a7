//! Feeds over a table made of numbers: order, bounds, errors, ends.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_array::UInt64Array;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;

use super::*;
use crate::error::Kind;
use crate::finding::Code;
use crate::load::order::Uneven;
use crate::load::output::{Dtype, Layout, Normalisation, Output, Shape, Writer};
use crate::load::samples::Samples;
use crate::load::stats::Stats;
use crate::load::table::{PictureId, Table};

/// Row r has pictures r and r + 1; picture p is 2 by p % 3 + 1 pixels of the value p. Picture `broken` cannot be decoded.
pub(in crate::load) struct Numbers {
    rows: u64,
    pub(in crate::load) broken: Option<u64>,
    pub(in crate::load) slow: Duration,
    read: AtomicUsize,
}

impl Table for Numbers {
    fn rows(&self) -> u64 {
        self.rows
    }

    fn pictures_of(&self, row: u64, into: &mut Vec<PictureId>) -> Result<()> {
        into.extend([row, row + 1]);
        Ok(())
    }

    fn size_of(&self, picture: PictureId) -> Result<(u32, u32)> {
        Ok((2, (picture % 3 + 1) as u32))
    }

    fn hash_of(&self, picture: PictureId) -> Result<[u8; 32]> {
        Ok(*blake3::hash(&picture.to_le_bytes()).as_bytes())
    }

    fn decodes(&self) -> bool {
        true
    }

    fn with_pixels(&self, picture: PictureId, buffers: &mut WorkerBuffers, _: &Stats, then: &mut dyn FnMut(&[u8], Shape)) -> Result<()> {
        std::thread::sleep(self.slow);
        self.read.fetch_add(1, Ordering::Relaxed);
        if self.broken == Some(picture) {
            return Err(Error::picture(Path::new("broken.jpg"), Code::PictureCorrupt, "no picture"));
        }
        let width = (picture % 3 + 1) as usize;
        buffers.pixels = vec![picture as u8; 2 * width];
        let shape = Shape {
            height: 2,
            width,
            channels: 1,
        };
        then(&buffers.pixels, shape);
        Ok(())
    }

    fn will_need(&self, _: &[PictureId]) {}

    fn read_rows(&self, rows: &[u64]) -> Result<RecordBatch> {
        let column = Arc::new(UInt64Array::from(rows.to_vec())) as arrow_array::ArrayRef;
        RecordBatch::try_from_iter([("row", column)]).map_err(|error| Error::usage(error.to_string()))
    }

    fn identity(&self, row: u64) -> Result<(String, u64)> {
        Ok(("numbers.jsonl".to_owned(), row + 1))
    }
}

pub(in crate::load) fn numbers(rows: u64) -> Numbers {
    Numbers {
        rows,
        broken: None,
        slow: Duration::ZERO,
        read: AtomicUsize::new(0),
    }
}

pub(in crate::load) fn assembler(table: Numbers, samples: Option<Samples>, skips: bool) -> Arc<Assembler> {
    let output = Output {
        dtype: Dtype::Uint8,
        layout: Layout::Nhwc,
        mean: None,
        std: None,
        normalisation: Normalisation::Fused,
        patch: None,
        merge: None,
        temporal: None,
    };
    Arc::new(Assembler {
        samples: Arc::new(samples.unwrap_or(Samples::All(table.rows))),
        table: Arc::new(table),
        writer: Some(Writer::new(output).unwrap()),
        skips,
        cache: None,
        stats: Arc::default(),
    })
}

pub(in crate::load) fn start(assembler: &Arc<Assembler>, batch: u64, threads: usize, prefetch: Prefetch) -> Feed {
    let length = assembler.samples.len();
    let steps = Steps {
        length,
        batch,
        rank: 0,
        world: 1,
        uneven: Uneven::Short,
        start: 0,
    };
    let pool = SlotPool::new(Vec::new(), Arc::clone(&assembler.stats)).unwrap();
    Feed::start(
        Arc::clone(assembler),
        Permutation::shuffled(length, 3, 1),
        steps,
        pool,
        threads,
        prefetch,
    )
    .unwrap()
}

pub(in crate::load) const PREFETCH: Prefetch = Prefetch {
    batches: 2,
    bytes: 1 << 20,
};

/// Row numbers and bytes of every batch; whatever a batch says of itself is checked.
fn drain(feed: &Feed) -> Vec<(Vec<u64>, Vec<u8>)> {
    let mut all = Vec::new();
    // Whatever is ready already comes the one way, all else the other.
    let next = || match feed.ready() {
        Ok(None) => feed.next(&|| Ok(())),
        ready => ready,
    };
    while let Some(batch) = next().unwrap() {
        let rows = batch
            .rows
            .as_ref()
            .unwrap()
            .column(0)
            .as_primitive::<UInt64Type>()
            .values()
            .to_vec();
        assert_eq!(rows, batch.plan.rows);
        assert_eq!(batch.plan.offsets.len(), rows.len() + 1);
        let mut batch = Arc::into_inner(batch).unwrap();
        let bytes = batch.lease.as_mut().unwrap().bytes()[..batch.plan.bytes].to_vec();
        for (row, range) in rows.iter().zip(batch.plan.offsets.windows(2)) {
            let own = &batch.plan.index[range[0] as usize..range[1] as usize];
            for (picture, at) in [*row, row + 1].into_iter().zip(own) {
                let placement = batch.plan.pictures[*at as usize];
                assert_eq!((placement.picture, placement.size), (picture, (2, (picture % 3 + 1) as u32)));
                assert!(
                    bytes[placement.at..placement.at + placement.bytes]
                        .iter()
                        .all(|byte| *byte == picture as u8)
                );
            }
        }
        all.push((rows, bytes));
    }
    all
}

#[test]
fn batches_are_the_same_for_every_number_of_threads_and_however_far_ahead() {
    let expected = drain(&start(&assembler(numbers(50), None, false), 7, 1, PREFETCH));
    let mut rows: Vec<u64> = expected.iter().flat_map(|(rows, _)| rows.clone()).collect();
    assert_eq!(expected.len(), 8);
    rows.sort_unstable();
    assert!(rows.into_iter().eq(0..50));
    for threads in [1, 2, 3, 7] {
        for batches in [1, 2, 9] {
            for bytes in [1, 1 << 20] {
                let found = drain(&start(
                    &assembler(numbers(50), None, false),
                    7,
                    threads,
                    Prefetch { batches, bytes },
                ));
                assert_eq!(found, expected, "{threads} {batches} {bytes}");
            }
        }
    }
}

#[test]
fn rows_of_a_group_share_their_pictures() {
    let groups = Samples::Groups {
        starts: vec![0, 3, 4],
        rows: vec![10, 11, 12, 40],
    };
    let feed = start(&assembler(numbers(50), Some(groups), false), 2, 2, PREFETCH);
    let batch = feed.next(&|| Ok(())).unwrap().unwrap();
    assert_eq!(batch.plan.pictures.len(), 6); // 10 to 13, 40 and 41
    assert_eq!(batch.plan.index.len(), 8);
    drop(batch);
    drain(&start(&assembler(numbers(50), None, false), 2, 2, PREFETCH));
}

#[test]
fn no_more_is_made_than_may_be_ahead() {
    let assembler = assembler(numbers(1000), None, false);
    let feed = start(
        &assembler,
        1,
        3,
        Prefetch {
            batches: 4,
            bytes: 1 << 20,
        },
    );
    let began = Instant::now();
    while assembler.stats.pictures.load(Ordering::Relaxed) < 8 && began.elapsed() < Duration::from_secs(20) {
        std::thread::yield_now();
    }
    std::thread::sleep(Duration::from_millis(50));
    // Four batches of two pictures; and no more than that.
    assert_eq!(assembler.stats.pictures.load(Ordering::Relaxed), 8);
    assert_eq!(assembler.stats.slots.load(Ordering::Relaxed), 4);
    feed.close(&|| Ok(())).unwrap();
}

#[test]
fn a_broken_picture_is_an_error_that_names_its_row_behind_the_batches_before_it() {
    for threads in [1, 3] {
        let table = Numbers {
            broken: Some(20),
            ..numbers(50)
        };
        let feed = start(&assembler(table, None, false), 5, threads, PREFETCH);
        let whole = drain(&start(&assembler(numbers(50), None, false), 5, 1, PREFETCH));
        let before = whole
            .iter()
            .take_while(|(rows, _)| !rows.contains(&19) && !rows.contains(&20))
            .count();
        for _ in 0..before {
            assert!(feed.next(&|| Ok(())).unwrap().is_some());
        }
        let error = feed.next(&|| Ok(())).err().unwrap();
        let Kind::Data { line, code, .. } = error.kind() else {
            panic!("{error}")
        };
        assert!(matches!(line, Some(20 | 21)), "{error}");
        assert_eq!(*code, Some(Code::PictureCorrupt));
        assert!(feed.next(&|| Ok(())).unwrap().is_none());
    }
}

#[test]
fn rows_of_a_broken_picture_are_left_out_by_name() {
    let table = Numbers {
        broken: Some(20),
        ..numbers(50)
    };
    let assembler = assembler(table, None, true);
    let feed = start(&assembler, 5, 3, PREFETCH);
    let (mut rows, mut skipped) = (Vec::new(), Vec::new());
    while let Some(batch) = feed.next(&|| Ok(())).unwrap() {
        rows.extend(batch.plan.rows.iter().copied());
        skipped.extend(batch.skipped.iter().map(|row| (row.row.unwrap(), row.line, row.code)));
        assert_eq!(batch.channels.len(), batch.plan.pictures.len());
        assert_eq!(batch.rows.as_ref().unwrap().num_rows(), batch.plan.rows.len());
        let mut batch = Arc::into_inner(batch).unwrap();
        let memory = batch.lease.as_mut().unwrap().bytes();
        for placement in &batch.plan.pictures {
            let bytes = &memory[placement.at..placement.at + placement.bytes];
            assert!(bytes.iter().all(|byte| *byte == placement.picture as u8));
        }
    }
    rows.sort_unstable();
    skipped.sort_unstable();
    assert!(rows.into_iter().eq((0..50).filter(|row| !matches!(row, 19 | 20))));
    assert_eq!(skipped, [(19, 20, "picture.corrupt"), (20, 21, "picture.corrupt")]);
    assert_eq!(assembler.stats.skipped.load(Ordering::Relaxed), 2);
}

#[test]
fn a_feed_that_nobody_drains_ends_when_it_is_dropped() {
    for threads in [1, 3] {
        let table = Numbers {
            slow: Duration::from_millis(1),
            ..numbers(100_000)
        };
        let assembler = assembler(table, None, false);
        let feed = start(&assembler, 4, threads, PREFETCH);
        assert!(feed.next(&|| Ok(())).unwrap().is_some());
        drop(feed);
        // The threads held on to it.
        let began = Instant::now();
        while Arc::strong_count(&assembler) > 1 && began.elapsed() < Duration::from_secs(20) {
            std::thread::yield_now();
        }
        assert_eq!(Arc::strong_count(&assembler), 1);
    }
}

#[test]
fn options_say_the_order_and_one_thread_and_one_batch_are_the_least() {
    let open = |shuffle| {
        let assembler = assembler(numbers(50), None, false);
        let options = FeedOptions {
            shuffle,
            steps: Steps {
                length: 50,
                batch: 7,
                rank: 0,
                world: 1,
                uneven: Uneven::Short,
                start: 0,
            },
            threads: 0,
            prefetch: Prefetch { batches: 0, bytes: 0 },
        };
        let pool = SlotPool::new(Vec::new(), Arc::clone(&assembler.stats)).unwrap();
        drain(&Feed::open(assembler, pool, &options).unwrap())
    };
    let shuffled = open(Some(Shuffle { seed: 3, epoch: 1 }));
    assert_eq!(shuffled, drain(&start(&assembler(numbers(50), None, false), 7, 1, PREFETCH)));
    let rows: Vec<u64> = open(None).into_iter().flat_map(|(rows, _)| rows).collect();
    assert!(rows.into_iter().eq(0..50));
}

#[test]
fn whoever_raises_does_not_wait_for_a_picture_and_all_others_do() {
    for (left, waits) in [(Left::AtTheEnd, true), (Left::ByClosing, true), (Left::ByRaising, false)] {
        let table = Numbers {
            slow: Duration::from_millis(300),
            ..numbers(50)
        };
        let assembler = assembler(table, None, false);
        let feed = start(&assembler, 5, 1, PREFETCH);
        while assembler.stats.pictures.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        feed.leave(left, &|| Ok(())).unwrap();
        // The threads held on to it.
        assert_eq!(Arc::strong_count(&assembler) == 1, waits, "{left:?}");
    }
}
