"""Do the tests of damaged data sets see what they are there to see? Crashes, delays, memory, odd errors and other data, made on purpose."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator

import pytest

from tests.judged import Verdict
from tests.watched import MEMORY, Ended, Watcher, note
from tests.ways import ROW_WAYS, WAYS, Looks, Seen


def act(what: str) -> str:
    """What a child is told to do."""
    note(what)
    if what == "crash":
        ctypes.string_at(8)
    if what == "abort":
        os.abort()
    if what == "end":
        os._exit(3)
    if what == "wait":
        time.sleep(60)
    if what == "raise":
        raise LookupError("nothing here")
    if what == "fill":
        return str(len(b"\1" * (MEMORY + (1 << 24))))
    if what == "fill all":
        return str(len(bytearray(64 * MEMORY)))
    return what.upper()


def nothing() -> None:
    """There is nothing to import."""


@pytest.fixture(scope="module")
def watcher() -> Iterator[Watcher[str]]:
    watcher = Watcher(act, nothing, seconds=10)
    yield watcher
    watcher.close()


@pytest.mark.parametrize(("what", "died"), [("crash", "SIGSEGV"), ("abort", "SIGABRT"), ("end", "exit 3")])
def test_a_process_that_dies_is_seen_and_the_others_go_on(watcher, what, died):
    assert_seen(watcher, what, died)


def test_a_process_that_waits_is_seen_and_the_others_go_on():
    impatient = Watcher(act, nothing, seconds=1)
    try:
        assert_seen(impatient, "wait", "late")
    finally:
        impatient.close()


def assert_seen(watcher: Watcher[str], what: str, died: str) -> None:
    before, ended, behind = watcher("a", what, "b")
    assert (before.value, behind.value) == ("A", "B")
    assert (ended.value, ended.died, ended.step, ended.item) == (None, died, what, what)


def test_errors_and_memory_are_seen(watcher):
    raised, filled, all_, small = watcher("raise", "fill", "fill all", "small")
    assert raised.died == "LookupError: nothing here"
    assert filled.too_much or filled.died.startswith("MemoryError")
    assert all_.died.startswith("MemoryError")
    assert not small.too_much
    assert small.peak < 1 << 28


def looks(**kinds: Seen) -> Looks:
    """Of every way the same good rows, but for these."""
    rows = {0: "a", 1: "b"}
    whole = {way: Seen("read", dict(rows) if way in ROW_WAYS else {}, "p" if way == "pictures" else "") for way in WAYS}
    return {**whole, **{name.replace("_", ", "): seen for name, seen in kinds.items()}}


def verdict(**kinds: Seen) -> Verdict:
    return Verdict("it", looks(), Ended(None, looks(**kinds)))


OTHER = Seen("read", {0: "a", 1: "x"})
PROBLEM = Seen("read", problems=[("a/rows.arrow", "the hash does not agree")])
REFUSED = Seen("refused", error="ShardError: a/rows.arrow: expected a column", path="a/rows.arrow")


def test_what_is_as_it_should_be_has_no_fault():
    assert verdict().same().agreed().never_other().faults == []
    every = {**{way: REFUSED for way in WAYS if way != "verify"}, "verify": PROBLEM}
    assert Verdict("it", looks(), Ended(None, every)).refused("rows.arrow", words="column").agreed().faults == []


def test_other_data_are_seen():
    assert verdict(Loader=OTHER).never_other().faults == ["it: Loader: read OTHER DATA"]
    assert verdict(Loader=OTHER).agreed().faults == ["it: Loader and [i] DISAGREE in row 1"]
    assert verdict(pictures=Seen("read", pictures="q")).never_other().faults == ["it: pictures: read OTHER DATA"]


def test_what_is_not_refused_is_seen():
    faults = verdict(rows=REFUSED).refused("gray.npy", ["rows", "take"]).faults
    assert [fault.split(":")[1:3] for fault in faults] == [
        [" rows", " names neither gray.npy nor ''"],
        [" take", " read the same data"],
        [" verify", " found nothing"],
    ]
    assert "verify passes, rows refuses" in verdict(rows=REFUSED).agreed().faults[0]
    assert verdict(verify=PROBLEM).same().faults == ["it: verify: [('a/rows.arrow', 'the hash does not agree')]"]


def test_an_odd_error_and_a_death_are_seen():
    assert verdict(take=Seen("odd", error="KeyError: 'x'")).faults == ["it: take: KeyError: 'x'"]
    assert "SIGBUS at 'rows'" in Verdict("it", looks(), Ended(None, None, "SIGBUS", "rows")).faults[0]
