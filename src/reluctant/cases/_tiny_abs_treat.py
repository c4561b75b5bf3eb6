"""Treat the networks of `tiny-abs`, teachers of mixed signs, and runs that are stuck.

The pipeline is the one that any recipe gets; the case hands it a recipe and a limit.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from reluctant.cases._result import CaseResult
from reluctant.cases._tiny_abs_nets import (
    BATCH,
    DECAYED,
    RATE,
    SAMPLES,
    STEPS,
    SUCCESS,
    Plane,
)
from reluctant.cases._treatment import numbers_of, repaired, sentence, share_of
from reluctant.changes import Context, apply
from reluctant.lab import Training, treat_recipe, trial
from reluctant.records import (
    UNTREATED,
    DecayLearningRate,
    Prescription,
    RestartSelected,
)

TEACHERS = ((2, 3), (5, 5), (10, 4))  # inputs and units
MANY = 81  # starts, at three times the cost
BEST_OF = 1e-3  # of the variance: a teacher's own loss is zero, and never reached


@dataclass(frozen=True)
class Problem:
    """Points, targets, and a network as wide as what made them.

    Attributes:
        name: Of the problem.
        data: What is learned.
        widths: Inputs, units, outputs.
    """

    name: str
    data: TensorDataset
    widths: tuple[int, int, int]

    def recipe(self, seed: int) -> Training:
        """A network with Keras' defaults; the rate falls over the last eleventh."""
        inputs, units, outputs = self.widths
        first, last = nn.Linear(inputs, units), nn.Linear(units, outputs)
        random = np.random.default_rng([seed, 2])
        with torch.no_grad():
            for layer in (first, last):
                fan = layer.in_features + layer.out_features
                limit, shape = math.sqrt(6 / fan), tuple(layer.weight.shape)
                drawn = random.uniform(-limit, limit, shape).astype(np.float32)
                layer.weight.copy_(torch.from_numpy(drawn))
                layer.bias.zero_()
        model = nn.Sequential(first, nn.ReLU(), last)
        optimizer = torch.optim.Adam(model.parameters(), lr=RATE, eps=1e-7)
        batches = DataLoader(self.data, batch_size=BATCH, shuffle=True)
        training = Training(model, nn.MSELoss(), optimizer, batches)
        fall = DecayLearningRate(0, "linear", 1 - DECAYED / STEPS, 0.0)
        apply([fall], training, Context(steps=STEPS))
        return training


def plane_problem(plane: Plane) -> Problem:
    """|x + jy|."""
    data = TensorDataset(torch.from_numpy(plane.x), torch.from_numpy(plane.y))
    return Problem("|x + jy|", data, (2, 3, 1))


def teacher_problem(inputs: int, units: int, seed: int) -> Problem:
    """Rectified units of random directions, outgoing weights of both signs."""
    random = np.random.default_rng([seed, inputs, units])
    x = random.normal(size=(SAMPLES, inputs))
    w = random.normal(size=(units, inputs))
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    a = np.where(np.arange(units) % 2, -1.0, 1.0)
    y: NDArray[Any] = np.maximum(x @ w.T, 0) @ a
    pair = [torch.from_numpy(v.astype(np.float32)) for v in (x, y[:, None])]
    name = f"teacher of {units} units, {inputs} inputs, mixed signs"
    return Problem(name, TensorDataset(*pair), (inputs, units, 1))


def at_three_times_the_cost(problem: Problem, seeds: int) -> dict[str, Any]:
    """How often one training of thrice the steps succeeds, and how often many starts.

    Args:
        problem: A teacher.
        seeds: Pairs, at most.
    """
    variance = float(problem.data.tensors[1].var())
    starts = Prescription(
        remedy="restart-with-selection",
        cures="",
        changes=(RestartSelected(MANY, 1 / 3, 0.75, 10.0),),
        trust="safe",
        because="three times the cost buys three times the starts",
    )
    found = trial(
        problem.recipe,
        [starts],
        seeds=seeds,
        steps=3 * STEPS,
        success=f"loss<{BEST_OF * variance:.6g}",
    )
    return {
        arm.name: share_of(arm.success)
        for arm in found.arms
        if arm.name in (UNTREATED, starts.remedy)
    }


def treated(
    result: CaseResult,
    *,
    data: object,
    quick: bool,
    seed: int,
    progress: Callable[[str], None],
) -> CaseResult:
    """Add what the treatment found to what the case tells."""
    del data  # points of the plane are drawn by the seed
    plane = plane_problem(Plane.drawn("gauss", seed))
    limit = f"loss<{SUCCESS * result.numbers['best_loss']:.6g}"
    many = 60 if quick else 600
    how: dict[str, Any] = {"seconds": 120.0 if quick else 600.0, "notify": progress}
    record = treat_recipe(
        plane.recipe, steps=STEPS, seeds=many, success=limit, name=plane.name, **how
    ).record
    numbers = numbers_of(record)
    stuck = treat_recipe(
        plane.recipe,
        steps=STEPS,
        after=STEPS,
        seeds=24 if quick else 100,
        success=limit,
        name=f"{plane.name}, after training",
        **how,
    ).record
    saved = None
    if stuck.confirmation is not None and stuck.winner:
        saved = share_of(repaired(stuck.confirmation, stuck.winner))
    story = [
        *result.story,
        f"Treated as any recipe would be: {sentence(record)}",
        f"Networks that have trained to their end: {sentence(stuck)}",
    ]
    teachers = {}
    for inputs, units in TEACHERS[:1] if quick else TEACHERS:
        problem = teacher_problem(inputs, units, seed)
        variance = float(problem.data.tensors[1].var())
        found = treat_recipe(
            problem.recipe,
            steps=STEPS,
            seeds=24 if quick else 100,
            success=f"loss<{BEST_OF * variance:.6g}",
            name=problem.name,
            **how,
        ).record
        dear = at_three_times_the_cost(problem, 24 if quick else 100)
        teachers[problem.name] = {**numbers_of(found), "at_three_times_the_cost": dear}
        starts = dear["restart-with-selection"]
        story.append(
            f"A {problem.name}: {sentence(found)} At three times the cost {MANY} short "
            f"starts, halved to one, succeed on {starts['successes']} of {starts['n']}."
        )
    success = {**result.numbers["success"]}
    if "treated" in numbers["success"]:
        success["treated"] = numbers["success"]["treated"]
        success["restart"] = numbers["success"]["restart"]
    return msgspec.structs.replace(
        result,
        story=tuple(story),
        numbers={
            **result.numbers,
            "success": success,
            "treatment": numbers,
            "stuck": {**numbers_of(stuck), "repaired": saved},
            "teachers": teachers,
        },
    )
