"""Reading a recorded run must not cost the import of torch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SRC = str(Path(__file__).parents[1] / "src")


@pytest.mark.parametrize(
    "module",
    [
        "reluctant",
        "reluctant.records",
        "reluctant.stats",
        "reluctant.rules",
        "reluctant.remedies",
        "reluctant.diagnosis",
        "reluctant.report",
        "reluctant.cli",
    ],
)
def test_never_imports_torch(module: str) -> None:
    code = f"import {module}, sys; sys.exit('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": SRC}, check=False
    )
    assert done.returncode == 0
