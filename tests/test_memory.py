"""A picture that asks for memory which is not there is refused by name. The process never ends, and no row is lost."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import mmno_fast as mf
import pytest
from mmno_fast import _core

from tests.large_pictures import LARGE, png, tiff

SIDE = 1600
"""2.6 million pixels: some 40 MB of buffers of the worst kind."""
ROOMS = [1, 2, 4, 6, 9, 12, 16, 20, 26, 34, 2000]
"""More and more MiB, so that each buffer in turn is the one that cannot be had."""
WAYS = """
import json, resource, sys
import mmno_fast as mf
import pyarrow, numpy, rich

MiB = 1 << 20
folder, name = sys.argv[1:]
rows, images, file = f"{folder}/rows.jsonl", f"{folder}/images", f"{folder}/images/{name}"
small = dict(fit="stretch", sixteen_bit="scale", exif=True)
specs = [mf.Resize(64, **small), mf.Resize(64, color="rgb", alpha="white", **small), mf.Original(sixteen_bit="scale", color="gray")]
specs += [mf.Profile(model, sixteen_bit="scale") for model in ("open_clip/biomedclip_224", "llamafactory/qwen3_vl")]
specs += [mf.Resize((16, 3000), filter="nearest", **small)]

def read(spec):
    mf.read_picture(file, spec)

def limited(headroom, job):
    with open("/proc/self/statm") as own:
        now = int(own.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + headroom, resource.RLIM_INFINITY))
    try:
        job()
        return "done"
    except MemoryError as error:
        return f"MemoryError: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
"""


def run(code: str, *arguments: object) -> Any:
    """What a child prints as JSON. It must not crash."""
    ran = subprocess.run(
        [sys.executable, "-c", WAYS + code, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, (ran.returncode, ran.stderr[-2000:])
    return json.loads(ran.stdout)


def lay_out(folder: Path, name: str, picture: bytes) -> None:
    (folder / "images").mkdir()
    (folder / "images" / name).write_bytes(picture)
    messages = [{"role": "user", "content": "<image>what?"}, {"role": "assistant", "content": "that"}]
    (folder / "rows.jsonl").write_text(json.dumps({"messages": messages, "images": [name]}) + "\n")


@pytest.mark.parametrize("name", LARGE)
def test_every_decoder_says_that_it_has_no_memory_wherever_that_happens(tmp_path: Path, name: str) -> None:
    lay_out(tmp_path, name, LARGE[name](SIDE, SIDE))
    ran = run(f"print(json.dumps([limited(room * MiB, lambda: read(spec)) for spec in specs for room in {ROOMS}]))", tmp_path, name)
    refused = [outcome for outcome in ran if outcome != "done"]
    assert refused
    assert all(outcome.startswith("MemoryError: ") and name in outcome for outcome in refused), refused
    # With room for it every spec gives pixels.
    assert ran[len(ROOMS) - 1 :: len(ROOMS)] == ["done"] * 6, ran


JOBS = """
def build():
    return mf.build(rows, images, f"{folder}/out", specs[0], threads=1).rejected

def check():
    global report
    report = mf.check(rows, images, image=specs[0], threads=1)

def load():
    opened = mf.open(rows, images, image=specs[0], threads=1)
    return sum(len(batch.rows) for batch in mf.Loader(opened, batch_size=1, shuffle=False, threads=1, on_error="skip"))

def first():
    return mf.open(rows, images, image=specs[0], threads=1)[0]["pictures"][0].pixels.shape
"""


def test_no_job_loses_a_row_because_memory_is_short(tmp_path: Path) -> None:
    name = "large.png"
    lay_out(tmp_path, name, png(SIDE, SIDE, 16, 6))
    code = JOBS + "said = {}\nfor job in (build, load, first):\n said[job.__name__] = limited(15 * MiB, job)\n"
    code += "checked = limited(15 * MiB, check)\nassert checked == 'done', checked\n"
    code += "found = [(each['code'], each['message']) for each in report.findings.to_pylist()]\n"
    code += "print(json.dumps([said, found]))"
    said, found = run(code, tmp_path, name)
    for job, outcome in said.items():
        assert outcome.startswith("MemoryError: "), (job, outcome)
        assert name in outcome, (job, outcome)
    # A check changes nothing, so it says it of the picture and goes on.
    assert [code for code, _ in found] == ["picture.memory"]
    assert name in found[0][1]
    # Nothing was rejected: with memory the same command builds the row.
    made = mf.build(
        tmp_path / "rows.jsonl", tmp_path / "images", tmp_path / "out", mf.Resize(64, fit="stretch", sixteen_bit="scale", exif=True)
    )
    assert (made.rows, made.rejected) == (1, 0)


PEAK = """
import json, resource, sys
import mmno_fast as mf
folder, threads, limit, warm = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "warm"
spec = mf.Resize(64, fit="stretch", sixteen_bit="scale", exif=True, decode_limit=limit)
rows = f"{folder}/small.jsonl" if warm else f"{folder}/rows.jsonl"
mf.check(rows, f"{folder}/images", image=spec, threads=threads)
made = mf.build(rows, f"{folder}/images", f"{folder}/out{threads}{warm}", spec, threads=threads)
opened = mf.open(rows, f"{folder}/images", image=spec, threads=threads)
loaded = sum(len(batch.rows) for batch in mf.Loader(opened, batch_size=2, shuffle=False, threads=threads))
print(json.dumps([made.rows, made.rejected, loaded, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10]))
"""


def peak(folder: Path, threads: int, limit: int, kind: str) -> Any:
    """Rows built, rejected and loaded, and the most bytes that the process held."""
    arguments = [sys.executable, "-c", PEAK, str(folder), str(threads), str(limit), kind]
    ran = subprocess.run(arguments, capture_output=True, text=True, timeout=1200, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout)


def compare_with_limits(folder: Path, side: int, limit: int, names: list[str]) -> None:
    """A check, a build and an epoch of eight of each of the largest pictures hold no more than is stated."""
    stated = {name: value for name, value, _, _ in _core.limits(limit)}
    images = folder / "images"
    images.mkdir()
    turns = [{"role": "user", "content": "<image>what?"}, {"role": "assistant", "content": "that"}]
    (images / "small.png").write_bytes(png(8, 8))
    (folder / "small.jsonl").write_text(json.dumps({"messages": turns, "images": ["small.png"]}) + "\n")
    for name in names:
        picture = LARGE[name](side, side)
        # Other bytes each, so that each is decoded.
        for number in range(8):
            (images / f"{number}{name}").write_bytes(picture + bytes([number]))
        rows = [json.dumps({"messages": turns, "images": [f"{number}{name}"]}) + "\n" for number in range(8)]
        (folder / "rows.jsonl").write_text("".join(rows))
        for threads in (1, 2):
            *_, before = peak(folder, threads, limit, "warm")
            rows_built, rejected, loaded, most = peak(folder, threads, limit, "large")
            assert (rows_built, rejected, loaded) == (8, 0, 8), name
            allowed = max(stated["window_bytes"], stated["picture_bytes"]) + threads * stated["worker_bytes"]
            assert most - before <= allowed, (name, threads, most - before, allowed)
            # One thread never holds two pictures: what it takes is what one takes.
            if threads == 1:
                assert most - before <= 40 * limit, (name, most - before)
        for file in images.glob(f"?{name}"):
            file.unlink()
        for out in folder.glob("out*"):
            shutil.rmtree(out)


def test_a_job_holds_no_more_memory_than_its_limits_say(tmp_path: Path) -> None:
    compare_with_limits(tmp_path, 1990, 4_000_000, ["rgba16.png", "rgb16.tif", "turned.tif", "progressive.jpg", "lossy-clear.webp"])


@pytest.mark.slow
def test_a_job_of_the_largest_pictures_holds_no_more_memory_than_its_limits_say(tmp_path: Path) -> None:
    compare_with_limits(tmp_path, 13_377, 178_956_970, ["rgba16.png", "rgba16-interlaced.png", "rgb16.tif", "gray.png"])


def test_the_limits_are_said() -> None:
    """Every limit is printed with its number."""
    command = [sys.executable, "-c", "from mmno_fast.cli import app; app(['info', '--limits'])"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    for name, value, _, _ in _core.limits():
        assert name in ran.stdout
        assert f"{value:,}" in ran.stdout


def test_a_tile_or_a_row_that_takes_more_than_is_stated_is_refused_by_its_header(tmp_path: Path) -> None:
    """A header alone can ask for any memory: a tile larger than its picture, a row of so many pixels that is turned."""
    small = mf.Resize((20, 60), fit="stretch", filter="bilinear", decode_limit=4_000_000)
    with pytest.raises(mf.DataError, match=r"picture\.too_large"):
        mf.read_picture(tiff(16, 16, tile=(25_000, 25_000)), small)
    # 4 million pixels in one row: 64 rows side by side would be 256 MB a channel.
    _, _, _, before = measured(png(16, 16), small)
    assert measured(png(3_999_999, 1, 8, 2), small)[3] - before < 250 << 20


def measured(picture: bytes, spec: mf.ImageSpec) -> Any:
    """The shape of a picture, and the most bytes that reading it held."""
    code = "import json, resource, sys; import mmno_fast as mf; from mmno_fast.spec.image import from_dict\n"
    code += "made = mf.read_picture(sys.stdin.buffer.read(), from_dict(json.loads(sys.argv[1])))\n"
    code += "print(json.dumps([*made.shape, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10]))"
    ran = subprocess.run(
        [sys.executable, "-c", code, json.dumps(spec.to_dict())], input=picture, capture_output=True, timeout=300, check=True
    )
    return json.loads(ran.stdout)
