"""What was proposed against dying outputs, tried where the plain network loses them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from reluctant.cases._data import Digits
from reluctant.cases._relu_net import Run
from reluctant.cases._relu_net_kind import HIDDEN, SLOPE, Kind
from reluctant.cases._relu_nets import Job, train_all
from reluctant.records import Axis, Bar, Bars, Figure
from reluctant.stats import wilson_interval

FINAL_SHARE = 0.1  # of the learning rate, where it decays
WIDER = 3
LOWERED = 0.7  # of the predicted threshold: below what most seeds stand

ARMS: tuple[tuple[str, Kind], ...] = (
    ("as it was", Kind()),
    (f"leaky {SLOPE:g}, both layers", Kind(leaky_hidden=True, leaky_head=True)),
    (f"leaky {SLOPE:g}, output layer", Kind(leaky_head=True)),
    ("rate decays to a tenth", Kind(final_share=FINAL_SHARE)),
    (f"{WIDER * HIDDEN} hidden units", Kind(width=WIDER * HIDDEN)),
)


def try_all(
    data: Digits,
    rates: Sequence[float],
    seeds: Sequence[int],
    *,
    epochs: int,
    lowered: float,
    progress: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Train every arm at every rate, and the plain network at a lower one.

    Args:
        data: What to learn.
        rates: At which the plain network loses outputs.
        seeds: The same for every arm.
        epochs: Of each training.
        lowered: The rate that the tool proposes instead.
        progress: Given a line for each arm.

    Returns:
        For each arm and rate how many seeds learned all ten digits, with interval.
    """
    found = []
    todo = [(name, kind, rate) for rate in rates for name, kind in ARMS]
    for name, kind, rate in [*todo, ("rate below the limit", Kind(), lowered)]:
        runs = train_all(data, [Job(rate, s) for s in seeds], epochs=epochs, kind=kind)
        arm = _arm(data, name, rate, runs)
        progress(f"{name}, {rate:.3g}: {arm['learned']} of {arm['n']} learn all digits")
        found.append(arm)
    return found


def _arm(data: Digits, name: str, rate: float, runs: Sequence[Run]) -> dict[str, Any]:
    learned = [
        bool(np.isfinite(run.weights.W1).all()) and not run.unlearned(data)
        for run in runs
    ]
    scores = [run.test[-1] for run in runs]
    return {
        "arm": name,
        "rate": rate,
        "learned": sum(learned),
        "n": len(runs),
        "interval": list(wilson_interval(sum(learned), len(runs))),
        "lost_outputs": sum(bool(run.dead) for run in runs),
        "median_accuracy": float(np.median(scores)),
        "seeds": [
            {"seed": run.seed, "learned": won, "accuracy": score}
            for run, won, score in zip(runs, learned, scores, strict=True)
        ],
    }


def tell(arms: list[dict[str, Any]]) -> list[str]:
    """One paragraph a rate, and one for the rate below the limit."""
    if not arms:
        return []
    *tried, lowered = arms
    story = []
    for rate in dict.fromkeys(arm["rate"] for arm in tried):
        here = [arm for arm in tried if arm["rate"] == rate]
        story.append(
            f"Proposed remedies at learning rate {rate:g}, by how many seeds learn all "
            "ten digits (95% interval; test images right, median): "
            + "; ".join(map(_clause, here))
            + "."
        )
    return [
        *story,
        f"Below the limit, at learning rate {lowered['rate']:.2g}, which is "
        f"{LOWERED:.0%} of the prediction: {_counts(lowered)}.",
    ]


def _clause(arm: dict[str, Any]) -> str:
    return f"{arm['arm']} {_counts(arm)}"


def _counts(arm: dict[str, Any]) -> str:
    low, high = (round(100 * end) for end in arm["interval"])
    return (
        f"{arm['learned']} of {arm['n']} ({low}–{high}%; {arm['median_accuracy']:.1%})"
    )


def draw_arms(data: Digits, arms: list[dict[str, Any]]) -> Figure:
    """A bar for each arm and rate."""
    rates = list(dict.fromkeys(arm["rate"] for arm in arms))
    return Bars(
        name="remedies",
        title=f"{data.name}: what helps where the plain network loses outputs",
        value=Axis(title="seeds that learn all ten digits", unit="%", low=0, high=118),
        bars=tuple(
            Bar(
                label=f"{arm['arm']}, {arm['rate']:.2g}",
                value=100 * arm["learned"] / arm["n"],
                low=100 * arm["interval"][0],
                high=100 * arm["interval"][1],
                color=rates.index(arm["rate"]),
                text=f"{arm['learned']} of {arm['n']}",
            )
            for arm in arms
        ),
        caption="Number after the name: learning rate. A digit is learned if at least "
        "half of its training images are told rightly. Lines: 95% Wilson intervals.",
    )
