//! Order, bounds, and what happens when something goes wrong.

use std::cell::{Cell, RefCell};
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::*;

fn pool(threads: usize, items: usize, monitor: &dyn Fn() -> Result<()>) -> Pool<'_> {
    Pool {
        threads,
        window: Window { items, bytes: 1 << 20 },
        monitor,
    }
}

#[test]
fn results_keep_the_order_of_items_for_every_thread_count_and_window() {
    for threads in [1, 2, 3, 7] {
        for items in [1, 2, 64] {
            let mut seen = Vec::new();
            let slow_first = |(): &mut (), i: u64| {
                std::thread::sleep(Duration::from_micros(if i.is_multiple_of(5) { 300 } else { 1 }));
                i * i
            };
            map(
                pool(threads, items, &|| Ok(())),
                0..100,
                |_| Turn::InOrder(1),
                || (),
                slow_first,
                |r| {
                    seen.push(r);
                    Ok(())
                },
            )
            .unwrap();
            assert_eq!(seen, (0..100).map(|i| i * i).collect::<Vec<u64>>());
        }
    }
}

#[test]
fn the_window_bounds_items_and_bytes_under_way() {
    let under_way = AtomicUsize::new(0);
    let most = Cell::new(0);
    let items = (0..200).inspect(|_| {
        most.set(most.get().max(under_way.fetch_add(1, Ordering::Relaxed) + 1));
    });
    let p = Pool {
        threads: 3,
        window: Window { items: 100, bytes: 50 },
        monitor: &|| Ok(()),
    };
    map(
        p,
        items,
        |_| Turn::InOrder(10),
        || (),
        |(), i: u32| i,
        |_| {
            under_way.fetch_sub(1, Ordering::Relaxed);
            Ok(())
        },
    )
    .unwrap();
    // Five weigh 50; one more may have been drawn from the iterator and be held.
    assert!(most.get() <= 6, "{}", most.get());
}

#[test]
fn take_may_queue_further_items() {
    for threads in [1, 3] {
        let queue = RefCell::new(VecDeque::from([1, 2, 3]));
        let items = std::iter::from_fn(|| queue.borrow_mut().pop_front());
        let mut seen = Vec::new();
        map(
            pool(threads, 8, &|| Ok(())),
            items,
            |_| Turn::InOrder(0),
            || (),
            |(), i| i,
            |r: i32| {
                if r < 10 {
                    queue.borrow_mut().push_back(r * 10);
                }
                seen.push(r);
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(seen, [1, 2, 3, 10, 20, 30]);
    }
}

#[test]
fn nobody_waits_for_an_item_without_a_turn() {
    // The first item ends only after all others have been taken; with a turn, that would be never.
    let others = AtomicUsize::new(0);
    let mut seen = Vec::new();
    map(
        pool(2, 4, &|| Ok(())),
        0..50,
        |&i| if i == 0 { Turn::WhenDone } else { Turn::InOrder(1) },
        || (),
        |(), i| {
            while i == 0 && others.load(Ordering::Relaxed) < 49 {
                std::thread::yield_now();
            }
            i
        },
        |i| {
            others.fetch_add(usize::from(i != 0), Ordering::Relaxed);
            seen.push(i);
            Ok(())
        },
    )
    .unwrap();
    assert_eq!(seen, (1..50).chain([0]).collect::<Vec<i32>>());
}

#[test]
fn an_error_and_a_panic_and_the_monitor_stop_everything() {
    for threads in [1, 3] {
        let broken = map(
            pool(threads, 4, &|| Ok(())),
            0..,
            |_| Turn::InOrder(0),
            || (),
            |(), i| i,
            |i: i32| {
                if i == 5 { Err(Error::usage("five")) } else { Ok(()) }
            },
        );
        assert_eq!(broken.unwrap_err().to_string(), "five");

        let calls = Cell::new(0);
        let monitor = || {
            calls.set(calls.get() + 1);
            if calls.get() > 10 { Err(Error::interrupted()) } else { Ok(()) }
        };
        let stopped = map(
            pool(threads, 4, &monitor),
            0..,
            |_| Turn::InOrder(0),
            || (),
            |(), i: i32| i,
            |_| Ok(()),
        );
        assert_eq!(stopped.unwrap_err().to_string(), "interrupted");

        let panicked = map(
            pool(threads, 4, &|| Ok(())),
            0..9,
            |_| Turn::InOrder(0),
            || (),
            |(), i: i32| assert_ne!(i, 7),
            |()| Ok(()),
        );
        assert!(panicked.unwrap_err().to_string().contains("a worker panicked"));
    }
}

#[test]
fn a_window_lets_something_through() {
    assert_eq!([0, 1, 5].map(|items| Window::of(items).items), [1, 1, 5]);
    assert!(Window::default().items > 1);
}
