"""Prescriptions that have a dose, and the same at another one."""

import math

from reluctant.records import (
    Prescription,
    ScaleDropout,
    ScaleLearningRate,
    SwapOptimizer,
    Trace,
)
from reluctant.records.quantities import LEARNING_RATE


def scaled(
    remedy: str, cures: str, factor: float, because: str, trace: Trace
) -> Prescription:
    """Every learning rate multiplied by a factor, rounded to two digits."""
    factor = float(f"{factor:.2g}")  # it is no more exact than that
    lines = [f"lr = {rate * factor:.2g}  # was {rate:g}" for rate in _rates(trace)]
    return Prescription(
        remedy=remedy,
        cures=cures,
        changes=(ScaleLearningRate(factor),),
        trust="safe",
        because=because,
        patch="\n".join(dict.fromkeys(lines)),
    )


def swapped(
    remedy: str, cures: str, change: SwapOptimizer, because: str
) -> Prescription:
    """Another optimizer, its rate as the user would write it."""
    made, more = {
        "sgd": ("SGD", ""),
        "momentum": ("SGD", f", momentum={change.momentum:g}"),
        "adam": ("Adam", ""),
        "adamw": ("AdamW", ""),
    }[change.optimizer]
    return Prescription(
        remedy=remedy,
        cures=cures,
        changes=(change,),
        trust="safe",
        because=because,
        patch=(
            f"optimizer = torch.optim.{made}(model.parameters(), "
            f"lr={change.rate:.2g}{more})"
        ),
    )


def dropped(remedy: str, cures: str, factor: float, because: str) -> Prescription:
    """The share of every dropout layer multiplied by a factor."""
    factor = float(f"{factor:.2g}")
    return Prescription(
        remedy=remedy,
        cures=cures,
        changes=(ScaleDropout(factor),),
        trust="safe",
        because=because,
        patch=f"nn.Dropout({factor:g} * p)  # was nn.Dropout(p)",
    )


def at_dose(one: Prescription, times: float, trace: Trace) -> Prescription | None:
    """A prescription with its factor, or rate, multiplied; None where it has none.

    Args:
        one: A prescription of a remedy in this catalogue.
        times: Above 0.
        trace: Of the training that it is for.
    """
    if len(one.changes) != 1:
        return None
    change = one.changes[0]
    if isinstance(change, ScaleLearningRate):
        return scaled(one.remedy, one.cures, change.factor * times, one.because, trace)
    if isinstance(change, ScaleDropout):
        return dropped(one.remedy, one.cures, change.factor * times, one.because)
    if isinstance(change, SwapOptimizer):
        rate = float(f"{change.rate * times:.2g}")
        other = SwapOptimizer(change.optimizer, rate, change.momentum)
        return swapped(one.remedy, one.cures, other, one.because)
    return None


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
