"""Ctrl-C while a data set is opened, while a loader replays or closes, and again and again."""

from __future__ import annotations

import pytest

from tests.building import about, encoded, noise, write_files, write_rows
from tests.interrupting import BEGIN, SOON, slow_rows, soonest
from tests.loading import forty_rows, run

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


DISTURBED = f"""{OPTIONS}
import os, random, signal, threading
random.seed(threads)
armed, patience, done = False, 0.01, threading.Event()
def handle(*_):
    global armed
    if armed:
        armed = False
        raise KeyboardInterrupt
def disturb():
    while not done.wait(random.uniform(0, patience)):
        os.kill(os.getpid(), signal.SIGINT)
with mf.Loader(mf.open(source, images, image=spec), 2, shuffle=False, threads=threads, prefetch=1) as loader:
    expected = [(batch.row_numbers.tolist(), batch.images.tobytes()) for batch in loader]
    loader.set_epoch(0)
    signal.signal(signal.SIGINT, handle)
    other = threading.Thread(target=disturb)
    other.start()
    seen, times = [], 0
    while loader.epoch == 0:
        before = len(seen)
        try:
            armed = True
            loader.load_state_dict(loader.state_dict())
            seen.extend(loader)  # nothing of Python runs between the loader and the list
            armed = False
        except KeyboardInterrupt:
            times += 1
            patience = 0.01 if len(seen) > before else 1.2 * patience  # however slow the machine is
    done.set()
    other.join()
    print(times > 3, [(batch.row_numbers.tolist(), batch.images.tobytes()) for batch in seen] == expected)
"""


@pytest.mark.parametrize("threads", [1, 3])
def test_whoever_is_interrupted_again_and_again_gets_every_row_once_and_in_order(tmp_path, threads):
    """An interrupted epoch goes on from the loader's state."""
    write_files(tmp_path / "images", {f"{i}.png": encoded(noise(i, 600, 600, 3)) for i in range(10)})
    write_rows(tmp_path / "a.jsonl", [about(f"{i % 10}.png") for i in range(40)])
    assert run(DISTURBED, tmp_path / "a.jsonl", tmp_path / "images", threads) == ["True", "True"]
