"""What the tests share: where the given data lie, and corpora made from them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests import parity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests import judged

# Ten times as many random cases: `tests/random_cases.py`, `make nightly`.
settings.register_profile("slow", max_examples=1000, deadline=None)

CorpusKey = tuple[int, int, int, int]

# Those need an environment of their own: `make test-torch`.
collect_ignore = [] if find_spec("torch") else ["torch"]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of given data: `MMNO_TEST_DATA`, else `../shared`."""
    folder = Path(os.environ.get("MMNO_TEST_DATA", Path(__file__).resolve().parents[2] / "shared"))
    if not folder.is_dir():
        message = f"no data in {folder}; set MMNO_TEST_DATA"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def real_pictures(shared: Path) -> list[Path]:
    """Brain MRI slices as people have them, 653 files: JPEG but for two PNGs, gray and colour, many sizes."""
    paths = sorted(path for path in (shared / "data" / "pictures").rglob("*") if path.suffix)
    assert len(paths) >= 653
    return paths


@pytest.fixture(scope="session")
def make_corpus(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Path]]:
    """Make a corpus in the shape of MM-NeuroOnco, once a session: `images/`, `training/` and, with faults, `truth.jsonl`."""
    made: dict[CorpusKey, Path] = {}

    def make(*, images: int, faults: int = 0, seed: int = 0, upscale: int = 0) -> Path:
        key = (images, faults, seed, upscale)
        if key not in made:
            out = tmp_path_factory.mktemp("corpus")
            numbers = {"--images": images, "--faults": faults, "--seed": seed, "--upscale": upscale}
            arguments = [text for flag, number in numbers.items() for text in (flag, str(number))]
            command = [sys.executable, str(shared / "tools" / "make_corpus.py"), "--out", str(out), *arguments]
            subprocess.run(command, check=True, capture_output=True)
            made[key] = out
        return made[key]

    yield make
    for corpus in made.values():  # pytest keeps the folders of three sessions, and these are large
        shutil.rmtree(corpus)


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[judged.Judge]:
    """Small whole data sets of each layout, and a process that looks at damaged copies of them."""
    from tests import damage, judged, watched, ways  # they need more than the tests of pixels, which run beside other versions of Pillow

    folders = {layout: damage.build(tmp_path_factory.mktemp(layout), layout) for layout in damage.SPECS}
    watcher = watched.Watcher(judged.look_at, ways.prepare)
    looks = {}
    for layout, folder in folders.items():
        (ended,) = watcher(folder)
        assert not ended.died, ended
        looks[layout] = ended.value
        judged.assert_none([judged.Verdict(layout, ended.value, ended).same().agreed()])
    yield judged.Judge(watcher, folders, looks)
    watcher.close()


def pytest_sessionfinish(exitstatus: int) -> None:
    """With ``MMNO_PARITY``, a run that passed says what it compared."""
    if exitstatus == 0 and (path := os.environ.get("MMNO_PARITY")):
        parity.write(Path(path))
