"""Prescriptions in words and in source code."""

from reluctant.records import (
    AddParameters,
    Change,
    ClipGradNorm,
    EditSource,
    Prescription,
    Reinitialize,
    ScaleLearningRate,
    SwapActivation,
)
from reluctant.report._page import names


def title_of(cure: Prescription) -> str:
    """The remedy's name as an order: `lower-learning-rate` → `Lower learning rate`."""
    words = cure.remedy.replace("-", " ")
    return words[:1].upper() + words[1:]


def code_of(cure: Prescription) -> list[str]:
    """The patch, line by line; without one, what each change does."""
    if cure.patch:
        return [_safe(line) for line in cure.patch.strip("\n").splitlines()]
    return [line for change in cure.changes for line in _lines(change)]


def _lines(change: Change) -> list[str]:
    match change:
        case EditSource(before, after, where):
            old = [f"- {_safe(line)}" for line in before.splitlines()]
            new = [f"+ {_safe(line)}" for line in after.splitlines()]
            return [f"# {_safe(where)}", *old, *new]
        case ScaleLearningRate(factor):
            return [f"# every learning rate × {factor:.4g}"]
        case ClipGradNorm(limit):
            return [f"# gradients clipped to a total norm of {limit:.4g}"]
        case Reinitialize(sites, scheme):
            return [f"# weights of {_sites(sites)} drawn anew by {scheme}, biases 0"]
        case SwapActivation(sites, activation, _):
            return [f"# the activation behind {_sites(sites)} becomes {activation}"]
        case AddParameters(parameters):
            return [f"# the optimizer also gets {names(parameters, 4)}"]


def _sites(sites: tuple[str, ...]) -> str:
    return names(sites, 4) if sites else "all layers"


def _safe(line: str) -> str:
    """The line with its indentation; what could steer a terminal is written out."""
    line = line.expandtabs(4)
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
