"""What may be given as sources and roots."""

from pathlib import Path

import pytest
from mmno_fast.data.sources import checked_roots, named_sources


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.jsonl", "b.jsonl", "x=y.jsonl"):
        (tmp_path / name).touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.jsonl").touch()
    return tmp_path


def test_a_source_is_known_by_its_file_name_or_as_it_is_called(folder):
    a, b = str(folder / "a.jsonl"), folder / "b.jsonl"
    assert named_sources(a) == [("a.jsonl", a)]
    assert named_sources([b, a]) == [("b.jsonl", str(b)), ("a.jsonl", a)]
    assert named_sources(f"first={a}") == [("first", a)]
    assert named_sources({"first": a, "second": b}) == [("first", a), ("second", str(b))]


def test_an_equals_sign_in_a_path_is_no_name(folder, monkeypatch):
    monkeypatch.chdir(folder)
    path = str(folder / "x=y.jsonl")
    assert named_sources([path]) == [("x=y.jsonl", path)]
    assert named_sources("x=y.jsonl") == [("x=y.jsonl", "x=y.jsonl")]
    assert named_sources(Path("x=y.jsonl")) == [("x=y.jsonl", "x=y.jsonl")]


def test_two_sources_of_one_name_are_refused_with_the_way_out(folder):
    twins = [str(folder / "a.jsonl"), str(folder / "other" / "a.jsonl")]
    with pytest.raises(ValueError, match=r"two sources are called 'a.jsonl' .*name=path"):
        named_sources(twins)
    assert [name for name, _ in named_sources([twins[0], f"other={twins[1]}"])] == ["a.jsonl", "other"]


def test_what_cannot_be_a_source_is_refused(folder):
    with pytest.raises(ValueError, match="name at least one"):
        named_sources([])
    with pytest.raises(FileNotFoundError, match="no such source"):
        named_sources(folder / "nothing.jsonl")
    with pytest.raises(ValueError, match="found a folder"):
        named_sources(folder)
    for name in ("", "a/b", "a\nb"):
        with pytest.raises(ValueError, match="cannot be the name of a source"):
            named_sources({name: folder / "a.jsonl"})


def test_roots_are_folders_that_are_there(folder):
    assert checked_roots(folder) == [str(folder)]
    assert checked_roots([folder, str(folder / "other")]) == [str(folder), str(folder / "other")]
    with pytest.raises(ValueError, match="at least one"):
        checked_roots([])
    with pytest.raises(FileNotFoundError, match="no such folder"):
        checked_roots(folder / "nothing")
    with pytest.raises(NotADirectoryError, match="found a file"):
        checked_roots(folder / "a.jsonl")
