//! The consumer's side: where it is in its epochs, what it was handed, and how long it waited for it.

use std::time::{Duration, Instant};

/// Where the next batch is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// The epoch, from 0.
    pub epoch: u64,
    /// Samples of the epoch, of all ranks, that come before it.
    pub position: u64,
    /// Whether a batch of this epoch was handed out since somebody went to this place.
    pub begun: bool,
}

/// What was handed out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Handed {
    /// How many batches.
    pub batches: u64,
    /// Their rows.
    pub rows: u64,
    /// Their pictures.
    pub pictures: u64,
    /// The bytes of those, as handed out.
    pub bytes: u64,
}

/// When a consumer is to be told that it waits.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long is looked at, each time anew.
    pub window: Duration,
    /// The share of it, 0 to 1, that may be spent waiting.
    pub share: f64,
}

/// Counts what is handed out, over all epochs.
#[derive(Debug)]
pub struct Consumer {
    place: Place,
    handed: Handed,
    elapsed: Duration,
    waited: Duration,
    /// When the last batch of this iteration was handed out.
    last: Option<Instant>,
    patience: Patience,
    /// `elapsed` and `waited` when the window began.
    window: (Duration, Duration),
}

impl Consumer {
    /// At the beginning of epoch 0.
    pub fn new(patience: Patience) -> Self {
        Self {
            place: Place::default(),
            handed: Handed::default(),
            elapsed: Duration::ZERO,
            waited: Duration::ZERO,
            last: None,
            patience,
            window: (Duration::ZERO, Duration::ZERO),
        }
    }

    /// Where the next batch is.
    pub fn place(&self) -> Place {
        self.place
    }

    /// What was handed out.
    pub fn handed(&self) -> Handed {
        self.handed
    }

    /// From the first time that a batch was asked for to the last time that one was handed out, and how much of it was waiting. What lies
    /// between iterations is left out.
    pub fn times(&self) -> (Duration, Duration) {
        (self.elapsed, self.waited)
    }

    /// The next batch is there.
    pub fn go_to(&mut self, epoch: u64, position: u64) {
        self.place = Place {
            epoch,
            position,
            begun: false,
        };
    }

    /// The epoch is at its end: the next batch is the first of the next one. Behind the last that there can be comes the first.
    pub fn go_on(&mut self) {
        self.go_to(self.place.epoch.wrapping_add(1), 0);
    }

    /// An iteration begins: the time since the last one does not count.
    pub fn begin(&mut self) {
        self.last = None;
    }

    /// A batch is handed out, and the next one is at this position, or further where threads take turns. Where the consumer was before.
    pub fn pass(&mut self, position: u64) -> Place {
        let passed = Place {
            position: position.max(self.place.position),
            begun: true,
            ..self.place
        };
        std::mem::replace(&mut self.place, passed)
    }

    /// It was not handed out after all: back to where the consumer was, if nothing has come in between.
    pub fn go_back(&mut self, before: Place, position: u64) {
        if self.place.epoch == before.epoch && self.place.position == position {
            self.place = before;
        }
    }

    /// A batch of so many rows, pictures and bytes is handed out `now`, and was waited for so long. Where the consumer is to be told that it
    /// waits too much: the share of the window that it waited.
    ///
    /// Of threads that wait together, nobody waits twice: it is the consumer that waits.
    pub fn count(&mut self, now: Instant, waited: Duration, [rows, pictures, bytes]: [u64; 3]) -> Option<f64> {
        let since = self.last.map_or(waited, |last| now.saturating_duration_since(last));
        let waited = waited.min(since);
        self.elapsed += since;
        self.waited += waited;
        self.last = Some(now);
        self.handed.batches += 1;
        self.handed.rows += rows;
        self.handed.pictures += pictures;
        self.handed.bytes += bytes;
        let (elapsed, waited) = (
            self.elapsed.saturating_sub(self.window.0),
            self.waited.saturating_sub(self.window.1),
        );
        if elapsed < self.patience.window {
            return None;
        }
        self.window = (self.elapsed, self.waited);
        let share = waited.as_secs_f64() / elapsed.as_secs_f64();
        (share > self.patience.share).then_some(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        window: Duration::from_secs(60),
        share: 0.05,
    };

    #[test]
    fn time_counts_from_the_first_question_to_the_last_answer() {
        let (mut consumer, began) = (Consumer::new(PATIENCE), Instant::now());
        let mut hand = |asked: u64, came: u64, anew: bool| {
            if anew {
                consumer.begin();
            }
            let now = began + Duration::from_millis(came);
            assert_eq!(consumer.count(now, Duration::from_millis(came - asked), [4, 6, 1000]), None);
            (consumer.times(), consumer.handed())
        };
        hand(0, 2000, true);
        hand(5000, 5500, false);
        let (times, _) = hand(8000, 8250, false);
        assert_eq!(times, (Duration::from_millis(8250), Duration::from_millis(2750)));
        // What lies between iterations does not count.
        let (times, handed) = hand(900_500, 901_000, true);
        assert_eq!(times, (Duration::from_millis(8750), Duration::from_millis(3250)));
        let wanted = Handed {
            batches: 4,
            rows: 16,
            pictures: 24,
            bytes: 4000,
        };
        assert_eq!(handed, wanted);
    }

    #[test]
    fn threads_that_wait_together_wait_once() {
        let (mut consumer, began) = (Consumer::new(PATIENCE), Instant::now());
        for millis in [100, 110, 120] {
            // All three asked at the beginning.
            let waited = Duration::from_millis(millis);
            assert_eq!(consumer.count(began + waited, waited, [1, 1, 1]), None);
        }
        assert_eq!(consumer.times(), (Duration::from_millis(120), Duration::from_millis(120)));
    }

    #[test]
    fn whoever_waits_too_long_is_told_once_in_a_window() {
        for (share, wanted) in [(40, 0), (60, 3)] {
            let (mut consumer, began) = (Consumer::new(PATIENCE), Instant::now());
            let told = (0..200).filter(|second| {
                let now = began + Duration::from_secs(second + 1);
                consumer.count(now, Duration::from_millis(share), [1, 1, 1]).is_some()
            });
            assert_eq!(told.count(), wanted);
        }
    }

    #[test]
    fn the_share_that_is_told_is_that_of_the_window() {
        let (mut consumer, began) = (Consumer::new(PATIENCE), Instant::now());
        let told = (0..250).filter_map(|second| {
            let waited = Duration::from_millis(if second < 150 { 10 } else { 750 });
            consumer.count(began + Duration::from_secs(second + 1), waited, [1, 1, 1])
        });
        let shares: Vec<_> = told.collect();
        assert_eq!(shares.len(), 2);
        assert!(shares[0] < 0.5, "half of this one was before");
        assert!((shares[1] - 0.75).abs() < 1e-9);
    }

    #[test]
    fn a_place_is_behind_what_was_handed_out() {
        let mut consumer = Consumer::new(PATIENCE);
        consumer.go_to(3, 40);
        let before = consumer.pass(48);
        consumer.go_back(before, 48);
        assert_eq!(consumer.place(), before);
        consumer.pass(48);
        consumer.pass(56);
        consumer.pass(48);
        consumer.go_back(before, 48);
        let wanted = Place {
            epoch: 3,
            position: 56,
            begun: true,
        };
        assert_eq!(consumer.place(), wanted);
        consumer.go_to(u64::MAX, 8);
        assert!(!consumer.place().begun);
        consumer.go_on();
        assert_eq!(consumer.place(), Place::default());
    }
}
