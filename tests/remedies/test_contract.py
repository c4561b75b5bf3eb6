"""What every remedy owes, and what it proposes for the sick example of its rule."""

import dataclasses
import inspect
import pkgutil
import re
from pathlib import Path

import pytest
import torch

import reluctant.remedies
from bench import Training
from reluctant.diagnosis import diagnose
from reluctant.records import EditSource, Prescription, ScaleLearningRate, Trace
from reluctant.remedies import REMEDIES, Remedy
from reluctant.rules import RULES
from reluctant.rules._base import BY_CHECK

SECTIONS = ["When it helps", "When it hurts", "What it changes"]
each_remedy = pytest.mark.parametrize("remedy", REMEDIES, ids=lambda r: r.name())


def card(remedy: type[Remedy]) -> str:
    return inspect.cleandoc(remedy.__doc__ or "")


def prescribed(code: str) -> tuple[Prescription, ...]:
    (rule,) = (r for r in RULES if r.code == code)
    page = inspect.cleandoc(rule.__doc__ or "")
    (block,) = re.findall(r"^## Sick\n```python\n(.+?)```", page, re.M | re.S)
    training = Training(block)
    if BY_CHECK in {c.reason for c in diagnose(Trace(), [rule()]).checks}:
        diagnosis = training.check()
    else:
        diagnosis, _ = training.run(160)
    return tuple(p for p in diagnosis.prescriptions if p.cures == code)


def test_every_file_is_one_remedy_in_the_catalogue() -> None:
    files = [m.name for m in pkgutil.iter_modules(reluctant.remedies.__path__)]
    listed = [r.name().replace("-", "_") for r in REMEDIES]
    assert listed == sorted(f for f in files if not f.startswith("_"))


@each_remedy
def test_is_named_like_its_file(remedy: type[Remedy]) -> None:
    assert remedy.__module__.split(".")[-1] == remedy.name().replace("-", "_")
    module = inspect.getmodule(remedy)
    assert module is not None
    assert module.__doc__ == f"{remedy.name()}."


@each_remedy
def test_card_is_complete(remedy: type[Remedy]) -> None:
    options = [f.name for f in dataclasses.fields(remedy)]  # type: ignore[arg-type]
    sections = [*SECTIONS, *(["Options"] if options else []), "References"]
    assert re.findall(r"^## (.+)$", card(remedy), re.M) == sections
    assert re.findall(r"^- `(\w+)`:", card(remedy), re.M) == options


@each_remedy
def test_citations_resolve(remedy: type[Remedy]) -> None:
    bib = (Path(__file__).parents[2] / "docs/references.bib").read_text()
    known = set(re.findall(r"^@\w+\{(\w+),", bib, re.M))
    assert set(re.findall(r"\[(\w+)\]", card(remedy))) <= known


@pytest.mark.parametrize(
    ("code", "remedy", "patch"),
    [
        ("STP101", "lower-learning-rate", "lr = "),
        ("UNT201", "swap-head-activation", "without relu"),
        ("INI101", "reinitialize-for-activation", "kaiming_normal_"),
        ("INI102", "reinitialize-for-activation", "kaiming_normal_"),
        ("GRD101", "swap-hidden-activation", "was sigmoid"),
        ("LOP101", "zero-the-gradients", "optimizer.zero_grad()"),
        ("LOP201", "add-missing-parameters", "torch.optim.SGD(model.parameters()"),
        ("NUM101", "clean-the-input", "torch.isfinite(x)"),
        ("GRD501", "whiten-inputs", "torch.linalg.eigh"),
    ],
)
def test_the_sick_example_gets_its_remedy(code: str, remedy: str, patch: str) -> None:
    (found,) = (p for p in prescribed(code) if p.remedy == remedy)
    assert patch in found.patch
    assert found.changes
    assert found.because
    if found.trust == "advice":
        assert all(isinstance(c, EditSource) for c in found.changes)


def test_the_patch_that_whitens_does_so() -> None:
    (found,) = (p for p in prescribed("GRD501") if p.remedy == "whiten-inputs")
    common = torch.randn(500, 1, generator=torch.Generator().manual_seed(0))
    x = 3 + common * torch.tensor([[1.0, 40.0, 0.1, 1.0]])
    x[:, 1:3] += 0.01 * x[:, 1:3] * torch.randn_like(x[:, 1:3])
    x[:, 3] = 7.0  # what never changes must not become nan
    names = {"torch": torch, "x_train": x, "x": x}
    exec(found.patch, names)
    white = names["x"]
    assert white.dtype == x.dtype
    wanted = torch.diag(torch.tensor([1.0, 1.0, 1.0, 0.0]))
    assert torch.allclose(torch.cov(white.T), wanted, atol=1e-3)


def test_the_learning_rate_comes_below_the_limit() -> None:
    (found,) = (p for p in prescribed("STP101") if p.remedy == "lower-learning-rate")
    (change,) = found.changes
    assert isinstance(change, ScaleLearningRate)
    assert 0.01 <= change.factor < 0.5


@pytest.mark.parametrize("code", ["STP101", "LOP101", "LOP201", "INI101"])
def test_nothing_is_prescribed_for_the_healthy(code: str) -> None:
    assert not Training().run()[0].prescriptions


def test_the_learning_rate_rises_as_far_as_steps_are_too_short() -> None:
    (found,) = (p for p in prescribed("STP301") if p.remedy == "raise-learning-rate")
    (change,) = found.changes
    assert isinstance(change, ScaleLearningRate)
    assert 10 <= change.factor <= 1000
