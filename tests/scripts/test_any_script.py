"""Any script runs under `reluctant run` as it runs without, to the bit."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SRC = Path(__file__).parents[2] / "src"
AWKWARD = Path(__file__).parent / "awkward"

# script and its arguments; each file in the folder has at least one line
SCRIPTS = [
    "amp.py",
    "by_hand.py",
    "checkpointed.py",
    "compiled.py",
    "crashes.py",
    "crashes_in_backward.py",
    "ema.py",
    "empty_batch.py",
    "empty_loader.py",
    "exits_three.py",
    "exits_with_words.py",
    "forks.py",
    "frozen.py",
    "functional_activations.py",
    "functional_call.py",
    "gan.py",
    "gradient_accumulation.py",
    "half_precision.py bfloat16",
    "half_precision.py float16",
    "in_a_thread.py",
    "in_place_views.py",
    "interrupted.py raise",
    "interrupted.py stop",
    "killed.py",
    "lazy.py",
    "lbfgs.py",
    "loader_workers.py fork",
    "loader_workers.py spawn",
    "-m package.train --strict -m 3",
    "nested_outputs.py",
    "no_optimizer.py",
    "no_parameters.py",
    "no_training.py",
    "own_arguments.py this --lr 0.1 --name x --strict -m 0.9",
    "own_arguments.py",
    "reads_itself.py a -- --b",
    "saves_model.py",
    "sweep.py",
    "tied.py",
    "vector_loss.py",
    "warns.py",
]
KILLED, INTERRUPTED = -signal.SIGKILL, -signal.SIGINT
EXITS = {  # all others end well
    "crashes.py": 1,
    "crashes_in_backward.py": 1,
    "exits_three.py": 3,
    "exits_with_words.py": 1,
    "interrupted.py raise": INTERRUPTED,
    "killed.py": KILLED,
    "own_arguments.py": 2,
}
RAISED_BY_THE_SCRIPT = "no gradient today"  # which the gauge's own pass meets too
DOCUMENT = '{\n  "schema"'

pytestmark = pytest.mark.slow


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python *arguments` among the scripts, with records going to `folder`."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=AWKWARD,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(SRC),
            "TORCHINDUCTOR_CACHE_DIR": str(folder / "cache"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def reluctant(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return python(folder, "-m", "reluctant.cli", *arguments)


def split(stdout: str) -> tuple[str, dict[str, Any] | None]:
    """What the script printed, and the document that was printed amid it."""
    if DOCUMENT not in stdout:
        return stdout, None
    start = stdout.index(DOCUMENT)
    document, length = json.JSONDecoder().raw_decode(stdout[start:])
    return stdout[:start] + stdout[start + length :].removeprefix("\n"), document


def own_words(stderr: str) -> list[str]:
    """Stderr of the script: without our lines, and without what differs by process."""
    lines = [re.sub(r"0x[0-9a-f]+", "0x", line) for line in stderr.splitlines()]
    return [line for line in lines if not line.startswith("reluctant: ")]


def test_each_script_is_run() -> None:
    listed = {line.split()[0] for line in SCRIPTS} - {"-m"}
    files = {path.name for path in AWKWARD.glob("*.py")} - {"fingerprint.py"}
    assert listed == files


@pytest.mark.parametrize("line", SCRIPTS)
def test_as_without(line: str, tmp_path: Path) -> None:
    command = line.split()
    plain = python(tmp_path, *command)
    watched = reluctant(
        *(tmp_path, "run", "--format", "json", "--no-live"),
        *("--runs", str(tmp_path / "runs"), "--name", "it", *command),
    )
    printed, document = split(watched.stdout)

    assert plain.returncode == EXITS.get(line, 0), plain.stderr
    assert "src/reluctant" not in watched.stderr, watched.stderr
    assert printed == plain.stdout
    assert own_words(watched.stderr) == own_words(plain.stderr)
    if plain.returncode == INTERRUPTED:  # as a shell says it
        assert watched.returncode == 128 + signal.SIGINT
    else:
        assert watched.returncode == plain.returncode
    if plain.returncode != KILLED:
        assert document is not None
        check_nothing_failed(document)
        check_record(tmp_path / "runs" / "it", document)


def check_nothing_failed(document: dict[str, Any]) -> None:
    """No rule broke, and no probe raised."""
    for training in document["trainings"]:
        assert [b for b in training["blind"] if b["outcome"] == "broken"] == []
        said = [b["reason"] for b in training["blind"]] + training["notes"]
        failed = [text for text in said if re.search(r"Error\b|Traceback", text)]
        assert [text for text in failed if RAISED_BY_THE_SCRIPT not in text] == []


def check_record(folder: Path, document: dict[str, Any]) -> None:
    """What was said at the end is what the record says later."""
    if not document["trainings"]:
        return
    later = reluctant(folder.parent, "diagnose", str(folder), "--format", "json")
    assert "Traceback" not in later.stderr, later.stderr
    again = json.loads(later.stdout)
    by_name = {training["training"]: training for training in again["trainings"]}
    for training in document["trainings"]:
        assert training["findings"] == by_name[training["training"]]["findings"]


def test_the_record_of_a_killed_run_can_be_judged(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    dead = reluctant(tmp_path, "run", "--runs", str(runs), "--name", "it", "killed.py")
    assert dead.returncode == KILLED
    judged = reluctant(tmp_path, "diagnose", str(runs / "it"), "--format", "json")
    assert judged.returncode in (0, 1), judged.stderr
    (training,) = json.loads(judged.stdout)["trainings"]
    assert training["last_step"] >= 465  # of 700: what is overdue by half is sampled


def test_no_finding_for_a_model_that_is_only_used(tmp_path: Path) -> None:
    done = reluctant(
        *(
            tmp_path,
            "run",
            "--format",
            "json",
            "--runs",
            str(tmp_path),
            "no_training.py",
        )
    )
    _, document = split(done.stdout)
    assert document is not None
    assert document["root"] is None
    assert document["trainings"] == []


@pytest.mark.parametrize("line", ["nowhere.py", "-m nowhere", "."])
def test_a_script_that_is_none(line: str, tmp_path: Path) -> None:
    done = reluctant(tmp_path, "run", "--runs", str(tmp_path / "runs"), *line.split())
    assert done.returncode != 0
    assert "src/reluctant" not in done.stderr
    assert line.split()[-1] in done.stderr
