"""The first steps of a training, taken on a copy with every step looked at."""

import math
import time
from typing import NamedTuple

import numpy as np
from torch.nn.attention import SDPBackend, sdpa_kernel

from reluctant.lab._recipe import Training
from reluctant.live import Watch
from reluctant.live._describe import named
from reluctant.probes import PROBES
from reluctant.records import Trace
from reluctant.records.quantities import LOSS
from reluctant.rules._constant import skill

_LEARNT = 0.02  # share of the constant's loss


class Rehearsal(NamedTuple):
    """What the first steps showed.

    Attributes:
        trace: Every step of it.
        training: The copy, as the last step left it.
        steps: How many were taken.
        stopped: What broke it off before its end; `""` if nothing did.
    """

    trace: Trace
    training: Training
    steps: int
    stopped: str


def rehearsal(
    training: Training,
    *,
    steps: int = 120,
    patience: int = 4,
    seconds: float = math.inf,
    name: str | None = None,
) -> Rehearsal:
    """Train a fork for a few steps under watch, with every step sampled in depth.

    Args:
        training: Anything that can be forked.
        steps: How many.
        patience: While it does no better than a constant, up to so many times as many:
            a slow start is no disease.
        seconds: After which no further step is taken.
        name: What the user calls the model.

    Raises:
        UsageError: If the training cannot be forked, or has no batch.
    """
    copy = training.fork()
    until = time.perf_counter() + seconds
    stopped, began = "", copy.steps
    watch = Watch(
        named(copy.model),
        [copy.optimizer],
        model=copy.model,
        name=name or type(copy.model).__name__,
        budget=0.99,
        probes=[probe() for probe in PROBES],
        sink=None,
        thorough=True,
    )
    # the fused kernels of attention have no second derivative, which the gauge needs
    with watch, sdpa_kernel(SDPBackend.MATH):
        while time.perf_counter() < until:
            taken = copy.steps - began
            is_due = taken > 0 and taken % steps == 0
            if is_due and (taken >= patience * steps or not _is_slow(watch.trace)):
                break
            try:
                copy.step(look=watch.loss)
            except Exception as error:  # the user's code; what was seen counts
                stopped = f"{type(error).__name__}: {error}"
                break
            if _is_lost(watch.trace):
                break
    return Rehearsal(watch.trace, copy, copy.steps - began, stopped)


def _is_slow(trace: Trace) -> bool:
    """Whether nothing was learnt that a constant would not know."""
    learnt = skill(trace)
    return learnt.is_exact and learnt.is_none(_LEARNT)


def _is_lost(trace: Trace, steps: int = 10) -> bool:
    """Whether the last losses were no numbers."""
    last = trace.series(LOSS).values[-steps:]
    return len(last) == steps and not bool(np.isfinite(last).any())
