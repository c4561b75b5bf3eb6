"""The examples in the docstrings of the torch-free bottom are run."""

import doctest
import importlib
import pkgutil

import pytest

import reluctant.records
import reluctant.stats

MODULES = [
    f"{package.__name__}.{module.name}"
    for package in (reluctant.records, reluctant.stats)
    for module in pkgutil.iter_modules(package.__path__)
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
