"""Rules that read a map: by hand, and the examples of their pages trained for real."""

import inspect
import math
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reluctant.diagnosis import diagnose_map
from reluctant.records import (
    MapCell,
    MapRun,
    MapSlice,
    SeedThreshold,
    Severity,
    SuccessMap,
    Threshold,
)
from reluctant.rules import ENSEMBLE_RULES, EnsembleRule
from reluctant.stats import expected_trials, trials_for, wilson_interval

each_rule = pytest.mark.parametrize("rule", ENSEMBLE_RULES, ids=lambda r: r.code)
Counts = dict[str, int]  # outcome to how many


def cell(rate: float, counts: Counts) -> MapCell:
    n, good = sum(counts.values()), counts.get("trained", 0)
    low, high = wilson_interval(good, n)
    return MapCell(
        rate=rate,
        n=n,
        successes=good,
        probability=good / n,
        low=low,
        high=high,
        failures={k: v for k, v in counts.items() if k != "trained"},
        expected_trainings=expected_trials(good / n),
        trainings_for_99=trials_for(good / n),
    )


def part(
    cells: dict[float, Counts],
    *,
    width: int | None = None,
    limit: tuple[float, float, float] = (math.nan, 0.0, math.inf),
    seeds: int = 16,
) -> MapSlice:
    runs = [
        MapRun(
            rate=rate, seed=seed, outcome=o, gain=0.5, loss=1.0, score=0.5, steps=100
        )
        for rate, counts in cells.items()
        for seed, o in enumerate(o for o, n in counts.items() for _ in range(n))
    ]
    threshold = Threshold(
        median=limit[0],
        low=limit[1],
        high=limit[2],
        coverage=0.95,
        method="by hand",
        by_seed=tuple(
            SeedThreshold(seed=s, low=limit[1], high=limit[2], is_monotone=True)
            for s in range(seeds)
        ),
        predicted=math.nan,
        predicted_low=math.nan,
        predicted_high=math.nan,
    )
    return MapSlice(
        setting={} if width is None else {"width": width},
        steps=100,
        cells=tuple(cell(rate, counts) for rate, counts in cells.items()),
        runs=tuple(runs),
        threshold=threshold,
    )


def map_of(*parts: MapSlice, own_rate: float = math.nan) -> SuccessMap:
    return SuccessMap(
        recipe="by hand",
        criterion="gap<0.05",
        meaning="",
        engine="torch",
        rates=(0.1,),
        seeds=(0,),
        axes={},
        is_full=True,
        is_complete=True,
        slices=parts,
        own_rate=own_rate,
    )


def outcomes(found: SuccessMap) -> dict[str, str]:
    return {check.code: check.outcome for check in diagnose_map(found).checks}


@pytest.mark.parametrize(
    ("own", "severity"),
    [
        (0.1, []),
        (0.35, [Severity.NOTE]),
        (0.45, [Severity.WARNING]),
        (2.0, [Severity.WARNING]),
    ],
)
def test_the_own_rate_beside_the_threshold(
    own: float, severity: list[Severity]
) -> None:
    cells = {0.1: {"trained": 16}, 1.0: {"diverged": 16}}
    found = map_of(part(cells, limit=(0.5, 0.4, 0.6)), own_rate=own)
    told = [f for f in diagnose_map(found).findings if f.code == "ENS101"]
    assert [f.severity for f in told] == severity


def test_an_open_threshold_and_an_unknown_rate_are_blind() -> None:
    cells = {0.1: {"trained": 16}}
    assert outcomes(map_of(part(cells), own_rate=0.1))["ENS101"] == "blind"
    closed = part(cells, limit=(0.5, 0.4, 0.6))
    assert outcomes(map_of(closed))["ENS101"] == "blind"
    few = part(cells, limit=(0.5, 0.4, 0.6), seeds=5)
    assert outcomes(map_of(few, own_rate=0.1))["ENS101"] == "blind"


@pytest.mark.parametrize(
    ("cells", "outcome"),
    [
        ({0.1: {"trained": 8, "stuck": 8}, 1.0: {"diverged": 16}}, "found"),
        ({0.1: {"trained": 16}, 0.5: {"trained": 8, "diverged": 8}}, "clear"),
        ({0.1: {"trained": 8, "slow": 8}}, "clear"),  # lacks steps, no luck
        ({0.1: {"trained": 14, "stuck": 2}}, "clear"),  # may well be 0.95
        ({0.1: {"stuck": 16}}, "blind"),  # nothing says that it can be learnt
        ({0.1: {"trained": 3, "stuck": 3}}, "blind"),
        ({0.1: {"trained": 3, "raised": 13}}, "blind"),  # an error is no verdict
    ],
)
def test_a_lottery_is_one_at_every_rate(
    cells: dict[float, Counts], outcome: str
) -> None:
    assert outcomes(map_of(part(cells)))["ENS201"] == outcome


def test_stuck_is_neither_dead_nor_diverged() -> None:
    stuck = map_of(part({0.1: {"trained": 8, "stuck": 8}}))
    dead = map_of(part({0.1: {"trained": 8, "dead": 8}}))
    assert outcomes(stuck)["FIT301"] == "found"
    assert diagnose_map(stuck).explained == {"ENS201": "FIT301"}
    assert outcomes(dead)["FIT301"] == "clear"
    assert outcomes(dead)["ENS201"] == "found"


@pytest.mark.parametrize(
    ("narrow", "wide", "outcome"),
    [
        ({"trained": 1, "stuck": 15}, {"trained": 16}, "found"),
        ({"trained": 16}, {"trained": 16}, "clear"),
        ({"trained": 16}, {"trained": 1, "stuck": 15}, "clear"),
        ({"trained": 2, "stuck": 2}, {"trained": 4}, "blind"),  # may be chance
        ({"stuck": 16}, {"stuck": 16}, "blind"),
    ],
)
def test_width_counts_where_it_surely_helps(
    narrow: Counts, wide: Counts, outcome: str
) -> None:
    found = map_of(part({0.1: narrow}, width=4), part({0.1: wide}, width=64))
    assert outcomes(found)["ENS301"] == outcome
    if outcome == "found":
        root = diagnose_map(found).root
        assert root is not None
        assert root.code == "ENS301"


def test_nothing_is_blind_and_not_clear() -> None:
    assert set(outcomes(map_of()).values()) == {"blind"}


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["trained", "slow", "stuck", "dead", "raised", "hung"]),
            st.integers(1, 30),
            min_size=1,
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([math.nan, 0.0, 1e-300, 0.1, math.inf]),
)
def test_no_map_breaks_a_rule(cells: list[Counts], own: float) -> None:
    slices = [
        part({0.1 * (i + 1): counts}, width=i, limit=(0.2, 0.0, math.inf))
        for i, counts in enumerate(cells)
    ]
    assert "broken" not in outcomes(map_of(*slices, own_rate=own)).values()


Trained = Callable[[type[EnsembleRule], str], SuccessMap]


@pytest.fixture(scope="module")
def trained() -> Trained:
    """The recipe of the pages, with one line of theirs, as a map."""
    import torch
    from torch import nn

    from reluctant.lab import Training, success_map

    def train(rule: type[EnsembleRule], section: str) -> SuccessMap:
        page = inspect.cleandoc(rule.__doc__ or "")
        (block,) = re.findall(rf"^## {section}\n```python\n(.+?)```", page, re.M | re.S)
        told = {"units": 32, "lr": 0.1, "widths": None}
        exec(block, told)

        def make(seed: int, *, width: int = told["units"]) -> Training:
            torch.manual_seed(seed)
            x = torch.randn(128, 2, generator=torch.Generator().manual_seed(0))
            model = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 1))
            optimizer = torch.optim.SGD(model.parameters(), lr=told["lr"])
            y = x.norm(dim=1, keepdim=True)
            return Training(model, nn.MSELoss(), optimizer, [(x, y)])

        return success_map(
            make,
            [0.1, 0.2, 0.4, 0.8, 1.6],
            seeds=16,
            axes={"width": told["widths"]} if told["widths"] else None,
            steps=1000,
            success="gap<0.1",
            full=True,
            workers=0,
            predict=False,
        )

    return train


@pytest.mark.slow
@each_rule
def test_sick_is_found(rule: type[EnsembleRule], trained: Trained) -> None:
    assert outcomes(trained(rule, "Sick"))[rule.code] == "found"


@pytest.mark.slow
@each_rule
def test_healthy_is_clear(rule: type[EnsembleRule], trained: Trained) -> None:
    found = trained(rule, "Healthy")
    assert outcomes(found)[rule.code] == "clear"
    assert diagnose_map(found).root is None
