"""The examples in the docstrings of what needs PyTorch or JAX run, and all public names are documented."""

import doctest
import importlib
import pkgutil

import mmno_fast.torch
import pytest

pytestmark = pytest.mark.torch

MODULES = ["mmno_fast.jax", *sorted(module.name for module in pkgutil.walk_packages(mmno_fast.torch.__path__, "mmno_fast.torch."))]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert outcome.failed == 0


@pytest.mark.parametrize("name", mmno_fast.torch.__all__)
def test_public_names_are_documented(name):
    value = getattr(mmno_fast.torch, name)
    assert value.__module__.startswith("mmno_fast.torch")
    assert value.__doc__.strip()
