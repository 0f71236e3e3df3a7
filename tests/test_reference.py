"""The reference engine keeps to `docs/rows.md` and `docs/format.md`: it is what the core is held against."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from blake3 import blake3
from mmno_fast.reference import build
from mmno_fast.spec.scan import ScanOptions
from PIL import Image, ImageOps

STRETCH = {"kind": "resize", "height": 12, "width": 16, "fit": "stretch"}

Json = dict[str, Any]


def row(question: str = "Which?", answer: str = "That.", **more: object) -> Json:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}], **more}


# a data set ---------------------------------------------------------------------------------------------------------


def save(folder: Path, name: str, pixels: npt.NDArray[Any], **how: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **how)
    return path


def noise(seed: int, *shape: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_source(path: Path, *lines: object) -> tuple[str, str]:
    path.write_bytes(b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines))
    return (path.name, str(path))


def images(*names: str) -> Json:
    return row("<image>" * len(names), images=list(names))


def run(folder: Path, *lines: object, **how: Any) -> tuple[Json, Path]:
    """Builds from `folder/images`; gives the report and the folder of shards."""
    (folder / "images").mkdir(exist_ok=True)
    source = write_source(folder / "train.jsonl", *lines)
    out = folder / "out"
    arguments: Json = {"spec": STRETCH, "roots": [str(folder / "images")]} | how
    return build([source], arguments.pop("roots"), str(out), **arguments), out


def rejects(out: Path) -> dict[int, list[str]]:
    return {reject["line"]: reject["codes"] for reject in map(json.loads, (out / "rejects.jsonl").read_text("utf-8").splitlines())}


def manifest_of(out: Path) -> Json:
    content: Json = json.loads((out / "manifest.json").read_bytes())
    return content


def tables(shard: Path) -> tuple[list[Json], list[Json]]:
    rows, stored = (pa.ipc.open_file(shard / f"{name}.arrow").read_all().to_pylist() for name in ("rows", "pictures"))
    return rows, stored


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    save(folder, "gray.png", noise(1, 30, 40))
    save(folder, "equal.png", np.repeat(noise(2, 30, 40, 1), 3, axis=2))
    save(folder, "colour.jpg", noise(3, 50, 20, 3), quality=90)
    (folder / "alias.png").write_bytes((folder / "gray.png").read_bytes())
    cut = save(folder, "cut.jpg", noise(4, 64, 64, 3)).read_bytes()
    (folder / "cut.jpg").write_bytes(cut[: len(cut) // 2])
    return folder


def test_a_data_set_holds_every_row_and_pillows_pixels(tmp_path: Path, pictures: Path) -> None:
    report, out = run(
        tmp_path,
        *[images("gray.png"), row(meta={"id": 7}), b" ", images("colour.jpg", "alias.png"), images("cut.jpg", "equal.png")],
        *[b"{", images("equal.png"), b"\xff", images("none.png")],
        shard_bytes=2 * 3 * 12 * 16,
    )
    assert [report[key] for key in ("lines", "rows", "rejected")] == [8, 4, 4]
    assert [report[key] for key in ("pictures", "distinct_pictures", "decoded", "shards", "stored_again")] == [3, 3, 3, 3, 0]
    assert rejects(out) == {5: ["picture.truncated"], 6: ["json.syntax"], 8: ["json.utf8"], 9: ["images.missing"]}
    assert report["rejects"] == {"json.utf8": 1, "json.syntax": 1, "images.missing": 1, "picture.truncated": 1}
    manifest = manifest_of(out)
    assert [(shard["rows"], shard["pictures"], shard["gray"], shard["rgb"]) for shard in manifest["shards"]] == [
        *[(2, 2, 1, 1), (1, 1, 1, 0), (1, 0, 0, 0)],
    ]
    assert json.loads((out / manifest["shards"][1]["folder"] / "unit.json").read_bytes())["rejects"] == [
        {"source": "train.jsonl", "line": 5, "codes": ["picture.truncated"]}
    ]
    places = np.load(out / "rows.index.npy", mmap_mode="r")
    assert places.dtype == np.uint64
    lines = []
    for place in places.tolist():
        shard = out / manifest["shards"][place >> 32]["folder"]
        rows, stored = tables(shard)
        found = rows[place & 0xFFFFFFFF]
        lines.append(found["line"])
        for name, number in zip(found["images"], found["pictures"], strict=True):
            picture = stored[number]
            pixels = np.load(shard / f"{picture['store']}.npy", mmap_mode="r")[picture["index"]]
            expected = Image.open(pictures / name).convert("RGB").resize((16, 12), Image.Resampling.BICUBIC)
            assert picture["store"] == ("rgb" if name == "colour.jpg" else "gray")
            assert np.array_equal(np.broadcast_to(pixels.reshape(12, 16, -1), (12, 16, 3)), np.asarray(expected))
            assert picture["hash"] == blake3((pictures / name).read_bytes()).digest()
    assert lines == [1, 2, 4, 7]
    assert tables(out / manifest["shards"][0]["folder"])[1][0]["names"] == ["gray.png", "alias.png"]


def test_files_are_as_the_format_says(tmp_path: Path, pictures: Path) -> None:
    report, out = run(
        tmp_path,
        images("gray.png"),
        images("colour.jpg"),
        b'{"bad": "\xc3\xa9"}',
        b"\xfe" * 3,
        b"[" * 200,
        options=ScanOptions(max_line_bytes=150),
    )
    assert pictures.is_dir()
    shard = out / manifest_of(out)["shards"][0]["folder"]
    head = (shard / "rgb.npy").read_bytes()[:4096]
    text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 12, 16, 3), }"
    assert head == b"\x93NUMPY\x01\x00" + (4086).to_bytes(2, "little") + text.ljust(4085) + b"\n"
    raw, manifest = (out / "manifest.json").read_bytes(), manifest_of(out)
    said = manifest["manifest_blake3"].encode()
    assert blake3(raw.replace(said, b"0" * 64)).hexdigest().encode() == said
    assert raw == json.dumps(manifest, indent=2, ensure_ascii=False).encode() + b"\n"
    for folder, files in [(out, manifest["files"]), (shard, manifest["shards"][0]["files"])]:
        for file in files:
            content = (folder / file["name"]).read_bytes()
            assert (len(content), blake3(content).hexdigest()) == (file["bytes"], file["blake3"])
    whole = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    inside = {f"{shard.name}/{name}" for name in ("unit.json", "rows.arrow", "pictures.arrow", "gray.npy", "rgb.npy")}
    named = {file["name"] for file in manifest["files"]}
    assert whole == {"manifest.json", "rejects.jsonl", "rows.index.npy"} | named | inside
    assert len(named) == 2
    assert report["bytes"] == sum((out / name).stat().st_size for name in whole)
    content = (tmp_path / "train.jsonl").read_bytes()
    at = [content.index(start) for start in (b'{"bad"', b"\xfe", b"[[")]
    assert (out / "rejects.jsonl").read_text("utf-8").splitlines() == [
        f'{{"source":"train.jsonl","line":3,"byte":{at[0]},"codes":["row.missing_field"],"text":"{{\\"bad\\": \\"é\\"}}"}}',
        f'{{"source":"train.jsonl","line":4,"byte":{at[1]},"codes":["json.utf8"],"base64":"/v7+"}}',
        f'{{"source":"train.jsonl","line":5,"byte":{at[2]},"codes":["line.too_long"],"length":200}}',
    ]


def test_a_shard_is_named_by_its_fingerprint(tmp_path: Path, pictures: Path) -> None:
    _, out = run(tmp_path, images("colour.jpg"), images("gray.png", "colour.jpg"), shard_bytes=3 * 12 * 16, shuffle_seed=5)
    line = [blake3(text).hexdigest()[:32] for text in (tmp_path / "train.jsonl").read_bytes().splitlines()]
    hashes = {name: blake3((pictures / name).read_bytes()).digest() for name in ("gray.png", "colour.jpg")}
    gray, colour = ([hashes[name].hex(), [name]] for name in hashes)
    spec = manifest_of(out)["spec"]
    units = {
        "colour.jpg": {"pictures": [colour], "rows": [["train.jsonl", 1, line[0], [0]]]},
        "gray.png": {"pictures": [gray, colour], "rows": [["train.jsonl", 2, line[1], [0, 1]]]},
    }
    expected = []
    for name in sorted(hashes, key=lambda name: blake3((5).to_bytes(8, "little") + hashes[name]).digest()):
        text = json.dumps({"format": [1, 0], "pixels_version": 2, "spec": spec, **units[name]}, separators=(",", ":"))
        expected.append(blake3(text.encode()).hexdigest()[:16])
    assert [shard["folder"] for shard in manifest_of(out)["shards"]] == expected


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("filter_name", ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"])
def test_fits_and_filters(tmp_path: Path, fit: str, filter_name: str) -> None:
    sizes = {"wide": (20, 70), "high": (70, 20), "equal": (24, 32)}
    for name, size in sizes.items():
        save(tmp_path / "images", f"{name}.png", noise(9, *size, 3))
    _, out = run(tmp_path, images(*(f"{name}.png" for name in sizes)), spec=STRETCH | {"fit": fit, "filter": filter_name})
    pixels = np.load(out / manifest_of(out)["shards"][0]["folder"] / "rgb.npy")
    method = Image.Resampling[filter_name.upper()]
    for found, (name, (height, width)) in zip(pixels, sizes.items(), strict=True):
        image = Image.open(tmp_path / "images" / f"{name}.png")
        if fit == "stretch":
            expected = image.resize((16, 12), method)
        elif fit == "pad":
            expected = ImageOps.pad(image, (16, 12), method, color=0)
        else:
            new = (12 * width // height, 12) if 12 * width >= 16 * height else (16, 16 * height // width)
            left, top = (new[0] - 16) // 2, (new[1] - 12) // 2
            expected = image.resize(new, method).crop((left, top, left + 16, top + 12))
        assert np.array_equal(found, np.asarray(expected)), name


def test_original_pictures_turned_scaled_and_on_white(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "images", "turned.jpg", noise(1, 8, 24), exif=exif)
    save(tmp_path / "images", "deep.png", np.arange(0, 60_000, 100, dtype=np.uint16).reshape(20, 30))
    save(tmp_path / "images", "clear.png", noise(2, 9, 7, 4))
    spec = {"kind": "original", "exif": True, "sixteen_bit": "scale", "alpha": "white"}
    _, out = run(tmp_path, images("turned.jpg", "deep.png", "clear.png"), spec=spec)
    shard = out / manifest_of(out)["shards"][0]["folder"]
    pixels, stored = np.load(shard / "pixels.npy"), tables(shard)[1]
    assert [(each["source_height"], each["source_width"], each["height"], each["orientation"], each["mode"]) for each in stored] == [
        *[(8, 24, 24, 6, "L"), (20, 30, 20, 1, "I;16"), (9, 7, 9, 1, "RGBA")],
    ]
    clear = Image.open(tmp_path / "images" / "clear.png")
    expected = [
        ImageOps.exif_transpose(Image.open(tmp_path / "images" / "turned.jpg")),
        np.arange(0, 60_000, 100, dtype=np.uint16).reshape(20, 30) >> 8,
        Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB"),
    ]
    assert pixels.tobytes() == b"".join(np.asarray(each).astype(np.uint8).tobytes() for each in expected)
    assert [each["offset"] for each in stored] == [0, 192, 792]


def test_pictures_that_are_none(tmp_path: Path, pictures: Path) -> None:
    whole = io.BytesIO()
    Image.fromarray(noise(1, 20, 20)).save(whole, "PNG")
    spoilt = {
        "empty": (b"", "picture.empty"),
        "text": (b"no picture", "picture.format"),
        "head": (whole.getvalue()[:20], "picture.truncated"),
        "broken": (whole.getvalue()[:20] + b"\0" * 300, "picture.corrupt"),
        "flipped": (whole.getvalue().replace(b"IDAT", b"IDAT\xff", 1), "picture.corrupt"),
    }
    for name, (content, _) in spoilt.items():
        (pictures / f"{name}.png").write_bytes(content)
    save(pictures, "deep.png", np.zeros((4, 4), np.uint16))
    lines = [images(f"{name}.png") for name in (*spoilt, "deep", "gray")]
    _, out = run(tmp_path, *lines, spec=STRETCH | {"decode_limit": 1199})
    expected = [code for _, code in spoilt.values()] + ["picture.sixteen_bit", "picture.too_large"]
    assert rejects(out) == {number: [code] for number, code in enumerate(expected, 1)}


# finding files, refusing sources ------------------------------------------------------------------------------------


def test_files_are_found_under_another_case_or_suffix_and_below_one_root(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two" / "Archive" / "Archive"
    for number, path in enumerate([one / "Class/Scan.PNG", one / "twin.bmp", one / "twin.tif", one / "both.png", two / "both.png"]):
        save(path.parent, path.name, noise(number, 8, 8), format="PNG")
    (two / "same.png").write_bytes((save(one, "same.png", noise(9, 8, 8))).read_bytes())
    names = ["class/scan.jpg", "twin.png", "both.png", "same.png", "a/../same.png", "none.png"]
    report, out = run(tmp_path, *[images(name) for name in names], roots=[str(one), str(tmp_path / "two")])
    assert report["roots"] == [str(one), str(two)]
    assert rejects(out) == {2: ["images.ambiguous"], 3: ["images.two_roots"], 5: ["images.traversal"], 6: ["images.missing"]}


def test_links_that_leave_the_root_are_followed_unless_refused(tmp_path: Path) -> None:
    outside = save(tmp_path, "outside.png", noise(1, 8, 8))
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "link.png").symlink_to(outside)
    report, out = run(tmp_path, images("/data/link.png"), options=ScanOptions(follow_links=False, strip_prefix="/data/"))
    assert rejects(out) == {1: ["images.missing"]}
    (tmp_path / "again").mkdir()
    report = build(
        [("a", str(tmp_path / "train.jsonl"))],
        [str(tmp_path / "images")],
        str(tmp_path / "again"),
        spec=STRETCH,
        options=ScanOptions(strip_prefix="/data/"),
    )
    assert (report["rows"], report["rejected"]) == (1, 0)


@pytest.mark.parametrize("content", [b'[{"a": 1},\n{"a": 2}]\n', b"\xef\xbb\xbf\n [{}]", b'{\n"a": 1\n}\n\n'])
def test_a_file_that_is_one_json_value_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "train.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"source\.not_lines"):
        build([("train.json", str(tmp_path / "train.json"))], [str(tmp_path)], str(tmp_path / "out"), spec=STRETCH)


def test_a_first_line_that_is_no_row_does_not_make_a_file_json(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    content = b'\xef\xbb\xbf[1]\r\n{"messages": 1\n\n' + json.dumps(row()).encode()
    (tmp_path / "train.jsonl").write_bytes(content)
    build([("train", str(tmp_path / "train.jsonl"))], [str(tmp_path / "images")], str(tmp_path / "out"), spec=STRETCH)
    assert rejects(tmp_path / "out") == {1: ["row.not_object"], 2: ["json.syntax"]}
    first = json.loads((tmp_path / "out" / "rejects.jsonl").read_text("utf-8").splitlines()[0])
    assert (first["byte"], first["text"]) == (3, "[1]\r")


def test_wrong_use_is_refused(tmp_path: Path, pictures: Path) -> None:
    run(tmp_path, images("gray.png"))
    source = ("train.jsonl", str(tmp_path / "train.jsonl"))
    with pytest.raises(FileExistsError):
        build([source], [str(pictures)], str(tmp_path / "out"), spec=STRETCH)
    with pytest.raises(ValueError, match="name=path"):
        build([source, source], [str(pictures)], str(tmp_path / "new"), spec=STRETCH)
    with pytest.raises(ValueError, match="fit"):
        build([source], [str(pictures)], str(tmp_path / "new"), spec={**STRETCH, "fit": None})
    with pytest.raises(FileNotFoundError):
        build([source], [str(tmp_path / "nowhere")], str(tmp_path / "new"), spec=STRETCH)


def test_input_that_changes_during_a_build_is_an_error(tmp_path: Path, pictures: Path) -> None:
    def change(stage: str, _done: int, _total: int) -> None:
        if stage == "units":
            (pictures / "gray.png").write_bytes((pictures / "equal.png").read_bytes())

    with pytest.raises(ValueError, match=r"gray\.png: changed"):
        run(tmp_path, images("gray.png"), progress=change)
    assert not (tmp_path / "out" / "manifest.json").exists()
