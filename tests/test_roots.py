"""Where pictures are looked for: nested archives, several roots, other spellings; both engines find the same files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mmno_fast as mf
import pytest
from mmno_fast.jobs.build import Engine

from tests.building import about, assert_same_data_set, bytes_of, encoded, noise, rejected, rows_of, truth, write_files, write_rows

MakeCorpus = Callable[..., Path]
Files = dict[str, int]
"""The name of each picture below a root, and the seed of its pixels."""

MISSING = ["images.missing"]
SPEC = mf.Resize(4, fit="stretch")
ENGINES: tuple[Engine, ...] = ("core", "reference")


def training(corpus: Path) -> list[Path]:
    return sorted((corpus / "training").glob("*.jsonl"))


@pytest.mark.parametrize("faults", [0, 240])
def test_corpora_are_found_from_every_folder_of_the_nesting(make_corpus: MakeCorpus, tmp_path: Path, faults: int) -> None:
    corpus = make_corpus(images=60, faults=faults, seed=0)
    archive = tmp_path / "archive"
    archive.mkdir()
    (archive / "images").symlink_to(corpus / "images")
    expected: dict[str, bytes] = {}
    for root, nesting in [
        (corpus / "images", "Dataset/Dataset"),
        (corpus / "images/Dataset", "Dataset"),
        (archive, "images/Dataset/Dataset"),
    ]:
        used = ({"given": str(root), "used": str(root / nesting), "descended": len(nesting.split("/"))},)
        report = mf.check(training(corpus), root)
        assert tuple(report.summary["roots"]) == used
        assert report.ok == (not faults)
        out = tmp_path / f"{len(nesting)}"
        assert mf.build(training(corpus), root, out, SPEC).roots == used
        assert rejected(out) == (truth(corpus) if faults else set())
        expected = expected or bytes_of(out)
        assert bytes_of(out) == expected


def test_a_folder_of_more_than_pictures_is_taken_as_given(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(images=60, faults=0, seed=0)
    report = mf.check(training(corpus), corpus)  # `images` lies beside `training`: no single sub-folder
    assert report.summary["roots"] == [{"given": str(corpus), "used": str(corpus), "descended": 0}]
    assert report.counts.keys() >= {"images.missing"}


def build_both(folder: Path, roots: list[Files], names: list[str]) -> mf.BuildReport:
    """One row for each name; both engines must accept the same, and use the same roots."""
    given = []
    for number, files in enumerate(roots):
        given.append(folder / f"root{number}")
        given[-1].mkdir(exist_ok=True)
        write_files(given[-1], {name: encoded(noise(seed, 6, 6)) if seed else b"text" for name, seed in files.items()})
    source = write_rows(folder / "train.jsonl", [about(name) for name in names])
    core, reference = (mf.build(source, given, folder / engine, SPEC, engine=engine) for engine in ENGINES)
    assert_same_data_set(core.path, reference.path)
    assert core.roots == reference.roots
    return core


def codes(report: mf.BuildReport) -> dict[int, list[str]]:
    return {row["line"]: row["codes"] for row in report.rejected_rows()}


@pytest.mark.parametrize(
    ("files", "name", "used"),
    [
        ({"A/B/C/x.png": 1}, "x.png", "A/B/C"),
        ({"A/B/C/D/x.png": 1}, "x.png", ""),  # too deep
        ({"A/B/x.png": 1}, "y.png", ""),  # nothing found: as given
        ({"A/B/x.png": 1}, "B/x.png", "A"),
        ({"A/B/X.PNG": 1}, "x.png", "A/B"),
        ({"A/x.png": 1, "B/y.png": 2}, "x.png", ""),
        ({"A/x.png": 1, "readme.txt": 0, "__MACOSX/x": 0, ".hidden/x": 0}, "x.png", "A"),
        ({}, "x.png", ""),
    ],
)
def test_the_root_used_is_the_first_folder_that_holds_a_name(tmp_path: Path, files: Files, name: str, used: str) -> None:
    report = build_both(tmp_path, [files], [name])
    root = tmp_path / "root0"
    assert report.roots == ({"given": str(root), "used": str(root / used), "descended": len(Path(used).parts)},)
    checked = mf.check(tmp_path / "train.jsonl", root)
    assert tuple(checked.summary["roots"]) == report.roots
    assert checked.ok == (report.rejected == 0)


def test_each_root_is_descended_into_by_itself(tmp_path: Path) -> None:
    report = build_both(tmp_path, [{"N/x.png": 1}, {"y.png": 2}], ["x.png", "y.png"])
    assert [root["descended"] for root in report.roots] == [1, 0]
    assert report.rows == 2


def test_roots_with_the_same_bytes_are_one_place_and_with_others_a_fault(tmp_path: Path) -> None:
    one = {"same.png": 1, "other.png": 2, "Case.png": 3, "Quarrel.png": 4, "only.png": 5, "left.bmp": 6}
    two = {"same.png": 1, "other.png": 7, "Case.png": 3, "Quarrel.png": 8, "left.png": 9}
    report = build_both(tmp_path, [one, two], ["same.png", "other.png", "case.png", "quarrel.png", "only.png", "left.jpg"])
    assert codes(report) == {2: ["images.two_roots"], 4: ["images.two_roots"], 6: ["images.ambiguous"]}
    found = mf.check(tmp_path / "train.jsonl", [tmp_path / "root0", tmp_path / "root1"]).findings.to_pylist()
    assert ("images.resolved", 3) in [(row["code"], row["line"]) for row in found]
    assert 1 not in [row["line"] for row in found if row["code"].startswith("images.")]


@pytest.mark.parametrize(
    ("files", "names", "expected"),
    [
        # A name as it stands wins over any other spelling.
        ({"a.png": 1, "A.png": 2, "a.jpg": 3}, ["a.png", "A.png", "a.jpg"], {}),
        ({"a.png": 1, "A.png": 2}, ["a.PNG"], {1: ["images.ambiguous"]}),
        ({"a.png": 1, "a.bmp": 2}, ["a.jpg"], {1: ["images.ambiguous"]}),
        ({"One/Two/Three.png": 1}, ["one/two/three.png", "ONE/TWO/THREE.PNG", "One/Two/Three.webp"], {}),
        # Archives packed on Windows differ in case and in the suffix at once.
        ({"Class/Scan.PNG": 1}, ["class/scan.jpg", "Class/scan.jpg", "class/Scan.tif"], {}),
        ({"a/b.png": 1, "A/b.png": 2}, ["a/b.jpg"], {1: ["images.ambiguous"]}),
        ({"Ärzte/ß.png": 1}, ["ärzte/ß.png", "Ärzte/SS.png"], {2: MISSING}),
        ({"a.png/b.png": 1, "c.png": 2}, ["a.png", "c.png/b.png", "c.png"], {1: MISSING, 2: MISSING}),
        ({"a/B.png": 1}, ["a//b.png", "./a/b.png", "a/./B.png", "a/"], {4: MISSING}),
        # Other suffixes than those of pictures do not stand for one another.
        ({"a.gif": 1, "b": 2, "c.d.png": 3}, ["a.png", "b.png", "c.png", "c.d.tif"], dict.fromkeys((1, 2, 3), MISSING)),
        ({".png": 1, "x.": 2}, [".jpg", "X.", "x"], {3: MISSING}),
    ],
)  # fmt: skip
def test_other_spellings(tmp_path: Path, files: Files, names: list[str], expected: dict[int, list[str]]) -> None:
    assert codes(build_both(tmp_path, [files], names)) == expected


LINKS: list[dict[str, str]] = [
    {"a": ".", "A": "."},
    {"a": ".", "A": "a", "aa": "A"},
    {"b/a": "..", "b/A": "..", "a": "b", "A": "b"},
    {"a": "loop", "loop": "a", "A": "."},
]


@pytest.mark.parametrize("links", LINKS)
def test_however_links_stand_a_name_is_found_or_not_in_bounded_steps(tmp_path: Path, links: dict[str, str]) -> None:
    """Two ways a component would be 2^39 ways."""
    (tmp_path / "root0" / "b").mkdir(parents=True)
    for name, target in links.items():
        (tmp_path / "root0" / name).symlink_to(target)
    depths = (1, 2, 18, 39, 60, 500)
    report = build_both(tmp_path, [{"x.png": 1}], ["a/" * depth + file for depth in depths for file in ("none.png", "X.jpg")])
    assert all(report_codes == MISSING for report_codes in codes(report).values())
    assert set(codes(report)) >= {2 * at + 1 for at in range(len(depths))}


@pytest.mark.parametrize(("count", "code"), [(64, "images.missing"), (65, "images.ambiguous")])
def test_more_spellings_than_are_looked_at_are_said_so(tmp_path: Path, count: int, code: str) -> None:
    names = ["".join("aA"[number >> bit & 1] for bit in range(7)) for number in range(1, count + 1)]
    report = build_both(tmp_path, [{f"{name}/x.png": 1 for name in names}], ["aaaaaaa/none.png"])
    assert codes(report) == {1: [code]}


def test_links_out_of_a_root_can_be_refused(tmp_path: Path) -> None:
    images = write_files(tmp_path / "images", {"in.png": encoded(noise(1, 6, 6))})
    outside = write_files(tmp_path / "outside", {"out.png": encoded(noise(2, 6, 6))})
    (images / "out.png").symlink_to(outside / "out.png")
    (images / "folder").symlink_to(outside)
    (images / "alias.png").symlink_to(images / "in.png")
    source = write_rows(tmp_path / "train.jsonl", [about(name) for name in ("in.png", "out.png", "folder/out.png", "alias.png")])
    refused = {2: MISSING, 3: MISSING}
    for follow in (True, False):
        core, other = (
            mf.build(source, images, tmp_path / f"{follow} {engine}", SPEC, engine=engine, follow_links=follow) for engine in ENGINES
        )
        assert_same_data_set(core.path, other.path)
        assert codes(core) == ({} if follow else refused)
        assert core.distinct_pictures == 1 + follow


def test_a_prefix_is_cut_before_names_are_looked_for(tmp_path: Path) -> None:
    images = write_files(tmp_path / "images", {"a/x.png": encoded(noise(1, 6, 6))})
    source = write_rows(tmp_path / "train.jsonl", [about(name) for name in ("/data/a/x.png", "a/x.png", "/other/a/x.png")])
    core, other = (mf.build(source, images, tmp_path / engine, SPEC, engine=engine, strip_prefix="/data/") for engine in ENGINES)
    assert_same_data_set(core.path, other.path)
    assert codes(core) == {3: ["images.absolute"]}
    (shard,) = core.path.glob("*/pictures.arrow")
    assert [row["names"] for row in rows_of(shard)] == [["/data/a/x.png", "a/x.png"]]
