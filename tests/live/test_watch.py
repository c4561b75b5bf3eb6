"""What is recorded, against numbers computed apart; and what cannot be."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import reluctant
from reluctant.live import Watch
from reluctant.records import Trace, UsageError
from reluctant.records.quantities import (
    FIRING_RATE,
    GRAD_KEPT,
    GRAD_REACHED,
    GRAD_RMS,
    LEARNING_RATE,
    LOSS,
    OUTPUT_MEAN,
    PREACT_MAX,
    PREACT_RMS,
    REACH_STEPS,
    SIGNAL_GRAD_RMS,
    STEP_GAIN,
    TARGET_COUNT,
    TARGET_MEAN,
    UPDATE_RATIO,
    UPDATE_RMS,
)


def one_step(
    model: nn.Module, x: Tensor, y: Tensor, loss_fn: nn.Module, lr: float = 0.1
) -> Watch:
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    with reluctant.watch(model, optimizer) as run:
        loss = run.loss(loss_fn(model(x), y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return run


def test_numbers_are_those_of_a_hand_computation() -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3)).double()
    x, y = torch.randn(11, 5).double(), torch.randint(0, 3, (11,))
    weight, bias = model[0].weight.detach().clone(), model[0].bias.detach().clone()
    logits = model(x).detach()
    z = (x @ weight.T + bias).detach()
    run = one_step(model, x, y, nn.CrossEntropyLoss())
    trace = run.trace
    np.testing.assert_allclose(
        trace.units(FIRING_RATE, "0").values[0], (z > 0).double().mean(0), rtol=1e-6
    )
    np.testing.assert_allclose(trace.units(PREACT_MAX, "0").values[0], z.amax(0), 1e-6)
    assert trace.series(PREACT_RMS, "0").values[0] == pytest.approx(
        float(z.square().mean().sqrt())
    )
    np.testing.assert_allclose(trace.units(OUTPUT_MEAN, "").values[0], logits.mean(0))
    counts = np.bincount(y, minlength=3)
    assert trace.units(TARGET_COUNT, "").values[0].tolist() == counts.tolist()
    grad = model[0].weight.grad
    assert grad is not None
    rms = float(grad.square().mean().sqrt())
    assert trace.series(GRAD_RMS, "0.weight").values[0] == pytest.approx(rms)
    assert trace.series(UPDATE_RMS, "0.weight").values[0] == pytest.approx(0.1 * rms)
    ratio = 0.1 * float(grad.norm() / weight.norm())
    assert trace.series(UPDATE_RATIO, "0.weight").values[0] == pytest.approx(ratio)
    assert trace.series(LEARNING_RATE, "group0").values.tolist() == [0.1]
    assert trace.series(LOSS).values[0] == float(F.cross_entropy(logits, y))


def test_backward_signal_is_the_gradient_at_the_pre_activation() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(inplace=True), nn.Linear(6, 2))
    x, y = torch.randn(9, 4), torch.randn(9, 2)
    z = (x @ model[0].weight.T + model[0].bias).detach().requires_grad_()
    expected = torch.autograd.grad(F.mse_loss(model[2](z.relu()), y), z)[0]
    run = one_step(model, x, y, nn.MSELoss())
    assert run.trace.series(SIGNAL_GRAD_RMS, "0").values[0] == pytest.approx(
        float(expected.square().mean().sqrt()), rel=1e-5
    )


def test_a_unit_that_no_sample_fires_is_never_reached() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    with torch.no_grad():
        model[0].bias[3] = -1e3
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with reluctant.watch(model, optimizer) as run:
        for _ in range(40):
            loss = run.loss(F.mse_loss(model(torch.randn(8, 4)), torch.randn(8, 2)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    reached = run.trace.units(GRAD_REACHED, "0").values
    assert reached[:, 3].tolist() == [0.0] * len(reached)
    assert reached[:, [0, 1, 2, 4, 5]].any(0).all()
    assert run.trace.series(REACH_STEPS).values.sum() >= 39


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("to_none", [False, True])
def test_gradients_that_were_not_zeroed_are_seen(kept: bool, to_none: bool) -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    with reluctant.watch(model, optimizer) as run:
        for _ in range(8):
            loss = run.loss(model(torch.randn(4, 3)).square().mean())
            if not kept:
                optimizer.zero_grad(set_to_none=to_none)
            loss.backward()
            optimizer.step()
    values = run.trace.series(GRAD_KEPT).values
    assert values.size >= 4
    assert set(values) == {float(kept)}


def test_accumulated_losses_are_added_as_their_gradients_are() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    expected = []
    with reluctant.watch(model, optimizer) as run:
        for _ in range(5):
            total = 0.0
            optimizer.zero_grad()
            for _ in range(3):
                loss = run.loss(model(torch.randn(4, 3)).square().mean() / 3)
                loss.backward()
                total += loss.item()
            optimizer.step()
            expected.append(total)
    assert run.trace.series(LOSS).values.tolist() == expected


LOSSES = {
    "mse": (nn.MSELoss(), "mse", "mean"),
    "sum of squares": (nn.MSELoss(reduction="sum"), "mse", "sum"),
    "by hand": (lambda o, t: ((o - t) ** 2).mean(), "mse", "mean"),
    "by hand, reversed": (lambda o, t: (t - o).pow(2).sum(), "mse", "sum"),
    "l1": (nn.L1Loss(), "l1", "mean"),
    "huber": (nn.SmoothL1Loss(), "huber", "mean"),
    "logits": (
        lambda o, t: F.binary_cross_entropy_with_logits(o, t.sigmoid()),
        "bce-with-logits",
        "mean",
    ),
    "soft labels": (lambda o, t: F.cross_entropy(o, t.softmax(1)), "cross-entropy", ""),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_told_apart(name: str) -> None:
    loss_fn, kind, reduction = LOSSES[name]
    torch.manual_seed(0)
    model = nn.Linear(3, 4)
    x, y = torch.randn(6, 3), torch.randn(6, 4)
    run = one_step(model, x, y, loss_fn)  # type: ignore[arg-type]
    loss = run.trace.setup.loss
    assert loss is not None
    assert (loss.kind, loss.reduction, loss.outputs) == (kind, reduction, 4)
    if kind in ("mse", "l1", "huber"):
        seen = run.trace.units(TARGET_MEAN, "").values[0]
        np.testing.assert_allclose(seen, y.mean(0), atol=1e-6)


@pytest.mark.parametrize(
    ("head", "name"),
    [(nn.ReLU(), "relu"), (nn.Sigmoid(), "sigmoid"), (nn.Softmax(1), "softmax")],
)
def test_the_activation_on_the_head_is_seen(head: nn.Module, name: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), head)
    run = one_step(model, torch.randn(6, 3), torch.rand(6, 4), nn.MSELoss())
    loss = run.trace.setup.loss
    assert loss is not None
    assert loss.head == name


class TestOrigin:
    """Where a nan came from."""

    def note(self, model: nn.Module, x: Tensor, y: Tensor, loss_fn: object) -> str:
        run = one_step(model, x, y, loss_fn)  # type: ignore[arg-type]
        (note,) = run.trace.notes("nonfinite")
        return f"{note.site}: {note.text}"

    def test_input(self) -> None:
        x = torch.randn(6, 3)
        x[4, 1] = math.nan
        said = self.note(nn.Linear(3, 2), x, torch.randn(6, 2), nn.MSELoss())
        assert said == "input: holds nan or inf in sample 4 of 6"

    def test_target(self) -> None:
        y = torch.randn(6, 2)
        y[0, 0] = math.inf
        said = self.note(nn.Linear(3, 2), torch.randn(6, 3), y, nn.MSELoss())
        assert said == "target: holds nan or inf in sample 0 of 6"

    def test_operation(self) -> None:
        class Log(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.fc = nn.Linear(3, 2)

            def forward(self, x: Tensor) -> Tensor:
                return torch.log(self.fc(x).relu() * 0).exp() * 1

        model = Log()
        said = self.note(
            model, torch.randn(6, 3), torch.randn(6, 2), lambda o, t: o.log().sum()
        )
        assert said == "fc: log put out nan or inf in every sample (6)"

    def test_weights(self) -> None:
        model = nn.Linear(3, 2)
        with torch.no_grad():
            model.bias[0] = math.nan
        said = self.note(model, torch.randn(6, 3), torch.randn(6, 2), nn.MSELoss())
        assert said.startswith("bias: held nan or inf before the forward pass")


class TestUnusual:
    """None of these is an error, and none may stop the training."""

    def run(self, model: nn.Module, x: object, loss_of: object) -> Watch:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        with reluctant.watch(model, optimizer) as run:
            for _ in range(4):
                loss = run.loss(loss_of(model(x)))  # type: ignore[operator]
                optimizer.zero_grad()
                loss.sum().backward()
                optimizer.step()
        assert run.step == 4
        return run

    def test_a_loss_that_is_no_scalar_is_blind(self) -> None:
        run = self.run(nn.Linear(2, 1), torch.randn(3, 2), lambda o: o)
        (note,) = run.trace.notes("blind")
        assert note.site == "loss"
        assert "(3, 1)" in note.text

    def test_nested_outputs(self) -> None:
        class Nested(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.fc = nn.Linear(2, 2)

            def forward(self, x: Tensor) -> object:
                return {"a": [self.fc(x), "text"], "b": (None, 3)}

        run = self.run(Nested(), torch.randn(3, 2), lambda o: o["a"][0].square().mean())
        assert run.trace.series(PREACT_RMS, "fc").values.size

    def test_lazy_modules(self) -> None:
        run = self.run(
            nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(1)),
            torch.randn(3, 2),
            lambda o: o.square().mean(),
        )
        assert run.trace.units(FIRING_RATE, "0").values.shape[1] == 4

    def test_tied_weights_are_one_parameter(self) -> None:
        model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
        model[2].weight = model[0].weight
        run = self.run(model, torch.randn(5, 3), lambda o: o.square().mean())
        tied = next(p for p in run.trace.setup.parameters if p.name == "0.weight")
        assert tied.aliases == ("2.weight",)

    def test_frozen_parameters_have_no_gradient_and_no_alarm(self) -> None:
        model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1))
        model[0].requires_grad_(False)
        run = self.run(model, torch.randn(5, 3), lambda o: o.square().mean())
        assert not run.trace.series(GRAD_RMS, "0.weight").values.size
        frozen = [p.name for p in run.trace.setup.parameters if not p.requires_grad]
        assert frozen == ["0.weight", "0.bias"]

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_half_precision(self, dtype: torch.dtype) -> None:
        model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1)).to(dtype)
        run = self.run(
            model, torch.randn(5, 3, dtype=dtype), lambda o: o.square().mean()
        )
        assert np.isfinite(run.trace.series(GRAD_RMS, "0.weight").values).all()

    def test_a_closure_runs_several_losses_for_one_step(self) -> None:
        torch.manual_seed(0)
        model = nn.Linear(3, 1)
        x, y = torch.randn(20, 3), torch.randn(20, 1)
        optimizer = torch.optim.LBFGS(model.parameters(), max_iter=5)
        with reluctant.watch(model, optimizer) as run:

            def closure() -> Tensor:
                optimizer.zero_grad()
                loss = run.loss(F.mse_loss(model(x), y))
                loss.backward()
                return loss

            for _ in range(3):
                optimizer.step(closure)
        assert run.step == 3
        assert run.trace.series(LOSS).values[0] < 5

    def test_a_record_survives_a_raising_loop(self, tmp_path: Path) -> None:
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        with (
            pytest.raises(ZeroDivisionError),
            reluctant.watch(model, optimizer, record=tmp_path) as run,
        ):
            loss = run.loss(model(torch.randn(3, 2)).mean())
            loss.backward()
            optimizer.step()
            raise ZeroDivisionError
        (path,) = tmp_path.glob("*.trace")
        trace = Trace.open(path)
        assert trace.series(LOSS).values.size == 1
        assert "ZeroDivisionError" in trace.notes("end")[0].text


class TestMisuse:
    """Each says what was given, what was expected and the way out."""

    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    @pytest.mark.parametrize(
        ("model", "optimizer", "said"),
        [
            ("net", optimizer, "model is str"),
            (model, None, "optimizer is NoneType"),
            (model, [], r"optimizer is \[\]"),
            (nn.ReLU(), optimizer, "ReLU has no parameters"),
            (nn.Linear(2, 1), optimizer, "none of which belongs to this Linear"),
        ],
    )
    def test_says_so(self, model: object, optimizer: object, said: str) -> None:
        with pytest.raises(UsageError, match=said):
            reluctant.watch(model, optimizer)  # type: ignore[arg-type]

    def test_budget(self) -> None:
        with pytest.raises(UsageError, match="between 0 and 1"):
            reluctant.watch(self.model, self.optimizer, budget=5)

    def test_a_record_is_never_overwritten(self, tmp_path: Path) -> None:
        for _ in range(3):
            reluctant.watch(self.model, self.optimizer, record=tmp_path).detach()
        names = sorted(p.name for p in tmp_path.glob("*.trace"))
        assert names == ["Linear-2.trace", "Linear-3.trace", "Linear.trace"]


def test_small_batches_are_gauged_in_bursts() -> None:
    def gauged(size: int) -> list[int]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        with reluctant.watch(model, optimizer, budget=1.0) as run:
            for _ in range(120):
                loss = run.loss(model(torch.randn(size, 3)).square().mean())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return run.trace.series(STEP_GAIN).steps.tolist()

    assert len(gauged(1)) > 2 * len(gauged(64))


def test_what_no_optimizer_zeroes_is_no_forgotten_zero_grad() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model[0].parameters(), lr=1e-3)  # the head is left out
    with reluctant.watch(model, optimizer) as run:
        for _ in range(8):
            loss = run.loss(model(torch.randn(4, 3)).square().mean())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert set(run.trace.series(GRAD_KEPT).values) == {0.0}
