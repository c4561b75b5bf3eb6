"""FIT rules: what became of a training, which no other rule may be outranked by."""

import numpy as np
import pytest

from reluctant.records import Severity
from reluctant.rules import CAUSES
from reluctant.rules.fit.not_yet_converged import NotYetConverged
from reluctant.rules.fit.underfit_plateau import UnderfitPlateau
from rules.rule_cases import FLAT, judged

RNG = np.random.default_rng(0)
NOISE = 0.02 * RNG.standard_normal(200)
OUTPUTS = {
    "output_mean": [[0.25] * 4] * 200,
    "output_square": [[0.1] * 4] * 200,
    "output_variation": [0.4] * 200,
}


def losses(level: float, *, speed: float) -> list[float]:
    steps = np.arange(200)
    loss = level + (np.log(4) - level) * np.exp(-speed * steps)
    return list(loss + NOISE)


def test_still_falling() -> None:
    (finding,) = NotYetConverged().check(judged(loss=losses(0.0, speed=0.008)))
    assert finding.severity is Severity.NOTE
    assert "nothing is wrong" in finding.message


@pytest.mark.parametrize("loss", [losses(0.1, speed=0.1), FLAT * 2, FLAT[::-1] * 2])
def test_done_or_never_begun(loss: list[float]) -> None:
    assert not list(NotYetConverged().check(judged(loss=loss)))


def test_a_high_plateau() -> None:
    loss = losses(1.1, speed=0.1)
    (finding,) = UnderfitPlateau().check(judged(loss=loss, **OUTPUTS))
    assert finding.severity is Severity.NOTE
    assert "has stood at 1.097" in finding.message


@pytest.mark.parametrize("loss", [losses(0.2, speed=0.1), losses(0.2, speed=0.004)])
def test_low_or_falling(loss: list[float]) -> None:
    assert not list(UnderfitPlateau().check(judged(loss=loss, **OUTPUTS)))


def test_a_long_run_that_learns_nothing_is_a_warning() -> None:
    (finding,) = UnderfitPlateau().check(judged(loss=(FLAT * 2)[:200], **OUTPUTS))
    assert finding.severity is Severity.WARNING
    assert "nothing was learnt" in finding.message
    short = {name: rows[:199] for name, rows in OUTPUTS.items()}
    assert not list(UnderfitPlateau().check(judged(loss=(FLAT * 2)[:199], **short)))
    part = [*losses(0.2, speed=0.1)[:100], *FLAT * 2][:300]  # it had learnt before
    assert not list(UnderfitPlateau().check(judged(loss=part, **OUTPUTS)))


def test_outcomes_cause_nothing_else() -> None:
    effects = {e for c in CAUSES if c.startswith("FIT") for e in CAUSES[c]}
    assert effects <= {"ENS201"}
