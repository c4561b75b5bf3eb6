"""What was proposed for three units that should learn |x + jy|."""

from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from reluctant.cases._tiny_abs_nets import Plane, Spread, best_loss
from reluctant.cases.claims._compare import Scale, bars, shares
from reluctant.cases.claims._small_nets import Way, final_losses, succeeded
from reluctant.records import (
    Axis,
    ClaimArm,
    ClaimResult,
    Comparison,
    Holds,
    Line,
    Lines,
)

MEASURE = "trainings within 10 % of the best known loss of three ReLU units"
_POPULATION = (
    "{n} seeds of 2-3-1 networks a setting, Glorot-uniform weights, zero biases, Adam "
    "0.001, minibatches of 32, 11,000 steps of which the last 1,000 decay to zero; the "
    "same starts and samples in both arms"
)
_SPREADS: dict[Spread, str] = {
    "gauss": "points N(0, I)",
    "square": "points on [−1, 1]²",
}
PLAIN = Way()


class _Arena:
    """The untreated trainings of a setting, done once."""

    def __init__(self, scale: Scale, spread: Spread) -> None:
        self.scale, self.setting = scale, _SPREADS.get(spread, "skewed points")
        self.plane = Plane.drawn(spread, scale.seed)
        restarts = 60 if scale.quick else 300
        self.best = best_loss(self.plane, restarts=restarts, seed=scale.seed)
        self.seeds = scale.seeds(60, 400)

    @cached_property
    def plain(self) -> list[bool]:
        """Outcome of each seed, untreated."""
        return self.won(PLAIN, "as it was")

    def losses(self, way: Way, label: str) -> NDArray[np.float64]:
        found = final_losses(self.plane, self.seeds, way)
        won = sum(succeeded(found, self.best))
        self.scale.progress(
            f"{self.setting}, {label}: {won} of {len(self.seeds)} succeed"
        )
        return found

    def won(self, way: Way, label: str) -> list[bool]:
        return succeeded(self.losses(way, label), self.best)


@lru_cache(maxsize=4)
def _arena(scale: Scale, spread: Spread) -> _Arena:
    return _Arena(scale, spread)


def _against_plain(
    scale: Scale, ways: dict[str, Way], *, enough: float = 0.0
) -> tuple[Comparison, ...]:
    """Each way against the untreated one, on both spreads."""
    found = []
    for spread in _SPREADS:
        arena = _arena(scale, spread)
        for label, way in ways.items():
            pair = ("as it was", arena.plain), (label, arena.won(way, label))
            setting = f"{arena.setting}, {label}" if len(ways) > 1 else arena.setting
            found.append(shares(setting, *pair, enough=enough))
    return tuple(found)


def _result(
    name: str,
    claim: str,
    scale: Scale,
    comparisons: Sequence[Comparison],
    title: str,
    remark: str = "",
) -> ClaimResult:
    n = len(scale.seeds(60, 400))
    return ClaimResult(
        name=name,
        case="tiny-abs",
        claim=claim,
        population=_POPULATION.format(n=n),
        measure=MEASURE,
        is_share=True,
        comparisons=tuple(comparisons),
        figure=bars(name, title, MEASURE, comparisons),
        remark=remark,
    )


def more_units(scale: Scale) -> ClaimResult:
    """Four, five, six and eight units in place of three."""
    ways = {f"{units} units": Way(units=units) for units in (4, 5, 6, 8)}
    return _result(
        "more-units",
        "More hidden units make the small network train reliably.",
        scale,
        _against_plain(scale, ways, enough=0.9),
        "More units: how often the network learns |x + jy|",
        "Reliable is taken to mean nine trainings of ten.",
    )


def dropout(scale: Scale) -> ClaimResult:
    """Dropout of a tenth of the hidden units."""
    return _result(
        "dropout",
        "Dropout of 10 % brings the small network out of its valleys.",
        scale,
        _against_plain(scale, {"dropout 10 %": Way(dropout=0.1)}),
        "Dropout: how often the network learns |x + jy|",
    )


def other_activations(scale: Scale) -> ClaimResult:
    """Units that cannot die."""
    names = {"sigmoid": "sigmoid", "exponential": "exponential", "elu": "ELU"}
    ways = {label: Way(activation=key) for key, label in names.items()}
    ways["SELU"] = Way(activation="selu")
    ways["leaky ReLU 0.2"] = Way(activation="leaky")
    return _result(
        "other-activations",
        "Sigmoid, exponential, ELU or SELU units train where ReLU units get stuck.",
        scale,
        _against_plain(scale, ways),
        "Other activations: how often three units learn |x + jy|",
        "The bar is the best loss of three ReLU units, which smooth units need not be "
        "able to reach: the claim is about learning this function, not about training.",
    )


def every_optimizer(scale: Scale) -> ClaimResult:
    """Other optimizers and rates, at equal cost."""
    optim = torch.optim
    ways = {
        "SGD 0.05": Way(rule=lambda p: optim.SGD(p, lr=0.05)),
        "SGD 0.01, momentum 0.9": Way(
            rule=lambda p: optim.SGD(p, lr=0.01, momentum=0.9)
        ),
        "RMSprop 0.001": Way(rule=lambda p: optim.RMSprop(p, lr=0.001)),
        "Nadam 0.001": Way(rule=lambda p: optim.NAdam(p, lr=0.001)),
        "Adam 0.01": Way(rule=lambda p: optim.Adam(p, lr=0.01)),
    }
    return _result(
        "every-optimizer",
        "Another optimizer makes the small network train reliably.",
        scale,
        _against_plain(scale, ways, enough=0.9),
        "Other optimizers: how often three units learn |x + jy|",
        "Reliable is taken to mean nine trainings of ten; `partly` is a gain that "
        "falls short of it.",
    )


def repelling_units(scale: Scale) -> ClaimResult:
    """A penalty on units that point the same way."""
    ways = {f"repulsion {w:g}": Way(repulsion=w) for w in (0.01, 0.1, 1.0)}
    return _result(
        "repelling-units",
        "Making the units repel each other lets small networks converge reliably.",
        scale,
        _against_plain(scale, ways, enough=0.9),
        "Repelling units: how often three units learn |x + jy|",
        "The penalty is the mean squared cosine between weight vectors, biases "
        "included, in the first half of training. Reliable: nine of ten.",
    )


def skewed_inputs(scale: Scale) -> ClaimResult:
    """Whether the failures come of skewed inputs."""
    skewed = _arena(scale, "skewed")
    failed = [not won for won in skewed.plain]
    found = []
    for spread in _SPREADS:
        arena = _arena(scale, spread)
        there = [not won for won in arena.plain]
        found.append(
            shares(
                f"against {arena.setting}",
                (arena.setting, there),
                ("exponential, less their mean", failed),
                enough=0.5,
            )
        )
    found.append(_fails_without(scale))
    name, measure = "skewed-inputs", "trainings that fail"
    return ClaimResult(
        name=name,
        case="tiny-abs",
        claim="Skewed inputs are what makes the small network fail.",
        population=_POPULATION.format(n=len(skewed.seeds)),
        measure=measure,
        is_share=True,
        comparisons=tuple(found),
        figure=bars(name, "Skewed inputs: how often three units fail", measure, found),
        remark="Skew that makes failures more frequent is one thing; that they come of "
        "it would mean that they are rare without it, which the last setting asks.",
    )


def _fails_without(scale: Scale) -> Comparison:
    """Whether failures are rare (one of ten) where nothing is skewed."""
    arena = _arena(scale, "gauss")
    failed = [not won for won in arena.plain]
    found = shares(
        "without any skew",
        ("none would fail", [False] * len(failed)),
        (
            "points N(0, I)",
            failed,
        ),
    )
    holds: Holds = "no" if found.arms[1].low > 0.1 else "yes"
    arm = found.arms[1]
    return Comparison(
        setting=found.setting,
        arms=(arm,),
        holds=holds,
        told=f"{arm.value:.0%} ({arm.low:.0%} to {arm.high:.0%}) fail all the same",
    )


def banded_losses(scale: Scale) -> ClaimResult:
    """How far apart the final losses of many seeds lie, by width."""
    widths = (3, 4, 6, 12, 24)
    found, lines = [], []
    for color, spread in enumerate(_SPREADS):
        arena = _arena(scale, spread)
        bands = []
        for units in widths:
            losses = arena.losses(Way(units=units), f"{units} units")
            bands.append(_band(losses, f"{units} units", scale.seed))
        for one, two in pairwise(bands):
            holds: Holds = "open"
            if two.high < one.low:
                holds = "yes"
            elif two.low > one.high:
                holds = "no"
            found.append(
                Comparison(
                    setting=f"{arena.setting}, {one.label} to {two.label}",
                    arms=(one, two),
                    holds=holds,
                    told=f"{one.value:.3g} ({one.low:.3g} to {one.high:.3g}) becomes "
                    f"{two.value:.3g} ({two.low:.3g} to {two.high:.3g}) decades",
                )
            )
        lines.append(
            Line(
                name=arena.setting,
                x=widths,
                y=tuple(b.value for b in bands),
                low=tuple(b.low for b in bands),
                high=tuple(b.high for b in bands),
                color=color,
                markers=True,
                style=("solid", "dashed")[color],
            )
        )
    return ClaimResult(
        name="banded-losses",
        case="tiny-abs",
        claim="The final losses of wider networks lie closer together.",
        population=_POPULATION.format(n=len(scale.seeds(60, 400))).replace(
            "2-3-1", "2-H-1"
        ),
        measure="decades between the 10th and the 90th percentile of the final loss",
        is_share=False,
        comparisons=tuple(found),
        figure=Lines(
            name="banded-losses",
            title="Wider networks: how far apart their final losses lie",
            x=Axis(title="hidden units", scale="log"),
            y=Axis(title="decades between 10th and 90th percentile"),
            lines=tuple(lines),
            caption="Band: 95 % interval, bootstrap over seeds.",
        ),
    )


def _band(losses: NDArray[np.float64], label: str, seed: int) -> ClaimArm:
    """Distance of the outer tenths, in decades, with a bootstrap interval."""
    logs = np.log10(np.clip(losses, 1e-12, 1e12))
    random = np.random.default_rng([seed, 9])
    drawn = random.choice(logs, (1000, len(logs)))
    low, high = np.quantile(drawn, 0.1, axis=1), np.quantile(drawn, 0.9, axis=1)
    ends = np.quantile(high - low, [0.025, 0.975])
    value = float(np.quantile(logs, 0.9) - np.quantile(logs, 0.1))
    return ClaimArm(
        label=label, value=value, low=float(ends[0]), high=float(ends[1]), n=len(logs)
    )
