"""Intervals of shares and thresholds, against known values and slow twins."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from reluctant.stats import (
    expected_trials,
    median_threshold,
    trials_for,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # Newcombe 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_published_values(successes, trials, low, high):
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize("trials", [1, 2, 7, 30])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
def test_slow_twin(trials, confidence):
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    grid = np.linspace(0, 1, 200_001)
    for successes in range(trials + 1):
        apart = np.abs(successes / trials - grid)
        inside = grid[apart <= z * np.sqrt(grid * (1 - grid) / trials) + 1e-15]
        low, high = wilson_interval(successes, trials, confidence=confidence)
        assert (low, high) == pytest.approx((inside[0], inside[-1]), abs=1e-5)


def test_symmetry_and_misuse():
    low, high = wilson_interval(3, 11)
    assert wilson_interval(8, 11) == pytest.approx((1 - high, 1 - low))
    for successes, trials in ((3, 2), (-1, 2)):
        with pytest.raises(ValueError, match="successes of"):
            wilson_interval(successes, trials)
    with pytest.raises(ValueError, match="confidence"):
        wilson_interval(1, 2, confidence=1.0)


@pytest.mark.parametrize("probability", [0.01, 0.26, 0.5, 0.9, 0.99])
def test_restarts(probability):
    runs = trials_for(probability)
    assert 1 - (1 - probability) ** runs >= 0.99 - 1e-9
    assert runs == 1 or 1 - (1 - probability) ** (runs - 1) < 0.99
    assert expected_trials(probability) == 1 / probability
    assert math.isinf(expected_trials(0.0))


def test_interval_of_the_median_holds_it_as_often_as_it_says():
    random = np.random.default_rng(0)
    for n in (3, 6, 8, 15):
        draws = np.exp(random.normal(size=(4000, n)))
        found = [median_threshold(d, d) for d in draws]
        held = np.mean([f.low <= 1.0 <= f.high for f in found])
        assert held == pytest.approx(found[0].coverage, abs=0.02)
    assert median_threshold(draws[0], draws[0]).coverage >= 0.95


def test_brackets_widen_and_open_ends_stay_open():
    one = median_threshold([0.1] * 6, [0.2] * 6)
    assert (one.low, one.high) == (0.1, 0.2)
    assert one.value == pytest.approx(math.sqrt(0.02))
    below = median_threshold([0, 0, 0.1], [0.1, 0.1, 0.2])
    assert math.isnan(below.value)
    assert below.low == 0
    above = median_threshold([0.1, 0.4, 0.4], [0.2, math.inf, math.inf])
    assert math.isnan(above.value)
    assert above.high == math.inf
    for low, high in (([], []), ([1], [1, 2]), ([2], [1])):
        with pytest.raises(ValueError, match=r"ends have|lower end"):
            median_threshold(low, high)
