"""Ten broken scripts get the right headline; their repaired twins get none."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
EXPECTED = {
    "dying_output": {"step-past-limit", "dead-output-unit"},
    "layer_left_out": {"parameter-not-in-optimizer"},
    "lr_times_100": {"step-past-limit", "divergence"},
    "missing_zero_grad": {"gradients-not-zeroed"},
    "nan_in_input": {"nonfinite-data"},
    "nan_loss": {"step-past-limit", "divergence"},
    "sigmoid_init": {"scale-too-small"},
    "sigmoid_twenty_deep": {"vanishing-gradient"},
    "small_init_deep": {"scale-too-small"},
    "tiny_abs": {"dead-unit"},
}

pytestmark = pytest.mark.slow


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and stdout of `reluctant run *arguments`."""
    done = subprocess.run(
        [sys.executable, "-m", "reluctant.cli", "run", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


def diagnosis(stdout: str) -> dict[str, Any]:
    """The JSON document that follows what the script printed."""
    return json.loads(stdout[stdout.index('{\n  "schema"') :])


def summary(document: dict[str, Any]) -> str:
    """What was found, as it is read in a failed test."""
    lines = [f"root: {document['root'] and document['root']['name']}"]
    for finding in document["findings"]:
        lines.append("{severity} {name}: {message}".format(**finding))
    return "\n".join(lines)


def test_every_script_has_a_twin_and_an_expectation() -> None:
    for folder in ("broken", "repaired"):
        names = {path.stem for path in (EXAMPLES / folder).glob("*.py")}
        assert names == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_twin_differs_in_few_lines(name: str) -> None:
    broken, repaired = (
        (EXAMPLES / folder / f"{name}.py").read_text().splitlines()
        for folder in ("broken", "repaired")
    )
    assert 1 <= len(set(broken) ^ set(repaired)) <= 4


@pytest.mark.parametrize("name", EXPECTED)
def test_broken(name: str, tmp_path: Path) -> None:
    """Under --strict something found is exit code 1."""
    script = EXAMPLES / "broken" / f"{name}.py"
    code, stdout = run(tmp_path, "--strict", "--format", "json", str(script))
    found = diagnosis(stdout)
    assert found["root"] is not None, summary(found)
    assert found["root"]["name"] in EXPECTED[name], summary(found)
    assert found["root"]["severity"] in ("warning", "error")
    assert code == 1


@pytest.mark.parametrize("name", EXPECTED)
def test_repaired(name: str, tmp_path: Path) -> None:
    script = EXAMPLES / "repaired" / f"{name}.py"
    code, stdout = run(tmp_path, "--strict", "--format", "json", str(script))
    found = diagnosis(stdout)
    assert found["root"] is None, summary(found)
    assert all(f["severity"] == "note" for f in found["findings"]), summary(found)
    assert code == 0


def test_without_strict_the_exit_code_is_that_of_the_script(tmp_path: Path) -> None:
    code, stdout = run(tmp_path, str(EXAMPLES / "broken" / "nan_loss.py"))
    assert code == 0
    assert "epoch 0 loss" in stdout


def test_a_broken_script_repaired_by_its_arguments(tmp_path: Path) -> None:
    script = str(EXAMPLES / "broken" / "nan_loss.py")
    strict = ("--strict", "--format", "json", script, "--lr", "0.0001")
    code, stdout = run(tmp_path, *strict)
    assert diagnosis(stdout)["root"] is None
    assert code == 0
