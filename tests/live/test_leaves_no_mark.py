"""Watching never changes the training, and never stops it."""

import copy
import io
import pickle
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

import reluctant
from live.nets import NETS, OPTIMIZERS, batches, everything
from reluctant.diagnosis import diagnose
from reluctant.live import Watch
from reluctant.probes import (
    PROBES,
    GradientProbe,
    HeadPass,
    HeadProbe,
    LayerPass,
    LayerProbe,
    Measurement,
    Probe,
)
from reluctant.records import Trace
from reluctant.records.quantities import (
    FIRING_RATE,
    GRAD_RMS,
    LOSS,
    PREACT_RMS,
    STEP_CURVATURE,
)


def train(
    net: str,
    optimizer: str,
    *,
    watched: bool,
    steps: int = 30,
    probes: list[Probe] | None = None,
    record: Path | None = None,
    each_step: Callable[[Watch], None] | None = None,
) -> tuple[dict[str, bytes], Watch | None]:
    torch.manual_seed(0)
    make, features = NETS[net]
    model = make()
    chosen = OPTIMIZERS[optimizer](model.parameters())
    run = None
    if watched:
        run = reluctant.watch(model, chosen, probes=probes, record=record)
    for batch in batches(features, steps):
        loss = F.cross_entropy(model(batch.x), batch.y)
        if run:
            loss = run.loss(loss)
        chosen.zero_grad()
        loss.backward()
        chosen.step()
        if run and each_step:
            each_step(run)
    if run:
        run.detach()
        assert not torch_module._has_any_global_hook()
        assert not chosen._optimizer_step_pre_hooks
        assert not chosen._optimizer_step_post_hooks
    return everything(model, chosen), run


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("net", NETS)
def test_bit_exact(net: str, optimizer: str) -> None:
    bare, _ = train(net, optimizer, watched=False)
    seen, run = train(net, optimizer, watched=True)
    assert seen == bare
    assert run is not None
    assert [n.text for n in run.trace.notes("blind")] == []
    assert run.trace.series(STEP_CURVATURE).values.size  # the gauge was at work


def test_sees_modules_and_functions_alike() -> None:
    _, run = train("functional", "sgd", watched=True)
    assert run is not None
    assert {layer.site: layer.activation for layer in run.trace.setup.layers} == {
        "fc1": "relu",
        "fc2": "relu",
        "fc3": "clamp",
        "out": "",
    }
    assert run.trace.units(FIRING_RATE, "fc3").values.shape[1] == 6
    assert [layer.site for layer in run.trace.setup.layers if layer.is_head] == ["out"]


class Bomb(LayerProbe):
    yields = (PREACT_RMS,)

    def read(self, layer: LayerPass) -> Iterator[Measurement]:
        raise MemoryError("boom")


class WrongShape(GradientProbe):
    yields = (GRAD_RMS,)

    def read(self, gradients: Mapping[str, Tensor]) -> Iterator[Measurement]:
        for site, gradient in gradients.items():
            yield Measurement(GRAD_RMS, site, gradient)


class HeadBomb(HeadProbe):
    yields = ()

    def read(self, head: HeadPass) -> Iterator[Measurement]:
        raise ValueError("boom")
        yield


@pytest.mark.parametrize("probe", [Bomb, WrongShape, HeadBomb])
def test_a_failing_probe_goes_blind_alone(probe: type[Probe]) -> None:
    bare, _ = train("mlp", "adamw", watched=False)
    others: list[Probe] = [kind() for kind in PROBES]
    seen, run = train("mlp", "adamw", watched=True, probes=[probe(), *others])
    assert seen == bare
    assert run is not None
    blind = {n.site: n.text for n in run.trace.notes("blind")}
    assert list(blind) == [probe.__name__]
    assert "boom" in blind[probe.__name__] or "shape" in blind[probe.__name__]
    assert run.trace.has(GRAD_RMS), "the other probes still see"
    assert run.trace.has(FIRING_RATE)


@pytest.mark.parametrize("net", ["mlp", "conv"])
def test_replay_says_what_live_said_at_every_step(net: str, tmp_path: Path) -> None:
    said: dict[int, bytes] = {}
    encode = msgspec.msgpack.encode  # bytes, because nan != nan

    def ask(run: Watch) -> None:
        live = run.diagnosis
        if run.trace.last_step == run.step - 1:
            said[run.step - 1] = encode(live)

    train(net, "momentum", watched=True, record=tmp_path / "run.trace", each_step=ask)
    replayed = Trace.open(tmp_path / "run.trace")
    assert not replayed.damage
    assert len(said) == 30
    for step, live in said.items():
        assert encode(diagnose(replayed.until(step))) == live


def test_what_is_saved_or_copied_during_training_is_the_users_own() -> None:
    kept: list[bytes] = []

    def save(run: Watch) -> None:
        model = run.model
        assert model is not None
        buffer = io.BytesIO()
        torch.save(copy.deepcopy(model), buffer)
        kept.append(buffer.getvalue())
        assert b"reluctant" not in pickle.dumps(model)

    train("mlp", "sgd", watched=True, steps=6, each_step=save)
    assert len(kept) == 6


def test_a_step_that_explodes_is_recorded_to_the_end() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e12)
    with reluctant.watch(model, optimizer) as run:
        for _ in range(12):
            loss = run.loss(model(torch.randn(8, 4)).square().mean())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    values = run.trace.series(LOSS).values
    assert len(values) == 12
    assert not torch.isfinite(torch.tensor(values[-1]))
    assert len(run.trace.notes("nonfinite")) == 1


def test_the_model_can_be_freed_while_it_is_watched() -> None:
    import gc
    import weakref

    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    run = reluctant.watch(model, optimizer)
    alive = weakref.ref(model), weakref.ref(optimizer)
    del model, optimizer
    gc.collect()
    assert alive[0]() is None
    assert alive[1]() is None
    assert run.diagnosis.root is None
