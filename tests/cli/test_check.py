"""`reluctant check` as a person calls it."""

import json
from pathlib import Path

import pytest

from reluctant.cli import main

HEAD = """
import torch
from torch import nn
from reluctant import Training

def make(seed):
    print("hello from the recipe")
    centers = 2 * torch.randn(4, 8)
    y = torch.randint(4, (256,))
    x = centers[y] + torch.randn(256, 8)
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    batches = list(zip(x.split(32), y.split(32)))
"""
HEALTHY = (
    HEAD + "    return Training(model, nn.CrossEntropyLoss(), optimizer, batches)\n"
)
SICK = HEALTHY.replace("    return", "    model.append(nn.Softmax(dim=0))\n    return")
BLIND = HEALTHY.replace("optimizer, batches)", "optimizer, iter(batches))")


@pytest.fixture
def recipe(tmp_path: Path):
    def write(text: str) -> str:
        file = tmp_path / "recipe.py"
        file.write_text(text, "utf-8")
        return f"{file}:make"

    return write


@pytest.mark.parametrize(("text", "code"), [(HEALTHY, 0), (SICK, 1), (BLIND, 2)])
def test_exit_codes_and_one_page(recipe, text, code, capfd):
    assert main(["check", recipe(text), "--budget", "60"]) == code
    out, err = capfd.readouterr()
    assert "What was looked at" in out
    assert "hello from the recipe" in err
    assert "hello from the recipe" not in out
    for name in ("data", "loss", "units", "samples", "curvature", "overfit", "loop"):
        assert f"- {name}, " in out
    assert ("ERROR  leak-across-batch" in out) is (text is SICK)
    assert ("no rule could judge" in err) is (text is BLIND)


def test_json_select_and_exit_zero(recipe, capfd):
    given = ["check", recipe(SICK), "--json", "--select", "LOP401", "--exit-zero"]
    assert main([*given, "--budget", "5", "--census"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["root"]["name"] == "leak-across-batch"
    assert [c["code"] for c in document["ruled_out"] + document["blind"]] == []
    exams = {exam["name"]: exam for exam in document["exams"]}
    assert exams["data"]["outcome"] == "measured"
    assert exams["loop"]["outcome"] == "blind"
    assert all(exam["seconds"] >= 0 for exam in document["exams"])


def test_a_record_is_judged_again(recipe, tmp_path, capfd):
    record = tmp_path / "kept.trace"
    assert main(["check", recipe(SICK), "--record", str(record)]) == 1
    first = capfd.readouterr().out
    assert main(["diagnose", str(record)]) == 1
    assert capfd.readouterr().out == first


def test_misuse_is_told_in_one_line(recipe, capfd):
    assert main(["check", "nowhere.py:make"]) == 2
    assert "there is no file nowhere.py" in capfd.readouterr().err
    assert main(["check", recipe(HEALTHY), "--budget", "-1"]) == 2
    assert "number of seconds above 0" in capfd.readouterr().err


@pytest.mark.slow
def test_the_example_is_found_and_its_repair_is_clear(capfd):
    enough = ["--budget", "60"]  # of a busy machine, too
    file = Path(__file__).parents[2] / "examples/recipes/mixed_samples.py"
    assert main(["check", f"{file}:make", "--format", "concise", *enough]) == 1
    assert "LOP401" in capfd.readouterr().out
    assert main(["check", f"{file}:repaired", "--format", "concise", *enough]) == 0
