"""STP302, STP303, STP304: what a schedule does to a training."""

import math
from collections.abc import Callable

import msgspec
import pytest

from reluctant.records import Confidence, Group, Setup, Trace
from reluctant.rules import Blind
from reluctant.rules.step_size.endless_warm_up import EndlessWarmUp
from reluctant.rules.step_size.group_without_rate import GroupWithoutRate
from reluctant.rules.step_size.rate_gone_early import RateGoneEarly
from rules.rule_cases import judged, mlp_setup

STEPS = 200
HALTED = [1.4 - 0.004 * min(i, 50) for i in range(STEPS)]  # falls, and then stands
DONE = [1.4 * 0.9 ** min(i, 50) for i in range(STEPS)]
STUCK = [1.4 - 1e-5 * i for i in range(STEPS)]


def scheduled(rate: Callable[[int], float], loss: list[float]) -> Trace:
    rates = {"group0": [0.1 * rate(i) for i in range(len(loss))]}
    return judged(loss=loss, learning_rate=rates)


def falls_by_epochs(step: int) -> float:
    return 0.5 ** (step // 5)


def test_a_rate_that_is_gone_while_the_loss_still_fell() -> None:
    (finding,) = RateGoneEarly().check(scheduled(falls_by_epochs, HALTED))
    assert finding.since_step == 35  # 2⁻⁷ is the first power below a hundredth
    assert "below 1% of its highest, 0.1, from step 35 of 200 on" in finding.message


@pytest.mark.parametrize(
    "rate",
    [
        lambda i: 0.5 + 0.5 * math.cos(math.pi * i / STEPS),  # a cosine to 0
        lambda i: (0.5 + 0.5 * math.cos(math.pi * i / 50)) + 1e-9,  # with restarts
        lambda i: 0.01 ** (i / STEPS),
        lambda i: min(1.0, i / 20) * max(0.0, 1 - i / STEPS),
        lambda i: 0.1 ** (i // 67),
        lambda i: 1.0,
    ],
)
def test_ordinary_schedules_are_clear(rate: Callable[[int], float]) -> None:
    assert not list(RateGoneEarly().check(scheduled(rate, HALTED)))
    assert not list(EndlessWarmUp().check(scheduled(rate, STUCK)))


def test_a_rate_may_go_once_the_loss_is_done() -> None:
    assert not list(RateGoneEarly().check(scheduled(falls_by_epochs, DONE)))


def test_a_rate_may_go_once_the_loss_stands() -> None:
    def late(step: int) -> float:
        return 1.0 if step < 90 else 1e-3

    assert not list(RateGoneEarly().check(scheduled(late, HALTED)))


def test_a_rate_that_is_gone_at_once_need_not_have_moved_the_loss() -> None:
    stands = [1.386 + 0.01 * (i % 3) for i in range(5 * STEPS)]
    (finding,) = RateGoneEarly().check(scheduled(falls_by_epochs, stands))
    assert finding.confidence is Confidence.MEDIUM
    assert "the loss had not yet moved" in finding.message


def test_a_warm_up_that_never_ends() -> None:
    setup = mlp_setup()
    slow = judged(
        setup,
        loss=STUCK,
        learning_rate={"group0": [1e-6 * (i + 1) for i in range(STEPS)]},
    )
    (finding,) = EndlessWarmUp().check(slow)
    assert "0.2% of the 0.1 asked for" in finding.message


def test_a_search_for_a_learning_rate_is_no_warm_up() -> None:
    options = {"lr": 1e-7}
    setup = msgspec.structs.replace(
        mlp_setup(), groups=(Group(optimizer="SGD", options=options),)
    )
    rates = {"group0": [1e-7 * 1.05**i for i in range(STEPS)]}
    assert not list(
        EndlessWarmUp().check(judged(setup, loss=STUCK, learning_rate=rates))
    )


def two_groups(std: float = math.sqrt(2 / 32)) -> Setup:
    setup = mlp_setup(std=std)
    parameters = tuple(
        msgspec.structs.replace(p, group=int(i >= 2))
        for i, p in enumerate(setup.parameters)
    )
    groups = (Group(optimizer="SGD"), Group(optimizer="SGD"))
    return msgspec.structs.replace(setup, parameters=parameters, groups=groups)


@pytest.mark.parametrize(
    ("low", "loss", "is_found"),
    [
        (0.0, STUCK, True),
        (0.0, DONE, True),  # random features may do, but nobody asks an optimizer so
        (1e-7, STUCK, True),
        (1e-7, DONE, False),
        (1e-3, STUCK, False),  # what a trained body gets
    ],
)
def test_a_group_without_a_rate(low: float, loss: list[float], is_found: bool) -> None:
    rates = {"group0": [low] * STEPS, "group1": [0.1] * STEPS}
    trace = judged(two_groups(), loss=loss, learning_rate=rates)
    found = list(GroupWithoutRate().check(trace))
    assert bool(found) is is_found
    if found:
        assert found[0].sites == ("fc0.weight", "fc1.weight")


def test_a_trained_body_may_be_held() -> None:
    rates = {"group0": [0.0] * STEPS, "group1": [0.1] * STEPS}
    trace = judged(two_groups(std=0.9), loss=STUCK, learning_rate=rates)
    assert not list(GroupWithoutRate().check(trace))


def test_few_steps_say_nothing() -> None:
    short = scheduled(falls_by_epochs, HALTED[:40])
    for rule in (RateGoneEarly(), EndlessWarmUp()):
        with pytest.raises(Blind, match="40 steps, 60 needed"):
            list(rule.check(short))
