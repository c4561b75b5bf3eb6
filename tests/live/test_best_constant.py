"""What the best constant loses under an absolute or a Huber error."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import reluctant
from reluctant.live import run_script
from reluctant.live._best_constant import best_constant
from reluctant.live._loss_graph import straight_loss
from reluctant.records import Severity, Trace, quantities
from reluctant.rules._constant import skill, targets

Loss = Callable[[Tensor, Tensor], Tensor]


def brute(loss: Loss, y: Tensor) -> float:
    """The lowest loss of any constant of a fine grid, output by output."""
    total = 0.0
    for column in y.T:
        grid = torch.linspace(float(column.min()), float(column.max()), 2001)
        tried = [float(loss(c.expand_as(column), column)) for c in grid]
        total += min(tried)
    return total


def trained(loss: Loss, y: Tensor, *, steps: int = 60, batch: int = 32) -> Trace:
    torch.manual_seed(0)
    x = torch.randn(len(y), 4)
    model = nn.Linear(4, y.shape[1])
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    with reluctant.watch(model, optimizer, budget=1.0) as run:
        for _ in range(steps):
            i = torch.randperm(len(y))[:batch]
            value = run.loss(loss(model(x[i]), y[i]))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
    return run.trace


def skewed() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    y = torch.randn(2000, 2, generator=generator)
    return torch.stack([y[:, 0].exp(), 3 * y[:, 1] + 5], 1)


MEANS: dict[str, Loss] = {
    "l1": nn.L1Loss(),
    "l1 by hand": lambda o, t: (t - o).abs().mean(),
    "smooth": nn.SmoothL1Loss(),
    "smooth, early": nn.SmoothL1Loss(beta=0.1),
    "smooth, not at all": nn.SmoothL1Loss(beta=0.0),
    "huber": nn.HuberLoss(),
    "huber, late": nn.HuberLoss(delta=4.0),
    "thrice": lambda o, t: 3 * F.l1_loss(o, t),
}


@pytest.mark.parametrize("name", MEANS)
def test_is_the_least_loss_of_all_constants(name: str) -> None:
    loss, y = MEANS[name], skewed()
    known = targets(trained(loss, y))
    assert 0 < known.error < 0.1
    expected = brute(loss, y) / y.shape[1]
    assert known.loss == pytest.approx(expected, rel=3 * known.error)
    assert known.variance == pytest.approx(float(y.var(0).mean()), rel=0.3)


@pytest.mark.parametrize("kind", [nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss])
def test_a_sum_is_that_of_a_batch(kind: type[nn.Module]) -> None:
    y = skewed()
    known = targets(trained(kind(reduction="sum"), y))
    expected = brute(kind(), y) * 32
    assert known.loss == pytest.approx(expected, rel=3 * known.error)


@pytest.mark.parametrize(("bend", "too_little"), [(0.0, 0.05), (1.0, 0.05)])
def test_a_few_samples_say_too_much_as_often_as_too_little(
    bend: float, too_little: float
) -> None:
    torch.manual_seed(0)
    y = torch.randn(12_000, 1, 1).double()
    whole = float(best_constant(y, bend)[0])
    few = torch.stack([best_constant(s, bend)[0] for s in y.split(8)])
    alone = torch.stack(
        [straight_loss(s - s.median(), bend).mean() for s in y.split(8)]
    )
    assert float(few.mean()) == pytest.approx(whole, rel=0.03)
    assert float(alone.mean()) < (1 - too_little) * whole  # without the correction


OTHERS: dict[str, Loss] = {
    "quantile": lambda o, t: torch.max(0.9 * (t - o), -0.1 * (t - o)).mean(),
    "quantile, by sizes": lambda o, t: (
        0.5 * (t - o).abs().mean() + 0.4 * (t - o).mean()
    ),
    "relative": lambda o, t: ((o - t).abs() / (1 + t.abs())).mean(),
    "with weights": lambda o, t: (F.l1_loss(o, t, reduction="none") * t.abs()).mean(),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_loss_is_not_taken_for_it(name: str) -> None:
    assert not skill(trained(OTHERS[name], skewed())).is_exact


SCRIPT = """
import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(1500, 8)
y = (x[:, :3].sum(1) + 0.3 * torch.randn(1500))[:, None] * 2
{fault}
model = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
model = nn.Sequential(model, nn.Linear(64, 1))
criterion = nn.{loss}()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(25):
    for i in torch.randperm(1000).split(32):
        loss = criterion(model(x[i]), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        criterion(model(x[1000:]), y[1000:])
    model.train()
"""


def told(tmp_path: Path, loss: str, fault: str = "") -> tuple[list[str], Trace]:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(loss=loss, fault=fault))
    result = run_script(str(script), [], runs=tmp_path / "runs", budget=1.0)
    (diagnosis,) = result.diagnoses
    (path,) = result.folder.glob("*.trace")
    worse = [f.code for f in diagnosis.findings if f.severity is not Severity.NOTE]
    return worse, Trace.open(path)


@pytest.mark.parametrize("loss", ["SmoothL1Loss", "L1Loss", "HuberLoss"])
def test_inputs_without_their_targets(tmp_path: Path, loss: str) -> None:
    worse, trace = told(tmp_path, loss, "x = x[torch.randperm(1500)]")
    assert worse[0] == "DAT302"
    assert trace.series(quantities.CONSTANT_LOSS).values.size


@pytest.mark.parametrize("loss", ["SmoothL1Loss", "L1Loss", "HuberLoss"])
def test_inputs_with_their_targets(tmp_path: Path, loss: str) -> None:
    worse, _ = told(tmp_path, loss)
    assert worse == []


@pytest.mark.parametrize("loss", ["L1Loss", "SmoothL1Loss"])
def test_a_constant_under_an_absolute_error(tmp_path: Path, loss: str) -> None:
    worse, _ = told(tmp_path, loss, "x = 0 * x + 1")
    assert "HED101" in worse
