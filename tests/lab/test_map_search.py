"""Adaptive rounds find the boundary that the full grid would show, for less."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from reluctant.lab._map_search import PILOT, Verdicts, still_open, wanted

Truth = Callable[[int, int], bool]


def explore(truth: Truth, rates: int, seeds: int, *, full: bool = False) -> Verdicts:
    verdicts: Verdicts = {}
    for _ in range(10_000):
        ask = wanted(verdicts, rates, seeds, full=full)
        if not ask:
            return verdicts
        assert len(set(ask)) == len(ask)
        assert still_open(verdicts, rates, seeds, full=full) >= 0
        for rate, seed in ask:
            assert seed not in verdicts.get(rate, {})
            verdicts.setdefault(rate, {})[seed] = truth(rate, seed)
    raise AssertionError("never ends")


def share(verdicts: Verdicts, rate: int) -> float:
    known = verdicts[rate]
    return sum(known.values()) / len(known)


@pytest.mark.parametrize("spread", [0.0, 0.7, 2.0, 5.0])
def test_boundary_is_that_of_the_full_grid(spread):
    random = np.random.default_rng(int(10 * spread))
    rates, seeds = 48, 12
    cost = []
    for _ in range(40):
        limits = random.normal(random.uniform(5, 43), spread, seeds)
        found = explore(lambda i, k, at=limits: i <= at[k], rates, seeds)
        cost.append(sum(map(len, found.values())) / (rates * seeds))
        bottom, top = math.floor(limits.min()), math.floor(limits.max()) + 1
        # any rate that divides more than the first few seeds is known in full
        for rate in range(max(bottom, 0), min(top, rates - 1) + 1):
            first = np.floor(limits[:PILOT])
            if first.min() < rate <= first.max():
                assert found[rate] == {k: rate <= limits[k] for k in range(seeds)}
        for rate, known in found.items():
            assert len(known) in (PILOT, seeds)
            if 0 < share(found, rate) < 1:
                assert len(known) == seeds
                assert {rate - 1, rate + 1} & {*range(rates)} <= found.keys()
        # the zone is enclosed: by rates that all seeds agree on, or by the grid
        zone = [rate for rate, known in found.items() if len(known) == seeds]
        assert min(zone) == 0 or share(found, min(zone)) == 1
        assert max(zone) == rates - 1 or share(found, max(zone)) == 0
    assert np.mean(cost) < 0.2 + 0.1 * spread


def test_lottery_gets_every_seed_everywhere():
    truth = np.random.default_rng(0).random((12, 10)) < 0.4
    found = explore(lambda i, k: bool(truth[i, k]), 12, 10)
    assert sum(map(len, found.values())) > 100


@pytest.mark.parametrize("value", [True, False])
def test_where_nothing_changes_a_few_seeds_are_enough(value):
    found = explore(lambda i, k: value, 30, 16)
    assert sum(map(len, found.values())) == 5 * PILOT


@pytest.mark.parametrize(("rates", "seeds"), [(1, 1), (2, 1), (3, 9), (7, 2)])
def test_small_grids_and_full_ones(rates, seeds):
    full = explore(lambda i, k: i < 2, rates, seeds, full=True)
    assert sum(map(len, full.values())) == rates * seeds
    explore(lambda i, k: (i + k) % 2 == 0, rates, seeds)


def test_two_boundaries_are_both_found():
    found = explore(lambda i, k: 10 <= i + (k % 3) <= 30, 40, 8)
    assert {8, 9, 10, 28, 29, 30} <= {i for i, s in found.items() if len(s) == 8}
