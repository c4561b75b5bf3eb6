"""Real trainings that failed, run again: each fails as its asker saw, and says why."""

import difflib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from reluctant.cases._result import CaseResult
from reluctant.records import UsageError

CASES: dict[str, str] = {
    "dying-output": "a network that trains at one learning rate and collapses for good "
    "at a slightly larger one: its output units die",
    "nan-loss": "a regression whose loss rises from thousands to trillions to nan, and "
    "learns at a tenth of the learning rate: each step is past its limit",
    "sigmoid-init": "a deep net written for logistic units that learns nothing but the "
    "biases of its classes with ReLU: its start is too small for them",
    "tiny-abs": "three ReLU units that should learn |x + jy| and mostly end in a "
    "valley: the sign of an outgoing weight is frozen at the start",
}

_TREATED = ("dying-output", "tiny-abs")

__all__ = ["CASES", "CaseResult", "run_case"]


def run_case(
    name: str,
    *,
    data: Path | None = None,
    quick: bool = False,
    seed: int = 0,
    treat: bool = False,
    progress: Callable[[str], None] = lambda line: None,
) -> CaseResult:
    """Run one case.

    Args:
        name: A key of `CASES`.
        data: Folder with the data that the case was first seen on; where it is left
            out, the case says what it takes instead.
        quick: Whether to do with fewer and shorter trainings, for under a minute.
        seed: The first of the seeds that are used; equal seeds give equal numbers.
        treat: Whether to treat it as well: `tiny-abs` and `dying-output` can be.
        progress: Given one line for each stretch of work.

    Raises:
        UsageError: If there is no such case, or its data cannot be read.
    """
    if name not in CASES:
        near = difflib.get_close_matches(name, CASES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(CASES)}."
        raise UsageError(f"no case {name!r}; {hint}")
    home = import_module(f"reluctant.cases.{name.replace('-', '_')}")
    if treat and not hasattr(home, "treated"):
        able = ", ".join(_TREATED)
        raise UsageError(f"{name} has no treatment of its own; {able} have.")
    result: CaseResult = home.run(data=data, quick=quick, seed=seed, progress=progress)
    if not treat:
        return result
    treated: CaseResult = home.treated(
        result, data=data, quick=quick, seed=seed, progress=progress
    )
    return treated
