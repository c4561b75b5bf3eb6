"""One training of a map: what is asked for, and what came of it."""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from reluctant.lab._step_size_limit import StepSizeLimit

Value: TypeAlias = int | float | str
Setting: TypeAlias = tuple[tuple[str, Value], ...]
Stop: TypeAlias = Literal["done", "frozen", "nonfinite", "raised", "hung"]

NAN = float("nan")
WINDOWS = 10  # of one training: the last two tell whether the loss still falls


class Cell(msgspec.Struct, frozen=True):
    """One training that is asked for; equal cells give equal attempts."""

    setting: Setting
    rate: float
    seed: int


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one training, before anyone judges it.

    Attributes:
        cell: What was asked for.
        steps: Steps taken.
        stop: Why it ended.
        loss: At the end, over the training data.
        score: Share classified rightly; nan where targets are not classes.
        constant_loss: Of the best constant predictor, on the same data.
        constant_score: Likewise.
        first_loss: Mean over the first window of steps.
        trend: Mean loss of the last window over that of the window before.
        silent: Outputs that are the same number for every sample.
        reason: Of an error.
    """

    cell: Cell
    steps: int
    stop: Stop
    loss: float = NAN
    score: float = NAN
    constant_loss: float = NAN
    constant_score: float = NAN
    first_loss: float = NAN
    trend: float = NAN
    silent: int = 0
    reason: str = ""


class Engine(Protocol):
    """Trains cells. What comes of one depends on nothing but the cell."""

    name: str

    def run(self, cells: Sequence[Cell], on_done: Callable[[Attempt], None]) -> None:
        """Train all cells, in any order; each is handed over as soon as it is there."""
        ...

    def predict(self, setting: Setting, steps: int, gap: float) -> StepSizeLimit:
        """The step-size limit at a setting, of trainings of so many steps.

        Args:
            setting: Of the recipe.
            steps: Of a whole training.
            gap: That a whole training may have, as a criterion `gap` allows it.
        """
        ...

    def close(self) -> None:
        """Give back what is held."""
        ...


def no_limit(reason: str) -> StepSizeLimit:
    """No prediction, and why."""
    return StepSizeLimit(value=NAN, interval=(NAN, NAN), rates=(), reason=reason)


def trend_of(windows: Sequence[float]) -> float:
    """The last window's mean loss over that of the one before; nan for fewer."""
    if len(windows) < 2 or not windows[-2]:
        return NAN
    return float(windows[-1] / windows[-2])


def in_one_line(error: BaseException) -> str:
    """An error as a table shows it."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    return (f"{name}: {text}" if text else name)[:300]
