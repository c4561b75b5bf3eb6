"""The search for the limit, on courses whose boundary is known, and on real ones."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from reluctant.lab import StepSizeLimit, Training, step_size_limit, success_map
from reluctant.lab._cells import Attempt, Cell
from reluctant.lab._map_score import Scores
from reluctant.lab._short_trainings import from_records, in_torch
from reluctant.lab._step_size_search import LAW, MORE, PROBES, search
from reluctant.records import UsageError

torch.set_num_threads(1)

STEPS = 100
LIMIT = 0.07


def attempt(rate: float, gain: float) -> Attempt:
    stop = "done" if math.isfinite(gain) else "nonfinite"
    return Attempt(
        cell=Cell((), rate, 0),
        steps=STEPS,
        stop=stop,
        loss=1 - gain,
        score=gain,
        constant_loss=1.0,
        constant_score=0.0,
    )


def course(rate: float, turn: int, steps: int) -> tuple[Attempt, Attempt]:
    """Gains rise with rate × steps; the gap of noise is 5 % at the limit."""
    if rate > 3 * LIMIT:
        return attempt(rate, math.nan), attempt(rate, math.nan)
    noise = 0.05 * (rate / LIMIT) ** 4

    def gain(at: float) -> float:
        return 1 - max(noise, math.exp(-rate * at / (0.02 * LIMIT * STEPS)))

    return attempt(rate, gain(0.4 * steps)), attempt(rate, gain(0.8 * steps))


def found(probe: Callable[..., tuple[Attempt, Attempt]], **how: float) -> StepSizeLimit:
    return search(probe, **{"start": 0.01, "steps": STEPS, "gap": 0.05, **how})


@pytest.mark.parametrize("start", [1e-4, 1e-3, 0.05, 0.2, 3.0])
def test_finds_the_limit_from_anywhere(start):
    limit = found(course, start=start)
    assert limit.value == pytest.approx(LIMIT, rel=0.03)
    assert limit.interval[0] < LIMIT < limit.interval[1]
    assert limit.exponent == pytest.approx(4)
    assert limit.method == "probe"
    assert list(limit.rates) == sorted(limit.rates)
    assert len(limit.gaps) == len(limit.rates) == PROBES + 1


def test_a_smaller_gap_is_a_lower_limit():
    """5 % at the limit, to the fourth power."""
    assert found(course, gap=0.02).value == pytest.approx(LIMIT * 0.4**0.25, rel=0.04)


def test_costs_as_much_as_about_two_trainings():
    asked: list[int] = []

    def counted(rate: float, turn: int, steps: int) -> tuple[Attempt, Attempt]:
        asked.append(steps)
        return course(rate, turn, steps)

    limit = found(counted)
    assert asked.count(STEPS) == PROBES + 1
    assert limit.steps == sum(asked) <= 9 * STEPS


def test_a_gap_that_still_falls_is_expected_to_fall_on():
    """Slow and not failing: the gap of each probe is 8 %, but was 16 % before."""

    def slow(rate: float, turn: int, steps: int) -> tuple[Attempt, Attempt]:
        if rate > LIMIT:
            return attempt(rate, 0.0), attempt(rate, 0.0)
        late = 0.08 if rate > LIMIT / 4 else 0.0
        return attempt(rate, 1 - 2 * late), attempt(rate, 1 - late)

    assert found(slow).value == pytest.approx(LIMIT, rel=0.1)

    def stuck(rate: float, turn: int, steps: int) -> tuple[Attempt, Attempt]:
        _, late = slow(rate, turn, steps)
        return late, late

    assert found(stuck).value < 0.7 * LIMIT


def test_seeds_that_differ_ask_for_more_probes_and_widen_the_interval():
    random = np.random.default_rng(0)

    def noisy(rate: float, turn: int, steps: int) -> tuple[Attempt, Attempt]:
        return course(rate * math.exp(random.normal(0, 0.4)), turn, steps)

    limit = found(noisy)
    assert PROBES + 1 < len(limit.rates) <= MORE + 1
    low, high = limit.interval
    assert low < LIMIT < high
    assert high / low > 1.05 * math.exp(2 * 1.96 * LAW)


def test_says_why_there_is_none():
    never = found(lambda rate, turn, steps: (attempt(rate, 0.0),) * 2)
    assert math.isnan(never.value)
    assert "no training of 100 steps learned" in never.reason
    forgetful = found(
        lambda rate, turn, steps: (
            (attempt(rate, 0.0),) * 2 if steps == STEPS else course(rate, turn, steps)
        )
    )
    assert "no probe of 100 steps gained 5%" in forgetful.reason
    assert (forgetful.rates, forgetful.gaps) == ((), ())
    always = found(lambda rate, turn, steps: (attempt(rate, 0.9),) * 2)
    assert "no training of 100 steps failed" in always.reason
    assert always.steps > 0


def test_records_of_windows_give_second_quarter_and_second_half():
    losses = np.arange(10.0)
    share = np.arange(1, 11) / 10
    nothing = Scores(0.0, 0.0, 1.0, 0.1, 0)
    early, late = from_records(Cell((), 1.0, 0), share, losses, losses / 10, nothing)
    assert (early.loss, late.loss) == (3.0, 7.0)  # windows 3 to 5, and 6 to 10
    assert late.score == pytest.approx(0.7)
    frozen, _ = from_records(Cell((), 1.0, 0), share[:1], losses[:1], losses, nothing)
    assert frozen.loss == 0.0


def noise_free(momentum: float = 0.0):
    """Least squares with an exact solution, curvatures 1 and 25."""
    x = torch.tensor([[5.0, 1.0], [-5.0, 1.0], [5.0, -1.0], [-5.0, -1.0]])

    def recipe(seed: int) -> Training:
        model = nn.Sequential(nn.Linear(2, 1, bias=False), nn.Identity())
        sgd = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=momentum)
        batches = [(x, x @ torch.tensor([[0.7], [-0.4]]))]
        return Training(model, lambda a, b: F.mse_loss(a, b) / 2, sgd, batches)

    return recipe


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_quadratic_has_the_limit_of_the_textbook(momentum):
    """2(1+β)/λmax: below it trainings come to rest, above it they diverge."""
    limit = step_size_limit(noise_free(momentum), steps=400)
    assert limit.value == pytest.approx(2 * (1 + momentum) / 25, rel=0.1)


def test_takes_a_training_and_leaves_it_as_it_is():
    training = noise_free()(0)
    training.step(3)
    before = [p.detach().clone() for p in training.model.parameters()]
    limit = step_size_limit(training, steps=400)
    assert limit.value == pytest.approx(2 / 25, rel=0.1)
    assert training.steps == 3
    for was, now in zip(before, training.model.parameters(), strict=True):
        assert torch.equal(was, now)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"steps": 3}, "steps is 3"),
        ({"gap": 0.0}, "gap is 0"),
        ({"method": "x"}, "'x'"),
    ],
)
def test_arguments_that_cannot_be_used_are_said(wrong, said):
    with pytest.raises(UsageError, match=said):
        step_size_limit(noise_free(), **wrong)


# --- real trainings


def digits(seed: int, optimizer: Callable[..., torch.optim.Optimizer]) -> Training:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    data = TensorDataset(torch.from_numpy(x / 16).float(), torch.from_numpy(y))
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    batches = DataLoader(data, batch_size=16, shuffle=True)
    return Training(
        model, nn.CrossEntropyLoss(), optimizer(model.parameters()), batches
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "low"),
    [
        (partial(torch.optim.SGD, lr=0.05), 0.4),
        (partial(torch.optim.SGD, lr=0.005, momentum=0.9), 0.06),
        (partial(torch.optim.Adam, lr=0.001), 0.03),
    ],
    ids=["SGD", "momentum", "Adam"],
)
def test_prediction_is_near_the_measured_threshold(optimizer, low):
    """Within 20 % of where the median's interval lies."""
    pytest.importorskip("sklearn")
    pytest.importorskip("numba")
    recipe = partial(digits, optimizer=optimizer)
    rates = [low / 2 * 1.15**k for k in range(24)]
    measured = success_map(recipe, rates, seeds=8, steps=2000, workers=1)
    assert measured.engine == "fused"
    threshold = measured.slices[0].threshold
    assert 0.8 * threshold.low < threshold.predicted < 1.2 * threshold.high
    limit = step_size_limit(recipe, steps=500)
    assert limit.value == threshold.predicted  # the map asks for just this
    # a coarse map is a cheap one: under 5 % with the rates of the benchmark
    assert limit.steps < 0.06 * sum(run.steps for run in measured.slices[0].runs)


def test_torch_engine_tells_about_the_same():
    """Not the same order of samples, so not the same number."""
    pytest.importorskip("sklearn")
    recipe = partial(digits, optimizer=partial(torch.optim.SGD, lr=0.2))
    limit = search(in_torch(recipe, range(6)), start=0.2, steps=250, gap=0.05)
    assert limit.value == pytest.approx(1.1, rel=0.35)
