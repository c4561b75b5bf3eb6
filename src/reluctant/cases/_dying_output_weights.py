"""The weights of a failed and of a successful network of `dying-output`, as images."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reluctant.cases._data import Digits
from reluctant.cases._relu_net import Run
from reluctant.cases._relu_net_kind import OUTPUTS
from reluctant.records import Axis, Figure, Image, Images

_UNITS = 10  # hidden units shown of each network
_CLIP = 99.5  # percentile of absolute weights at the ends of the scale


def choose(shown: Sequence[Run]) -> tuple[Run, Run] | None:
    """A network that trained, and one of equal seed, if there is, that lost the most.

    Of those that lost some outputs and kept some, the one with the lowest rate.
    """
    worked = [run for run in shown if run.outcome == "trained"]
    lost = [run for run in shown if 0 < len(run.dead) < OUTPUTS] or [
        run for run in shown if run.outcome == "lost outputs"
    ]
    if not worked or not lost:
        return None
    seeds = {run.seed for run in worked}
    lowest = min(run.rate for run in lost)
    failed = max(
        (run for run in lost if run.rate == lowest),
        key=lambda run: (run.seed in seeds, len(run.dead)),
    )
    same = [run for run in worked if run.seed == failed.seed]
    return max(same or worked, key=lambda run: run.rate), failed


def draw_weights(data: Digits, shown: Sequence[Run]) -> tuple[Figure, ...]:
    """Two figures: what outputs look for, and what hidden units look for."""
    pair = choose(shown)
    if pair is None:
        return ()
    worked, failed = pair
    where = (
        f"Upper two rows: seed {worked.seed} at learning rate {worked.rate:g}, "
        f"{worked.test[-1]:.1%} of test images right. Lower two rows: seed "
        f"{failed.seed} at {failed.rate:g}, {failed.test[-1]:.1%}."
    )
    templates = [
        (f"{k}: lost" if k in run.dead else str(k), image)
        for run in pair
        for k, image in enumerate(run.weights.templates(data.train_x))
    ]
    units = [
        (f"for {int(run.weights.W2[:, k].argmax())}", run.weights.W1[:, k])
        for run in pair
        for k in _strongest(run)
    ]
    return (
        _images(
            data,
            "output-templates",
            "What each output looks for: learned above, outputs lost below",
            templates,
            f"{where} Orange pixels raise the output's sum, blue ones lower it, on "
            "average over the training images.",
        ),
        _images(
            data,
            "hidden-weights",
            "Incoming weights of the strongest hidden units",
            units,
            f"{where} Of each network the {_UNITS} hidden units with the longest "
            "outgoing weights; over each, the digit that it speaks for most.",
        ),
    )


def _strongest(run: Run) -> list[int]:
    lengths = np.linalg.norm(run.weights.W2, axis=0)
    return [int(k) for k in np.argsort(-lengths)[:_UNITS]]


def _images(
    data: Digits,
    name: str,
    title: str,
    pictures: list[tuple[str, NDArray[np.float32]]],
    caption: str,
) -> Images:
    end = float(np.percentile(np.abs([w for _, w in pictures]), _CLIP))
    return Images(
        name=name,
        title=title,
        value=Axis(title="weight", low=-end, high=end),
        images=tuple(
            Image(
                label=label,
                values=tuple(
                    tuple(map(float, row)) for row in weights.reshape(-1, data.side)
                ),
            )
            for label, weights in pictures
        ),
        columns=5,
        caption=caption,
    )
