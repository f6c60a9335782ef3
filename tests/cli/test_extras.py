"""A library that only training needs, and is missing, is told with the command that installs it."""

import importlib
import importlib.metadata
import re
import sys
import tomllib

import pytest

from input_pipeline.errors import UserError
from npr_jax.cli.main import EXTRA, extra_named


def test_a_missing_library_of_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "clu", None)
    expected = r"needs clu, .*; run pip install 'npr-jax\[train\]'"
    with pytest.raises(UserError, match=expected), extra_named():
        importlib.import_module("clu")


def test_another_missing_library_is_a_fault(monkeypatch):
    monkeypatch.setitem(sys.modules, "flax", None)
    with pytest.raises(ModuleNotFoundError, match="flax"), extra_named():
        importlib.import_module("flax")


def test_all_libraries_of_the_extra_are_known(root):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = {
        re.match(r"[A-Za-z0-9-]+", line).group()
        for line in project["optional-dependencies"]["train"]
    }
    modules = importlib.metadata.packages_distributions()
    known = {name.lower() for module in EXTRA for name in modules[module]}
    # JAX brings SciPy, Flax Optax, and imagecodecs is done without where it is missing.
    assert extra - {"scipy", "optax", "imagecodecs"} == known & extra
    assert all({name.lower() for name in modules[module]} & extra for module in EXTRA)
