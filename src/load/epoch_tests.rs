//! Iterations whose host is not Python: order, the cursor, errors, ends.

use std::cell::{Cell, RefCell};

use super::*;
use crate::load::consumer::{Cursor, WaitLimit};
use crate::load::feed::tests::{PREFETCH, assembler, numbers, start};

/// Hands out the rows of each batch, and its epoch.
#[derive(Default)]
struct Rows<'a> {
    ahead: usize,
    made: Cell<usize>,
    told: RefCell<Vec<f64>>,
    /// What happens when the batch of this number is made, from 0.
    at: Option<(usize, Fault)>,
    /// Done once, while a batch is in hand.
    meanwhile: RefCell<Option<Box<dyn FnOnce() + 'a>>>,
}

#[derive(Clone, Copy)]
enum Fault {
    Make,
    Arrive,
    Collate,
    Tell,
}

type Handed = (u64, Vec<u64>);

impl Rows<'_> {
    fn faulty(at: usize, fault: Fault) -> Self {
        Self {
            at: Some((at, fault)),
            ..Self::default()
        }
    }

    fn check(&self, here: impl Fn(Fault) -> bool, number: usize) -> Result<(), String> {
        match self.at {
            Some((at, fault)) if at == number && here(fault) => Err("on purpose".to_owned()),
            _ => Ok(()),
        }
    }
}

impl Host for Rows<'_> {
    type Made = (usize, Handed);
    type Object = Handed;
    type Error = String;

    fn ahead(&self) -> usize {
        self.ahead
    }

    fn wait<R: Send>(&self, job: impl FnOnce(&dyn Fn() -> error::Result<()>) -> error::Result<R> + Send) -> Result<R, String> {
        job(&|| Ok(())).map_err(|error| error.to_string())
    }

    fn make(&self, batch: Arc<Batch>, epoch: u64) -> Result<Self::Made, String> {
        if let Some(meanwhile) = self.meanwhile.take() {
            meanwhile();
        }
        let number = self.made.replace(self.made.get() + 1);
        self.check(|fault| matches!(fault, Fault::Make), number)?;
        Ok((number, (epoch, batch.plan.rows.clone())))
    }

    fn arrive(&self, made: Self::Made) -> Result<Self::Made, String> {
        self.check(|fault| matches!(fault, Fault::Arrive), made.0)?;
        Ok(made)
    }

    fn collates(&self) -> bool {
        true
    }

    fn collate(&self, made: Self::Made) -> Result<Handed, String> {
        self.check(|fault| matches!(fault, Fault::Collate), made.0)?;
        Ok(made.1)
    }

    fn tell(&self, share: f64) -> Result<(), String> {
        self.check(|fault| matches!(fault, Fault::Tell), self.told.borrow().len())?;
        self.told.borrow_mut().push(share);
        Ok(())
    }

    fn error(&self, error: Error) -> String {
        error.to_string()
    }

    fn refused(&self, why: Refused) -> String {
        why.to_string()
    }
}

fn feed() -> Arc<Feed> {
    Arc::new(start(&assembler(numbers(20), None, false), 4, 1, PREFETCH))
}

/// Waiting is never too long.
fn consumer() -> Arc<Mutex<Consumer>> {
    let limit = WaitLimit {
        window: Duration::from_secs(1000),
        share: 1.0,
    };
    Arc::new(Mutex::new(Consumer::new(limit)))
}

fn cursor(consumer: &Mutex<Consumer>) -> Cursor {
    locked(consumer).cursor()
}

fn at(epoch: u64, position: u64, begun: bool) -> Cursor {
    Cursor { epoch, position, begun }
}

fn all(epoch: &Epoch<(usize, Handed)>, host: &Rows) -> Vec<Handed> {
    std::iter::from_fn(|| epoch.next(host).unwrap()).collect()
}

fn expected() -> Vec<Handed> {
    all(&Epoch::new(feed(), consumer()), &Rows::default())
}

#[test]
fn the_cursor_follows_what_is_handed_out_not_what_is_made_ahead() {
    for ahead in [0, 1, 3] {
        let (consumer, host) = (consumer(), Rows { ahead, ..Rows::default() });
        let epoch = Epoch::new(feed(), Arc::clone(&consumer));
        for (i, expected) in expected().into_iter().enumerate() {
            assert!(!epoch.has_ended());
            assert_eq!(epoch.next(&host).unwrap(), Some(expected));
            assert_eq!(cursor(&consumer), at(0, 4 * (i as u64 + 1), true));
            assert_eq!(locked(&consumer).totals().batches, i as u64 + 1);
        }
        assert_eq!(epoch.next(&host), Ok(None));
        assert_eq!(
            (cursor(&consumer), epoch.has_ended(), epoch.is_ready()),
            (at(1, 0, false), true, true)
        );
        assert_eq!(epoch.next(&host), Ok(None));
        assert_eq!(cursor(&consumer), at(1, 0, false));
    }
}

#[test]
fn what_fails_was_not_handed_out_and_ends_the_iteration() {
    for fault in [Fault::Make, Fault::Arrive, Fault::Collate] {
        let (consumer, host) = (consumer(), Rows::faulty(2, fault));
        let epoch = Epoch::new(feed(), Arc::clone(&consumer));
        assert!(epoch.next(&host).unwrap().is_some() && epoch.next(&host).unwrap().is_some());
        assert_eq!(epoch.next(&host), Err("on purpose".to_owned()));
        assert_eq!((cursor(&consumer), locked(&consumer).totals().batches), (at(0, 8, true), 2));
        assert!(epoch.has_ended());
        assert_eq!(epoch.next(&host), Ok(None));
    }
}

#[test]
fn an_error_while_waiting_is_told_loses_no_batch() {
    let limit = WaitLimit {
        window: Duration::ZERO,
        share: -1.0,
    };
    let consumer = Arc::new(Mutex::new(Consumer::new(limit)));
    let (epoch, host) = (Epoch::new(feed(), Arc::clone(&consumer)), Rows::faulty(2, Fault::Tell));
    assert!(epoch.next(&host).unwrap().is_some() && epoch.next(&host).unwrap().is_some());
    assert_eq!(epoch.next(&host), Err("on purpose".to_owned()));
    assert_eq!((cursor(&consumer), locked(&consumer).totals().batches), (at(0, 8, true), 2));
}

#[test]
fn an_error_of_the_feed_comes_after_the_batches_before_it() {
    for ahead in [0, 1, 3] {
        let mut table = numbers(20);
        table.broken = Some(13);
        let consumer = consumer();
        let feed = Arc::new(start(&assembler(table, None, false), 4, 1, PREFETCH));
        let (epoch, host) = (Epoch::new(feed, Arc::clone(&consumer)), Rows { ahead, ..Rows::default() });
        let whole = expected();
        let before = whole
            .iter()
            .take_while(|(_, rows)| !rows.contains(&12) && !rows.contains(&13))
            .count();
        for expected in whole.into_iter().take(before) {
            assert_eq!(epoch.next(&host).unwrap(), Some(expected));
        }
        assert!(epoch.next(&host).unwrap_err().contains("numbers.jsonl"));
        assert_eq!(cursor(&consumer).position, 4 * before as u64);
        assert_eq!(epoch.next(&host), Ok(None));
    }
}

#[test]
fn a_newer_iteration_ends_one_with_an_error_and_closing_ends_it_without() {
    for superseded in [false, true] {
        let (consumer, host) = (consumer(), Rows::default());
        let epoch = Epoch::new(feed(), Arc::clone(&consumer));
        assert!(epoch.next(&host).unwrap().is_some());
        assert!(epoch.end(superseded).is_some() && epoch.end(!superseded).is_none());
        for _ in 0..2 {
            match epoch.next(&host) {
                Ok(handed) => assert_eq!((handed, superseded), (None, false)),
                Err(why) => assert_eq!((why, superseded), (Refused::Superseded.to_string(), true)),
            }
        }
        assert_eq!(cursor(&consumer), at(0, 4, true));
        assert!(epoch.begin_again(feed(), 3).is_err());
    }
}

#[test]
fn an_iteration_begins_again_until_a_batch_is_handed_out() {
    let (consumer, host) = (consumer(), Rows::default());
    let epoch = Epoch::new(feed(), Arc::clone(&consumer));
    let (first, second) = (feed(), feed());
    assert!(
        epoch
            .begin_again(Arc::clone(&first), 3)
            .is_ok_and(|before| !Arc::ptr_eq(&before, &first))
    );
    assert!(epoch.begin_again(second, 5).is_ok_and(|before| Arc::ptr_eq(&before, &first)));
    assert_eq!(cursor(&consumer), at(5, 0, false));
    let handed = all(&epoch, &host);
    assert!(handed.iter().all(|(epoch, _)| *epoch == 5));
    assert!(
        handed
            .into_iter()
            .map(|(_, rows)| rows)
            .eq(expected().into_iter().map(|(_, rows)| rows))
    );
    assert_eq!(cursor(&consumer), at(6, 0, false));
    let epoch = Epoch::new(feed(), consumer);
    epoch.next(&host).unwrap();
    assert!(epoch.begin_again(feed(), 7).is_err());
}

#[test]
fn a_batch_of_a_feed_that_was_replaced_meanwhile_is_not_handed_out() {
    let consumer = consumer();
    let epoch = Epoch::new(feed(), Arc::clone(&consumer));
    let host = Rows::default();
    *host.meanwhile.borrow_mut() = Some(Box::new(|| assert!(epoch.begin_again(feed(), 7).is_ok())));
    let (_, first) = expected().swap_remove(0);
    assert_eq!(epoch.next(&host), Ok(Some((7, first))));
    assert_eq!((cursor(&consumer), locked(&consumer).totals().batches), (at(7, 4, true), 1));
    *host.meanwhile.borrow_mut() = Some(Box::new(|| assert!(epoch.end(false).is_some())));
    assert_eq!(epoch.next(&host), Ok(None));
    assert_eq!((cursor(&consumer), locked(&consumer).totals().batches), (at(7, 4, true), 1));
}

#[test]
fn a_panic_ends_an_iteration_as_an_error_does() {
    let consumer = consumer();
    let epoch = Epoch::new(feed(), Arc::clone(&consumer));
    let host = Rows::default();
    epoch.next(&host).unwrap();
    let before = cursor(&consumer);
    *host.meanwhile.borrow_mut() = Some(Box::new(|| panic!("on purpose")));
    let error = error::caught(|| epoch.next(&host)).unwrap_err();
    assert!(matches!(error.kind(), error::Kind::Internal(_)), "{error}");
    assert!(epoch.has_ended());
    assert_eq!((cursor(&consumer), locked(&consumer).totals().batches), (before, 1));
    // It holds no turn and no lock.
    assert_eq!(epoch.next(&host), Ok(None));
}

#[test]
fn threads_that_share_an_iteration_get_every_batch_once() {
    for _ in 0..20 {
        let consumer = consumer();
        let epoch = Epoch::new(feed(), Arc::clone(&consumer));
        let mut handed: Vec<Handed> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| all(&epoch, &Rows::default()))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let mut wanted = expected();
        handed.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(handed, wanted);
        assert_eq!(cursor(&consumer), at(1, 0, false));
    }
}
