import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import trace_of
from reluctant.records import Confidence, Layer, Trace
from reluctant.rules import Blind
from reluctant.rules.units.dead_output_unit import DeadOutputUnit
from rules.rule_cases import mlp_setup

HEAD = Layer(site="out", activation="relu", units=10, bias="out.bias", is_head=True)
SETUP = msgspec.structs.replace(mlp_setup(), layers=(HEAD,))


def run(
    rates: np.ndarray, *, top: float = -5.0, want: np.ndarray | None = None
) -> Trace:
    n = len(rates)
    want = np.full((n, 10), 0.1) if want is None else want
    return trace_of(
        setup=SETUP,
        loss=[1.0] * n,
        firing_rate={"out": rates.tolist()},
        grad_reached={"out": (rates != 0).astype(float).tolist()},
        preact_max={"out": np.where(rates > 0, 1.0, top).tolist()},
        preact_rms={"out": [1.0] * n},
        target_mean={"": want.tolist()},
    )


def silent(*deaths: int, steps: int = 100) -> np.ndarray:
    """Output i falls silent at `deaths[i]`."""
    rates = np.full((steps, 10), 0.3)
    for unit, step in enumerate(deaths):
        rates[step:, unit] = 0
    return rates


def test_names_each_output_with_the_step_it_died() -> None:
    (finding,) = DeadOutputUnit().check(run(silent(50, 20)))
    assert finding.units == {"out": (1, 0)}
    assert [e.step for e in finding.evidence] == [20, 50]
    assert "1 at step 20, 0 at step 50" in finding.message
    assert finding.confidence is Confidence.HIGH
    assert finding.evidence[0].note.startswith("output 1: 0 of 5,120 samples")


def test_spares_the_healthy() -> None:
    assert not list(DeadOutputUnit().check(run(silent())))


def test_an_output_born_silent_may_wake_while_it_hovers() -> None:
    assert not list(DeadOutputUnit().check(run(silent(0), top=-0.01)))
    assert list(DeadOutputUnit().check(run(silent(0), top=-3.0)))


def test_an_output_that_should_be_silent_is_not_dead() -> None:
    want = np.full((100, 10), 0.1)
    want[:, 0] = 0
    assert not list(DeadOutputUnit().check(run(silent(50), want=want)))


def test_has_no_opinion_yet() -> None:
    with pytest.raises(Blind, match="256 samples, 500 needed"):
        list(DeadOutputUnit().check(run(silent(0, steps=4))))


def test_nan_everywhere_is_not_death() -> None:
    assert not list(DeadOutputUnit().check(run(np.full((100, 10), np.nan))))


def test_one_spike_of_life_moves_the_step() -> None:
    rates = silent(20)
    rates[30, 0] = 0.3
    (finding,) = DeadOutputUnit().check(run(rates))
    assert finding.since_step == 31


@given(st.integers(1, 60))
def test_the_step_is_where_silence_began(since: int) -> None:
    (finding,) = DeadOutputUnit().check(run(silent(since)))
    assert finding.since_step == since
