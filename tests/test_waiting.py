"""Where the time of a loader goes: what `stats` says is what a clock outside says, and the advice fits."""

from __future__ import annotations

import itertools
import json
import logging
import re
import time
from dataclasses import replace

import mmno_fast as mf
import numpy as np
import pytest
from mmno_fast.loading import stats as loading_stats
from PIL import Image

from tests import loading
from tests.building import about, encoded, noise, write_files, write_rows

SPEC = mf.Resize(96, fit="stretch")
STATS = mf.LoaderStats(
    batches=10,
    rows=160,
    pictures=170,
    bytes=1 << 30,
    elapsed=4.0,
    waited=1.0,
    threads=2,
    busy={"plan": 0.1, "rows": 0.2, "read": 0.7, "decode": 5.0, "output": 1.0},
    decoded=170,
    remembered=0,
    memory_bytes=0,
    skipped=0,
    slots=3,
    slot_bytes=300,
)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """JSONL whose pictures take a few milliseconds each."""
    folder = tmp_path_factory.mktemp("waiting")
    files = {}
    for i in range(12):
        pixels = np.asarray(Image.fromarray(noise(i, 40, 40, 3)).resize((900, 900), Image.Resampling.BICUBIC))
        files[f"{i}.jpg"] = encoded(pixels, "JPEG", quality=90)
    write_files(folder / "images", files)
    write_rows(folder / "a.jsonl", [about(f"{i % 12}.jpg") for i in range(4000)])
    return mf.open(folder / "a.jsonl", folder / "images", image=SPEC)


@pytest.fixture(scope="module")
def shards(raw, tmp_path_factory):
    out = tmp_path_factory.mktemp("shards") / "shards"
    opening = raw._opening
    mf.build(dict(opening.sources), opening.roots, out, SPEC)
    return mf.open(out)


def consume(dataset, batch_size, seconds, step, **how):
    """A consumer that takes `step` seconds for each batch: what it says, and what the clock outside says of waiting and of all its time."""
    with mf.Loader(dataset, batch_size, shuffle=True, **how) as loader:
        running = iter(loader)
        began = asked = time.perf_counter()
        waited, batches = 0.0, 0
        for _ in running:
            came = time.perf_counter()
            waited += came - asked
            batches += 1
            if came - began >= seconds:
                break
            time.sleep(step)
            asked = time.perf_counter()
        elapsed = time.perf_counter() - began
        return loader.stats(), waited, elapsed, batches


# the numbers


def test_waiting_is_told_through_logging_in_one_line(raw, monkeypatch, caplog):
    monkeypatch.setattr("mmno_fast.loading.loader.WINDOW", 0.05)
    with caplog.at_level(logging.WARNING, "mmno_fast"), mf.Loader(raw, 16, shuffle=True, threads=1) as loader:
        for _ in itertools.islice(loader, 12):
            pass
    messages = [record.getMessage() for record in caplog.records if record.name == "mmno_fast"]
    assert messages
    assert all(re.fullmatch(r"the training loop waited \d+ % of the last minute for data: .+", message) for message in messages)
    assert all("\n" not in message for message in messages)


def test_the_share_that_is_told_is_that_of_the_last_minute(raw, monkeypatch, caplog):
    """A loop that waited for nothing, and then for a while: the core counts the window, and Python says what the core counted."""
    monkeypatch.setattr("mmno_fast.loading.loader.WINDOW", 0.2)
    told = []
    monkeypatch.setattr(mf.Loader, "warn", lambda loader, share: told.append((share, loader.stats().wait_share)))
    with mf.Loader(raw, 1, shuffle=True, threads=1, prefetch=8) as loader:
        running = iter(loader)
        for step in (0.5, 0.5, 0.5, 0.0):
            next(running)
            time.sleep(step)
        for _ in running:
            if told:
                break
    assert told
    share, overall = told[0]
    assert overall < share <= 1
    monkeypatch.undo()
    with caplog.at_level(logging.WARNING, "mmno_fast"), mf.Loader(raw, 1, shuffle=True) as loader:
        loader.warn(0.42)
    assert caplog.records[0].getMessage().startswith("the training loop waited 42 % of the last minute for data: ")


def test_stats_agree_with_a_clock_outside(raw):
    """Within 1 % of the time: the best of a few, as a busy machine may stop the consumer between two clocks."""
    off = []
    for step in (0.0, 0.02, 0.0, 0.02, 0.0, 0.02):
        stats, waited, elapsed, batches = consume(raw, 16, 0.8, step, threads=1)
        assert (stats.batches, stats.rows, stats.pictures, stats.decoded >= stats.pictures) == (batches, 16 * batches, 16 * batches, True)
        assert stats.bytes == 16 * batches * 96 * 96 * 3
        assert stats.waited <= waited
        assert stats.elapsed <= elapsed
        off.append(max(abs(stats.waited - waited), abs(stats.elapsed - elapsed)) / elapsed)
        if len(off) > 1 and min(off[::2]) < 0.01 and min(off[1::2]) < 0.01:
            return
    assert sorted(off)[1] < 0.01


def share_at(dataset, load, seconds, **how):
    """The share of its time that a consumer waits which takes batches at `load` times the peak rate."""
    stats, _, elapsed, batches = consume(dataset, 16, seconds / 2, 0, **how)
    peak = batches / elapsed
    assert stats.batches == batches
    stats, waited, elapsed, _ = consume(dataset, 16, seconds, 1 / (load * peak), **how)
    first = 1 / peak  # no one can have been there before the first batch
    return max(0.0, waited - first) / elapsed


def test_a_consumer_that_is_slower_than_the_loader_hardly_waits(raw):
    """The best of a few: on a busy machine the peak rate is another one from second to second."""
    assert any(share_at(raw, 0.8, 0.8, threads=1) < 0.1 for _ in range(6))


@pytest.mark.slow
def test_a_consumer_at_four_fifths_of_the_peak_rate_waits_less_than_a_hundredth_of_its_time(raw):
    assert any(share_at(raw, 0.8, 4.0, threads=1) < 0.01 for _ in range(12))


# what they mean


def test_stats_are_flat_numbers_for_any_logger(raw):
    with mf.Loader(raw, 16, shuffle=True) as loader:
        assert loader.stats().to_dict()["wait_share"] == 0
        for _ in itertools.islice(loader, 3):
            pass
        flat = loader.stats().to_dict()
    assert json.loads(json.dumps(flat)) == flat
    assert all(isinstance(value, (int, float)) for value in flat.values())
    assert {"batches", "rows", "waited", "elapsed", "wait_share", "busy_share", "rows_per_second", "busy_decode", "busy_read"} < flat.keys()
    assert flat["batches"] == 3
    assert 0 < flat["busy_share"] <= 1
    assert flat["rows_per_second"] == pytest.approx(48 / flat["elapsed"])


@pytest.mark.parametrize(
    ("change", "limit", "advice"),
    [
        ({}, "decode", "build shards once, or give the loader memory_bytes"),
        ({"waited": 0.03}, "consumer", "nothing"),
        ({"batches": 0, "elapsed": 0.0, "waited": 0.0}, "start", "too early"),
        ({"busy": {"decode": 1.0}}, "hand-over", "larger prefetch or batch_size"),
        ({"busy": {**STATS.busy, "read": 9.0}}, "read", "the disk limits"),
        ({"busy": {**STATS.busy, "output": 9.0}}, "output", "a smaller dtype"),
        ({"busy": {**STATS.busy, "rows": 9.0}}, "rows", "long texts"),
        ({"busy": {**STATS.busy, "plan": 9.0}}, "plan", "a larger batch_size"),
    ],
)
def test_what_limits_is_named_with_the_next_thing_to_turn(change, limit, advice):
    stats = replace(STATS, **change)
    assert stats.limit == limit
    assert advice in stats.advice
    text = str(stats)
    assert f"limit: {limit}. " in text
    assert stats.advice[1:] in text


def test_more_threads_are_advised_where_there_are_more(monkeypatch):
    monkeypatch.setattr(loading_stats, "thread_count", lambda threads: threads or 8)
    assert replace(STATS, threads=2, busy={"decode": 8.0}).advice.endswith("; threads=8 would use every CPU of this process")
    assert "threads=" not in replace(STATS, threads=8, busy={"decode": 32.0}).advice


def test_decoding_is_named_where_it_limits_and_explained(raw):
    """Soon: on a busy machine it takes longer to see."""
    with mf.Loader(raw, 16, shuffle=True, threads=1) as loader:
        running = iter(loader)
        for _ in range(10):
            for _ in itertools.islice(running, 10):
                pass
            if loader.stats().limit == "decode":
                break
        stats, text = loader.stats(), loader.explain()
    assert stats.limit == "decode"
    assert "build shards" in text
    assert f"{stats.decoded:,} pictures decoded" in text
    assert f"the consumer waited {stats.waited:.2f} s, {stats.wait_share:.1%}" in text
    assert max(stats.busy, key=stats.busy.__getitem__) == "decode"


def test_shards_decode_nothing(shards):
    with mf.Loader(shards, 16, shuffle=True) as loader:
        for _ in itertools.islice(loader, 20):
            pass
        stats = loader.stats()
    assert (stats.decoded, stats.remembered, stats.busy["decode"], stats.busy["read"]) == (0, 0, 0, 0)
    assert min(stats.busy[stage] for stage in ("plan", "rows", "output")) > 0


# the upper bound


def test_replayed_batches_are_ready_and_change_nothing(raw):
    with mf.Loader(raw, 16, shuffle=True, prefetch=3) as loader:
        next(iter(loader))
        before, state = loader.stats().batches, loader.state_dict()
        replayed = list(itertools.islice(loader.replay(), 300))
        decoded = loader.stats().decoded
        assert len({loading.whole(batch).ctypes.data for batch in replayed}) == 3
        assert [batch.row_numbers.tolist() for batch in replayed[:3]] == [batch.row_numbers.tolist() for batch in replayed[297:]]
        assert loader.state_dict() == state
        assert loader.stats().batches == before
        list(itertools.islice(loader.replay(), 3))
        assert loader.stats().decoded - decoded <= 16 * 7
    with mf.Loader(raw.where(np.zeros(len(raw), bool)), 16, shuffle=True) as loader:
        assert list(loader.replay()) == []
