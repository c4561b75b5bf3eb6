import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reluctant.stats import rate_bound, silences


def slow(said: list[bool]) -> tuple[int, int]:
    """Trailing silence and longest finished one, from the text of the run."""
    text = "".join("x" if s else "." for s in said)
    *ended, last = text.split("x")
    return len(last), max((len(e) for e in ended), default=0)


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_against_its_slow_twin(said: list[bool]) -> None:
    found = silences([[s] for s in said])
    assert (found.rows[0], found.longest[0]) == slow(said)
    assert found.ever[0] == any(said)


@given(st.lists(st.booleans(), min_size=1, max_size=20), st.integers(1, 9))
def test_widths_are_what_rows_stand_for(said: list[bool], width: int) -> None:
    wide = silences([[s] for s in said], [width] * len(said))
    assert wide.rows[0] == width * silences([[s] for s in said]).rows[0]


def test_what_was_not_seen_is_not_silence() -> None:
    assert silences([[0.0], [math.nan]]).rows[0] == 0


def test_shapes_must_fit() -> None:
    with pytest.raises(ValueError, match="must be"):
        silences([1.0])
    with pytest.raises(ValueError, match="one width for each"):
        silences([[1.0]], [1, 2])


@given(st.integers(20, 10**6))
def test_rate_bound_is_the_rule_of_three(n: int) -> None:
    assert rate_bound(n) == pytest.approx(3 / n, rel=0.1)
    assert (1 - rate_bound(n)) ** n == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize("n", [0, -1, math.nan])
def test_nothing_bounds_nothing(n: float) -> None:
    assert rate_bound(n) == 1.0


def test_empty() -> None:
    assert silences(np.zeros((0, 3))).rows.tolist() == [0, 0, 0]
