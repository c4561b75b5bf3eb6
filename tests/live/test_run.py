"""`run_script` itself: what it refuses, what it leaves behind, what it puts back."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import Optimizer

from reluctant.live import run_script
from reluctant.records import UsageError

TRAINING = """
import sys
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for _ in range(20):
    loss = (model(torch.randn(16, 4)) - 1).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def run(tmp_path: Path, source: str, *arguments: str, **options: object) -> object:
    script = tmp_path / "train.py"
    script.write_text(source)
    return run_script(str(script), arguments, runs=tmp_path / "runs", **options)  # type: ignore[arg-type]


def test_torch_is_put_back(tmp_path: Path) -> None:
    before = (
        torch.autograd.backward,
        Optimizer.__init__,
        torch.amp.GradScaler.scale,
        torch.compile,
        nn.Module.compile,
    )
    for source in (TRAINING, TRAINING + "\nraise ValueError('mine')"):
        run(tmp_path, source)
    after = (
        torch.autograd.backward,
        Optimizer.__init__,
        torch.amp.GradScaler.scale,
        torch.compile,
        nn.Module.compile,
    )
    assert after == before


def test_each_run_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    folders = [run(tmp_path, TRAINING).folder.name for _ in range(2)]  # type: ignore[attr-defined]
    assert folders == ["train", "train-2"]


def test_a_script_that_trains_nothing_leaves_no_folder(tmp_path: Path) -> None:
    result = run(tmp_path, "pass")
    assert result.diagnoses == ()  # type: ignore[attr-defined]
    assert not result.folder.exists()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("import sys; sys.exit()", 0),
        ("import sys; sys.exit(3)", 3),
        ("import sys; sys.exit('no')", 1),
        ("1 / 0", 1),
        ("raise KeyboardInterrupt", 130),
    ],
)
def test_the_exit_code_is_the_scripts(tmp_path: Path, source: str, code: int) -> None:
    assert run(tmp_path, source).exit_code == code  # type: ignore[attr-defined]


def test_the_traceback_is_the_scripts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loss = "\n(torch.randn(2, requires_grad=True) * 1).backward()"
    run(tmp_path, TRAINING + loss)
    said = capsys.readouterr().err
    assert "grad can be implicitly created only for scalar outputs" in said
    assert "train.py" in said
    assert "reluctant" not in said.replace(str(tmp_path), "")


def test_several_trainings_are_kept_apart(tmp_path: Path) -> None:
    loop = TRAINING.replace("model =", "for lr in (0.01, 0.02):\n  model =", 1)
    head, _, body = loop.partition("  model =")
    indented = "  model =" + body.replace("\n", "\n  ")
    result = run(tmp_path, head + indented)
    names = [d.training for d in result.diagnoses]  # type: ignore[attr-defined]
    assert names == ["Sequential", "Sequential #2"]


def test_a_wrong_script_or_module_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no\.py is no file"):
        run_script(str(tmp_path / "no.py"), [], runs=tmp_path)
    with pytest.raises(UsageError, match=r"there is no module no\.such"):
        run_script("no.such", [], as_module=True, runs=tmp_path)


def test_runs_that_cannot_be_made_are_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(UsageError, match="the record cannot be made"):
        run(tmp_path, TRAINING)


SPOILED = {  # what stands there, what should not, and what is said of it
    "the head came after the optimizer": (
        "for _ in",
        "model[2] = nn.Linear(8, 1)\nfor _ in",
        "parameter-not-in-optimizer",
    ),
    "the optimizer is of another model": (
        "for _ in",
        "other, model = model, nn.Sequential(nn.Linear(4, 1))\nfor _ in",
        "parameter-not-in-optimizer",
    ),
    "the loss is a number": (
        "    loss.backward()",
        "    loss = torch.tensor(loss.item(), requires_grad=True)\n    loss.backward()",
        "no-gradient",
    ),
    "no step is taken": ("    optimizer.step()", "    pass", "never-stepped"),
    "softmax over one output": (
        "(model(torch.randn(16, 4)) - 1).square().mean()",
        "nn.MSELoss()(model(torch.randn(16, 4)).softmax(1), torch.rand(16, 1))",
        "unreachable-target",
    ),
}


@pytest.mark.parametrize("name", SPOILED)
def test_what_a_script_spoils_is_the_headline(tmp_path: Path, name: str) -> None:
    there, instead, told = SPOILED[name]
    assert there in TRAINING
    result = run(tmp_path, TRAINING.replace(there, instead))
    (diagnosis,) = result.diagnoses  # type: ignore[attr-defined]
    assert diagnosis.root is not None
    assert diagnosis.root.name == told


def test_gradients_alone_are_no_fault(tmp_path: Path) -> None:
    by_hand = "    for p in model.parameters(): p.data -= 0.01 * p.grad"
    source = TRAINING.replace("    optimizer.step()", by_hand)
    result = run(tmp_path, source)
    for diagnosis in result.diagnoses:  # type: ignore[attr-defined]
        assert "never-stepped" not in {f.name for f in diagnosis.findings}
