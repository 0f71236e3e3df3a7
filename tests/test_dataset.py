"""`mf.open`: rows and pictures come back as they were, wherever and however they are read."""

import json
import multiprocessing
import pickle
import shutil
from pathlib import Path

import mmno_fast as mf
import numpy as np
import pyarrow as pa
import pytest
from blake3 import blake3
from mmno_fast.demo import Drawn, draw
from PIL import Image

from tests.building import top_file

SPEC = mf.Resize((64, 48), fit="stretch")
SMALL_SHARDS = 3 * 64 * 48 * 5  # five pictures each


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Drawn:
    return draw(tmp_path_factory.mktemp("drawn"), pictures=14)


@pytest.fixture(scope="module")
def shards(drawn, tmp_path_factory) -> Path:
    out: Path = tmp_path_factory.mktemp("shards") / "shards"
    mf.build(drawn.sources, drawn.images, out, SPEC, shard_bytes=SMALL_SHARDS)
    return out


@pytest.fixture
def dataset(shards):
    with mf.open(shards) as opened:
        yield opened


def accepted(drawn: Drawn) -> list[tuple[str, int, dict]]:
    """(source, line, row) of every row without a fault, in the order of row numbers."""
    spoilt = {(fault.source, fault.line) for fault in drawn.faults}
    return [
        (path.name, line, json.loads(text))
        for path in drawn.sources
        for line, text in enumerate(path.read_text("utf-8").splitlines(), 1)
        if (path.name, line) not in spoilt
    ]


def on_disk(drawn: Drawn, name: str) -> Path:
    path = drawn.images / name
    return path if path.exists() else path.with_suffix(path.suffix.lower())


def write_rows(path: Path, rows: list[list[str]], **more) -> Path:
    """A source with a row for each list of names of pictures."""
    with path.open("w", encoding="utf-8") as file:
        for names in rows:
            turns = [{"role": "user", "content": "<image>" * len(names) + "What is it?"}, {"role": "assistant", "content": "A slice."}]
            file.write(json.dumps({"images": names, "messages": turns, **more}) + "\n")
    return path


def save_flat(folder: Path, name: str, shade: int, size: tuple[int, int] = (20, 10)) -> None:
    folder.mkdir(exist_ok=True)
    Image.new("L", size, shade).save(folder / name)


def test_every_row_comes_back_as_it_was(dataset, drawn):
    expected = accepted(drawn)
    assert len(dataset) == len(expected) == drawn.rows - len(drawn.faults)
    for number, (row, (source, line, given)) in enumerate(zip(dataset, expected, strict=True)):
        assert (row["row"], row["source"], row["line"]) == (number, source, line)
        assert row["messages"] == given["messages"]
        assert row["image_names"] == given["images"]
        assert row["meta"] == given.get("meta")
        assert row["extra"] is None


def test_pictures_of_a_row_are_pillows_pixels_and_the_callers_own(dataset, drawn):
    for number, (_, _, given) in enumerate(accepted(drawn)):
        (image,) = dataset[number]["images"]
        expected = Image.open(on_disk(drawn, given["images"][0])).convert("RGB").resize((48, 64), Image.Resampling.BICUBIC)
        assert image.dtype == np.uint8
        assert np.array_equal(image, np.asarray(expected))
        assert image.flags.writeable
        assert image.flags.c_contiguous


def test_options_and_answers_are_told(dataset):
    closed = next(row for row in dataset if row["variant"] == "closed_cot")
    letters = {option["letter"]: option["text"] for option in closed["options"]}
    assert closed["answer_text"] == letters[closed["answer"]]
    opened = next(row for row in dataset if row["variant"] == "open")
    assert (opened["options"], opened["answer"], opened["answer_text"]) == (None, None, None)


def test_rows_count_from_both_ends(dataset):
    last = len(dataset) - 1
    assert dataset[-1]["row"] == dataset[last]["row"] == dataset[np.int64(last)]["row"] == last
    for outside in (len(dataset), -len(dataset) - 1):
        with pytest.raises(IndexError, match="of 8"):
            dataset[outside]
    with pytest.raises(TypeError, match="expected a row number, found slice"):
        dataset[0:2]


def test_take_keeps_the_order_asked_for(dataset):
    assert [row["row"] for row in dataset.take([5, 0, 5, -1])] == [5, 0, 5, len(dataset) - 1]
    assert dataset.take([]) == []


def test_rows_are_one_table_in_the_order_of_row_numbers(dataset):
    table = dataset.rows
    assert len(dataset.manifest["shards"]) > 1
    assert table.schema == dataset.schema
    rows = table.to_pylist()
    assert [(row["source"], row["line"], row["messages"]) for row in rows] == [
        (row["source"], row["line"], row["messages"]) for row in dataset
    ]
    for row, full in zip(rows, dataset, strict=True):
        pictures = [dataset.pictures[number] for number in row["pictures"]]
        assert all(name in picture.names for name, picture in zip(row["images"], pictures, strict=True))
        assert all(np.array_equal(picture.rgb(), image) for picture, image in zip(pictures, full["images"], strict=True))


def test_rows_in_order_are_not_copied(tmp_path):
    for shade in range(4):
        save_flat(tmp_path / "images", f"{shade}.png", shade)
    source = write_rows(tmp_path / "a.jsonl", [[f"{number // 2}.png"] for number in range(8)])
    mf.build(source, tmp_path / "images", tmp_path / "shards", SPEC, shard_bytes=3 * 64 * 48 * 2)
    with mf.open(tmp_path / "shards") as dataset:
        before = pa.total_allocated_bytes()
        table = dataset.rows
        assert table.column("line").to_pylist() == list(range(1, 9))
        assert table.column("messages").num_chunks == 2
        assert pa.total_allocated_bytes() - before < 1024


def test_rows_out_of_order_come_in_blocks_and_in_the_order_of_their_numbers(tmp_path):
    for shade in range(2):
        save_flat(tmp_path / "images", f"{shade}.png", shade)
    count = 40_001  # three blocks; rows of one picture stand together, so that every other row is elsewhere
    source = write_rows(tmp_path / "a.jsonl", [[f"{number % 2}.png"] for number in range(count)])
    mf.build(source, tmp_path / "images", tmp_path / "shards", SPEC)
    with mf.open(tmp_path / "shards") as dataset:
        table = dataset.rows
        assert table.column("line").to_pylist() == list(range(1, count + 1))
        assert table.column("pictures").to_pylist() == [[number % 2] for number in range(count)]
        assert table.column("images").to_pylist() == [[f"{number % 2}.png"] for number in range(count)]


def test_each_distinct_picture_is_there_once_with_its_names(tmp_path):
    images = tmp_path / "images"
    for shade in range(6):
        save_flat(images, f"{shade}.png", shade * 9)
    shutil.copy(images / "0.png", images / "twin.png")
    rows = [["0.png"], ["1.png", "5.png"], ["2.png"], ["twin.png", "1.png"], ["3.png"], ["4.png"], ["5.png", "0.png"]]
    report = mf.build(write_rows(tmp_path / "a.jsonl", rows), images, tmp_path / "shards", SPEC, shard_bytes=3 * 64 * 48 * 2)
    assert report.stored_again > 0
    with mf.open(tmp_path / "shards") as dataset:
        assert len(dataset.pictures) == 6 == len({picture.hash for picture in dataset.pictures})
        assert {picture.names for picture in dataset.pictures} == {
            ("0.png", "twin.png"),
            *((f"{shade}.png",) for shade in range(1, 6)),
        }
        assert dataset.pictures.table.num_rows == 6
        assert dataset.pictures.table.column("hash").to_pylist() == [bytes.fromhex(picture.hash) for picture in dataset.pictures]
        for row, names in zip(dataset.rows.to_pylist(), rows, strict=True):
            shades = [int(dataset.pictures[number].pixels[0, 0]) for number in row["pictures"]]
            assert shades == [0 if name == "twin.png" else 9 * int(name[0]) for name in names]


def test_stored_pixels_are_views_that_cannot_be_written(dataset):
    kinds = set()
    for picture in dataset.pictures:
        pixels = picture.pixels
        kinds.add(pixels.ndim)
        assert pixels.shape == ((64, 48) if picture.channels == 1 else (64, 48, 3))
        assert not pixels.flags.owndata
        assert not pixels.flags.writeable
        assert np.array_equal(picture.rgb()[..., 0], pixels if pixels.ndim == 2 else pixels[..., 0])
    assert kinds == {2, 3}


def test_a_picture_knows_its_file(dataset, drawn):
    for picture in dataset.pictures:
        with Image.open(on_disk(drawn, picture.names[0])) as file:
            assert (picture.source_width, picture.source_height) == file.size
            assert picture.format == str(file.format).lower()
            assert picture.mode == file.mode
    assert dataset.pictures[-1] == dataset.pictures[len(dataset.pictures) - 1]
    assert len(dataset.pictures[2:5]) == 3
    with pytest.raises(IndexError, match="picture 14 of 14"):
        dataset.pictures[14]


def test_pictures_of_their_own_size(drawn, tmp_path):
    mf.build(drawn.sources, drawn.images, tmp_path / "shards", mf.Original())
    with mf.open(tmp_path / "shards") as dataset:
        assert dataset.spec == mf.Original()
        assert len({picture.pixels.shape for picture in dataset.pictures}) > 1
        for picture in dataset.pictures:
            expected = np.asarray(Image.open(on_disk(drawn, picture.names[0])).convert("RGB"))
            assert np.array_equal(picture.rgb(), expected)


def test_rows_without_pictures_and_odd_members(tmp_path):
    save_flat(tmp_path / "images", "0.png", 7)
    huge = "9" * 5000
    source = write_rows(tmp_path / "a.jsonl", [[], ["0.png"]], weight=0.5)
    lines = source.read_text().replace('"weight": 0.5', f'"weight": 0.5, "meta": {{"n": {huge}, "t": "é"}}', 1)
    source.write_text(lines, encoding="utf-8")
    mf.build(source, tmp_path / "images", tmp_path / "shards", SPEC)
    with mf.open(tmp_path / "shards") as dataset:
        first, second = dataset
        assert (first["images"], first["image_names"]) == ([], [])
        assert str(first["meta"]["n"]) == huge
        assert (first["meta"]["t"], first["extra"], second["meta"]) == ("é", {"weight": 0.5}, None)
        assert dataset.rows.column("pictures").to_pylist() == [[], [0]]


def test_a_data_set_of_which_nothing_is_left_opens(tmp_path):
    (tmp_path / "images").mkdir()
    report = mf.build(write_rows(tmp_path / "a.jsonl", [["no.png"]]), tmp_path / "images", tmp_path / "shards", SPEC)
    assert (report.rows, report.rejected) == (0, 1)
    with mf.open(tmp_path / "shards") as dataset:
        assert (len(dataset), list(dataset), len(dataset.pictures), dataset.rows.num_rows) == (0, [], 0, 0)
        assert dataset.schema == dataset.rows.schema
        assert dataset.pictures.table.num_rows == 0
        with pytest.raises(IndexError):
            dataset[0]


def test_the_reference_engines_data_set_reads_the_same(dataset, drawn, tmp_path):
    mf.build(drawn.sources, drawn.images, tmp_path / "shards", SPEC, shard_bytes=SMALL_SHARDS, engine="reference")
    with mf.open(tmp_path / "shards") as other:
        assert other.rows.equals(dataset.rows)
        assert list(other.pictures) == list(dataset.pictures)
        assert all(np.array_equal(left.pixels, right.pixels) for left, right in zip(other.pictures, dataset.pictures, strict=True))


# what it is, and its life


def test_what_it_says_of_itself(dataset, shards):
    assert dataset.path == shards
    assert dataset.spec == SPEC
    assert dataset.manifest == json.loads((shards / "manifest.json").read_text())
    assert dataset.fingerprint == dataset.manifest["manifest_blake3"]
    assert repr(dataset) == f"Dataset({str(shards)!r}, 87 rows, 14 pictures, 64x48 stretch)"
    assert repr(dataset.pictures) == "<14 distinct pictures>"


def test_a_closed_data_set_refuses_and_what_it_gave_stays(shards):
    with mf.open(shards) as dataset:
        pixels = dataset.pictures[0].pixels
        table = dataset.rows
        inside = pixels.copy()
    assert dataset.closed
    assert np.array_equal(pixels, inside)
    assert table.num_rows == 87
    assert repr(dataset).endswith("closed)")
    for use in (lambda: dataset[0], lambda: len(dataset), lambda: dataset.rows, lambda: dataset.pictures, lambda: dataset.manifest):
        with pytest.raises(mf.ClosedError, match="was closed; open it again"):
            use()


def _line_and_sum(dataset: mf.Dataset, number: int) -> tuple[int, int]:
    row = dataset[number]
    return row["line"], int(row["images"][0].sum())


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # Arrow has threads; none of them is in use
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_read_the_same(dataset, method):
    expected = [_line_and_sum(dataset, number) for number in (0, 40, 86)]
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.starmap(_line_and_sum, [(dataset, number) for number in (0, 40, 86)]) == expected


def test_it_pickles_as_its_path_and_opens_when_used(dataset, tmp_path):
    text = pickle.dumps(dataset)
    assert len(text) < 500
    assert pickle.loads(text)[3]["messages"] == dataset[3]["messages"]


def test_a_picture_pickles_without_its_pixels_or_its_neighbours(dataset, drawn):
    with mf.open(drawn.sources, drawn.images, image=SPEC) as raw:
        for pictures in (dataset.pictures, raw.pictures):
            text = pickle.dumps(pictures[3])
            assert len(text) < 2500
            again = pickle.loads(text)
            assert again == pictures[3]
            assert np.array_equal(again.pixels, pictures[3].pixels)


def test_another_data_set_in_its_place_is_noticed(drawn, tmp_path):
    shards = tmp_path / "shards"
    mf.build(drawn.sources[2], drawn.images, shards, SPEC)
    kept = pickle.dumps(mf.open(shards))
    shutil.rmtree(shards)
    mf.build(drawn.sources[2], drawn.images, shards, mf.Original())
    changed = pickle.loads(kept)
    with pytest.raises(mf.ShardError, match="it was rebuilt since then"):
        len(changed)


# what is refused


@pytest.fixture
def copy(shards, tmp_path) -> Path:
    return Path(shutil.copytree(shards, tmp_path / "copy"))


def change_manifest(folder: Path, **members) -> None:
    """Change members, and make the manifest's own hash agree again."""
    path = folder / "manifest.json"
    changed = {**json.loads(path.read_text()), **members, "manifest_blake3": "0" * 64}
    changed["manifest_blake3"] = blake3(json.dumps(changed).encode()).hexdigest()
    path.write_text(json.dumps(changed))


def test_a_folder_that_is_no_data_set_is_told_apart(tmp_path, copy):
    with pytest.raises(FileNotFoundError, match="no such data set"):
        mf.open(tmp_path / "nothing")
    with pytest.raises(mf.ShardError, match="found a file"):
        mf.open(copy / "manifest.json")
    (copy / "manifest.json").unlink()
    with pytest.raises(mf.ShardError, match=r"no manifest\.json: not a data set"):
        mf.open(copy)
    (copy / ".build").mkdir()
    with pytest.raises(mf.ShardError, match="goes on where it stopped") as caught:
        mf.open(copy)
    assert caught.value.path == str(copy)


def test_a_newer_format_is_refused_and_newer_members_are_ignored(copy):
    change_manifest(copy, format=[1, 7], colour_of_the_cover="blue")
    assert len(mf.open(copy)) == 87
    change_manifest(copy, format=[2, 0])
    with pytest.raises(mf.ShardError, match=r"written in format 2\.0, this version reads format 1: install a newer"):
        mf.open(copy)


def test_a_changed_manifest_is_refused_and_so_are_pixels_of_a_newer_version(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "pixels_version": 1}))
    with pytest.raises(mf.ShardError, match="its own hash does not agree"):
        mf.open(copy)
    change_manifest(copy, pixels_version=1)
    assert len(mf.open(copy)) == 87  # pixels of an older version stay what they are
    change_manifest(copy, pixels_version=99)
    with pytest.raises(mf.ShardError, match="found version 99: install a newer"):
        mf.open(copy)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": []}', '{"format": [0, 1]}', '{"format": ["1", 0]}', '{"format": [1, 0]}']
)
def test_a_damaged_manifest_is_no_traceback_of_ours(copy, text):
    (copy / "manifest.json").write_text(text)
    with pytest.raises(mf.ShardError, match="manifest"):
        mf.open(copy)


def test_a_manifest_leads_nobody_out_of_its_folder(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["shards"][0]["folder"] = "../shards"
    change_manifest(copy, shards=manifest["shards"])
    with pytest.raises(mf.ShardError, match="damaged"):
        mf.open(copy)


@pytest.mark.parametrize("name", ["rows.arrow", "pictures.arrow", "gray.npy"])
def test_a_file_of_another_length_is_named_when_its_shard_is_first_touched(copy, name):
    path = next(copy.rglob(name))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(mf.ShardError, match=rf"{name}: expected \d+ bytes, found \d+; run mmno-fast verify"):
        list(mf.open(copy))
    path.unlink()
    with pytest.raises(mf.ShardError, match=f"{name}: the file is gone"):
        list(mf.open(copy))


def test_an_index_of_another_length_is_refused_when_the_data_set_is_opened(copy):
    path = top_file(copy, "rows.index.npy")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(mf.ShardError, match=r"rows\.index-[0-9a-f]{16}\.npy: expected \d+ bytes, found \d+"):
        mf.open(copy)
    path.unlink()
    with pytest.raises(mf.ShardError, match=r"rows\.index-[0-9a-f]{16}\.npy: the file is gone"):
        mf.open(copy)


@pytest.mark.parametrize(("name", "use"), [("rows.arrow", lambda d: d.rows), ("gray.npy", list), ("rows.index-*.npy", lambda d: d[0])])
def test_a_file_of_the_right_length_that_is_something_else_is_named(copy, name, use):
    for path in copy.rglob(name):
        path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(mf.ShardError, match=name.replace("*", ".*")):
        use(mf.open(copy))


def test_an_index_that_points_outside_is_an_error(copy):
    path = top_file(copy, "rows.index.npy")
    index = np.load(path)
    whole = path.read_bytes()
    index[0] = 2**40
    path.write_bytes(whole[: -index.nbytes] + index.tobytes())
    with pytest.raises(mf.ShardError, match=r"rows\.index-[0-9a-f]{16}\.npy: row 0 points to row 0 of shard 256, which is not there"):
        mf.open(copy)[0]
