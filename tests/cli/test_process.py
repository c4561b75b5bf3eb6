"""The command as a shell sees it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SRC = str(Path(__file__).parents[2] / "src")
NO_TORCH = (
    "import sys; sys.modules['torch'] = None; from reluctant.cli import main; "
    "sys.exit(main())"
)


def shell(
    *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", NO_TORCH, *arguments],
        env={**os.environ, "PYTHONPATH": SRC, **(env or {})},
        capture_output=True,
        check=False,
    )


def test_exit_codes_and_streams_without_torch(record: Callable[..., Path]) -> None:
    path = str(record(2, 1.5, 1))
    judged = shell("diagnose", path, "--format", "json", "--exit-zero")
    assert judged.returncode == 0
    assert judged.stdout.startswith(b"{")
    misused = shell("diagnose", path + "x")
    assert misused.returncode == 2
    assert misused.stdout == b""
    assert b"Traceback" not in misused.stderr
    assert shell("rules").returncode == 0


def test_the_package_is_the_command() -> None:
    run = [sys.executable, "-m", "reluctant"]
    env = {**os.environ, "PYTHONPATH": SRC}
    done = subprocess.run([*run, "rules"], env=env, capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stdout == shell("rules").stdout
    helped = subprocess.run([*run, "--help"], env=env, capture_output=True, check=False)
    assert b"reluctant [OPTIONS]" in helped.stdout


def test_any_encoding_can_be_written(record: Callable[..., Path]) -> None:
    path = str(record(2, 1.5, 1, file="run/Größe.trace"))
    done = shell("diagnose", path, "--exit-zero", env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert b"Gr??e" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="no pipes as in a shell")
def test_a_reader_who_leaves_changes_nothing(record: Callable[..., Path]) -> None:
    command = (
        f'"{sys.executable}" -c "{NO_TORCH}" diagnose "{record(2, 1)}" --exit-zero'
    )
    done = subprocess.run(
        ["bash", "-c", f"{command} | true; echo ${{PIPESTATUS[0]}}"],
        env={**os.environ, "PYTHONPATH": SRC},
        capture_output=True,
        check=False,
    )
    assert done.stdout.strip() == b"0"
    assert b"BrokenPipe" not in done.stderr
