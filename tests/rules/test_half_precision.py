"""NUM301 and NUM302: what half precision and its scaler do to a training."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import reluctant
from reluctant.live import Watch
from reluctant.records import Severity, Trace
from reluctant.records.quantities import LOSS, STEP_SKIPPED, UPDATE_LOST
from reluctant.rules import Blind
from reluctant.rules.numerics.half_precision_underflow import HalfPrecisionUnderflow
from reluctant.rules.numerics.scaler_skips import ScalerSkips
from rules.rule_cases import FALLING, FLAT, judged


def skipping(at: list[int], steps: int = 100) -> Trace:
    trace = Trace()
    for step in range(steps):
        rows = [(LOSS.name, "", FLAT[step])]
        rows += [(STEP_SKIPPED.name, "", 1.0)] if step in at else []
        trace.extend(step, rows)
    return trace


def test_a_scaler_that_skips_for_ever() -> None:
    (finding,) = ScalerSkips().check(skipping(list(range(100))))
    assert finding.severity is Severity.ERROR
    assert "left out 100 of 100 steps" in finding.message


@pytest.mark.parametrize("at", [[], list(range(16)), [0, 1, 2, 50, 90]])
def test_the_search_for_a_scale_is_ordinary(at: list[int]) -> None:
    assert not list(ScalerSkips().check(skipping(at)))


def test_the_first_steps_say_nothing() -> None:
    with pytest.raises(Blind, match="30 steps, 40 needed"):
        list(ScalerSkips().check(skipping(list(range(30)), steps=30)))


def scaled(init_scale: float, root: float, steps: int = 60) -> Watch:
    """float16 under a scaler, and the root of `root` behind the outputs."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    scaler = torch.amp.GradScaler("cpu", init_scale=init_scale)
    with reluctant.watch(model, optimizer, budget=1.0) as run:
        for _ in range(steps):
            x = torch.randn(32, 8)
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.float16):
                z: Tensor = model(x)
                loss = F.cross_entropy(z.float(), (x[:, 0] > 0).long())
                loss = loss + (0 * z.float() + root).sqrt().mean()
            scaler.scale(run.loss(loss)).backward()
            scaler.step(optimizer)
            scaler.update()
    return run


def test_skipped_steps_are_counted_and_their_losses_not_added_up() -> None:
    run = scaled(2.0**30, root=1.0)
    skipped = run.trace.series(STEP_SKIPPED).steps.tolist()
    assert skipped == list(range(len(skipped)))
    assert 5 < len(skipped) < 20
    losses = run.trace.series(LOSS)
    assert losses.steps.tolist() == list(range(60))
    assert losses.values.max() < 4  # each is one batch's
    assert run.diagnosis.root is None


def test_a_gradient_that_is_none_is_why_the_scaler_skips() -> None:
    diagnosis = scaled(2.0**16, root=0.0).diagnosis
    assert diagnosis.root is not None
    assert diagnosis.root.code == "NUM103"
    assert "sqrt" in diagnosis.root.message
    assert diagnosis.explained["NUM302"] == "NUM103"


def lost(early: float, late: float, loss: list[float]) -> Trace:
    shares = [early] * 40 + [late] * (len(loss) - 40)
    return judged(loss=loss, **{UPDATE_LOST.name: {"fc0.weight": shares}})


@pytest.mark.parametrize(
    ("early", "late", "loss", "is_found"),
    [
        (0.6, 0.6, FLAT, True),
        (0.05, 0.9, FLAT, True),
        (0.05, 0.7, FLAT, False),
        (0.6, 0.9, FALLING, False),  # done, and moves little by right
        (0.05, 0.05, FLAT, False),
    ],
)
def test_lost_updates(
    early: float, late: float, loss: list[float], is_found: bool
) -> None:
    found = list(HalfPrecisionUnderflow().check(lost(early, late, loss)))
    assert bool(found) is is_found


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float32])
def test_what_did_not_move_is_counted(kind: torch.dtype) -> None:
    layer = nn.Linear(4, 1, bias=False).to(kind)
    layer.weight.data = torch.tensor([[1.0, 1.0, 1.0, 1.0]], dtype=kind)
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    x = torch.tensor([[1e-3, 0.5, 0.25, 0.0]], dtype=kind)  # 1 - 1e-3 rounds to 1
    with reluctant.watch(layer, optimizer, budget=1.0) as run:
        run.loss(layer(x).sum()).backward()
        optimizer.step()
    shares = run.trace.series(UPDATE_LOST, "weight").values.tolist()
    assert shares == ([pytest.approx(1 / 3)] if kind is torch.bfloat16 else [])


def test_adam_in_float16_divides_by_nothing() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)).half()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with reluctant.watch(model, optimizer, budget=1.0) as run:
        for _ in range(20):
            x = torch.randn(64, 8)
            loss = F.cross_entropy(model(x.half()).float(), (x[:, 0] > 0).long())
            optimizer.zero_grad()
            run.loss(loss).backward()
            optimizer.step()
    diagnosis = run.diagnosis
    assert diagnosis.root is not None
    assert diagnosis.root.code == "NUM301"
    assert diagnosis.explained["NUM101"] == "NUM301"
