import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reluctant.stats import change_point


def slow(x: list[float]) -> int:
    """Pettitt's U as defined, by all pairs."""
    u = [
        abs(sum(np.sign(a - b) for a in x[:t] for b in x[t:])) for t in range(1, len(x))
    ]
    return int(np.argmax(u)) + 1


@given(st.lists(st.integers(0, 9), min_size=2, max_size=30))
def test_against_its_slow_twin(x: list[int]) -> None:
    assert change_point(x).at == slow([float(v) for v in x])


@given(st.lists(st.integers(0, 9), min_size=2, max_size=30))
def test_only_ranks_count(x: list[int]) -> None:
    assert change_point(x).at == change_point([v**3 - 5 for v in x]).at


def test_a_p_value_is_rarely_small_without_a_change() -> None:
    rng = np.random.default_rng(0)
    p = [change_point(rng.normal(size=50)).p_value for _ in range(400)]
    assert np.mean(np.array(p) < 0.05) < 0.06


def test_a_clear_change_is_found() -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=40), 3 + rng.normal(size=20)])
    found = change_point(x)
    assert abs(found.at - 40) <= 2
    assert found.p_value < 1e-4


def test_nan_is_as_high_as_infinity() -> None:
    assert change_point([1, 1, 1, math.nan, math.inf, math.nan]).at == 3


def test_too_few_values_have_no_change() -> None:
    assert change_point([1.0]).p_value == 1.0
