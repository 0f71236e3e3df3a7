//! The consumer's side: where it is in its epochs, what it was handed, and how long it waited for it.

use std::time::{Duration, Instant};

/// Where the next batch is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The epoch, from 0.
    pub epoch: u64,
    /// Samples of the epoch, of all ranks, that come before it.
    pub position: u64,
    /// Whether a batch of this epoch was handed out since the cursor was set.
    pub begun: bool,
}

/// The process that made something. Threads do not survive a fork, and a lock may be held in the child for ever: this is asked before one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    process: u32,
}

impl Owner {
    /// This process.
    pub fn this() -> Self {
        Self {
            process: std::process::id(),
        }
    }

    /// Whether another process asks: a forked child.
    pub fn is_other(self) -> bool {
        self != Self::this()
    }
}

/// What was handed out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many batches.
    pub batches: u64,
    /// Their rows.
    pub rows: u64,
    /// Their pictures.
    pub pictures: u64,
    /// The bytes of those, as handed out.
    pub bytes: u64,
}

/// How much a consumer may wait before it is told so.
#[derive(Debug, Clone, Copy)]
pub struct WaitLimit {
    /// The time that is looked at, each time anew.
    pub window: Duration,
    /// The share of it, 0 to 1, that may be spent waiting.
    pub share: f64,
}

/// The cursor and the counts of one consumer, over all epochs.
#[derive(Debug)]
pub struct Consumer {
    cursor: Cursor,
    totals: Totals,
    times: Times,
    /// When the last batch of this iteration was handed out.
    last: Option<Instant>,
    limit: WaitLimit,
    /// The times when the window began.
    window: Times,
}

/// Of the time from the first time that a batch was asked for to the last time that one was handed out, all and how much was waiting. What
/// lies between iterations is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// All of it.
    pub elapsed: Duration,
    /// How much of it was waiting.
    pub waited: Duration,
}

impl Consumer {
    /// At the beginning of epoch 0.
    pub fn new(limit: WaitLimit) -> Self {
        Self {
            cursor: Cursor::default(),
            totals: Totals::default(),
            times: Times::default(),
            last: None,
            limit,
            window: Times::default(),
        }
    }

    /// Where the next batch is.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// What was handed out.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// How long it took.
    pub fn times(&self) -> Times {
        self.times
    }

    /// An iteration begins: at the cursor, or with the next epoch where a batch of this one was handed out. The time since the last
    /// iteration does not count.
    pub fn begin(&mut self) -> Cursor {
        if self.cursor.begun {
            self.next_epoch();
        }
        self.last = None;
        self.cursor
    }

    /// The next batch is there.
    pub fn go_to(&mut self, epoch: u64, position: u64) {
        self.cursor = Cursor {
            epoch,
            position,
            begun: false,
        };
    }

    /// The epoch is at its end: the next batch is the first of the next one. After the last epoch that there can be comes the first.
    pub fn next_epoch(&mut self) {
        self.go_to(self.cursor.epoch.wrapping_add(1), 0);
    }

    /// A batch is handed out, and the next one is at this position; further on, where a signal's handler took batches meanwhile.
    pub fn pass(&mut self, position: u64) {
        self.cursor.position = position.max(self.cursor.position);
        self.cursor.begun = true;
    }

    /// Whether the consumer is to be told that it waits too much, if a batch is handed out `now` that was waited for so long: then the share
    /// of the window that it waited.
    pub fn excess(&self, now: Instant, waited: Duration) -> Option<f64> {
        let times = self.times_after(now, waited);
        let elapsed = times.elapsed.saturating_sub(self.window.elapsed);
        if elapsed < self.limit.window {
            return None;
        }
        let waited = times.waited.saturating_sub(self.window.waited);
        let share = waited.as_secs_f64() / elapsed.as_secs_f64();
        (share > self.limit.share).then_some(share)
    }

    /// A batch of so many rows, pictures and bytes is handed out `now`, and was waited for so long.
    ///
    /// Of threads that wait together, nobody waits twice: it is the consumer that waits.
    pub fn count(&mut self, now: Instant, waited: Duration, [rows, pictures, bytes]: [u64; 3]) {
        self.times = self.times_after(now, waited);
        self.last = Some(now);
        self.totals.batches += 1;
        self.totals.rows += rows;
        self.totals.pictures += pictures;
        self.totals.bytes += bytes;
        if self.times.elapsed.saturating_sub(self.window.elapsed) >= self.limit.window {
            self.window = self.times;
        }
    }

    fn times_after(&self, now: Instant, waited: Duration) -> Times {
        let since = self.last.map_or(waited, |last| now.saturating_duration_since(last));
        Times {
            elapsed: self.times.elapsed + since,
            waited: self.times.waited + waited.min(since),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: WaitLimit = WaitLimit {
        window: Duration::from_secs(60),
        share: 0.05,
    };

    fn times(elapsed: u64, waited: u64) -> Times {
        Times {
            elapsed: Duration::from_millis(elapsed),
            waited: Duration::from_millis(waited),
        }
    }

    /// Hands a batch out; what the consumer is told.
    fn told(consumer: &mut Consumer, now: Instant, waited: Duration) -> Option<f64> {
        let excess = consumer.excess(now, waited);
        consumer.count(now, waited, [1, 1, 1]);
        excess
    }

    #[test]
    fn time_counts_from_the_first_question_to_the_last_answer() {
        let (mut consumer, began) = (Consumer::new(LIMIT), Instant::now());
        let mut hand = |asked: u64, came: u64, anew: bool| {
            if anew {
                consumer.begin();
            }
            let now = began + Duration::from_millis(came);
            let waited = Duration::from_millis(came - asked);
            assert_eq!(consumer.excess(now, waited), None);
            consumer.count(now, waited, [4, 6, 1000]);
            (consumer.times(), consumer.totals())
        };
        hand(0, 2000, true);
        hand(5000, 5500, false);
        let (found, _) = hand(8000, 8250, false);
        assert_eq!(found, times(8250, 2750));
        // What lies between iterations does not count.
        let (found, handed) = hand(900_500, 901_000, true);
        assert_eq!(found, times(8750, 3250));
        let wanted = Totals {
            batches: 4,
            rows: 16,
            pictures: 24,
            bytes: 4000,
        };
        assert_eq!(handed, wanted);
    }

    #[test]
    fn threads_that_wait_together_wait_once() {
        let (mut consumer, began) = (Consumer::new(LIMIT), Instant::now());
        for millis in [100, 110, 120] {
            // All three asked at the beginning.
            let waited = Duration::from_millis(millis);
            assert_eq!(told(&mut consumer, began + waited, waited), None);
        }
        assert_eq!(consumer.times(), times(120, 120));
    }

    #[test]
    fn whoever_waits_too_long_is_told_once_in_a_window() {
        for (share, wanted) in [(40, 0), (60, 3)] {
            let (mut consumer, began) = (Consumer::new(LIMIT), Instant::now());
            let times = (0..200).filter(|second| {
                let now = began + Duration::from_secs(second + 1);
                told(&mut consumer, now, Duration::from_millis(share)).is_some()
            });
            assert_eq!(times.count(), wanted);
        }
    }

    #[test]
    fn the_share_that_is_told_is_that_of_the_window() {
        let (mut consumer, began) = (Consumer::new(LIMIT), Instant::now());
        let all = (0..250).filter_map(|second| {
            let waited = Duration::from_millis(if second < 150 { 10 } else { 750 });
            told(&mut consumer, began + Duration::from_secs(second + 1), waited)
        });
        let shares: Vec<_> = all.collect();
        assert_eq!(shares.len(), 2);
        assert!(shares[0] < 0.5, "half of this one was before");
        assert!((shares[1] - 0.75).abs() < 1e-9);
    }

    #[test]
    fn a_cursor_stands_after_what_was_handed_out() {
        let mut consumer = Consumer::new(LIMIT);
        consumer.go_to(3, 40);
        assert_eq!(consumer.begin(), consumer.cursor());
        consumer.pass(48);
        consumer.pass(56);
        consumer.pass(48);
        let wanted = Cursor {
            epoch: 3,
            position: 56,
            begun: true,
        };
        assert_eq!(consumer.cursor(), wanted);
        consumer.go_to(u64::MAX, 8);
        assert_eq!(consumer.begin(), consumer.cursor());
        assert!(!consumer.cursor().begun);
        consumer.pass(16);
        assert_eq!(consumer.begin(), Cursor::default(), "the first epoch comes after the last");
    }
}
