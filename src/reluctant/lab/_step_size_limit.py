"""How large a learning rate a training survives, told without training it whole."""

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from reluctant.lab._recipe import Recipe, Training, build
from reluctant.records import UsageError

Method: TypeAlias = Literal["probe", "gauge"]

GAP = 0.05  # of the best gain may be missing, as in a map
SEEDS = {"probe": 12, "gauge": 2}  # probes take turns; gauges are averaged


class StepSizeLimit(msgspec.Struct, frozen=True, kw_only=True):
    """The learning rate from which on trainings fail, as far as it was told.

    Attributes:
        value: Predicted limit of the learning rate; nan where there is none.
        interval: Of 95 %: what the probes leave open, widened by how far the method
            itself was off on the trainings of `docs/step_size_limit.md`.
        rates: Learning rates that were probed and used, rising.
        method: `probe`: enclosed by short trainings on both sides of it; `gauge`:
            extrapolated from below. Empty where nothing was tried.
        gaps: Of probes, the share of the best gain that is expected to be missing at
            the end of a whole training, at each rate.
        allowed: The gap at the limit; nan for the gauge.
        gauges: The gauge at each rate; empty for probes.
        exponent: Of the gauge, G ~ rate^exponent; below 1 because larger steps find
            flatter ground. Of probes, gap ~ rate^exponent near the limit.
        reason: Why there is no value; empty if there is one.
        steps: Training steps spent, over all probes.
    """

    value: float
    interval: tuple[float, float]
    rates: tuple[float, ...]
    method: Method | Literal[""] = ""
    gaps: tuple[float, ...] = ()
    allowed: float = math.nan
    gauges: tuple[float, ...] = ()
    exponent: float = math.nan
    reason: str = ""
    steps: int = 0


def step_size_limit(
    training: Recipe | Training,
    *,
    steps: int = 2000,
    method: Method = "probe",
    gap: float = GAP,
    measured: int = 200,
    seeds: int | None = None,
    seed: int = 0,
    edge: float = 2.0,
    progress: Callable[[str], None] = lambda line: None,
) -> StepSizeLimit:
    """Predict the largest learning rate that this training survives.

    By probes: short trainings on both sides of the limit, with any optimizer. By the
    gauge: trainings at a few lower rates only, whose curvature is extrapolated; plain
    gradient descent, or no noise. Plain networks are trained by the fused engine where
    Numba is installed.

    Args:
        training: A recipe, or a training, which is probed on copies from where it
            stands and stays as it is. All its learning rates are scaled together; the
            rates reported are the first group's.
        steps: Of each probe: a quarter of the training that is meant. For the gauge,
            15,000 are enough.
        method: `probe` or `gauge`.
        gap: For probes: share of the way from the best constant predictor to the best
            training that a training may miss.
        measured: For the gauge: how many steps of a probe are measured.
        seeds: Of a recipe. Probes take turns with them, by default twelve; gauges are
            averaged over them, by default two.
        seed: The first of them.
        edge: The gauge at the limit.
        progress: Given a line after each probe.

    Raises:
        UsageError: If the recipe gives no Training, its learning rate is not positive,
            or an argument cannot be used.
        Unmeasurable: If the gauge cannot be measured on it, or tells nothing of its
            optimizer.
    """
    if method not in SEEDS:
        raise UsageError(f"method is {method!r}: give 'probe' or 'gauge'.")
    if not 0 < gap < 1:
        raise UsageError(f"gap is {gap:g}, but must be between 0 and 1.")
    seeds = SEEDS[method] if seeds is None else seeds
    for name, number, least in (
        ("steps", steps, 4 if method == "probe" else 2),
        ("measured", measured, 1),
        ("seeds", seeds, 1),
    ):
        if number < least:
            raise UsageError(f"{name} is {number}, but must be at least {least}.")
    # these need this module
    from reluctant.lab import _short_trainings, _step_size_gauge, _step_size_probes
    from reluctant.lab._step_size_search import search

    if isinstance(training, Training):
        given = training
        recipe: Recipe = lambda seed: given.fork()  # noqa: E731
        seeds = 1
    else:
        recipe = training
    first = build(recipe, seed)
    start = float(first.optimizer.param_groups[0].get("lr", math.nan))
    if not start > 0:
        raise UsageError(f"the recipe's learning rate is {start}; it must be positive.")
    in_turn = range(seed, seed + seeds)
    compiled = _step_size_probes.can_be_fused(first)
    if method == "probe":
        train = _short_trainings.fused if compiled else _short_trainings.in_torch
        return search(
            train(recipe, in_turn), start=start, steps=steps, gap=gap, progress=progress
        )
    make = _step_size_probes.fused if compiled else _step_size_probes.in_torch
    each = [make(recipe, s, steps, measured) for s in in_turn]
    return _step_size_gauge.find_limit(
        each[0],
        start=start,
        again=each[1:],
        steps=steps,
        edge=edge,
        seed=seed,
        progress=progress,
    )
