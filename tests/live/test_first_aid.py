"""First aid: off by default; acts are recorded, help, and can be taken back."""

import pytest
import torch
from torch import nn

import reluctant
from changes.patients import bits
from reluctant.changes import Plain
from reluctant.records import ReviveUnits, ScaleLearningRate, UsageError


def train(run, model, optimizer, steps, *, kill_at=-1):
    generator = torch.Generator().manual_seed(1)
    losses = []
    for k in range(steps):
        if k == kill_at:
            with torch.no_grad():
                model[0].bias[:6] = -100.0
        x = torch.randn(32, 4, generator=generator)
        loss = run.loss(nn.functional.mse_loss(model(x), x[:, :1].abs() + x[:, 1:2]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def net(rate=0.01):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    return model, torch.optim.Adam(model.parameters(), lr=rate)


@pytest.mark.slow
def test_dead_units_are_revived_and_the_loss_falls_again():
    results = {}
    for treat in (None, "revive"):
        model, optimizer = net()
        with reluctant.watch(model, optimizer, budget=1.0, treat=treat) as run:
            losses = train(run, model, optimizer, 800, kill_at=60)
        results[treat] = sum(losses[-50:]) / 50
        if treat is None:
            assert run.acts == ()
            assert not run.trace.notes("act")
    assert results["revive"] < 0.5 * results[None]
    (act, *_) = run.acts
    assert isinstance(act.changes[0], ReviveUnits)
    assert set(range(6)) <= set(act.changes[0].units["0"])
    assert any("ReviveUnits" in note.text for note in run.trace.notes("act"))
    assert not model._forward_pre_hooks


@pytest.mark.slow
def test_an_act_is_taken_back_byte_for_byte():
    model, optimizer = net()
    with reluctant.watch(model, optimizer, budget=1.0, treat="revive") as run:
        seen = []
        aid = run._aid
        act = aid._act

        def spy(*given):
            seen.append(bits(Plain(model, None, optimizer)))
            act(*given)

        aid._act = spy
        train(run, model, optimizer, 500, kill_at=50)
    assert run.acts[-1].is_undoable
    run.acts[-1].undo()
    now, then = bits(Plain(model, None, optimizer)), seen[len(run.acts) - 1]
    # hooks of the watch itself are gone by now
    assert now[:-4] == then[:-4]


def test_a_step_past_its_limit_is_cut_once_for_what_was_seen():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.9)
    with reluctant.watch(model, optimizer, budget=1.0, treat="revive") as run:
        train(run, model, optimizer, 900)
    cuts = [a for a in run.acts if isinstance(a.changes[0], ScaleLearningRate)]
    assert len(cuts) == 1
    assert optimizer.param_groups[0]["lr"] == 0.9 * cuts[0].changes[0].factor < 0.4
    assert "gauge" in cuts[0].because


def test_only_revive_is_known():
    model, optimizer = net()
    with pytest.raises(UsageError, match="the only first aid is 'revive'"):
        reluctant.watch(model, optimizer, treat="pray")
