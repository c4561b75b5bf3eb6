"""Paired outcomes against closed forms, published intervals and coverage."""

import math

import numpy as np
import pytest

from reluctant.stats import median_interval, paired_shares, sign_test


def pairs(both: int, lost: int, won: int, neither: int):
    first = [True] * (both + lost) + [False] * (won + neither)
    second = [True] * both + [False] * lost + [True] * won + [False] * neither
    return first, second


@pytest.mark.parametrize("wins", range(12))
def test_sign_test_sums_the_tails_of_the_coin(wins):
    n = 11
    chance = [math.comb(n, k) / 2**n for k in range(n + 1)]
    apart = abs(wins - n / 2)
    slow = sum(c for k, c in enumerate(chance) if abs(k - n / 2) >= apart)
    assert sign_test(wins, n - wins) == pytest.approx(slow)


def test_sign_test_refuses_negative_counts():
    with pytest.raises(ValueError, match="counts are 0 or more"):
        sign_test(-1, 2)


# Newcombe (1998), table II: cells a, b, c, d and the tenth interval of (b - c)/n
@pytest.mark.parametrize(
    ("cells", "low", "high"),
    [
        ((36, 12, 2, 0), 0.0569, 0.3404),
        ((20, 12, 2, 16), 0.0562, 0.3292),
        ((54, 0, 0, 0), -0.0664, 0.0664),
    ],
)
def test_published_intervals(cells, low, high):
    a, b, c, d = cells
    found = paired_shares(*pairs(a, c, b, d))
    assert found.difference == pytest.approx((b - c) / sum(cells))
    assert found.low == pytest.approx(low, abs=2e-4)
    assert found.high == pytest.approx(high, abs=2e-4)


def test_covers_the_true_difference():
    random = np.random.default_rng(0)
    hits, tries = 0, 600
    for _ in range(tries):
        first = random.random(40) < 0.3
        second = first | (random.random(40) < 0.2)
        found = paired_shares(list(first), list(second))
        hits += found.low <= 0.7 * 0.2 <= found.high
    assert hits / tries > 0.92


def test_swapping_the_treatments_mirrors_the_interval():
    first, second = pairs(10, 3, 9, 8)
    one, two = paired_shares(first, second), paired_shares(second, first)
    assert (one.low, one.high) == pytest.approx((-two.high, -two.low))
    assert one.p == two.p


@pytest.mark.parametrize("first", [[], [True]])
def test_unequal_or_no_cases(first):
    with pytest.raises(ValueError, match="one outcome a case"):
        paired_shares(first, [])


@pytest.mark.parametrize("n", [6, 15, 29, 30, 80])
def test_median_interval_covers(n):
    random = np.random.default_rng(n)
    hits = 0
    for _ in range(400):
        _, low, high = median_interval(list(random.exponential(size=n)))
        hits += low <= math.log(2) <= high
    assert hits / 400 > 0.93


def test_median_of_infinities():
    assert median_interval([math.inf, 1.0, math.inf]) == (math.inf, 1.0, math.inf)
