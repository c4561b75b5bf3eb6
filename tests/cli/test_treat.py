"""The command treats a recipe, prints page or document, and writes what it applies."""

import json
from pathlib import Path

import pytest

from reluctant.cli._output import CLEAR, FOUND

RECIPE = """
import torch
from torch import nn
from reluctant.lab import Training

def make(seed, lr=3.0):
    print("from the recipe")
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(128, 4, generator=generator)
    y = x[:, :1].abs() + x[:, 1:2]
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    batches = list(zip(x.split(32), y.split(32)))
    return Training(model, nn.MSELoss(), optimizer, batches)

def broken(seed):
    raise RuntimeError("no data here")
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "recipe.py"
    file.write_text(RECIPE)
    return file


@pytest.mark.slow
def test_document_page_and_treated_recipe(recipe, reluctant):
    out = recipe.parent / "treated.py"
    given = (f"{recipe}:make", "--steps", 60, "--seeds", 8)
    done = reluctant("treat", *given, "--format", "json", "--apply", out)
    assert done.code == CLEAR, done.err
    document = json.loads(done.out)
    assert document["winner"]
    assert document["success"]["untreated"]["p"] == 0
    assert document["success"]["treated"]["p"] > 0
    assert "from the recipe" not in done.out
    again = reluctant("treat", f"{out}:make", "--steps", 60, "--seeds", 6)
    assert "treated.py:make: what helps?" in again.out
    assert max(map(len, again.out.splitlines())) <= 88
    twice = reluctant("treat", *given, "--apply", out)
    assert twice.code == 2
    assert "is there already" in twice.err


def test_misuse_is_said(recipe, reluctant):
    for given, reason in (
        ((f"{recipe}:broken",), "no data here"),
        ((f"{recipe}:nothing",), "no function 'nothing'"),
        ((f"{recipe}:make", "--success", "good"), "no criterion"),
        ((f"{recipe}:make", "--steps", 50, "--most-steps", 60), "too small"),
    ):
        done = reluctant("treat", *given)
        assert done.code == 2, given
        assert reason in done.err, done.err
    assert FOUND == 1
