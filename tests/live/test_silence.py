"""Steps in which no gradient comes at all tell nothing of who is silent."""

import pytest
import torch
from torch import nn

import reluctant
from reluctant.records.quantities import REACH_STEPS


@pytest.mark.parametrize(
    ("kills", "is_met", "told"),
    [(False, True, False), (True, False, True), (False, False, False)],
)
def test_a_loss_that_is_met_silences_nobody(
    kills: bool, is_met: bool, told: bool
) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with reluctant.watch(net, optimizer, budget=1.0) as run:
        for step in range(300):
            x = torch.randn(64, 6)
            y = (x[:, :1] + torch.randn(64, 1)).sign()
            if kills and step == 200:
                with torch.no_grad():
                    net[0].bias -= 100
            hinge = torch.relu(1 - y * net(x)).mean()
            loss = run.loss(hinge * 0 if is_met and step >= 200 else hinge)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    names = {f.name for f in run.diagnosis.findings}
    assert ("dead-layer" in names) == told
    # signs of a dead layer's head cancel now and then
    covered = run.trace.series(REACH_STEPS).values.sum()
    assert covered == pytest.approx(200 if is_met else 300, abs=20)
