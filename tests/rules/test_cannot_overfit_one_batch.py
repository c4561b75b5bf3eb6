"""FIT101 on hand-written traces."""

import math

import pytest

from builders import trace_of
from reluctant.records import Confidence, Note, Severity
from reluctant.rules._base import Blind
from reluctant.rules.fit.cannot_overfit_one_batch import CannotOverfitOneBatch


def judged(skill: float, *, steps: float = 510.0, freedom: float = 40.0, **more: float):
    runs = {"overfit_skill": skill, "overfit_steps": steps, "overfit_freedom": freedom}
    trace = trace_of(**{k: [v] for k, v in (runs | more).items()})
    return list(CannotOverfitOneBatch().check(trace))


def test_what_learns_nothing_by_heart_is_broken():
    (found,) = judged(0.001, overfit_own=-0.2)
    assert found.severity is Severity.ERROR
    assert found.confidence is Confidence.HIGH
    assert "come 0.1% of the way" in found.message


def test_what_learns_is_clear():
    assert not judged(0.6)
    assert not judged(0.1)


def test_dropout_is_named_where_it_is_why():
    (found,) = judged(0.05, overfit_dry=0.9)
    assert "with dropout off it is 90%" in found.message
    assert found.confidence is Confidence.MEDIUM


def test_losses_that_broke_at_once_count_in_full():
    (found,) = judged(-math.inf, steps=5)
    assert found.confidence is Confidence.HIGH


@pytest.mark.parametrize(
    ("trace", "reason"),
    [
        (trace_of(loss=[1.0]), "alone"),
        (
            trace_of(
                loss=[1.0],
                notes=[Note(0, "exam-blind", "overfit", "targets do not differ")],
            ),
            "do not differ",
        ),
    ],
)
def test_without_the_exam_it_is_blind(trace, reason):
    with pytest.raises(Blind, match=reason):
        list(CannotOverfitOneBatch().check(trace))


def test_too_few_parameters_or_steps_are_blind():
    with pytest.raises(Blind, match="2 parameters for each target"):
        judged(0.0, freedom=2.0)
    with pytest.raises(Blind, match="4 samples"):
        judged(0.0, overfit_samples=4)
    with pytest.raises(Blind, match="30 steps"):
        judged(0.0, steps=30)
