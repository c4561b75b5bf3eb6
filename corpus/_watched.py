"""One training of the corpus under watch, and what was said of it."""

import math
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import torch
from torch import Tensor
from torch.optim import Optimizer

import reluctant
from corpus._recipes import Recipe
from reluctant.lab._check import check_training
from reluctant.records import Diagnosis, Severity, Trace

LAST = 0.1  # share of the steps over which the loss at the end is taken


class Said(msgspec.Struct, frozen=True):
    """What was said of one run.

    Attributes:
        recipe: Name of its file.
        variant: "faulty", "repaired" or "healthy".
        seed: It was built with.
        root: Name of the headline; "" for none.
        told: Names of all findings of severity warning or more.
        noted: Names of all others.
        broken: Rules that broke, with the error.
        message: Of the headline.
    """

    recipe: str
    variant: str
    seed: int
    root: str = ""
    told: tuple[str, ...] = ()
    noted: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    message: str = ""


class Job(NamedTuple):
    """One run to be made."""

    recipe: Recipe
    variant: str
    seed: int

    @property
    def trace(self) -> str:
        """Name of the file that records it."""
        return f"{self.recipe.name}.{self.variant}.{self.seed}.trace"


class Run:
    """What a loop of a recipe hands its losses to."""

    def __init__(
        self, look: Callable[[Tensor], Any], add: Callable[[Optimizer], Any]
    ) -> None:
        self._look = look
        self.add = add  # one more optimizer
        self.losses: list[float] = []

    def loss(self, loss: Tensor) -> Tensor:
        """Note the loss of a batch, before its `backward()`, and hand it back."""
        self._look(loss)
        self.losses.append(float(loss.detach()))
        return loss


def train(job: Job, folder: Path, budget: float) -> tuple[Said, float, float]:
    """Train under watch; what was said, the score, and seconds taken."""
    torch.set_num_threads(1)
    recipe = job.recipe
    sink = folder / job.trace
    sink.unlink(missing_ok=True)
    began = time.perf_counter()
    training = recipe.build(job.variant, job.seed)
    loop = recipe.loop(job.variant)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a beginner overlooks, too
        with reluctant.watch(
            training.model, training.optimizer, budget=budget, record=sink
        ) as watch:
            run = Run(watch.loss, watch.add)
            with training.own_randomness():
                loop(training, run, recipe.steps)
    seconds = time.perf_counter() - began
    score = recipe.score(training.model)
    if score is None:
        score = -final_loss(run.losses)
    return judge(job, watch.trace), score, seconds


def examine(job: Job, folder: Path, budget: float) -> tuple[Said, float, float]:
    """Check a training before it begins; the same, without a score."""
    torch.set_num_threads(1)
    sink = folder / job.trace
    sink.unlink(missing_ok=True)
    began = time.perf_counter()
    training = job.recipe.build(job.variant, job.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        diagnosis = check_training(training, budget=budget, record=sink)
    return said(job, diagnosis), math.nan, time.perf_counter() - began


def final_loss(losses: list[float]) -> float:
    """Mean of the last losses; inf where the training did not survive."""
    last = losses[-max(1, int(LAST * len(losses))) :]
    mean = sum(last) / len(last) if last else math.inf
    return mean if math.isfinite(mean) else math.inf


def judge(job: Job, trace: Trace) -> Said:
    """What the rules say of a trace."""
    return said(job, reluctant.diagnose(trace))


def said(job: Job, diagnosis: Diagnosis) -> Said:
    """A diagnosis in the words of the table."""
    root = diagnosis.root
    findings = diagnosis.findings
    return Said(
        recipe=job.recipe.name,
        variant=job.variant,
        seed=job.seed,
        root=root.name if root else "",
        told=tuple(f.name for f in findings if f.severity is not Severity.NOTE),
        noted=tuple(f.name for f in findings if f.severity is Severity.NOTE),
        broken=tuple(
            f"{c.name}: {c.reason}" for c in diagnosis.checks if c.outcome == "broken"
        ),
        message=root.message if root else "",
    )
