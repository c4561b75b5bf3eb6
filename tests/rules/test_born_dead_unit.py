from typing import Any

import msgspec
import numpy as np
import pytest

from reluctant.diagnosis import diagnose
from reluctant.records import Severity, Trace
from reluctant.rules import Blind
from reluctant.rules.initial_state.born_dead_risk import BornDeadRisk
from reluctant.rules.units.born_dead_unit import BornDeadUnit
from rules.rule_cases import FALLING, FLAT, judged, mlp_setup


def run(
    dead: int = 16,
    *,
    since: int = 0,
    bias: float = 0.0,
    top: float = -5.0,
    varies: float = 0.5,
    site: str = "fc0",
    loss: list[float] = FALLING,
    steps: int = 100,
    **more: Any,
) -> Trace:
    """`dead` of 32 units silent from a step on, at `top`, with a bias."""
    rates = np.full((steps, 32), 0.4)
    rates[since:, :dead] = 0
    biases = np.where(np.arange(32) < dead, bias, 0.0)
    return judged(
        loss=loss[:steps],
        firing_rate={site: rates.tolist()},
        grad_reached={site: (rates > 0).astype(float).tolist()},
        preact_max={site: np.where(rates > 0, 3.0, top).tolist()},
        preact_rms={site: [1.0] * steps},
        preact_variation={site: [varies] * steps},
        unit_bias={site: [biases.tolist()] * steps},
        **more,
    )


def found(trace: Trace) -> list[str]:
    return [f.message for f in BornDeadUnit().check(trace)]


def test_held_down_by_the_bias() -> None:
    (message,) = found(run(bias=-8.0))
    assert "16 of 32 units of fc0" in message
    assert "their bias is -8, and without it" in message
    assert "would be 3" in message


def test_pushed_to_one_side_by_the_offset() -> None:
    (message,) = found(run(varies=0.02))  # mean 7 times the spread
    assert "lies 7 times as far from 0" in message
    # Φ(−Φ⁻¹(1 − 1/6400)/7) = Φ(−0.515)
    assert "leaves 30% of units silent" in message


def test_an_offset_deep_in_the_network_is_no_reason() -> None:
    assert not found(run(varies=0.02, site="fc2"))


def test_without_a_reason_it_says_nothing() -> None:
    assert not found(run())


def test_what_died_later_was_not_born_dead() -> None:
    assert not found(run(since=20, bias=-8.0))


def test_a_few_are_not_worth_it() -> None:
    assert not found(run(4, bias=-8.0))


def test_is_an_error_only_where_nothing_is_learnt() -> None:
    (finding,) = BornDeadUnit().check(run(20, bias=-8.0))
    assert finding.severity is Severity.WARNING
    (finding,) = BornDeadUnit().check(run(20, bias=-8.0, loss=FLAT))
    assert finding.severity is Severity.ERROR


def test_explains_the_dead_units() -> None:
    d = diagnose(run(bias=-8.0))
    assert d.root is not None
    assert d.root.code == "UNT103"
    assert d.explained["UNT101"] == "UNT103"


def test_has_no_opinion_yet() -> None:
    with pytest.raises(Blind, match="640 samples, 1000 needed"):
        found(run(bias=-8.0, steps=10))


@pytest.mark.parametrize(("width", "depth"), [(2, 10), (4, 10), (8, 20), (8, 50)])
def test_the_risk_is_that_of_the_formula(width: int, depth: int) -> None:
    """Simulated: .949, .481, .072, .178."""
    setup = mlp_setup(depth + 1)
    layers = [msgspec.structs.replace(x, units=width) for x in setup.layers]
    setup = msgspec.structs.replace(setup, layers=tuple(layers))
    risk = 1 - (1 - 2.0**-width) ** depth
    notes = list(BornDeadRisk().check(judged(setup=setup, loss=FLAT)))
    assert bool(notes) is (risk >= 0.25)
    if notes:
        assert notes[0].severity is Severity.NOTE
        assert f"probability {risk:.2g} " in notes[0].message
