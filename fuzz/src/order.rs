//! The order of an epoch: each sample once, whoever asks, and batches that part it among ranks.

use mmno_fast::load::order::{Permutation, Steps, Uneven};

/// Takes a length, a seed, and how to part.
pub fn check(bytes: &[u8]) {
    let mut number = {
        let mut rest = bytes.iter();
        move || u64::from(*rest.next().unwrap_or(&0))
    };
    let length = number() | (number() & 15) << 8;
    let seed = number() << 56 | number() << 8 | number();
    let order = Permutation::shuffled(length, seed, number());
    let mut seen = vec![false; length as usize];
    for position in 0..length {
        let sample = order.at(position) as usize;
        assert!(!std::mem::replace(&mut seen[sample], true), "sample {sample} comes twice");
    }
    let (world, batch) = (number() % 9 + 1, number() % 40 + 1);
    let start = number() % (length + 1);
    for uneven in [Uneven::Drop, Uneven::Short, Uneven::Wrap] {
        check_steps(length, world, batch, start, uneven);
    }
}

/// All ranks together have each position from the start on once; of the rest, as `uneven` says.
fn check_steps(length: u64, world: u64, batch: u64, start: u64, uneven: Uneven) {
    let mut times = vec![0u32; length as usize];
    let mut beyond = 0;
    for rank in 0..world {
        let steps = Steps {
            length,
            batch,
            rank,
            world,
            uneven,
            start,
        };
        let steps = steps.checked().expect("these can be");
        for step in 0..steps.count() {
            for position in steps.positions(step) {
                match times.get_mut(position as usize) {
                    Some(times) => *times += 1,
                    None => beyond += 1,
                }
            }
        }
    }
    let left = length - start;
    let whole = left - left % (batch * world);
    for (position, times) in (0..).zip(&times) {
        let due = match uneven {
            _ if position < start => 0,
            Uneven::Drop => u32::from(position < start + whole),
            _ => 1,
        };
        assert_eq!(
            *times, due,
            "position {position} of {length}, {world} ranks of {batch}, from {start}, {uneven:?}"
        );
    }
    assert!(beyond < batch * world && (beyond == 0 || uneven == Uneven::Wrap));
}
