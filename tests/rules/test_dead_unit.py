import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reluctant.records import Severity, Trace
from reluctant.rules import Blind
from reluctant.rules.units.dead_unit import DeadUnit
from rules.rule_cases import FALLING, FLAT, judged


def run(
    firing: np.ndarray,
    reached: np.ndarray | None = None,
    *,
    top: float = -5.0,
    loss: list[float] = FALLING,
) -> Trace:
    reached = (firing > 0).astype(float) if reached is None else reached
    n = len(firing)
    return judged(
        loss=loss[:n],
        firing_rate={"fc0": firing.tolist()},
        grad_reached={"fc0": reached.tolist()},
        preact_max={"fc0": np.where(firing > 0, 3.0, top).tolist()},
        preact_rms={"fc0": [1.0] * n},
    )


def firing(dead: int, *, since: int = 0, steps: int = 100) -> np.ndarray:
    rates = np.full((steps, 32), 0.4)
    rates[since:, :dead] = 0
    return rates


def test_finds_a_quarter() -> None:
    (finding,) = DeadUnit().check(run(firing(8, since=20)))
    assert finding.severity is Severity.WARNING
    assert finding.units == {"fc0": tuple(range(8))}
    assert finding.since_step == 20
    assert "5,120 samples" in finding.message


def test_a_few_are_a_note() -> None:
    (finding,) = DeadUnit().check(run(firing(4, since=20)))
    assert finding.severity is Severity.NOTE


def test_those_that_hover_are_a_note_while_the_loss_falls() -> None:
    (finding,) = DeadUnit().check(run(firing(10), top=-0.1))
    assert finding.severity is Severity.NOTE
    (finding,) = DeadUnit().check(run(firing(10), top=-0.1, loss=FLAT))
    assert finding.severity is Severity.WARNING


def test_sparsity_is_not_death() -> None:
    assert not list(DeadUnit().check(run(np.full((100, 32), 0.001))))


def test_one_gradient_in_any_step_is_life() -> None:
    rates = firing(8)
    reached = (rates > 0).astype(float)
    reached[95, :8] = 1  # fired in a step that was not sampled
    assert not list(DeadUnit().check(run(rates, reached)))


def test_a_unit_that_fires_unheard_is_not_dead() -> None:
    rates = np.full((100, 32), 0.4)
    assert not list(DeadUnit().check(run(rates, np.zeros((100, 32)))))


def test_a_rare_unit_is_known_by_its_past() -> None:
    rates = np.full((100, 32), 0.4)
    rates[:, :8] = 0
    rates[[0, 30, 60], :8] = 0.02  # silent for 30 steps twice, and came back
    assert not list(DeadUnit().check(run(rates)))


def test_has_no_opinion_yet() -> None:
    with pytest.raises(Blind, match="256 samples, 1000 needed"):
        list(DeadUnit().check(run(firing(8, steps=4))))


def test_nan_everywhere_is_not_death() -> None:
    nan = np.full((100, 32), np.nan)
    assert not list(DeadUnit().check(run(nan, nan)))


def test_one_spike_of_life_within_the_silence_moves_the_onset() -> None:
    rates = firing(8)
    rates[10, :8] = 0.4
    (finding,) = DeadUnit().check(run(rates))
    assert finding.since_step == 11


def test_a_silent_layer_is_for_another_rule() -> None:
    assert not list(DeadUnit().check(run(firing(32, since=5))))


@given(st.permutations(range(32)))
def test_the_order_of_units_changes_nothing(order: list[int]) -> None:
    (finding,) = DeadUnit().check(run(firing(8)[:, order]))
    assert set(finding.units["fc0"]) == {i for i, u in enumerate(order) if u < 8}


def test_a_census_counts_for_units_that_never_fired_and_against_rare_ones() -> None:
    silent_unit, rare_unit, busy = [0.0] * 60, [0.0] * 60, [0.5] * 60
    rates = [list(row) for row in zip(silent_unit, rare_unit, busy, strict=True)]
    runs = {
        "loss": FALLING[:60],
        "firing_rate": {"fc0": rates},
        "preact_max": {"fc0": [[-1.0, -1.0, 1.0]] * 60},
        "preact_rms": {"fc0": [1.0] * 60},
        "preact_variation": {"fc0": [1.0] * 60},
    }
    counted = {
        "census_fired": {"fc0": [[0.0, 0.0005, 0.5]]},
        "census_samples": [20_000.0],
        "census_whole": [1.0],
    }
    (found,) = DeadUnit(narrow=3).check(judged(**runs))
    assert found.units["fc0"] == (0, 1)
    (found,) = DeadUnit(narrow=3).check(judged(**runs, **counted))
    assert found.units["fc0"] == (0,)  # at its rate the other may well be silent
    assert "0 of all 20,000 samples" in found.evidence[0].note
    assert "23,840 samples" in found.message  # those of the census, too


def test_what_is_learnt_by_heart_is_not_stuck() -> None:
    rates = [[0.0] * 5 + [0.5] * 11] * 100
    runs = {
        "loss": FLAT,
        "firing_rate": {"fc0": rates},
        "preact_max": {"fc0": [[-0.1] * 5 + [1.0] * 11] * 100},
        "preact_rms": {"fc0": [1.0] * 100},
        "preact_variation": {"fc0": [1.0] * 100},
    }
    (found,) = DeadUnit().check(judged(**runs))
    assert found.severity is Severity.WARNING
    (found,) = DeadUnit().check(judged(**runs, overfit_skill=[0.8]))
    assert found.severity is Severity.NOTE
