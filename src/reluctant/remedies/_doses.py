"""Prescriptions that have a dose, and the same at another one."""

import math
from typing import TypeAlias

from msgspec.structs import replace

from reluctant.records import (
    Prescription,
    ScaleDropout,
    ScaleLearningRate,
    SwapOptimizer,
    Trace,
)
from reluctant.records.quantities import LEARNING_RATE

Dose: TypeAlias = ScaleLearningRate | ScaleDropout | SwapOptimizer


def dosed(
    remedy: str, cures: str, change: Dose, because: str, trace: Trace
) -> Prescription:
    """One change that has a dose, and how the user would write it."""
    return Prescription(
        remedy=remedy,
        cures=cures,
        changes=(change,),
        trust="safe",
        because=because,
        patch=_patch(change, trace),
    )


def at_dose(one: Prescription, times: float, trace: Trace) -> Prescription | None:
    """A prescription with its factor, or rate, multiplied; None where it has none.

    Args:
        one: A prescription of a remedy in this catalogue.
        times: Above 0.
        trace: Of the training that it is for.
    """
    if len(one.changes) != 1 or not isinstance(one.changes[0], Dose):
        return None
    change = one.changes[0]
    other: Dose
    if isinstance(change, SwapOptimizer):
        other = replace(change, rate=rounded(change.rate * times))
    else:
        other = replace(change, factor=rounded(change.factor * times))
    return replace(one, changes=(other,), patch=_patch(other, trace))


def rounded(dose: float) -> float:
    """Two significant digits: it is no more exact than that."""
    return float(f"{dose:.2g}")


def _patch(change: Dose, trace: Trace) -> str:
    if isinstance(change, ScaleDropout):
        return f"nn.Dropout({change.factor:g} * p)  # was nn.Dropout(p)"
    if isinstance(change, ScaleLearningRate):
        by = change.factor
        lines = [f"lr = {rate * by:.2g}  # was {rate:g}" for rate in _rates(trace)]
        return "\n".join(dict.fromkeys(lines))
    made, more = {
        "sgd": ("SGD", ""),
        "momentum": ("SGD", f", momentum={change.momentum:g}"),
        "adam": ("Adam", ""),
        "adamw": ("AdamW", ""),
    }[change.optimizer]
    return (
        f"optimizer = torch.optim.{made}(model.parameters(), "
        f"lr={change.rate:.2g}{more})"
    )


def _rates(trace: Trace) -> list[float]:
    """Of each parameter group, at its largest: a schedule is on its way to or from it.

    By what is known of the optimizer where no step was recorded.
    """
    found = []
    for group in trace.sites(LEARNING_RATE):
        values = trace.series(LEARNING_RATE, group).values
        known = [float(v) for v in values if math.isfinite(v)]
        found += [max(known)] if known else []
    if found:
        return found
    options = [group.options.get("lr") for group in trace.setup.groups]
    return [float(rate) for rate in options if isinstance(rate, float | int)]
