"""Importing the package costs next to nothing, and its public names are what they say."""

import ast
import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import mmno_fast as mf
import pytest

HEAVY = ("torch", "jax", "datasets", "pyarrow", "pandas", "typer", "rich", "PIL", "simdjson", "numpy.testing", "mmno_fast.reference")
LIMIT_MS = 30.0
RUNS = 7


def fresh(code: str, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True, check=True)


def test_nothing_heavy_is_imported():
    loaded = fresh("import mmno_fast, sys; print(*sys.modules)").stdout.split()
    assert [name for name in HEAVY if name in loaded] == []


def test_importing_costs_under_30_ms_beyond_numpy():
    # The smallest of several: whatever else runs on the machine only adds.
    best = min(own_time(fresh("import numpy; import mmno_fast, mmno_fast._core", "-X", "importtime").stderr) for _ in range(RUNS))
    assert best < LIMIT_MS


def own_time(importtime: str) -> float:
    """What the modules of the package, and whatever they import, take on their own, in milliseconds."""
    lines = [line.removeprefix("import time:").split("|") for line in importtime.splitlines() if line.count("|") == 2]
    after = next(i for i, (_, _, name) in enumerate(lines) if name.rstrip() == " numpy")
    return sum(int(own) for own, _, _ in lines[after + 1 :]) / 1000


def test_public_names_are_there_and_documented():
    exported: dict[str, object] = {}
    exec("from mmno_fast import *", exported)
    assert dir(mf) == sorted(exported.keys() - {"__builtins__"})
    for name in dir(mf):
        value = getattr(mf, name)
        if not isinstance(value, (str, tuple)):
            assert (value.__doc__ or "").strip(), name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mf.nothing  # type: ignore[attr-defined]  # noqa: B018 - looking it up is the test


def test_type_checkers_see_the_same_names():
    stub = ast.parse(Path(mf.__file__).with_suffix(".pyi").read_text("utf-8"))
    homes = {str(alias.asname): node.module or "" for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert sorted(homes) == dir(mf)
    for name, home in homes.items():
        assert getattr(mf, name) is getattr(importlib.import_module(home), name), name


# What needs PyTorch or JAX has its turn in tests/torch.
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(mf.__path__, "mmno_fast.")
    if not module.name.endswith(("__main__", "._core")) and not module.name.startswith(("mmno_fast.torch", "mmno_fast.jax"))
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert outcome.failed == 0


@pytest.mark.parametrize("name", ["build", "check", "open", "verify", "read_picture"])
def test_what_users_call_has_an_example(name):
    value = getattr(mf, name)
    assert ">>>" in value.__doc__, name
