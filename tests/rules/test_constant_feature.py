import numpy as np
import pytest

from reluctant.diagnosis import diagnose
from reluctant.records import Severity, Trace
from reluctant.rules import Blind
from reluctant.rules.data.constant_feature import ConstantFeature
from rules.rule_cases import FALLING, FLAT, judged


def run(
    mean: list[float],
    std: list[float],
    *,
    loss: list[float] = FLAT,
    across: float = 1.0,
    steps: int = 100,
) -> Trace:
    """Features with given means and standard deviations, the same in each batch."""
    m, s = np.array(mean), np.array(std)
    square = m**2 + s**2
    varies = float((s**2).mean() / max(square.mean(), 1e-30))
    return judged(
        loss=loss[:steps],
        input_mean=[m.tolist()] * steps,
        input_square=[square.tolist()] * steps,
        input_variation=[varies] * steps,
        input_across=[across] * steps,
    )


def found(trace: Trace) -> list[str]:
    return [f.message for f in ConstantFeature().check(trace)]


@pytest.mark.parametrize("value", [0.0, 1.0, 7.5])
def test_one_input_for_all_samples(value: float) -> None:
    (message,) = found(run([value] * 4, [0.0] * 4))
    assert "6,400 samples seen are the same input" in message


def test_one_input_is_no_fault_where_the_network_learns() -> None:
    """A second input may say it all: only the first is seen."""
    assert not found(run([0.0] * 4, [0.0] * 4, loss=FALLING))


def test_columns_of_zeros_cost_nothing() -> None:
    """Padding, and words that never occur."""
    assert not found(run([0.0] * 9 + [0.2], [0.0] * 9 + [0.4]))


def test_a_column_of_ones_costs_nothing() -> None:
    assert not found(run([1.0, 0.0, 0.0], [0.0, 1.0, 1.0]))


def test_all_columns_the_same() -> None:
    (message,) = found(run([0.1] * 6, [1.0] * 6, across=0.0))
    assert "all 6 features of a sample are the same number" in message


def test_balanced_one_hot_columns_are_not_the_same() -> None:
    assert not found(run([0.25] * 4, [0.43] * 4, across=0.75))


def test_one_number_given_twice_is_a_habit() -> None:
    assert not found(run([0.1] * 2, [1.0] * 2, across=0.0))


@pytest.mark.parametrize(("mean", "is_found"), [(5.0, False), (5000.0, True)])
def test_an_offset_that_drowns_the_rest(mean: float, is_found: bool) -> None:
    assert bool(found(run([mean] * 3, [1.0] * 3))) is is_found


def test_an_offset_is_borne_where_the_network_learns() -> None:
    falling = [1.4 * 0.95**i for i in range(100)]
    assert not found(run([5000.0] * 3, [1.0] * 3, loss=falling))


def test_large_columns_that_never_change_and_what_follows() -> None:
    trace = run([50.0, 0.0, 0.0], [0.0, 1.0, 1.0])
    (message,) = found(trace)
    assert "1 of 3 input features never change" in message
    assert diagnose(trace).root.code == "DAT401"  # type: ignore[union-attr]


def test_is_an_error() -> None:
    (finding,) = ConstantFeature().check(run([1.0] * 4, [0.0] * 4))
    assert finding.severity is Severity.ERROR


def test_has_no_opinion_yet() -> None:
    trace = judged(
        loss=[1.0],
        input_mean=[[1.0]],
        input_square=[[1.0]],
    )
    with pytest.raises(Blind, match="samples were seen"):
        list(ConstantFeature().check(trace))
