import numpy as np
import pytest

from reluctant.diagnosis import diagnose
from reluctant.records import Severity, Trace
from reluctant.rules import Blind
from reluctant.rules.data.label_noise import LabelNoise
from reluctant.rules.fit.overfit import Overfit
from rules.rule_cases import judged

RNG = np.random.default_rng(0)
N = 200
CONSTANT = float(np.log(4))
NOISE = 0.03 * RNG.standard_normal(N)


def run(
    loss: np.ndarray,
    *,
    apart: float = 0.5,
    counts: list[list[float]] | None = None,
    wrong: float | None = None,
    held: list[float] | None = None,
) -> Trace:
    """Outputs of mean square 1 that differ between samples by `apart` of it."""
    more: dict[str, object] = {}
    if wrong is not None:
        more["surest_wrong"] = [wrong] * N
    if held is not None:
        more["held_out_loss"] = {"eval.py:3": held}
    return judged(
        loss=list(loss),
        target_count=counts or [[16.0] * 4] * N,
        output_mean=[[0.5] * 4] * N,
        output_square=[[1.0] * 4] * N,
        output_variation=[apart] * N,
        **more,
    )


def severity(trace: Trace) -> Severity | None:
    found = list(LabelNoise().check(trace))
    return found[0].severity if found else None


FLAT = CONSTANT + 0.02 + NOISE
FALLING = CONSTANT * 0.98 ** np.arange(N) + NOISE / 10


def test_never_below_the_constant_though_outputs_differ() -> None:
    assert severity(run(FLAT)) is Severity.WARNING


def test_a_constant_network_is_another_matter() -> None:
    assert severity(run(FLAT, apart=1e-6)) is None


def test_a_network_that_learns() -> None:
    assert severity(run(FALLING)) is None


def test_targets_that_move() -> None:
    """A critic's, or a discriminator's."""
    counts = [[16.0 + 0.1 * i, 16.0, 16.0, 16.0 - 0.05 * i] for i in range(N)]
    assert severity(run(FLAT, counts=counts)) is None


def test_what_was_once_learnt_was_there_to_learn() -> None:
    """A discriminator that was ahead, and is fooled."""
    loss = FLAT.copy()
    loss[20:60] = 0.6
    assert severity(run(loss)) is None


def test_labels_that_contradict_where_it_is_sure_are_a_note() -> None:
    plateau = np.maximum(FALLING, 0.7) + NOISE / 10
    assert severity(run(plateau, wrong=0.35)) is Severity.NOTE
    assert severity(run(plateau, wrong=0.02)) is None


def test_what_was_learnt_holds_of_nothing_else() -> None:
    held = [1.42, 1.45, 1.5, 1.7, 2.0, 2.4]
    trace = run(FALLING, held=held)
    assert severity(trace) is Severity.WARNING
    assert not list(LabelNoise().check(run(FALLING, held=[1.4, 1.1, 0.9, 1.0, 1.1])))


def test_any_other_cause_comes_first() -> None:
    trace = run(FLAT)
    assert diagnose(trace).root.code == "DAT302"  # type: ignore[union-attr]


def test_has_no_opinion_yet() -> None:
    with pytest.raises(Blind, match="50 steps, 100 needed"):
        list(LabelNoise().check(run(FLAT).until(49)))


@pytest.mark.parametrize(
    ("held", "found"),
    [
        ([1.4, 0.8, 0.7, 0.75, 0.8, 0.9, 1.0, 1.0], Severity.NOTE),
        ([1.4, 0.8, 0.9, 1.2, 1.5, 1.9, 2.4, 2.5], Severity.WARNING),
        ([1.4, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.3], None),
        ([1.4, 0.8, 0.7, 0.71, 0.72, 0.7, 0.71, 0.72], None),
        ([1.4, 0.8, 0.7, 0.9, 0.7, 0.9, 0.7, 0.9], None),  # noise
    ],
)
def test_overfit_by_its_strength(held: list[float], found: Severity | None) -> None:
    steps = np.linspace(0, N - 1, len(held)).astype(int)
    trace = run(FALLING)
    whole = Trace(setup=trace.setup)
    for step in range(N):
        for reading in trace:
            if reading.step == step:
                row = reading.quantity, reading.site, reading.value
                whole.extend(step, [row])
        if step in steps:
            value = held[int(np.flatnonzero(steps == step)[0])]
            whole.extend(step, [("held_out_loss", "eval.py:3", value)])
    result = list(Overfit().check(whole))
    assert (result[0].severity if result else None) is found


def test_without_an_evaluation_overfit_is_blind() -> None:
    with pytest.raises(Blind, match="no evaluation was seen"):
        list(Overfit().check(run(FALLING)))
