"""The command draws the map, keeps what is done, and says how to go on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reluctant.cli.map import _rates
from reluctant.records import UsageError
from reluctant.report import Page
from reluctant.report.map_page import render

RECIPE = """
import time, torch
from torch import nn
from reluctant.lab import Training

def make(seed):
    x = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(nn.Linear(4, 1, bias=False))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    return Training(model, nn.MSELoss(), optimizer, [(x, x.sum(1, keepdim=True))])

def slow(seed):
    time.sleep(0.3)
    return make(seed)

def talks(seed):
    print("from the recipe")
    return make(seed)
"""
PLAIN = ("--engine", "torch", "--workers", "0", "--steps", "60", "--no-predict")


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("torch")
    monkeypatch.setattr("reluctant.report.figures.find_browser", lambda: None)
    file = tmp_path / "recipe.py"
    file.write_text(RECIPE)
    return file


def test_page_json_and_figures(recipe, reluctant):
    folder = recipe.parent / "map"
    given = (f"{recipe}:make", "--lr", "0.05:5:12", "--seeds", 5, *PLAIN, "-o", folder)
    done = reluctant("map", *given)
    assert done.code == 0, done.err
    page = done.out
    assert "recipe.py:make: where does it fail?" in page
    assert "success (gap<0.05): the loss over the training data" in page
    assert "-------- threshold" in page
    assert "^^^^^" in page
    assert "#####" in page
    assert max(map(len, page.splitlines())) <= 80
    document = json.loads((folder / "map.json").read_text())
    again = reluctant("map", *given, "--format", "json")
    assert json.loads(again.out) == document
    assert document["slices"][0]["threshold"]["low"] > 0
    pytest.importorskip("plotly")
    assert "threshold" in (folder / "map.html").read_text("utf-8")
    assert "a PNG needs" in done.err


def test_axes_make_a_table_of_thresholds(recipe, reluctant):
    folder = recipe.parent / "map"
    done = reluctant(
        "map", f"{recipe}:make", "--lr", "0.05,0.2,4", "--seeds", 2, *PLAIN,
        "--init-scale", "1,2", "--batch-size", "10,30", "-o", folder,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.out.count("init scale 2.0, batch size 30") == 2
    assert "threshold  interval" in done.out


def test_pages_fit_their_width(recipe):
    from reluctant.lab import success_map

    options = {"engine": "torch", "workers": 0, "steps": 9, "full": True}
    found = success_map(f"{recipe}:make", [0.1, 9.0], seeds=30, **options)
    for width in (80, 100):
        page = render(found, page=Page(width=width))
        assert max(map(len, page.splitlines())) <= width


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--lr", "1"), None),
        (("--lr", "1:2"), "names no learning rates"),
        (("--lr", "2:1:4"), "needs 0 < A < B"),
        (("--lr", "a:b:c"), "names no learning rates"),
        (("--lr", "0.1", "--width", "x"), "no list of whole numbers"),
        (("--lr", "0.1", "--width", "4"), "width cannot be set on this recipe"),
        (("--lr", "0.1", "--success", "good"), "no criterion"),
    ],
)
def test_misuse(recipe, reluctant, arguments, reason):
    folder = recipe.parent / "map"
    done = reluctant("map", f"{recipe}:make", *arguments, *PLAIN, "-o", folder)
    assert done.code == (2 if reason else 0), done.err
    if reason:
        assert reason in done.err
        assert not (folder / "map.json").exists()


def test_rates():
    assert _rates("0.01:1:3") == [0.01, 0.1, 1.0]
    assert _rates("0.3,0.1") == [0.1, 0.3]
    with pytest.raises(UsageError, match="N of 2"):
        _rates("0.1:1:1")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_tells_what_there_is_and_how_to_go_on(recipe):
    folder = recipe.parent / "map"
    command = [
        sys.executable, "-m", "reluctant.cli", "map", f"{recipe}:slow",
        "--lr", "0.05:5:12", "--seeds", "5", "--engine", "torch", "--workers", "1",
        "--steps", "60", "--no-predict", "-o", str(folder),
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for _ in range(6000):
        if any(file.stat().st_size > 600 for file in folder.glob("*.cells")):
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "broken off" in out
    assert "the same command goes on from there" in err
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "map.json").read_text())["is_complete"]


@pytest.mark.slow
def test_what_a_recipe_prints_stays_out_of_the_document(recipe):
    command = [
        sys.executable, "-m", "reluctant.cli", "map", f"{recipe}:talks", "--lr", "0.1",
        "--seeds", "2", "--engine", "torch", "--workers", "1", "--steps", "5",
        "--no-predict", "--format", "json", "-o", str(recipe.parent / "map"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["trainings"] == 2
