"""Ctrl-C while a data set is opened, while a loader replays or closes, and again and again."""

from __future__ import annotations

import pytest

from tests.interrupting import BEGIN, SOON, slow_rows, soonest
from tests.loading import forty_rows

OPTIONS = f"""{BEGIN}
source, images, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
spec = mf.Resize(32, fit="stretch")
"""


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    return slow_rows(tmp_path_factory.mktemp("slow"))


def soonest_of(code, folder, threads, *delays):
    return soonest(code, folder / "a.jsonl", folder / "images", threads, delays=delays)


SCANNING = f"""{OPTIONS}
print("ready", flush=True)
try:
    mf.open({{str(number): source for number in range(40)}}, images, image=spec, threads=threads)
    print("opened")
except KeyboardInterrupt:
    print(time.time(), "interrupted", ended())
"""


@pytest.mark.parametrize("threads", [1, 3])
def test_ctrl_c_works_soon_while_jsonl_is_scanned(tmp_path, threads):
    """8 million lines."""
    forty_rows(tmp_path)
    (tmp_path / "a.jsonl").write_bytes((tmp_path / "a.jsonl").read_bytes() * 5000)
    assert soonest_of(SCANNING, tmp_path, threads, 0.5, 0.2, 0.1, 0.3) < SOON


REPLAYING = f"""{OPTIONS}
loader = mf.Loader(mf.open(source, images, image=spec), 2, shuffle=False, threads=threads)
print("ready", flush=True)
try:
    for batch in loader.replay():
        pass
except KeyboardInterrupt:
    print(time.time(), "interrupted", ended())
assert loader.state_dict()["position"] == 0
assert next(iter(loader)).position == 2
"""


@pytest.mark.parametrize("threads", [1, 3])
def test_ctrl_c_works_soon_while_a_replay_makes_its_batches(slow, threads):
    assert soonest_of(REPLAYING, slow, threads, 0.15, 0.2, 0.1, 0.25) < SOON


@pytest.mark.parametrize("threads", [1, 3])
def test_ctrl_c_works_soon_while_a_replay_hands_them_out(tmp_path, threads):
    assert soonest_of(REPLAYING, forty_rows(tmp_path), threads, 0.3, 0.5, 0.7, 0.9) < SOON


CLOSING = f"""{OPTIONS}
loader = mf.Loader(mf.open(source, images, image=spec), 2, shuffle=False, threads=threads)
epoch = iter(loader)
time.sleep(0.05)
print("ready", flush=True)
try:
    loader.close()
    print("closed")
except KeyboardInterrupt:
    print(time.time(), "interrupted", ended())
loader.close()
assert loader.closed
assert list(epoch) == []
"""


@pytest.mark.parametrize("threads", [1, 3])
def test_ctrl_c_works_soon_while_a_loader_closes(slow, threads):
    """It waits for the picture that is being decoded."""
    assert soonest_of(CLOSING, slow, threads, 0.03, 0.02, 0.06, 0.01) < SOON
