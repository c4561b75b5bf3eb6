"""Rounds are planned by what the budget leaves room for; combinations by what fits."""

import math
import time
from collections.abc import Callable
from functools import partial

import torch

from lab.treat_recipes import in_torch, too_fast
from reluctant.lab._bench import UNTREATED_RIVAL, Bench, Rival
from reluctant.lab._candidates import joined, redosed
from reluctant.lab._recipe import Training
from reluctant.lab._treat_search import BEGIN, Budget, Search, _pairs
from reluctant.records import (
    Change,
    Prescription,
    ReviveUnits,
    ScaleLearningRate,
    StandardizeInput,
    SwapActivation,
    Trace,
    WarmUp,
)


def rival(name: str, *changes: Change, trust: str = "safe") -> Rival:
    made = Prescription(
        remedy=name, cures="", changes=changes, trust=trust, because="a test"
    )
    return Rival(name, (made,))


RIVALS = [rival(f"rate-{k}", ScaleLearningRate(0.1 / (k + 1))) for k in range(6)]


def search(trainings: float) -> Search:
    bench = Bench(too_fast, steps=20, workers=1)
    budget = Budget(bench, time.monotonic(), None, 20 * trainings, 1.0, 1)
    return Search(bench, budget, 1.0, "gap<0.05", lambda line: None)


def test_the_first_round_takes_as_many_seeds_as_leave_room_for_all() -> None:
    for trainings, seeds in ((1000, BEGIN[0]), (24, 2), (13, 1)):
        looking = search(trainings)
        looking.sort_out(RIVALS)
        assert len(looking.rounds[0].seeds) == seeds
        assert {a.name for a in looking.rounds[0].arms} >= {r.name for r in RIVALS[:5]}


def test_what_there_is_no_room_for_is_named() -> None:
    looking = search(5)
    ranked = looking.sort_out(RIVALS)
    assert ranked
    assert ranked[0].name in {"rate-0", "rate-1", "rate-2"}
    assert any("no room: " in note and "rate-5" in note for note in looking.notes)


class OddDear(Budget):
    """Room for seven trainings; every other rival costs next to nothing."""

    def cost(self, rival: Rival) -> float:
        return 1.0 if rival.name[-1] in "135" else 0.01

    def left(self, share: float) -> float:
        return 7.0


def test_what_costs_little_keeps_its_seeds_and_the_dear_is_left_out() -> None:
    bench = Bench(too_fast, steps=20, workers=1)
    budget = OddDear(bench, time.monotonic(), None, None, 1.0, 1)
    looking = Search(bench, budget, 1.0, "gap<0.05", lambda line: None)
    looking.sort_out(RIVALS)
    first = looking.rounds[0]
    assert len(first.seeds) == BEGIN[0]
    tried = {arm.name for arm in first.arms} - {UNTREATED_RIVAL.name}
    assert tried == {"rate-0", "rate-1", "rate-2", "rate-4"}
    assert any("rate-3, rate-5" in note for note in looking.notes)


def test_of_half_cures_the_better_one_comes_first_whatever_it_changes() -> None:
    rivals = [
        rival("little", ScaleLearningRate(1.5)),
        rival("half", ScaleLearningRate(6.0), trust="invasive"),
        rival("best", ScaleLearningRate(30.0)),
    ]
    bench = Bench(partial(too_fast, rate=0.01), steps=40, workers=1)
    budget = Budget(bench, time.monotonic(), None, 1e9, 1.0, 1)
    looking = Search(bench, budget, 1.0, "loss<1e-9", lambda line: None)
    ranked, _ = looking._begin(rivals)
    assert [r.name for r in ranked] == ["best", "half", "little"]


def test_of_cures_alike_on_few_seeds_the_likelier_comes_first() -> None:
    """On one seed, a third of a percent of the loss is no reason to prefer one."""
    likelier, better = rival("likelier", WarmUp(12)), rival("better", WarmUp(8))
    bench = Bench(partial(too_fast, rate=0.05), steps=100, workers=1)
    budget = Budget(bench, time.monotonic(), None, 1e9, 1.0, 1)
    looking = Search(bench, budget, 1.0, "gap<0.05", lambda line: None)
    found = looking._round([likelier, better], 1)
    assert found.arm("better").loss < found.arm("likelier").loss
    assert looking._ranked([likelier, better], found)[0] is likelier
    more = looking._round([likelier, better], 8)
    assert more.arm("better").loss < more.arm("likelier").loss
    assert looking._ranked([likelier, better], more)[0] is better


def test_a_budget_of_steps_counts_every_training_alike() -> None:
    bench = Bench(too_fast, steps=20)
    budget = Budget(bench, time.monotonic(), None, 200.0, 1.0, 1)
    assert budget.cost(UNTREATED_RIVAL) == 1
    assert budget.left(0.5) == 5


def test_a_budget_of_seconds_counts_the_fused_engine_by_its_clock() -> None:
    bench = Bench(too_fast, steps=20, workers=2)
    budget = Budget(bench, time.monotonic(), 60.0, None, 10.0, 2)
    budget.measure()
    if bench.engine(UNTREATED_RIVAL) == "fused":
        assert budget.cost(UNTREATED_RIVAL) < 0.1
    assert 5 < budget.left(1.0) < 12.01
    slow = Bench(in_torch, steps=20)
    assert slow.possible(RIVALS[:1], [0]) == RIVALS[:1]
    assert Budget(slow, 0.0, 60.0, None, 10.0, 2).cost(RIVALS[0]) == 1
    assert math.isinf(Budget(slow, 0.0, None, None, 10.0, 2).left(1.0))


def test_pairs_with_a_shorter_step_come_first_where_it_may_be_too_long() -> None:
    ranked = [
        rival("warm", WarmUp(5)),
        rival("scale", StandardizeInput()),
        rival("leak", SwapActivation((), "leaky_relu", 0.2)),
        rival("lower-learning-rate", ScaleLearningRate(0.1)),
    ]

    def pairs(too_long: Callable[[Rival], bool | None]) -> list[str]:
        return [pair.name for pair in _pairs(ranked, ranked, too_long)]

    unlikely = pairs(lambda one: False)
    is_shorter = ["lower-learning-rate" in name for name in unlikely]
    assert is_shorter == [False, True] * 3
    assert len(unlikely) == len(set(unlikely)) == 6
    assert "scale" in unlikely[0]
    assert "warm" in unlikely[0]
    likely = pairs(lambda one: None)
    assert all("lower-learning-rate" in name for name in likely[:3])
    diverged = pairs(lambda one: one.name == "leak" or None)
    assert "leak" in diverged[0]
    assert "lower-learning-rate" in diverged[0]


def test_a_shorter_step_is_lacking_where_a_remedy_diverges() -> None:
    """Told by what was tried: the remedy, a shorter step alone, and neither."""
    fast = rival("fast", ScaleLearningRate(1e4))
    shorter = rival("lower-learning-rate", ScaleLearningRate(0.1))
    for rate, known in ((0.3, False), (1.0, None)):
        bench = Bench(partial(too_fast, rate=rate), steps=40, workers=1)
        budget = Budget(bench, time.monotonic(), None, 1e9, 1.0, 1)
        looking = Search(bench, budget, 1.0, "gap<0.05", lambda line: None)
        same = rival("same", ScaleLearningRate(1.0))
        trial = looking._round([fast, shorter, same], 4)
        assert math.isfinite(trial.arm(UNTREATED_RIVAL.name).loss)
        assert looking._is_too_long(fast) is True
        assert looking._is_too_long(same) is known


def climbing(start: float, success: str = "loss<1e-9") -> tuple[Search, list[Rival]]:
    """A search over one rate, in a training of which the rate is far too low."""

    def other(one: Rival, times: float) -> Rival:
        (change,) = one.changes
        assert isinstance(change, ScaleLearningRate)
        return rate(change.factor * times)

    bench = Bench(partial(too_fast, rate=1e-4), steps=40, workers=1)
    budget = Budget(bench, time.monotonic(), None, 1e9, 1.0, 1)
    looking = Search(bench, budget, 1.0, success, lambda line: None, other)
    return looking, looking.sort_out([rate(start)])


def rate(factor: float) -> Rival:
    return rival(f"by {factor:.2g}", ScaleLearningRate(factor))


def test_the_rate_of_the_best_is_moved_on_while_that_is_better() -> None:
    looking, ranked = climbing(10)
    tried = [[a.name for a in t.arms if a.prescriptions] for t in looking.rounds]
    assert tried[1] == ["by 32", "by 3.2", "by 10"]
    assert tried[2] == ["by 1e+02", "by 32"]  # on in the same direction, not back
    losses = {a.name: a.loss for t in looking.rounds for a in t.arms}
    known = {name: loss for name, loss in losses.items() if name.startswith("by")}
    assert ranked[0].name == min(known, key=lambda name: known[name])
    assert known["by 1e+02"] < known["by 10"] < losses[UNTREATED_RIVAL.name]


def with_a_dead_unit(seed: int) -> Training:
    training = too_fast(seed, 1e-4)
    with torch.no_grad():
        training.model[0].bias[1] = -100
    return training


def test_rates_are_moved_of_pairs_with_units_too() -> None:
    """Changes that name units cannot be keys of a dict."""
    bench = Bench(with_a_dead_unit, steps=40, workers=1)
    budget = Budget(bench, time.monotonic(), None, 1e9, 1.0, 1)
    redose = partial(redosed, trace=Trace())
    looking = Search(bench, budget, 1.0, "loss<1e-9", lambda line: None, redose)
    revived = rival("revived", ReviveUnits({"0": (1,)}))
    assert redosed(revived, 2.0, Trace()) is None
    pair = joined(rate(10.0), revived)
    assert pair is not None
    ranked = looking.sort_out([pair])
    assert ranked[0].name == "by 10 by 1000 + revived"  # two decades on


def test_the_rate_of_what_is_enough_stays() -> None:
    looking, ranked = climbing(5000, "gap<0.05")
    assert [r.name for r in ranked] == ["by 5e+03"]
    assert not any(a.name == "by 1.6e+04" for t in looking.rounds for a in t.arms)


def test_a_rate_that_is_better_on_few_seeds_is_checked_on_all_known() -> None:
    looking, _ = climbing(10)
    first, better = rate(10.0), rate(32.0)
    looking._round([first], 8)
    looking._round([better, first], 2)
    ranked = looking._checked([better, first], [first])
    assert ranked == [better, first]
    assert {a.name for a in looking.rounds[-1].arms} >= {"by 10", "by 32"}
    assert len(looking.rounds[-1].seeds) == 8
    assert looking._checked([first, better], [first]) == [first, better]
