"""The pipeline on the cases: what it chooses, without being told."""

import pytest

from reluctant.cases import run_case
from reluctant.cases._tiny_abs_nets import STEPS, Plane
from reluctant.cases._tiny_abs_treat import BEST_OF, plane_problem, teacher_problem
from reluctant.lab import treat_recipe, trial
from reluctant.records import (
    Prescription,
    RestartSelected,
    ScaleOutgoing,
    SwapActivation,
    UsageError,
)

pytest.importorskip("numba")


def cure(name, change):
    return Prescription(
        remedy=name, cures="", changes=(change,), trust="safe", because="a test"
    )


@pytest.mark.slow
def test_zero_outgoing_weights_solve_tiny_abs_and_leaks_do_not():
    problem = plane_problem(Plane.drawn("gauss", 0))
    found = trial(
        problem.recipe,
        [
            cure("zero", ScaleOutgoing()),
            cure("leak", SwapActivation((), "leaky_relu", 0.2)),
        ],
        seeds=24,
        steps=STEPS,
        success="loss<0.00377",
    )
    assert found.arm("zero").success.p > 0.9
    assert found.against_untreated("zero").verdict == "helped"
    assert found.against_untreated("leak").verdict != "helped"
    assert found.arm("untreated").success.low < 0.4


@pytest.mark.slow
def test_many_short_starts_win_on_a_teacher_of_mixed_signs():
    problem = teacher_problem(2, 3, 0)
    limit = BEST_OF * float(problem.data.tensors[1].var())
    found = trial(
        problem.recipe,
        [
            cure("zero", ScaleOutgoing()),
            cure("starts", RestartSelected(27, 1 / 3, 0.75, 10.0)),
        ],
        seeds=16,
        steps=STEPS,
        success=f"loss<{limit:g}",
    )
    assert found.arm("starts").success.p >= 0.75
    assert found.arm("starts").success.p > found.arm("zero").success.p
    assert found.arm("starts").cost == pytest.approx(1, abs=0.01)


@pytest.mark.slow
def test_the_pipeline_finds_it():
    problem = plane_problem(Plane.drawn("gauss", 0))
    record = treat_recipe(
        problem.recipe, steps=STEPS, seeds=30, success="loss<0.00377", seconds=120
    ).record
    assert record.winner, record.verdict
    assert record.confirmation.arm(record.winner).success.p > 0.9


def test_a_case_without_a_treatment_says_which_have_one():
    with pytest.raises(UsageError, match="dying-output, tiny-abs have"):
        run_case("nan-loss", treat=True)
