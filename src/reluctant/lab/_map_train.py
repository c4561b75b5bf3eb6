"""Train one cell in torch: deterministic by its seed, whoever runs it."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from reluctant.lab._cells import (
    WINDOWS,
    Attempt,
    Cell,
    Setting,
    Stop,
    in_one_line,
    no_limit,
    trend_of,
)
from reluctant.lab._map_score import Scorer
from reluctant.lab._map_settings import at_setting, build_at
from reluctant.lab._recipe import Recipe
from reluctant.lab._step_size_limit import StepSizeLimit, step_size_limit
from reluctant.lab._time_limit import NotEndedError

_LOOK_EVERY = 100  # steps between looks at the loss, so that diverged runs end soon
LEAST_PROBE = 40  # steps


@contextmanager
def hard_ground() -> Iterator[None]:
    """One thread, no denormal numbers; what was set before comes back."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    flushes = torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if flushes:
            torch.set_flush_denormal(False)


def train_cell(recipe: Recipe, cell: Cell, steps: int) -> Attempt:
    """Build, train and score one cell. An error of the recipe is an attempt too."""
    done = 0
    try:
        training = build_at(recipe, cell.setting, cell.rate, cell.seed)
        window = max(1, steps // WINDOWS)
        sums: list[float] = []
        finite = True
        while done < steps and finite:
            end = min(steps, (done // window + 1) * window)
            total = 0.0
            while done < end and finite:
                losses = training.step(min(end - done, _LOOK_EVERY))
                done += len(losses)
                total += math.fsum(losses)
                finite = all(map(math.isfinite, losses))
            if done == end and end % window == 0:
                sums.append(total)
        scores = Scorer(training).measure(training)
    # a cell that breaks costs itself alone, whatever its recipe raises
    except (Exception, SystemExit) as error:
        stop: Stop = "hung" if isinstance(error, NotEndedError) else "raised"
        return Attempt(cell=cell, steps=done, stop=stop, reason=in_one_line(error))
    loss = scores.loss
    if math.isnan(loss) and finite and sums:
        loss = sums[-1] / window  # batches that cannot be read again
    return Attempt(
        cell=cell,
        steps=done,
        stop="done" if finite else "nonfinite",
        loss=loss if finite else math.nan,
        score=scores.score if finite else math.nan,
        constant_loss=scores.constant_loss,
        constant_score=scores.constant_score,
        first_loss=sums[0] / window if sums else math.nan,
        trend=trend_of(sums),
        silent=scores.silent if finite else 0,
    )


def probe_steps(steps: int) -> int:
    """Steps of a probe for trainings of so many: a quarter, but not too few."""
    return max(4, min(steps, max(LEAST_PROBE, steps // 4)))


def predict_limit(
    recipe: Recipe, setting: Setting, steps: int, seed: int, gap: float
) -> StepSizeLimit:
    """The step-size limit at a setting; without a value where it cannot be had."""
    try:
        return step_size_limit(
            at_setting(recipe, setting), steps=probe_steps(steps), seed=seed, gap=gap
        )
    # a prediction that fails costs itself alone, whatever the recipe raises
    except (Exception, SystemExit) as error:
        return no_limit(in_one_line(error))
