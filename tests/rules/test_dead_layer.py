import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import trace_of
from reluctant.records import Severity, Trace
from reluctant.rules import Blind
from reluctant.rules._silence import silent as silence
from reluctant.rules.units.dead_layer import DeadLayer
from rules.rule_cases import FALLING, FLAT, judged, mlp_setup


def run(rates: np.ndarray, loss: list[float] = FLAT) -> Trace:
    return judged(
        loss=loss[: len(rates)],
        firing_rate={"fc1": rates.tolist()},
        grad_reached={"fc1": (rates != 0).astype(float).tolist()},
    )


def silent(since: int, steps: int = 100) -> np.ndarray:
    rates = np.full((steps, 32), 0.4)
    rates[since:] = 0
    return rates


def test_finds_the_sick() -> None:
    (finding,) = DeadLayer().check(run(silent(20)))
    assert finding.sites == ("fc1",)
    assert finding.since_step == 20
    assert finding.severity is Severity.ERROR


def test_spares_a_layer_with_one_unit_alive() -> None:
    rates = silent(20)
    rates[:, 7] = 0.01
    assert not list(DeadLayer().check(run(rates)))


def test_is_a_warning_where_another_path_learns() -> None:
    (finding,) = DeadLayer().check(run(silent(0), FALLING))
    assert finding.severity is Severity.WARNING


def test_has_no_opinion_yet() -> None:
    with pytest.raises(Blind, match="256 samples, 300 needed"):
        list(DeadLayer().check(run(silent(0, steps=4))))


def test_nan_everywhere_is_not_death() -> None:
    assert not list(DeadLayer().check(run(np.full((100, 32), np.nan))))


def test_one_spike_of_life_moves_the_onset() -> None:
    rates = silent(0)
    rates[40, 3] = 0.1
    (finding,) = DeadLayer().check(run(rates))
    assert finding.since_step == 41


@given(st.integers(0, 80))
def test_the_onset_is_where_silence_began(since: int) -> None:
    (finding,) = DeadLayer().check(run(silent(since)))
    assert finding.since_step == since


@given(st.integers(0, 9), st.integers(1, 10))
def test_steps_that_were_not_looked_at_are_no_silence(behind: int, looked: int) -> None:
    """A reading every tenth step, of some of them, and life up to the last look."""
    layer = mlp_setup().layers[1].site
    readings = 50
    reached = np.ones((readings, 32))
    trace = trace_of(
        setup=mlp_setup(batch_size=1000),
        every=10,
        loss=[1.0] * readings,
        firing_rate={layer: (0.4 * reached).tolist()},
        grad_reached={layer: reached.tolist()},
        last_reached={layer: [[max(0, 10 * i - behind)] * 32 for i in range(readings)]},
        reach_steps=[1] + [looked] * (readings - 1),
    )
    read = silence(trace, mlp_setup().layers[1])
    assert read is not None
    # what may have been looked at behind the last sign of life, and no step more
    assert (read.samples <= 1000 * max(0, looked - (10 - behind))).all()
    assert not list(DeadLayer().check(trace)) or looked + behind > 10
