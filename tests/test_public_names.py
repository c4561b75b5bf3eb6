"""The names that `reluctant` promises, reached in whatever order."""

import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import reluctant

SRC = str(Path(__file__).parents[1] / "src")
ORDERS = [
    "import reluctant; reluctant.watch; reluctant.diagnose",
    "from reluctant import diagnose, watch",
    "import reluctant.cli, reluctant.live; from reluctant import diagnose, watch",
]


def test_no_public_name_is_also_a_submodule() -> None:
    # importing a submodule binds its name on the package, over any function there
    modules = {m.name for m in pkgutil.iter_modules(reluctant.__path__)}
    assert not modules & set(reluctant.__all__)


def test_the_names_are_listed_once_and_found() -> None:
    assert sorted(reluctant._HOMES) == sorted(reluctant.__all__) == dir(reluctant)
    for name in reluctant.__all__:
        assert getattr(reluctant, name).__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'wach'"):
        reluctant.wach  # noqa: B018


@pytest.mark.parametrize("order", ORDERS)
def test_functions_stay_functions(order: str) -> None:
    code = (
        f"{order}; import reluctant, sys; "
        "sys.exit(not (callable(reluctant.watch) and callable(reluctant.diagnose)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": SRC}, check=False
    )
    assert done.returncode == 0
