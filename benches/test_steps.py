"""What Python sees of each step, ours and the reference's: ``pytest benches --benchmark-enable --benchmark-only``."""

from __future__ import annotations

from pathlib import Path

import mmno_fast as mf
import numpy as np
import pytest
from mmno_fast import _core
from mmno_fast.jobs.build import Engine
from mmno_fast.reference.pictures import decode
from mmno_fast.reference.scan import Source, scan_source
from mmno_fast.spec.scan import ScanOptions
from pytest_benchmark.fixture import BenchmarkFixture

from benches.corpus import Corpus, corpus

ENGINES = pytest.mark.parametrize("engine", ["core", "reference"])
IMAGE = mf.Resize(448, fit="stretch")
STEPS = pytest.mark.parametrize("spec", [mf.Original(), IMAGE], ids=["decode", "decode_and_resize"])


@pytest.fixture(scope="module")
def data() -> Corpus:
    return corpus(300)


@ENGINES
def test_parse(benchmark: BenchmarkFixture, data: Corpus, engine: Engine) -> None:
    def by_reference() -> int:
        sources = [Source(path.name, path) for path in data.sources]
        return sum(not row.codes for i, source in enumerate(sources) for row in scan_source(i, source, ScanOptions()))

    rows = benchmark(lambda: mf.check(data.sources, threads=1).summary["lines"] if engine == "core" else by_reference())
    assert rows == sum(path.read_bytes().count(b"\n") for path in data.sources)


@ENGINES
@STEPS
def test_pictures(benchmark: BenchmarkFixture, data: Corpus, engine: Engine, spec: mf.Original | mf.Resize) -> None:
    files = sorted(path for path in data.images.rglob("*") if path.is_file())
    contents = [path.read_bytes() for path in files[::10]]

    def ours(content: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        return _core.read_pictures([content], spec.to_json(), stored=True)[0][0]

    def by_reference(content: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        return decode(content, spec.to_dict())[0]

    assert all(np.array_equal(ours(content), by_reference(content)) for content in contents)
    read = ours if engine == "core" else by_reference
    pixels = benchmark(lambda: [read(content) for content in contents])
    assert len(pixels) == len(contents)


@ENGINES
def test_build(benchmark: BenchmarkFixture, data: Corpus, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> None:
    def build(out: Path) -> mf.BuildReport:
        return mf.build(data.sources, data.images, out, IMAGE, threads=1, engine=engine)

    report = benchmark(lambda: build(tmp_path_factory.mktemp("shards")))
    assert report.rejected == 0
