"""`reluctant run` on a script, through the shell, with nobody standing in."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SRC = str(Path(__file__).parents[2] / "src")
SCRIPT = """
import sys

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(400, 20)
y = (x[:, 0] > 0).long()
layers = []
for width in (20, 64, 64, 64, 64, 64, 64, 64):
    layer = nn.Linear(width, 64)
    with torch.no_grad():
        layer.weight.mul_(0.01)
    layers += [layer, nn.ReLU()]
model = nn.Sequential(*layers, nn.Linear(64, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(30):
    for i in range(0, 400, 40):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[i : i + 40]), y[i : i + 40])
        loss.backward()
        optimizer.step()
print("trained with", sys.argv[1:])
sys.exit(int(sys.argv[1]))
"""


def shell(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "reluctant.cli", *arguments],
        env={**os.environ, "PYTHONPATH": SRC},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_broken_script_from_run_to_diagnose(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    ran = shell(tmp_path, "run", "--name", "a", "train.py", "0", "--lr")
    assert ran.returncode == 0
    assert ran.stdout.startswith("trained with ['0', '--lr']\n")
    assert "ERROR  scale-too-small (INI101)" in ran.stdout
    assert "recorded in runs/a" in ran.stderr

    judged = shell(tmp_path, "diagnose", "runs/a", "--format", "json")
    assert judged.returncode == 1
    assert judged.stderr == ""
    assert json.loads(judged.stdout)["root"]["name"] == "scale-too-small"


@pytest.mark.slow
def test_strict_and_the_scripts_own_exit_code(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    assert shell(tmp_path, "run", "--strict", "train.py", "0").returncode == 1
    assert shell(tmp_path, "run", "--strict", "train.py", "7").returncode == 7
