import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reluctant.stats import ratio_of_means


@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(0.1, 10)), min_size=3, max_size=20)
)
def test_against_a_loop(pairs: list[tuple[float, float]]) -> None:
    a, b = np.array(pairs).T
    n = len(pairs)
    left_out = [np.delete(a, i).mean() / np.delete(b, i).mean() for i in range(n)]
    error = math.sqrt((n - 1) / n * sum((x - np.mean(left_out)) ** 2 for x in left_out))
    found = ratio_of_means(a, b)
    assert found.value == pytest.approx(a.mean() / b.mean())
    assert found.error == pytest.approx(error, abs=1e-9)


def test_the_error_is_about_right() -> None:
    rng = np.random.default_rng(0)
    draws = [
        ratio_of_means(2 * b + rng.normal(size=50), b)
        for b in (1 + rng.random((300, 50)))
    ]
    spread = np.std([d.value for d in draws])
    assert np.median([d.error for d in draws]) == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize("b", [[0.0, 0.0], [-1.0, 0.5], [math.nan, math.nan]])
def test_without_a_positive_denominator_there_is_none(b: list[float]) -> None:
    assert math.isnan(ratio_of_means([1.0, 1.0], b).value)


def test_two_pairs_have_no_error() -> None:
    assert math.isnan(ratio_of_means([1.0, 2.0], [1.0, 1.0]).error)


def test_needs_pairs() -> None:
    with pytest.raises(ValueError, match="needs pairs"):
        ratio_of_means([1.0], [1.0, 2.0])
