"""From paired outcomes to whether a claim holds in one setting."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reluctant.records import Axis, Bar, Bars, ClaimArm, Comparison, Figure, Holds
from reluctant.stats import (
    PairedShares,
    median_interval,
    paired_shares,
    sign_test,
    wilson_interval,
)

LEAST = 0.1  # an effect under ten points of a hundred is none to build on
CURED = 0.9  # share that a cure must reach
DARK, LIGHT = 0, 6  # of the figures' palette


@dataclass(frozen=True)
class Scale:
    """How much is spent on a claim.

    Attributes:
        quick: Fewer and shorter trainings.
        seed: The first of all seeds.
        data: Folder with MNIST, or None for the digits of scikit-learn.
        progress: Given one line for each stretch of work.
    """

    quick: bool = False
    seed: int = 0
    data: Path | None = None
    progress: Callable[[str], None] = lambda line: None

    def seeds(self, quick: int, full: int) -> range:
        """So many seeds."""
        return range(self.seed, self.seed + (quick if self.quick else full))


def shares(
    setting: str,
    before: tuple[str, Sequence[bool]],
    after: tuple[str, Sequence[bool]],
    *,
    enough: float = 0.0,
    least: float = LEAST,
) -> Comparison:
    """Compare how often two ways succeed; the claim is that the second does oftener.

    It holds if the interval of the difference is above 0, the difference is at least
    `least` and the second way reaches `enough`; partly if it helps but falls short of
    that; not if a difference of `least` is excluded. Else it is open.

    Args:
        setting: On what.
        before: Label and outcome of each seed as it was.
        after: Label and outcome of the same seeds, treated.
        enough: Share that the second way must reach.
        least: Smallest difference that counts.
    """
    found = paired_shares(before[1], after[1])
    return Comparison(
        setting=setting,
        arms=(_share(*before), _share(*after)),
        holds=_holds(found, enough, least),
        told=f"{found.difference:+.0%} ({found.low:+.0%} to {found.high:+.0%}; sign "
        f"test p = {found.p:.2g})",
    )


def medians(
    setting: str,
    before: tuple[str, Sequence[float]],
    after: tuple[str, Sequence[float]],
    *,
    factor: float = 1.0,
) -> Comparison:
    """Compare values pair by pair; the claim is that the second ones are larger.

    It holds if the interval of the median ratio lies above `factor`, not if below.

    Args:
        setting: On what.
        before: Label and value of each seed as it was, all above 0.
        after: Label and value of the same seeds, treated.
        factor: By how much the second must be larger.
    """
    ratios = [b / a for a, b in zip(before[1], after[1], strict=True)]
    middle, low, high = median_interval(ratios)
    wins, losses = sum(r > factor for r in ratios), sum(r < factor for r in ratios)
    p = sign_test(wins, losses)
    holds: Holds = "open"
    if low > factor:
        holds = "yes"
    elif high < factor or (high == low == factor):
        holds = "no"
    return Comparison(
        setting=setting,
        arms=tuple(_median(*arm) for arm in (before, after)),
        holds=holds,
        told=f"× {middle:.3g} ({low:.3g} to {high:.3g}; sign test p = {p:.2g})",
    )


def never(setting: str, label: str, hits: Sequence[bool], *, most: float) -> Comparison:
    """One way alone; the claim is that it happens in at most a share of cases."""
    arm = _share(label, hits)
    holds: Holds = "yes" if arm.high <= most else "no" if arm.low > most else "open"
    return Comparison(
        setting=setting,
        arms=(arm,),
        holds=holds,
        told=f"{arm.value:.1%} ({arm.low:.1%} to {arm.high:.1%}), limit {most:.0%}",
    )


def always(
    setting: str, label: str, hits: Sequence[bool], *, least: float
) -> Comparison:
    """One way alone; the claim is that it happens in at least a share of cases."""
    arm = _share(label, hits)
    holds: Holds = "yes" if arm.low >= least else "no" if arm.high < least else "open"
    return Comparison(
        setting=setting,
        arms=(arm,),
        holds=holds,
        told=f"{arm.value:.1%} ({arm.low:.1%} to {arm.high:.1%}), limit {least:.0%}",
    )


def bars(
    name: str, title: str, measure: str, comparisons: Sequence[Comparison]
) -> Figure:
    """All arms of a claim as bars, shares in percent; equal ones once.

    What several ways are compared with stands above them, lighter than they.
    """
    groups: dict[str, dict[str, Bar]] = {}
    for comparison in comparisons:
        *_, last = comparison.arms
        place = comparison.setting.removesuffix(f", {last.label}")
        group = groups.setdefault(place, {})
        for arm in comparison.arms:
            is_first = len(comparison.arms) > 1 and arm is comparison.arms[0]
            bar = Bar(
                label=f"{place}: {arm.label}",
                value=100 * arm.value,
                low=100 * arm.low,
                high=100 * arm.high,
                color=LIGHT if is_first else DARK,
                text=f"{arm.value:.0%} of {arm.n}",
            )
            group.setdefault(bar.label, bar)
    shown = [bar for group in groups.values() for bar in group.values()]
    light = any(bar.color == LIGHT for bar in shown)
    return Bars(
        name=name,
        title=title,
        value=Axis(title=measure, unit="%", low=0, high=118),
        bars=tuple(shown),
        caption="Light: what is compared with. " * light
        + "Lines: 95 % Wilson intervals.",
    )


def by_seed(outcomes: Mapping[int, bool]) -> list[bool]:
    """Outcomes in the order of their seeds, as pairs need them."""
    return [outcomes[seed] for seed in sorted(outcomes)]


def _holds(found: PairedShares, enough: float, least: float) -> Holds:
    if found.low > 0:
        full = found.difference >= least and found.second >= enough
        return "yes" if full else "partly"
    return "no" if found.high < least or found.difference <= 0 else "open"


def _share(label: str, hits: Sequence[bool]) -> ClaimArm:
    won, n = int(np.sum(np.asarray(hits, bool))), len(hits)
    low, high = wilson_interval(won, n)
    return ClaimArm(
        label=label, value=won / n if n else math.nan, low=low, high=high, n=n
    )


def _median(label: str, values: Sequence[float]) -> ClaimArm:
    middle, low, high = median_interval(values)
    return ClaimArm(label=label, value=middle, low=low, high=high, n=len(values))
