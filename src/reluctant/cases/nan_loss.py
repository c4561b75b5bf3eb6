"""A regression whose loss ends in nan: the case of a step past its limit.

Rents of flats by size, rooms and age, in the units in which people write them down; one
linear layer, mean squared error, plain gradient descent on all flats at once. Learning
rate 0.001 makes the loss rise from thousands to trillions to nan, 0.0001 works: the
limit 2·gᵀg / gᵀHg lies between them, and stays there, because one direction of the
Hessian is tens of thousands of times steeper than another. Longer than most files: one
function for each part of the numbers.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reluctant.cases._nan_loss_figures import draw
from reluctant.cases._nan_loss_steps import (
    FAILING,
    FLATS,
    QUADRATICS,
    TRILLION,
    WORKING,
    Course,
    Flats,
    adam,
    agreement,
    linear,
    sgd,
    small_net,
    train,
    watched,
)
from reluctant.cases._nan_loss_story import tell
from reluctant.cases._result import CaseResult
from reluctant.records import Diagnosis

CURED = 0.1  # on standardized inputs
ADAM = (0.001, 0.1)  # its default, and what it takes to get there in time
CLOSE = 1.01  # times the least loss of any linear model
RATES_OF_QUADRATICS = (0.01, 0.12)
FRACTIONS = (1.0, 0.3, 0.1, 0.03, 0.01)  # of the limit, for the small net


def run(
    *, data: Path | None, quick: bool, seed: int, progress: Callable[[str], None]
) -> CaseResult:
    """Fail at one rate, work at a tenth of it, predict each step, and diagnose.

    Takes no data: flats are drawn by the seed.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # two hundred numbers leave nothing to share
    try:
        return _run(2 if quick else 5, 1000 if quick else 4000, seed, progress)
    finally:
        torch.set_num_threads(threads)


def _run(
    seeds: int, steps: int, seed: int, progress: Callable[[str], None]
) -> CaseResult:
    flats = Flats.drawn(seed)
    progress(f"{FLATS} flats: measuring each step at both learning rates")
    measured = {
        rate: train(flats, sgd(rate), rate, 30, model=linear(seed), measure=True)
        for rate in (FAILING, WORKING)
    }
    outcomes = []
    for s in range(seed, seed + seeds):
        outcomes += _outcomes(s, steps)
        progress(f"seed {s}: " + "; ".join(map(_in_words, outcomes[-2:])))
    progress(f"rivals: Adam at {ADAM}, standardized inputs at {CURED}")
    rivals = _rivals(flats, seed, steps)
    progress("watching the failing and the working training")
    diagnosis = {
        name: _told(watched(flats, sgd(rate), n, model=linear(seed)), rate, n)
        for name, rate, n in (("failing", FAILING, 100), ("working", WORKING, 300))
    }
    net = _trained_net(flats, seed)
    pairs = agreement(flats.standardized, net, FRACTIONS)
    numbers: dict[str, Any] = {
        "case": "nan-loss",
        "samples": FLATS,
        "features": ["size (m²)", "rooms", "age (years)"],
        "steps": steps,
        "rates": outcomes,
        "hessian": {
            "raw": _spectrum(flats),
            "standardized": _spectrum(flats.standardized),
        },
        "prediction": {
            f"{rate:g}": _predicted(course) for rate, course in measured.items()
        },
        "small_net": [
            {"fraction_of_limit": f, "predicted": p, "real": r}
            for f, (p, r) in zip(FRACTIONS, pairs, strict=True)
        ],
        "quadratics": _quadratics(),
        "rivals": {name: told for name, (_, told) in rivals.items()},
        "least_loss": flats.best,
        "diagnosis": diagnosis,
    }
    courses = {
        rate: train(flats, sgd(rate), rate, 60, model=linear(seed))
        for rate in (FAILING, WORKING)
    }
    figures = draw(
        courses, measured, {name: course for name, (course, _) in rivals.items()},
        flats.best, numbers["quadratics"],
    )  # fmt: skip
    return CaseResult(
        name="nan-loss", story=tuple(tell(numbers)), numbers=numbers, figures=figures
    )


def _outcomes(seed: int, steps: int) -> list[dict[str, Any]]:
    """What becomes of one seed at both rates."""
    flats = Flats.drawn(seed)
    found: list[dict[str, Any]] = []
    for rate in (FAILING, WORKING):
        course = train(flats, sgd(rate), rate, steps, model=linear(seed))
        found.append(
            {
                "rate": rate,
                "seed": seed,
                "limit": float(2 / flats.eigenvalues[-1]),
                "first_loss": float(course.loss[0]),
                "last_loss": _or_none(float(course.loss[-1])),
                "least_loss": flats.best,
                "above_trillion_at": course.first_above(TRILLION),
                "nonfinite_at": course.broke,
            }
        )
        if course.broke is not None:
            found[-1]["last"] = "nan" if math.isnan(course.loss[-1]) else "inf"
    return found


def _rivals(
    flats: Flats, seed: int, steps: int
) -> dict[str, tuple[Course, dict[str, Any]]]:
    """Ways out: the smaller rate, Adam, and inputs of one scale."""
    ways = {
        f"SGD {WORKING:g}": (flats, sgd(WORKING), WORKING),
        **{f"Adam {rate:g}": (flats, adam(rate), rate) for rate in ADAM},
        f"standardized, SGD {CURED:g}": (flats.standardized, sgd(CURED), CURED),
        f"standardized, Adam {ADAM[0]:g}": (
            flats.standardized,
            adam(ADAM[0]),
            ADAM[0],
        ),
    }
    found = {}
    for name, (on, rule, rate) in ways.items():
        course = train(on, rule, rate, steps, model=linear(seed))
        near = np.flatnonzero(course.loss <= CLOSE * flats.best)
        found[name] = (
            course,
            {
                "last_loss": _or_none(float(course.loss[-1])),
                "over_least": _or_none(float(course.loss[-1]) / flats.best),
                "steps_to_one_percent": int(near[0]) if near.size else None,
            },
        )
    return found


def _trained_net(flats: Flats, seed: int) -> torch.nn.Module:
    """A small net some way into its training, on inputs of one scale."""
    net = small_net(seed)
    train(flats.standardized, sgd(0.01), 0.01, 50, model=net)
    return net


def _spectrum(flats: Flats) -> dict[str, Any]:
    values = flats.eigenvalues
    return {
        "eigenvalues": [float(v) for v in values],
        "condition_number": float(values[-1] / values[0]),
        "limit": float(2 / values[-1]),
    }


def _predicted(course: Course) -> dict[str, Any]:
    error = np.abs(course.predicted - course.real) / np.abs(course.real)
    return {
        "steps": len(course.terms),
        "worst_relative_error": float(error.max()),
        "first_limit": float(course.limits[0]),
        "last_limit": float(course.limits[-1]),
        "first_gauge": float(2 * course.rate / course.limits[0]),
        "first_predicted": float(course.predicted[0]),
        "first_real": float(course.real[0]),
    }


def _quadratics() -> list[dict[str, Any]]:
    """Gradient descent on ½·c·x² from x = 1: each step multiplies x by 1 − ε·c."""
    return [
        {
            "name": name,
            "curvature": curvature,
            "limit": 2 / curvature,
            "rate": rate,
            "path": [(1 - rate * curvature) ** k for k in range(8)],
        }
        for name, curvature in QUADRATICS
        for rate in RATES_OF_QUADRATICS
    ]


def _told(diagnosis: Diagnosis, rate: float, steps: int) -> dict[str, Any]:
    root = diagnosis.root
    headline = f"{root.code} {root.name} {root.message}" if root else "nothing found"
    return {
        "rate": rate,
        "steps": steps,
        "headline": headline,
        "root": root.code if root else None,
        "findings": [f"{f.code} {f.name}" for f in diagnosis.findings],
    }


def _in_words(outcome: dict[str, Any]) -> str:
    if outcome["nonfinite_at"] is not None:
        return f"{outcome['rate']:g} breaks at step {outcome['nonfinite_at']}"
    return f"{outcome['rate']:g} ends at {outcome['last_loss']:.4g}"


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
