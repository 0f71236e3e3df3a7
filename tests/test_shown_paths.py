"""Paths and names in errors and reports of the core: nothing in them acts, none is long, and no two of them look alike."""

from __future__ import annotations

import os

import mmno_fast as mf
import pytest

from tests import hostile_texts
from tests.building import about, encoded, noise, write_files, write_rows

SPEC = mf.Resize(4, fit="stretch")
ACTING = ["a\x1b[31mb", "a\rb", "a\nb", "a\x7f\x9bb", "\u202egnp.a", "a\u200b\u2066\ufeffb", "a\u2028b", "\x1b]0;owned\x07"]
ODD = [os.fsdecode(name) for name in (b"a\xff", b"a\xfe", b"a\xff\xff", b"a\x9b\xff", b"a\xc2\x9b\xff")]
"""No UTF-8. Read with U+FFFD for what is not, the first two are one name."""


def errors_about(folder):
    """What is raised about `folder`, a shard of which is damaged, about a picture in it, and about a file that is not there."""
    folder.mkdir()
    write_files(folder / "images", {"0.png": encoded(noise(0, 8, 8))})
    source = write_rows(folder / "a.jsonl", [about("0.png")])
    mf.build(source, folder / "images", folder / "shards", SPEC)
    raw = mf.open(source, folder / "images", image=SPEC)
    (folder / "images" / "0.png").write_bytes(b"other")
    with pytest.raises(mf.DataError) as picture:
        _ = raw.pictures[0].pixels
    (folder / "shards" / "manifest.json").write_text("{}")
    with pytest.raises(mf.ShardError) as shard:
        mf.open(folder / "shards")
    with pytest.raises(FileNotFoundError) as gone:
        mf.check(folder / "none.jsonl")
    (folder / "thesis").mkdir()
    (folder / "thesis" / folder.name).touch()
    with pytest.raises(ValueError, match="expected an empty folder") as foreign:
        mf.build(source, folder / "images", folder / "thesis", SPEC)
    return picture.value, shard.value, gone.value, foreign.value


@pytest.mark.parametrize("name", [*ACTING, *ODD], ids=ascii)
def test_a_path_does_nothing_in_an_error_and_its_attribute_is_exact(tmp_path, name):
    errors = errors_about(tmp_path / name)
    for error in errors:
        assert str(error).isprintable(), ascii(str(error))
        assert name not in str(error)
        assert "\ufffd" not in str(error)
    assert errors[0].path == str(tmp_path / name / "images" / "0.png")
    assert errors[1].path.startswith(str(tmp_path / name / "shards"))


def test_a_path_that_does_nothing_is_shown_as_it_is(tmp_path):
    name = "tête \\ 漢字 [bold]"
    for error in errors_about(tmp_path / name):
        assert name in str(error)


def test_names_that_are_no_utf_8_are_shown_apart(tmp_path):
    images = write_files(tmp_path / "images", {"0.png": encoded(noise(0, 8, 8))})
    source = write_rows(tmp_path / "a.jsonl", [about("0.png")])
    mf.build(source, images, tmp_path / "out", SPEC)
    for name in ODD:
        (tmp_path / "out" / name).touch()
    shown = {problem["path"] for problem in mf.verify(tmp_path / "out").problems}
    assert len(shown) == len(ODD)
    assert all(path.isprintable() for path in shown)
    assert {"a\\xff", "a\\xfe"} <= shown
    used = set()
    for name in ODD:
        root = tmp_path / name
        images.rename(root)
        images = root
        (found,) = mf.check(source, root).summary["roots"]
        assert found["used"] == str(root)
        used.add(found["used"])
    assert len(used) == len(ODD)


def test_a_name_of_a_picture_is_cut_and_escaped_in_every_message(tmp_path):
    """Missing, ambiguous, broken, repeated, renamed, of another format."""
    short = {"A.png": encoded(noise(0, 8, 8)), "a.bmp": encoded(noise(1, 8, 8)), "b.jpg": encoded(noise(2, 8, 8)), "c.png": b"broken"}
    folder = "/".join(["n" * 200] * 3)
    images = write_files(tmp_path / "images", {f"{folder}/{name}": file for name, file in short.items()})
    names = [f"{folder}/{name}" for name in ("a.jpg", "none.png", "b.jpg", "c.png", "B.png")]
    data = "data:image/png;base64," + "A" * 3000
    names += [data, *(text for text in hostile_texts.SHORT if "\x00" not in text and text.strip() == text and text)]
    rows = [about(name) for name in names]
    findings = mf.check(write_rows(tmp_path / "a.jsonl", rows), images).findings.to_pylist()
    said = {each["code"] for each in findings}
    assert said >= {"images.ambiguous", "images.missing", "picture.extension", "images.resolved"}
    for each in findings:
        assert each["message"].isprintable()
        assert len(each["message"]) < 1200, each
        assert "n" * 81 not in each["message"].replace("/", "n"), each
        assert "A" * 40 not in each["message"]
