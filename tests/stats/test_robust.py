import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reluctant.stats import block_medians, log_median, robust_slope

numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


@given(st.lists(st.floats(1e-12, 1e12), min_size=1), st.floats(1e-6, 1e6))
def test_a_factor_moves_the_log_median_by_its_logarithm(
    x: list[float], c: float
) -> None:
    moved = log_median([c * v for v in x])
    assert moved == pytest.approx(log_median(x) + math.log10(c), abs=1e-9)


@pytest.mark.parametrize("values", [[], [0.0, -1.0], [math.nan, math.inf]])
def test_nothing_has_no_median(values: list[float]) -> None:
    assert math.isnan(log_median(values))


@given(numbers, st.integers(1, 60))
def test_block_medians_against_a_loop(x: list[float], blocks: int) -> None:
    cuts = np.array_split(np.array(x), min(blocks, len(x)))
    slow = [sorted(c)[len(c) // 2] if len(c) % 2 else np.median(c) for c in cuts]
    assert block_medians(x, blocks).tolist() == slow


def test_no_blocks_is_an_error() -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        block_medians([1.0], 0)


def slow_slope(x: list[float], y: list[float]) -> float:
    slopes = [
        (y[j] - y[i]) / (x[j] - x[i])
        for i in range(len(x))
        for j in range(i + 1, len(x))
        if x[i] != x[j]
    ]
    return float(np.median(slopes)) if slopes else math.nan


@given(st.lists(st.tuples(st.integers(-9, 9), st.floats(-1e3, 1e3)), max_size=25))
def test_slope_against_its_slow_twin(points: list[tuple[int, float]]) -> None:
    x, y = [float(p[0]) for p in points], [p[1] for p in points]
    assert robust_slope(x, y) == pytest.approx(slow_slope(x, y), nan_ok=True)


def test_slope_leaves_out_what_is_no_number() -> None:
    assert robust_slope([0, 1, 2], [0, math.nan, 4]) == 2.0


def test_slope_needs_pairs() -> None:
    with pytest.raises(ValueError, match="needs pairs"):
        robust_slope([0, 1], [0])
