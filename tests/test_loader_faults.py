"""What goes wrong under a loader: pictures that cannot be decoded, input that changes, shards that are damaged."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys

import mmno_fast as mf
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import loading
from tests.building import about, encoded, noise, top_file, write_files, write_rows
from tests.random_cases import tries

ORIGINAL = mf.Original()
SPEC = mf.Resize(16, fit="stretch")


@pytest.fixture
def folder(tmp_path):
    """Eight rows of one picture each; those of the rows 3 and 5 end too early; and one more row of a good and a bad one."""
    files = {f"{i}.png": encoded(noise(i, 16, 16, *((3,) if i % 2 else ()))) for i in range(8)}
    for bad in (3, 5):
        files[f"{bad}.png"] = files[f"{bad}.png"][:-80]
    write_files(tmp_path / "images", files)
    write_rows(tmp_path / "a.jsonl", [*(about(f"{i}.png") for i in range(8)), about("2.png", "5.png"), about("1.png", "2.png")])
    return tmp_path


def raw(folder, image=ORIGINAL, **how):
    return mf.open(folder / "a.jsonl", folder / "images", image=image, **how)


# pictures that cannot be decoded


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("group", [False, True])
def test_a_picture_that_cannot_be_decoded_stops_at_its_row_and_the_state_stays_before_it(folder, threads, group):
    write_rows(folder / "a.jsonl", [about(f"{i}.png") for i in range(8)])
    with mf.Loader(raw(folder), 2, shuffle=False, threads=threads, prefetch=4, group_by_picture=group) as loader:
        running = iter(loader)
        assert next(running).position == 2
        with pytest.raises(mf.DataError, match=r"a\.jsonl:4: .*3\.png") as caught:
            next(running)
        error = caught.value
        assert (error.code, error.line, error.path) == ("picture.truncated", 4, "a.jsonl")
        assert loader.state_dict()["position"] == 2
        assert list(running) == []
        state = loader.state_dict()
    with mf.Loader(raw(folder), 2, shuffle=False, on_error="skip", group_by_picture=group) as loader:
        loader.load_state_dict(state)
        batch = next(iter(loader))
        assert (batch.row_numbers.tolist()[0], batch.position) == (2, 4)


def test_a_picture_alone_that_cannot_be_decoded_is_named_by_its_file(folder):
    with mf.Loader(raw(folder).pictures, 3, shuffle=False) as loader:
        with pytest.raises(mf.DataError, match=r"3\.png") as caught:
            list(loader)
        assert caught.value.code == "picture.truncated"
        assert loader.state_dict()["position"] == 3


def test_rows_that_are_skipped_are_named_and_counted(folder):
    with mf.Loader(raw(folder), 4, shuffle=False, on_error="skip") as loader:
        batches = list(loader)
        stats = loader.stats()
    assert [batch.row_numbers.tolist() for batch in batches] == [[0, 1, 2], [4, 6, 7], [9]]
    assert [batch.position for batch in batches] == [4, 8, 10]
    skipped = [each for batch in batches for each in batch.skipped]
    assert [(each.row, each.source, each.line, each.code) for each in skipped] == [
        (3, "a.jsonl", 4, "picture.truncated"),
        (5, "a.jsonl", 6, "picture.truncated"),
        (8, "a.jsonl", 9, "picture.truncated"),
    ]
    assert all(f"{bad}.png" in each.message for bad, each in zip((3, 5, 5), skipped, strict=True))
    assert (stats.skipped, stats.rows) == (3, 7)
    assert "3 rows left out: see batch.skipped" in str(stats)


@pytest.mark.parametrize("group", [False, True])
@pytest.mark.parametrize("memory", [0, 1 << 20])
@pytest.mark.parametrize("how", [{}, {"output": mf.Output(dtype="float32", layout="nchw")}], ids=["bytes", "float32"])
def test_what_is_left_of_a_batch_is_right(folder, group, memory, how):
    dataset = raw(folder)
    with mf.Loader(dataset, 4, shuffle=True, uneven="short", on_error="skip", group_by_picture=group, memory_bytes=memory, **how) as loader:
        for _ in range(3):
            seen = []
            for batch in loader:
                assert len(batch) == batch.rows.num_rows == len(batch.row_numbers)
                assert sorted({*batch.image_index.tolist()}) == list(range(len(batch.images)))
                for number, (row, places) in zip(batch.row_numbers.tolist(), loading.rows_with_pictures(batch), strict=True):
                    seen.append(number)
                    assert row["line"] == number + 1
                    for place, name in zip(places, row["images"], strict=True):
                        read = mf.read_picture(folder / "images" / name, ORIGINAL, how.get("output"))
                        assert np.array_equal(batch.images[place], read)
            assert sorted(seen) == [0, 1, 2, 4, 6, 7, 9]


@pytest.mark.parametrize("group", [False, True])
def test_what_is_left_of_a_batch_has_its_own_channels(folder, group):
    """A good picture goes with the bad one of its row: those behind it move up."""
    write_rows(folder / "a.jsonl", [about("2.png", "5.png"), about("1.png", "4.png"), about("7.png")])
    with mf.Loader(raw(folder), 3, shuffle=False, on_error="skip", channels="stored", group_by_picture=group) as loader:
        (batch,) = loader
    assert [image.shape for image in batch.images] == [(16, 16, 3), (16, 16), (16, 16, 3)]


def test_a_batch_of_which_nothing_is_left_is_empty(folder):
    write_rows(folder / "a.jsonl", [about("3.png"), about("5.png"), about("1.png"), about("2.png")])
    for source, output in itertools.product((raw(folder), raw(folder).pictures), (mf.Output(), mf.Output(layout="nchw"))):
        with mf.Loader(source, 2, shuffle=False, on_error="skip", output=output) as loader:
            first, second = loader
        assert (len(first), len(first.images), len(first.skipped)) == (0, 0, 2)
        assert (len(second), len(second.images), len(second.skipped)) == (2, 2, 0)
        alone = isinstance(source, mf.Pictures)
        assert [(each.row, each.line) for each in first.skipped] == ([(None, 0), (None, 0)] if alone else [(0, 1), (1, 2)])
        assert first.skipped[0].source.endswith("3.png" if alone else "a.jsonl")


def test_labels_stay_with_their_pictures_where_some_are_skipped(folder):
    for i in range(8):
        target = folder / "images" / f"class {i % 3}"
        target.mkdir(exist_ok=True)
        shutil.move(folder / "images" / f"{i}.png", target / f"{i}.png")
    write_rows(folder / "a.jsonl", [about(f"class {i % 3}/{i}.png") for i in range(8)])
    labelled = raw(folder).pictures.labelled()
    with mf.Loader(labelled, 4, shuffle=False, on_error="skip") as loader:
        batches = list(loader)
    assert [batch.labels.tolist() for batch in batches] == [[0, 1, 2], [1, 0, 1]]
    assert [batch.samples.tolist() for batch in batches] == [[0, 1, 2], [4, 6, 7]]


def test_pictures_kept_in_memory_are_decoded_once(folder):
    write_rows(folder / "a.jsonl", [about(f"{i % 3}.png") for i in range(30)])
    dataset = raw(folder, SPEC)
    with mf.Loader(dataset, 5, shuffle=True, memory_bytes=1 << 20, threads=1) as loader:
        for _ in range(4):
            for batch in loader:
                for number, image in zip(batch.row_numbers.tolist(), batch.images, strict=True):
                    assert np.array_equal(image, dataset[number]["images"][0])
        stats = loader.stats()
    assert (stats.decoded, stats.remembered) == (3, 117)
    assert stats.memory_bytes == 2 * 16 * 16 + 16 * 16 * 3
    with mf.Loader(dataset, 5, shuffle=True, memory_bytes=300, threads=1) as loader:
        list(loader)
        assert loader.stats().memory_bytes == 256
    with mf.Loader(dataset, 5, shuffle=True) as loader:
        list(loader)
        assert (loader.stats().decoded, loader.stats().remembered) == (30, 0)


# input that changes


@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(encoded(noise(77, 16, 16))),
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes() + b"more"),
    ],
    ids=["other", "cut", "empty", "longer"],
)
def test_a_picture_that_changed_is_an_error_that_names_it(folder, change, on_error):
    dataset = raw(folder)
    change(folder / "images" / "1.png")
    with mf.Loader(dataset, 1, shuffle=False, on_error=on_error) as loader:
        running = iter(loader)
        next(running)
        with pytest.raises(mf.DataError, match=r"1\.png: changed since the data set was opened") as caught:
            next(running)
        assert (caught.value.path, caught.value.line) == ("a.jsonl", 2)
        assert loader.state_dict()["position"] == 1


def test_a_picture_that_went_is_an_error_that_names_it(folder):
    dataset = raw(folder)
    (folder / "images" / "1.png").unlink()
    with mf.Loader(dataset, 2, shuffle=False) as loader, pytest.raises(mf.DataError, match=r"1\.png: cannot be read") as caught:
        next(iter(loader))
    assert (caught.value.code, caught.value.path, caught.value.line) == ("picture.unreadable", "a.jsonl", 2)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(path.read_bytes().replace(b"Which?", b"Where?")),
        lambda path: path.write_bytes(path.read_bytes()[:-30]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\n" + path.read_bytes()),
        lambda path: path.write_bytes(path.read_bytes().replace(b"}", b" ")),
    ],
    ids=["other", "cut", "empty", "moved", "broken"],
)
def test_a_source_that_changed_is_an_error_that_names_it(folder, change):
    write_rows(folder / "a.jsonl", [about("1.png"), about("2.png")])
    dataset = raw(folder)
    change(folder / "a.jsonl")
    with mf.Loader(dataset, 2, shuffle=False) as loader, pytest.raises(mf.DataError, match=r"a\.jsonl") as caught:
        next(iter(loader))
    assert str(caught.value.path).endswith("a.jsonl")
    assert "changed" in str(caught.value)


# shards that are damaged

READ = """
import sys
import mmno_fast as mf
try:
    for batch in mf.Loader(mf.open(sys.argv[1]), 4, shuffle=True, threads=2, uneven="short", channels=sys.argv[2]):
        [image.sum() for image in batch.images], batch.rows.to_pylist()
    print("read")
except (mf.ShardError, FileNotFoundError) as error:
    print("ShardError", error)
"""


@pytest.fixture
def shards(tmp_path):
    files = {f"{i}.png": encoded(noise(i, 16 + i % 2 * 8, 16, *((3,) if i % 3 else ()))) for i in range(8)}
    write_files(tmp_path / "images", files)
    write_rows(tmp_path / "a.jsonl", [about(f"{i}.png", f"{(i + 3) % 8}.png") for i in range(8)])
    return tmp_path


def build(folder, image):
    out = folder / f"shards-{type(image).__name__}"
    mf.build(folder / "a.jsonl", folder / "images", out, image, shard_bytes=1 << 12)
    return out


def read(out, channels="rgb"):
    """What a process of its own finds: it must not crash."""
    done = subprocess.run([sys.executable, "-c", READ, out, channels], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


IMAGES = [SPEC, ORIGINAL, mf.Encoded()]


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: type(image).__name__)
def test_a_file_of_a_shard_that_is_cut_or_gone_is_named(shards, image):
    out = build(shards, image)
    assert read(out) == "read\n"
    shard = out / json.loads((out / "manifest.json").read_bytes())["shards"][1]["folder"]
    for path in [*(path for path in sorted(shard.iterdir()) if path.suffix != ".json"), top_file(out, "rows.index.npy")]:
        whole = path.read_bytes()
        for cut in (0, 5, 200, 4096, len(whole) - 1):
            if cut < len(whole):
                path.write_bytes(whole[:cut])
                said = read(out) if cut == len(whole) - 1 else in_here(out)
                assert said.startswith("ShardError"), (path.name, cut, said)
                assert path.name in said or path.stem in said
        path.unlink()
        assert in_here(out).startswith("ShardError")
        path.write_bytes(whole)
    assert read(out) == "read\n"


def in_here(out, channels="rgb"):
    try:
        with mf.open(out) as dataset, mf.Loader(dataset, 4, shuffle=True, threads=2, uneven="short", channels=channels) as loader:
            for batch in loader:
                assert all(image.sum() >= 0 for image in batch.images)
                batch.rows.to_pylist()
    except (mf.ShardError, FileNotFoundError, mf.DataError) as error:
        return f"ShardError {error}"
    return "read\n"


def test_a_data_set_that_is_built_anew_under_its_reader_says_so(shards):
    out = build(shards, SPEC)
    with mf.Loader(mf.open(out), 1, shuffle=False) as loader:
        running = iter(loader)
        next(running)
        mf.build(shards / "a.jsonl", shards / "images", out, ORIGINAL, shard_bytes=1 << 12, update=True)
        with pytest.raises(mf.ShardError, match=r"is gone: if the data set was built anew since it was opened, open it again"):
            list(running)


@pytest.mark.parametrize("place", [7 << 32, 1 << 31, 2**64 - 1, (1 << 32) | 999])
def test_an_index_that_points_outside_is_named(shards, place):
    out = build(shards, SPEC)
    index = np.load(top_file(out, "rows.index.npy"), mmap_mode="r+")
    index[3] = place
    index.flush()
    said = read(out)
    assert said.startswith("ShardError")
    assert "run mmno-fast verify" in said


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: type(image).__name__)
@given(data=st.data())
@settings(max_examples=tries(40), deadline=None)
def test_numbers_that_lie_in_a_shard_are_an_error_and_no_crash(tmp_path_factory, image, data):
    """Every number of `pictures.arrow`, and what rows say of their pictures."""
    folder = tmp_path_factory.mktemp("hostile")
    files = {f"{i}.png": encoded(noise(i, 16 + i % 2 * 8, 16, *((3,) if i % 3 else ()))) for i in range(4)}
    write_files(folder / "images", files)
    write_rows(folder / "a.jsonl", [about(f"{i}.png", f"{(i + 1) % 4}.png") for i in range(4)])
    out = build(folder, image)
    shard = out / json.loads((out / "manifest.json").read_bytes())["shards"][0]["folder"]
    name = data.draw(st.sampled_from(["pictures.arrow", "rows.arrow"]))
    table = pa.ipc.open_file(shard / name).read_all()
    rows = table.to_pylist()
    row = data.draw(st.sampled_from(rows))
    number = data.draw(st.sampled_from([0, 1, 2, 3, 15, 17, 255, 4096, 2**31 - 1, 2**31, 2**32 - 1]))
    if name == "rows.arrow":
        row["pictures"] = data.draw(st.sampled_from([[number], [number, 0], []]))
    else:
        column = data.draw(st.sampled_from(["height", "width", "channels", "index", "offset", "length", "store"]))
        row[column] = data.draw(st.sampled_from(["gray", "rgb", "pixels"])) if column == "store" else number
    changed = pa.Table.from_pylist(rows, schema=table.schema)
    with pa.ipc.new_file(shard / name, changed.schema) as writer:
        writer.write_table(changed)
    for channels in ("rgb", "stored"):
        said = in_here(out, channels)
        assert said == "read\n" or said.startswith("ShardError")
