"""The order of an epoch: the twin's, and as good a shuffle as a permutation drawn at random.

The numbers are the same in every run: nothing here fails by chance.
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmno_fast import _core

from tests import reference_order
from tests.random_cases import tries

FAR = 4.5
"""Standard deviations: one in 150,000 lies beyond."""
LENGTHS = (1, 2, 3, 5, 17, 255, 1000, 4095, 4096, 4097, 4160, 5000, 10_000, 65_536, 100_003)


def shuffled(length, seed=0, epoch=0):
    return _core.samples_at(length, seed, epoch, np.arange(length, dtype=np.uint64)).astype(np.int64)


def deviation(counts, degrees=None):
    """How far counts that should be alike are off, in standard deviations: chi-square after Wilson and Hilferty."""
    counts = np.asarray(counts, float).ravel()
    expected = counts.mean()
    degrees = degrees or counts.size - 1
    square = float(((counts - expected) ** 2).sum() / expected)
    return ((square / degrees) ** (1 / 3) - (1 - 2 / (9 * degrees))) / math.sqrt(2 / (9 * degrees))


def joint(first, second, length, bins):
    """How far two sequences of places are from knowing nothing of each other; every place counts once in each."""
    counts, _, _ = np.histogram2d(first * bins // length, second * bins // length, bins=bins, range=[[0, bins], [0, bins]])
    return deviation(counts, (bins - 1) ** 2)


def serial(order, lag):
    """The serial correlation of an order, in standard deviations."""
    numbers = order - order.mean()
    return float((numbers[:-lag] * numbers[lag:]).sum() / (numbers**2).sum() * math.sqrt(len(order)))


# the twin


@pytest.mark.parametrize("length", LENGTHS)
def test_an_order_is_the_twins(length):
    seen = shuffled(length, 7, 3)
    if length <= 10_000:
        assert seen.tolist() == reference_order.order(length, 7, 3)
    assert np.array_equal(np.sort(seen), np.arange(length))


@given(
    length=st.one_of(st.integers(1, 3000), st.integers(4000, 5000), st.integers(5001, 2**62)),
    seed=st.integers(0, 2**64 - 1),
    epoch=st.integers(0, 2**64 - 1),
    data=st.data(),
)
@settings(max_examples=tries(100), deadline=None)
def test_any_place_of_any_order_is_the_twins(length, seed, epoch, data):
    positions = data.draw(st.lists(st.integers(0, length - 1), min_size=1, max_size=6))
    seen = _core.samples_at(length, seed, epoch, np.array(positions, np.uint64)).tolist()
    assert seen == reference_order.order(length, seed, epoch, iter(positions))
    assert all(0 <= sample < length for sample in seen)


def test_a_place_beyond_the_end_is_refused():
    for length, position in ((0, 0), (5, 5), (5000, 2**64 - 1)):
        with pytest.raises(ValueError, match=f"beyond {length}"):
            _core.samples_at(length, 0, 0, np.array([position], np.uint64))


@pytest.mark.parametrize("uneven", ["drop", "wrap", "short"])
def test_ranks_get_what_the_twin_deals_out(uneven):
    for length, batch_size, world, start in itertools.product((0, 1, 5, 23, 24, 40), (1, 3, 4), (1, 2, 3, 5), (0, 4, 12)):
        at = min(start, length)
        samples = list(range(length))
        dealt = [reference_order.batches(samples, batch_size, rank, world, uneven, at) for rank in range(world)]
        counts = [_core.count_batches(length, batch_size, rank, world, uneven, at) for rank in range(world)]
        assert counts == [len(own) for own in dealt]
        steps = max(counts, default=0)
        union = [sample for step in range(steps) for own in dealt for sample in (own[step][0] if step < len(own) else [])]
        assert union == reference_order.seen_by_all(samples, batch_size, world, uneven, at)


@settings(max_examples=tries(300), deadline=None)
@given(length=st.integers(1, 200), batch=st.integers(1, 9), world=st.integers(1, 9), start=st.integers(0, 200))
def test_the_last_rank_gets_some_of_every_rest(length, batch, world, start):
    """So its state is never behind another's."""
    counts = [_core.count_batches(length, batch, rank, world, "short", start) for rank in range(world)]
    assert counts[-1] == max(counts)
    assert counts[-1] == math.ceil(max(0, length - start) / (batch * world))


def test_an_epoch_that_does_not_divide_is_refused_where_that_is_asked_for():
    assert _core.count_batches(24, 4, 0, 3, "raise", 0) == 2
    with pytest.raises(ValueError, match="25 samples do not make whole batches of 12"):
        _core.count_batches(25, 4, 0, 3, "raise", 0)


# as good as a permutation


@pytest.mark.parametrize("length", [2, 3, 4, 5])
@pytest.mark.parametrize("varied", ["seed", "epoch"])
def test_of_few_samples_every_order_is_as_likely(length, varied):
    every = dict.fromkeys(itertools.permutations(range(length)), 0)
    for number in range(40 * len(every)):
        seed, epoch = (number, 0) if varied == "seed" else (11, number)
        every[tuple(shuffled(length, seed, epoch).tolist())] += 1
    assert abs(deviation(list(every.values()))) < FAR


@pytest.mark.parametrize("length", [10, 100, 4097, 6000])
@pytest.mark.parametrize("varied", ["seed", "epoch"])
def test_every_sample_is_as_likely_at_every_place(length, varied):
    bins, runs = min(length, 20), max(20, 20_000 // length)
    counts = np.zeros((bins, bins))
    neighbours = np.zeros((bins, bins))
    places = np.arange(length) * bins // length
    for number in range(runs):
        seed, epoch = (number, 0) if varied == "seed" else (5, number)
        own = shuffled(length, seed, epoch) * bins // length
        np.add.at(counts, (places, own), 1)
        np.add.at(neighbours, (own[:-1], own[1:]), 1)
    # Within one order a sample is at one place only, so that places are spread a little more evenly than by chance.
    expected = np.outer(np.bincount(places), np.bincount(places)) * runs / length
    degrees = (bins - 1) ** 2
    square = float(((counts - expected) ** 2 / expected).sum() * (length - 1) / length)
    assert abs((square - degrees) / math.sqrt(2 * degrees)) < FAR
    if length > bins:
        assert abs(deviation(neighbours, degrees)) < FAR


@pytest.mark.parametrize("length", [1000, 4096, 4097, 20_000, 300_000])
def test_neighbours_know_nothing_of_each_other(length):
    theirs = np.random.default_rng(0)
    for seed in range(4):
        for order in (shuffled(length, seed), theirs.permutation(length)):
            bins = max(4, min(64, math.isqrt(length // 16)))
            assert abs(joint(order[:-1], order[1:], length, bins)) < FAR
            assert abs(joint(np.arange(length), order, length, bins)) < FAR
            assert abs(deviation(np.bincount(np.diff(order) % length * 50 // length, minlength=50))) < FAR
            assert max(abs(serial(order, lag)) for lag in (1, 2, 3, 7, 64, math.isqrt(length), math.isqrt(length) + 1)) < FAR


@pytest.mark.parametrize("length", [1000, 4096, 4097, 50_000])
@pytest.mark.parametrize(
    ("first", "second"),
    [((0, 0), (0, 1)), ((0, 0), (1, 0)), ((1, 2), (2, 1)), ((2**63, 0), (0, 0)), ((9, 2**32), (9, 0))],
    ids=["next epoch", "next seed", "swapped", "high bit of the seed", "high bits of the epoch"],
)
def test_orders_of_other_seeds_and_epochs_know_nothing_of_each_other(length, first, second):
    ours, other = shuffled(length, *first), shuffled(length, *second)
    place = np.empty(length, np.int64)
    place[other] = np.arange(length)
    moved = place[ours]  # where the other has the sample that is here
    assert abs(joint(np.arange(length), moved, length, max(4, min(40, math.isqrt(length // 16))))) < FAR
    assert abs(deviation(np.bincount((moved - np.arange(length)) % length * 50 // length, minlength=50))) < FAR
    assert abs(np.corrcoef(ours, other)[0, 1]) * math.sqrt(length) < FAR


@pytest.mark.parametrize("length", [50, 4097, 9000])
def test_as_many_samples_stay_in_their_place_as_by_chance(length):
    """One on average, whatever the length; of the next order after it, too."""
    orders = [shuffled(length, 3, epoch) for epoch in range(400)]
    stayed = sum(int((order == np.arange(length)).sum()) for order in orders)
    again = sum(int((a == b).sum()) for a, b in itertools.pairwise(orders))
    assert abs(stayed - 400) < FAR * 20
    assert abs(again - 399) < FAR * 20


@pytest.mark.parametrize("length", [1_000_000, pytest.param(10_000_000, marks=pytest.mark.slow)])
def test_a_long_order_is_a_permutation_and_a_good_one(length):
    order = shuffled(length, 1, 2)
    seen = np.zeros(length, bool)
    seen[order] = True
    assert seen.all()
    assert abs(joint(np.arange(length), order, length, 100)) < FAR
    assert abs(joint(order[:-1], order[1:], length, 100)) < FAR
    assert abs(serial(order, 1)) < FAR


def test_a_place_of_ten_million_is_found_without_the_others():
    """Windows of an order of ten million: spread over all of it, nothing twice, no run."""
    length, window = 10_000_000, 40_000
    for start in (0, 4_999_999, length - window):
        own = _core.samples_at(length, 4, 1, np.arange(start, start + window, dtype=np.uint64)).astype(np.int64)
        assert len(np.unique(own)) == window
        assert abs(deviation(np.bincount(own * 200 // length, minlength=200))) < FAR
        assert abs(deviation(np.bincount(np.diff(own) % length * 200 // length, minlength=200))) < FAR
        assert abs(serial(own, 1)) < FAR
