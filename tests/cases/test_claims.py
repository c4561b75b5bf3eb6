"""Claims: what a comparison concludes, and the trainings it rests on."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from reluctant.cases._tiny_abs_nets import BATCH, DECAYED, RATE, STEPS, Plane
from reluctant.cases.claims import CLAIMS, run_claims
from reluctant.cases.claims._compare import Scale, always, bars, medians, shares
from reluctant.cases.claims._small_nets import Way, _Nets, _start, final_losses
from reluctant.cases.claims.dying_output import RATES, STEP, _end
from reluctant.cases.claims.nan_loss import Regression, descend, second_order
from reluctant.cli import main
from reluctant.records import UsageError
from reluctant.report import claims_page


def compared(before: int, after: int, n: int, **how):
    one, two = ([k < hits for k in range(n)] for hits in (before, after))
    return shares("here", ("as it was", one), ("treated", two), **how)


@pytest.mark.parametrize(
    ("before", "after", "how", "holds"),
    [
        (0, 40, {}, "yes"),
        (10, 25, {"enough": 0.9}, "partly"),
        (190, 191, {"least": 0.1}, "no"),
        (30, 10, {}, "no"),
        (2, 4, {}, "open"),
    ],
)
def test_what_a_comparison_concludes(before, after, how, holds):
    n = 200 if before == 190 else 40
    assert compared(before, after, n, **how).holds == holds


def test_medians_and_lone_shares():
    values = [1.0, 2.0, 3.0] * 10
    assert medians("", ("a", values), ("b", [2 * v for v in values])).holds == "yes"
    assert medians("", ("a", values), ("b", values)).holds == "no"
    assert always("", "a", [True] * 100, least=0.9).holds == "yes"
    assert always("", "a", [True, False] * 50, least=0.9).holds == "no"


def one_by_one(plane: Plane, seed: int, steps: int) -> float:
    """A single network in plain torch, on the samples that the stacked one is shown."""
    weight, out = _start(seed, 3)
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor(weight))
        net[2].weight.copy_(torch.tensor(out[None]))
        net[0].bias.zero_()
        net[2].bias.zero_()
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE, eps=1e-7)
    draw = torch.Generator().manual_seed(seed)
    x, y = torch.from_numpy(plane.x), torch.from_numpy(plane.y)
    decayed = steps * DECAYED // STEPS
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = RATE * min(1, (steps - step) / decayed)
        chosen = torch.randint(len(x), (1, BATCH), generator=draw)[0]
        loss = (net(x[chosen]) - y[chosen]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return float((net(x) - y).double().square().mean())


def test_figures_show_what_is_compared_with_once_above_its_rivals():
    found = [
        shares(f"{place}, {way}", ("as it was", [True, False]), (way, [True] * 2))
        for way in ("wide", "deep")
        for place in ("here", "there")
    ]
    figure = bars("name", "Title", "trained", found)
    assert [bar.label for bar in figure.bars] == [
        "here: as it was",
        "here: wide",
        "here: deep",
        "there: as it was",
        "there: wide",
        "there: deep",
    ]
    first, *rivals = figure.bars[:3]
    assert {bar.color for bar in rivals} != {first.color}
    assert "Light: what is compared with." in figure.caption
    alone = [always("here", "told", [True] * 9, least=0.9)]
    assert "Light" not in bars("name", "Title", "told", alone).caption


def test_stacked_networks_train_as_single_ones_do():
    plane = Plane.drawn("gauss", 0)
    found = final_losses(plane, [7], Way(), steps=300)
    assert found[0] == pytest.approx(one_by_one(plane, 7, 300), rel=1e-3)


def test_stacked_networks_do_not_see_each_other():
    plane, steps = Plane.drawn("square", 0), 60
    several = final_losses(plane, [3, 4, 5], Way(), steps=steps)
    others = final_losses(plane, [3, 9, 8], Way(), steps=steps)
    assert several[0] == pytest.approx(others[0], rel=1e-5)


def test_likeness_is_the_mean_squared_cosine():
    nets = _Nets([0], Way())
    incoming, bias, _, _ = (p.detach().double().numpy() for p in nets.parameters)
    both = np.concatenate([incoming[0], bias[0][:, None]], axis=1)
    unit = both / np.linalg.norm(both, axis=1, keepdims=True)
    pairs = [(unit[i] @ unit[j]) ** 2 for i in range(3) for j in range(3) if i != j]
    assert float(nets.likeness()[0].detach()) == pytest.approx(np.mean(pairs), rel=1e-5)


def test_dropout_acts_in_training_alone():
    plane = Plane.drawn("gauss", 0)
    nets = _Nets([0, 1], Way(dropout=0.5))
    x = torch.from_numpy(plane.x[:50]).expand(2, 50, 2)
    assert torch.equal(nets(x), nets(x))
    assert not torch.equal(nets(x), nets(x, torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("adam", [False, True])
def test_descent_is_torch_s(adam):
    problem = Regression.drawn(1).standardized
    layer = nn.Linear(problem.x.shape[1], 1).double()
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    kind = torch.optim.Adam if adam else torch.optim.SGD
    optimizer = kind(layer.parameters(), lr=0.01)
    x, y = torch.from_numpy(problem.x), torch.from_numpy(problem.y)
    losses = []
    for _ in range(40):
        loss = (layer(x)[:, 0] - y).square().mean()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert descend(problem, 0.01, adam=adam)[:40] == pytest.approx(losses, rel=1e-9)


def test_where_a_stretch_of_rates_ends():
    rest = (False,) * (len(RATES) - 4)
    assert _end((False, True, True, False, *rest)) == RATES[2]
    assert _end((True,) * len(RATES)) == RATES[-1]
    assert _end((False,) * len(RATES)) == pytest.approx(RATES[0] / STEP)


@pytest.mark.slow
def test_two_terms_are_exact_where_the_loss_is_a_quadratic():
    found = second_order(Scale(quick=True))
    linear = found.comparisons[0]
    assert linear.arms[0].value == 1.0
    assert linear.holds == "yes"


def test_unknown_claim():
    with pytest.raises(UsageError, match="did you mean leaky-relu"):
        run_claims(["leaky-rely"])


@pytest.mark.slow
def test_command_writes_page_and_figure(tmp_path, capsys):
    page = tmp_path / "claims.md"
    assert main(["claims", "ill-conditioning", "--quick", "-o", str(page)]) == 0
    assert "upheld" in capsys.readouterr().out
    text = page.read_text("utf-8")
    assert "## ill-conditioning" in text
    assert "**Upheld** (`nan-loss`)" in text


def test_page_must_be_markdown(capsys):
    assert main(["claims", "ill-conditioning", "-o", "page.html"]) == 2
    assert "name it FILE.md" in capsys.readouterr().err


def test_verdicts_and_page():
    (result,) = run_claims(["ill-conditioning"], quick=True)
    assert result.verdict == "upheld"
    text = claims_page.render([result], head="Head.", pictures="claims")
    assert (
        "![Conditioning: how often it is learned](claims/ill-conditioning.png)" in text
    )
    assert all(math.isfinite(a.value) for c in result.comparisons for a in c.arms)


def test_every_claim_has_a_name_of_its_own():
    assert len(CLAIMS) == len(set(CLAIMS.values()))
