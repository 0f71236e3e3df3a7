//! Orders are permutations, ranks share them, and nothing is lost or doubled.

use proptest::prelude::*;

use super::*;

#[test]
fn every_length_is_a_permutation() {
    for length in (0..300).chain([4095, 4096, 4097, 4098, 5000, 9999, 10_000, 65_536, 100_003]) {
        let order = Permutation::shuffled(length, 7, 1);
        let mut seen: Vec<u64> = (0..length).map(|position| order.at(position)).collect();
        seen.sort_unstable();
        assert!(seen.iter().copied().eq(0..length), "{length}");
    }
}

#[test]
fn seeds_epochs_and_lengths_change_the_order_and_nothing_else_does() {
    let order = |length, seed, epoch| {
        let order = Permutation::shuffled(length, seed, epoch);
        (0..100).map(|position| order.at(position)).collect::<Vec<u64>>()
    };
    for length in [1000, 100_000] {
        assert_eq!(order(length, 1, 2), order(length, 1, 2));
        for other in [order(length, 2, 2), order(length, 1, 3), order(length + 1, 1, 2)] {
            assert_ne!(order(length, 1, 2), other);
        }
    }
}

#[test]
fn samples_are_those_of_the_shuffled_order_and_none_lies_beyond_the_end() {
    let shuffle = Shuffle { seed: 7, epoch: 1 };
    for length in [10, 10_000] {
        let order = Permutation::shuffled(length, 7, 1);
        let positions = [length - 1, 0, 3, 3];
        assert_eq!(
            samples_at(length, shuffle, &positions).unwrap(),
            positions.map(|position| order.at(position))
        );
        assert!(samples_at(length, shuffle, &[]).unwrap().is_empty());
        for beyond in [length, u64::MAX] {
            let error = samples_at(length, shuffle, &[0, beyond]).unwrap_err();
            assert_eq!(error.to_string(), format!("a position beyond {length}"));
        }
    }
    assert!(samples_at(0, shuffle, &[0]).is_err());
}

#[test]
fn an_epoch_that_is_not_shuffled_comes_in_its_own_order() {
    let order = |shuffle| {
        let order = Permutation::of_epoch(100, shuffle);
        (0..100).map(|position| order.at(position)).collect::<Vec<u64>>()
    };
    assert!(order(None).into_iter().eq(0..100));
    let shuffled = Permutation::shuffled(100, 7, 1);
    let shuffled = (0..100).map(|position| shuffled.at(position));
    assert!(order(Some(Shuffle { seed: 7, epoch: 1 })).into_iter().eq(shuffled));
}

#[test]
fn steps_that_cannot_be_are_refused_before_they_are_counted() {
    let steps = Steps {
        length: 10,
        batch: 2,
        rank: 0,
        world: 2,
        uneven: Uneven::Short,
        start: 0,
    };
    assert_eq!(steps.checked().unwrap().count(), 3);
    assert!(Steps { batch: 0, ..steps }.checked().is_err());
    assert!(Steps { rank: 2, ..steps }.checked().is_err());
}

/// The seen samples of all ranks, in the order of steps and ranks.
fn seen(length: u64, batch: u64, world: u64, uneven: Uneven, start: u64) -> Vec<u64> {
    let ranks: Vec<Steps> = (0..world)
        .map(|rank| Steps {
            length,
            batch,
            rank,
            world,
            uneven,
            start,
        })
        .collect();
    let most = ranks.iter().map(Steps::count).max().unwrap();
    let mut all = Vec::new();
    for step in 0..most {
        for steps in ranks.iter().filter(|steps| step < steps.count()) {
            all.extend(steps.positions(step).map(|position| position % length.max(1)));
        }
    }
    all
}

proptest! {
    #[test]
    fn ranks_together_see_what_the_mode_promises(length in 0_u64..200, batch in 1_u64..9, world in 1_u64..6, cut in 0_u64..20) {
        let global = batch * world;
        let start = (cut * global).min(length / global * global);
        let rest: Vec<u64> = (start..length).collect();
        prop_assert_eq!(seen(length, batch, world, Uneven::Short, start), rest.clone());
        let whole = rest.len() as u64 / global * global;
        prop_assert_eq!(seen(length, batch, world, Uneven::Drop, start), &rest[..whole as usize]);
        let wrapped = seen(length, batch, world, Uneven::Wrap, start);
        let expected: Vec<u64> = (start..start + (rest.len() as u64).next_multiple_of(global)).map(|p| p % length.max(1)).collect();
        prop_assert_eq!(wrapped, expected);
        let raises = Steps { length, batch, rank: 0, world, uneven: Uneven::Raise, start: 0 }.check();
        prop_assert_eq!(raises.is_ok(), length.is_multiple_of(global));
    }

    #[test]
    fn resuming_on_another_number_of_ranks_goes_on_with_the_same_samples(length in 1_u64..300, batch in 1_u64..7, steps in 0_u64..9) {
        // 6 samples a global batch, on 1, 2, 3 and 6 ranks.
        let _ = batch;
        let before = (steps * 6).min(length / 6 * 6);
        let whole = seen(length, 6, 1, Uneven::Short, 0);
        for world in [1, 2, 3, 6] {
            let rest = seen(length, 6 / world, world, Uneven::Short, before);
            prop_assert_eq!(&rest, &whole[before as usize..]);
        }
    }
}

#[test]
fn a_rank_may_get_fewer_rows_but_none_twice() {
    // 3,190 rows over 8 ranks.
    let mut all = seen(3190, 16, 8, Uneven::Short, 0);
    all.sort_unstable();
    assert!(all.into_iter().eq(0..3190));
}

/// Chi-square of `counts` against all being alike, as standard deviations from what is expected.
fn deviation(counts: &[u64]) -> f64 {
    let total: u64 = counts.iter().sum();
    let expected = total as f64 / counts.len() as f64;
    let square: f64 = counts.iter().map(|count| (*count as f64 - expected).powi(2) / expected).sum();
    let freedom = counts.len() as f64 - 1.0;
    (square - freedom) / (2.0 * freedom).sqrt()
}

#[test]
fn positions_and_pairs_are_uniform() {
    for length in [1_u64, 2, 3, 5, 17, 100, 4097, 5003, 65_537, 1_000_000, 10_000_000] {
        let bins = length.min(8) as usize;
        let bin = |sample: u64| (sample * bins as u64 / length) as usize;
        // Where the first, a middle and the last position go, over many seeds and epochs; and where neighbours go together.
        let mut places = vec![vec![0_u64; bins]; 3];
        let mut pairs = vec![0_u64; bins * bins];
        for seed in 0..40 {
            for epoch in 0..50 {
                let order = Permutation::shuffled(length, seed, epoch);
                for (place, position) in [0, length / 2, length - 1].into_iter().enumerate() {
                    places[place][bin(order.at(position))] += 1;
                }
                if length > 100 {
                    let (a, b) = (order.at(length / 3), order.at(length / 3 + 1));
                    pairs[bin(a) * bins + bin(b)] += 1;
                }
            }
        }
        if bins > 1 && length.is_multiple_of(bins as u64) || length > 1000 {
            for counts in &places {
                assert!(deviation(counts) < 4.5, "{length}: {counts:?}");
            }
        }
        if length > 1000 {
            assert!(deviation(&pairs) < 4.5, "{length}: {pairs:?}");
        }
    }
}

#[test]
fn neighbours_are_not_correlated() {
    for length in [4097_u64, 5003, 100_003, 1_000_000] {
        for seed in 0..4 {
            let order = Permutation::shuffled(length, seed, 0);
            for lag in [1, 2, 64, 65] {
                let count = length.min(200_000) - lag;
                let middle = (length - 1) as f64 / 2.0;
                let value = |position| order.at(position) as f64 - middle;
                let variance: f64 = (0..count).map(|p| value(p).powi(2)).sum::<f64>() / count as f64;
                let covariance: f64 = (0..count).map(|p| value(p) * value(p + lag)).sum::<f64>() / count as f64;
                let correlation = covariance / variance;
                assert!(
                    correlation.abs() < 5.0 / (count as f64).sqrt(),
                    "{length} {seed} {lag}: {correlation}"
                );
            }
        }
    }
}
