"""Three units that should learn |x + jy|, and mostly do not: the case of frozen signs.

One linear layer learns a filter and a Fourier transform, as linear maps should be. Then
2 inputs, 3 ReLU units and 1 output learn the distance from the origin with Keras'
defaults: an inverted hexagonal pyramid does it, yet most trials end in a valley. Not
because units die or merge, but because an outgoing weight that starts negative, and
larger than its unit, can never turn positive.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from reluctant.cases._result import CaseResult
from reluctant.cases._tiny_abs_census import census, rate
from reluctant.cases._tiny_abs_figures import draw
from reluctant.cases._tiny_abs_linear import Learned, learn
from reluctant.cases._tiny_abs_nets import (
    BATCH,
    RATE,
    SAMPLES,
    STEPS,
    Plane,
    Spread,
    Trials,
    best_loss,
    trials,
)
from reluctant.cases._tiny_abs_treat import treated

__all__ = ["run", "treated"]

OTHERS: tuple[Spread, ...] = ("square", "skewed")


def run(
    *, data: Path | None, quick: bool, seed: int, progress: Callable[[str], None]
) -> CaseResult:
    """Train many small networks, count what they became, and say what decided it.

    Takes no data: points of the plane are drawn by the seed.
    """
    n, restarts = (200, 40) if quick else (1000, 200)
    progress("a filter and a Fourier transform by one linear layer")
    learned = learn(seed, steps=2000 if quick else 10_000, progress=progress)
    found, best = _tried("gauss", n, restarts, seed, progress)
    kinds, counts = census(found, best)
    others = {}
    for name in OTHERS:
        other, least = _tried(name, n, restarts, seed, progress)
        others[name] = {
            "best_loss": least,
            "success": rate(other.successes(least)),
            **census(other, least)[1],
        }
    numbers: dict[str, Any] = {
        "case": "tiny-abs",
        "net": [2, 3, 1],
        "samples": SAMPLES,
        "batch_size": BATCH,
        "optimizer": f"Adam {RATE:g}, eps 1e-7",
        "steps": STEPS,
        "linear": [
            {
                "task": one.task,
                "optimizer": one.rule,
                "largest_relative_error": one.error,
                "relative_loss": float(one.loss[-1]),
            }
            for one in learned
        ],
        "best_loss": best,
        # arms by name: a remedy is one more start or rule under the same seeds
        "success": {"untreated": rate(found.successes(best))},
        **counts,
        "inputs": others,
    }
    return CaseResult(
        name="tiny-abs",
        story=tuple(_tell(numbers, learned)),
        numbers=numbers,
        figures=draw(found, kinds, best, numbers, learned),
    )


def _tried(
    name: Spread, n: int, restarts: int, seed: int, progress: Callable[[str], None]
) -> tuple[Trials, float]:
    """Trials on one spread of inputs, and the best loss that is known for it."""
    plane = Plane.drawn(name, seed)
    found = trials(plane, range(seed, seed + n), progress=progress)
    searched = best_loss(plane, restarts=restarts, seed=seed)
    best = min(searched, float(found.loss.min()))
    progress(
        f"{name} inputs: {int(found.successes(best).sum())} of {n} trials within 10 % "
        f"of the best known loss {best:.4g}"
    )
    return found, best


def _tell(numbers: dict[str, Any], learned: list[Learned]) -> list[str]:
    success, lost = numbers["success"]["untreated"], numbers["failures"]
    frozen, free = numbers["frozen"], numbers["free"]
    signs = numbers["success_by_positive_outgoing"]
    stuck, loose = (
        numbers[f"success_{which}_frozen_negative"] for which in ("with", "without")
    )
    counted = sorted(numbers["census"].items(), key=lambda pair: -pair[1])
    kinds = ", ".join(f"{kind} {count}" for kind, count in counted if count)
    skewed = numbers["inputs"]["skewed"]["success"]
    bent = numbers["inputs"]["skewed"]["success_by_positive_outgoing"]
    square = numbers["inputs"]["square"]["success"]
    return [
        "One linear layer, no bias, float32, minibatches of 32, learns from white "
        "noise: "
        + "; ".join(
            f"{one.task} with {one.rule}: largest error of a weight {one.error:.0e} of "
            "the largest weight"
            for one in learned
        )
        + ".",
        f"Then 2 inputs, 3 ReLU units and 1 output learn |x + jy| from {SAMPLES:,} "
        "points N(0, I), with Keras' defaults: Glorot-uniform weights, zero biases, "
        f"Adam {RATE:g}, minibatches of {BATCH}, {STEPS:,} steps, the last tenth "
        f"decayed to zero. {success['successes']} of {success['n']} trials come within "
        f"10 % of the best known loss {numbers['best_loss']:.3g}: {_percent(success)}.",
        f"What they ended as: {kinds}.",
        f"Of the {lost['n']} failures, {lost['with_dead_unit']} have a dead unit and "
        f"{lost['with_merged_units']} have merged ones (one direction, outgoing "
        f"weights of one sign; {lost['with_one_direction_twice']} if signs may "
        f"differ). But {lost['with_negative_outgoing_at_start']} began with a negative "
        "outgoing weight. By how many of the three began positive: "
        + "; ".join(f"{k}: {_percent(found)}" for k, found in signs.items())
        + ".",
        "Gradient flow keeps a² − ‖(w, b)‖² of each unit, so an outgoing weight that "
        f"is larger than its unit keeps its sign. Of {frozen['n']} units that began "
        f"so, {frozen['flipped']} changed it; of the {free['n']} others, "
        f"{free['flipped']}. Networks with a unit frozen at a negative weight: "
        f"{_percent(stuck)}; without: {_percent(loose)}. "
        "This can be read off before the first step.",
        "Skewed inputs are not the cause, for symmetric ones fail as well, but they "
        f"make success rarer. Points even on [−1, 1]²: {_percent(square)}; exponential "
        f"less their mean: {_percent(skewed)}, and with all three outgoing weights "
        f"positive {_percent(bent['3'])}; each against the best loss known for its own "
        "points.",
    ]


def _percent(found: dict[str, Any]) -> str:
    if not found["n"]:
        return "none seen"
    low, high = found["interval"]
    return f"{found['p']:.1%} of {found['n']:,} (95 % interval {low:.1%} to {high:.1%})"
