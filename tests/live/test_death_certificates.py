"""What is certified of dead units is so: each claim is tried on the network itself."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import reluctant
from reluctant.live._inertia import drift
from reluctant.records import DeathCertificate, Trace, quantities
from reluctant.report.terminal import render

BATCH = 512


def data() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    x = torch.randn(BATCH, 5)
    return x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long()


def two_layers() -> nn.Sequential:
    torch.manual_seed(1)
    body = (nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU())
    return nn.Sequential(*body, nn.Linear(8, 3))


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    steps: int = 12,
    before: Callable[[int], Any] = lambda step: None,
    batch: tuple[Tensor, Tensor] | None = None,
    **options: Any,
) -> Any:
    x, y = batch or data()
    with reluctant.watch(model, optimizer, budget=1.0, **options) as run:
        for step in range(steps):
            before(step)
            loss = run.loss(F.cross_entropy(model(x), y))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return run


def sgd(model: nn.Module, **options: Any) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), **({"lr": 0.1} | options))


def certified(run: Any, site: str) -> dict[int, DeathCertificate]:
    found = {
        c.unit: c
        for finding in run.diagnosis.findings
        for c in finding.certificates
        if c.site == site
    }
    assert found, [f.message for f in run.diagnosis.findings]
    return found


def outcomes(certificate: DeathCertificate) -> dict[str, str]:
    return {r.way: r.outcome for r in certificate.revivals}


def last(run: Any, name: str, site: str) -> Tensor:
    values = run.trace.units(getattr(quantities, name), site).values
    return torch.tensor(values[-1])


def test_a_unit_that_is_proven_dead() -> None:
    model = two_layers()
    model[0].bias.data[:3] = -30.0
    run = train(model, sgd(model))
    found = certified(run, "0")
    assert set(found) == {0, 1, 2}
    x, _ = data()
    low, high = x.amin(0), x.amax(0)
    for unit, c in found.items():
        w, b = model[0].weight[unit].detach(), model[0].bias[unit].detach()
        corner = torch.where(w > 0, high, low)  # the input that lifts it most
        assert c.bound == pytest.approx(float(w @ corner + b), rel=1e-5)
        assert c.is_proven
        assert c.samples == 11 * BATCH  # all but the first step, which it was met in
        assert set(outcomes(c).values()) == {"cannot"}
    text = render([run.diagnosis])
    assert "no input in the range seen can fire them" in " ".join(text.split())
    assert "nothing can wake them" in " ".join(text.split())


def test_a_unit_dead_on_the_data_but_not_proven() -> None:
    """An input within the range of each feature fires it; none of the data does."""
    model = two_layers()
    x, _ = data()
    with torch.no_grad():
        for unit in range(3):
            highest = (x @ model[0].weight[unit]).max()
            model[0].bias[unit] = -highest - 0.01
    run = train(model, sgd(model))
    c = certified(run, "0")[0]
    assert not c.is_proven
    assert c.bound > 0
    w, b = model[0].weight[0].detach(), model[0].bias[0].detach()
    corner = torch.where(w > 0, x.amax(0), x.amin(0))
    assert float(F.relu(w @ corner + b)) > 0
    assert "might still fire" in render([run.diagnosis])


def test_a_unit_that_the_layer_below_can_wake() -> None:
    model = two_layers()
    model[2].bias.data[:3] = -6.0
    run = train(model, sgd(model, lr=0.02))
    c = certified(run, "2")[0]
    assert outcomes(c)["the layers below"] == "can"
    assert "woken by the layers below (0.weight still moves" in " ".join(
        render([run.diagnosis]).split()
    )
    # and so it is: larger weights below fire it, while its own stay as they are
    with torch.no_grad():
        model[0].weight *= 100 * torch.sign(model[2].weight[0])[:, None]
        model[0].bias += 100 * torch.sign(model[2].weight[0])
        x, _ = data()
        assert bool((model[:3](x)[:, 0] > 0).any())


def test_frozen_layers_below_cannot_wake() -> None:
    model = two_layers()
    model[2].bias.data[:3] = -6.0
    model[0].requires_grad_(requires_grad=False)
    run = train(model, sgd(model[2:], lr=0.02))
    c = certified(run, "2")[0]
    assert outcomes(c)["the layers below"] == "cannot"


def test_whatever_the_layers_below_send() -> None:
    """What reads rectified units with negative weights alone stays silent."""
    model = two_layers()
    with torch.no_grad():
        model[2].weight[:3] = -model[2].weight[:3].abs()
        model[2].bias[:3] = -0.5
    run = train(model, sgd(model))
    c = certified(run, "2")[0]
    assert outcomes(c)["the layers below"] == "cannot"
    assert c.is_proven
    reasons = {r.way: r.reason for r in c.revivals}
    assert reasons["the layers below"] == "whatever they send, it stays below -0.5"


@pytest.mark.parametrize("is_strong", [True, False])
def test_a_unit_that_momentum_can_wake(is_strong: bool) -> None:
    model = two_layers()
    optimizer = sgd(model, lr=0.01, momentum=0.99)
    lift = 0.01 * 0.99 / 0.01  # what a buffer of −1 still adds: lr·μ/(1−μ)

    def strike(step: int) -> None:
        if step == 8:  # thrown out, with momentum that brings it back or does not
            with torch.no_grad():
                model[0].weight[:3] *= 0.01
                model[0].bias[:3] = -0.95 * lift if is_strong else -30.0
                optimizer.state[model[0].weight]["momentum_buffer"][:3] = 0.0
                optimizer.state[model[0].bias]["momentum_buffer"][:3] = -1.0

    run = train(model, optimizer, steps=14, before=strike)
    c = certified(run, "0")[0]
    assert c.died == "step 7"
    assert outcomes(c)["momentum"] == ("can" if is_strong else "cannot")
    x, y = data()
    for _ in range(600):  # what was foretold comes to pass
        optimizer.zero_grad()
        (0 * F.cross_entropy(model(x), y)).backward()
        optimizer.step()
    assert bool((model[:1](x)[:, 0] > 0).any()) is is_strong


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: torch.optim.Adam(p, lr=0.01),
        lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.8, 0.99), weight_decay=0.0),
        lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5),
        lambda p: torch.optim.SGD(p, lr=0.1),
    ],
)
def test_drift_is_what_the_optimizer_still_does(
    make: Callable[[Any], torch.optim.Optimizer],
) -> None:
    torch.manual_seed(0)
    p = nn.Parameter(torch.randn(20, dtype=torch.float64))
    optimizer = make([p])
    for _ in range(7):
        p.grad = torch.randn(20, dtype=torch.float64)
        optimizer.step()
    foretold, before = drift([optimizer], p), p.detach().clone()
    for _ in range(500):
        p.grad = torch.zeros_like(p)
        optimizer.step()
    assert foretold is not None
    torch.testing.assert_close(foretold, p.detach() - before, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize(
    ("bias", "group", "outcome"),
    [
        (-6.0, {"weight_decay": 0.1}, "cannot"),  # both shrink alike
        (-6.0, {}, "cannot"),
        (-6.0, {"on_bias": 0.1}, "can"),  # without its bias it fires
        (-6.0, {"on_weight": 0.1}, "cannot"),
    ],
)
def test_weight_decay(bias: float, group: dict[str, float], outcome: str) -> None:
    model = two_layers()
    model[0].bias.data[:3] = bias
    weights = [p for p in model.parameters() if p.ndim > 1]
    biases = [p for p in model.parameters() if p.ndim == 1]
    both = group.get("weight_decay", 0.0)
    optimizer = torch.optim.SGD(
        [
            {"params": weights, "weight_decay": group.get("on_weight", both)},
            {"params": biases, "weight_decay": group.get("on_bias", both)},
        ]
        if not both
        else model.parameters(),
        lr=0.001,
        weight_decay=both,
    )
    c = certified(train(model, optimizer), "0")[0]
    assert outcomes(c)["weight decay"] == outcome


def test_the_step_and_the_batch_of_death() -> None:
    x, y = data()
    model = two_layers()
    optimizer = sgd(model)
    loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)  # 16 an epoch
    # waits, is of the same batch size, and is not what is gone through
    validation = DataLoader(TensorDataset(x[:96], y[:96]), batch_size=32)
    step = 0
    with reluctant.watch(model, optimizer, budget=1.0, census=loader) as run:
        for _ in range(6):
            for inputs, targets in loader:
                loss = run.loss(F.cross_entropy(model(inputs), targets))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if step == 21:
                    model[0].bias.data[:4] = -30.0
                step += 1
    c = certified(run, "0")[2]
    assert c.since_step == 22
    assert len(validation) == 3
    assert c.died == "step 21, batch 6 of epoch 2"
    assert c.is_whole
    assert c.samples == BATCH  # the census: each sample once
    assert "0 of 512 samples, all the data" in " ".join(render([run.diagnosis]).split())


def test_a_census_finds_what_training_missed() -> None:
    """A unit that fires on data which the last steps did not show is not dead."""
    x, _ = data()
    model = two_layers()
    with torch.no_grad():
        model[0].weight[:4] = 0.0
        model[0].weight[:4, 0] = 1.0
        model[0].bias[:4] = -50.0
    rare = torch.cat([x, torch.full((1, 5), 60.0)])
    run = train(model, sgd(model))
    assert set(certified(run, "0")) >= {0, 1, 2, 3}
    run = train(model, sgd(model), census=[(rare, None)])
    assert all(
        c.unit > 3 or c.site != "0"
        for finding in run.diagnosis.findings
        for c in finding.certificates
    )


def test_a_census_leaves_no_mark() -> None:
    x, y = data()
    model = nn.Sequential(
        nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3)
    )
    twin = copy.deepcopy(model)
    loader = DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True)
    torch.manual_seed(3)
    train(model, sgd(model), census=loader)
    mine = torch.random.get_rng_state()
    torch.manual_seed(3)
    train(twin, sgd(twin))
    assert torch.equal(mine, torch.random.get_rng_state())
    for a, b in zip(
        model.state_dict().values(), twin.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b)


class Functional(nn.Module):
    """The same shapes without a module for any activation."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(5, 8))
        self.b = nn.Parameter(torch.randn(8))
        self.out = nn.Linear(8, 6, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = F.dropout(torch.tanh(x @ self.w + self.b), 0.3, self.training)
        return self.out(F.leaky_relu(h, 0.1)).clamp(min=0)


def convolutions(*, grouped: bool) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.GELU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, groups=2 if grouped else 1, stride=2),
        nn.ReLU(),
        nn.AvgPool2d(2, padding=1),
        nn.Flatten(),
        nn.LazyLinear(7),
        nn.ReLU(),
        nn.Linear(7, 3),
    )


@pytest.mark.parametrize(
    ("make", "shape", "sites"),
    [
        (two_layers, (5,), ("0", "2")),
        (lambda: convolutions(grouped=False), (2, 12, 12), ("0", "3", "7")),
        (lambda: convolutions(grouped=True), (2, 12, 12), ("0", "3", "7")),
        (Functional, (5,), ("w", "out")),
        (
            lambda: nn.Sequential(
                nn.Linear(5, 6), nn.LayerNorm(6), nn.ReLU(), nn.Linear(6, 4), nn.ReLU()
            ),
            (5,),
            ("1", "3"),
        ),
        (
            lambda: nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU()),
            (5,),
            ("1",),
        ),
    ],
)
def test_no_input_in_the_box_exceeds_its_bound(
    make: Callable[[], nn.Module], shape: tuple[int, ...], sites: tuple[str, ...]
) -> None:
    """Interval bounds hold for whatever is drawn from the box, in training mode."""
    torch.manual_seed(0)
    model = make()
    x = torch.randn(64, *shape)
    model(x)  # lazy layers take shape
    ranges: dict[str, Tensor] = {}
    # dead on purpose, so that bounds are measured: a unit each, wherever it can be
    for name, p in model.named_parameters():
        if name.endswith("bias") or name == "b":
            p.data[0] -= 100.0
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with reluctant.watch(model, optimizer, budget=1.0) as run:
        for _ in range(6):
            loss = run.loss(model(x).square().mean())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    tightest = _highest(model, x, sites)
    for _ in range(30):
        low = x.movedim(1, -1).reshape(-1, shape[0]).amin(0)
        high = x.movedim(1, -1).reshape(-1, shape[0]).amax(0)
        draw = torch.rand(64, *shape).round()  # corners
        view = [1, -1] + [1] * (len(shape) - 1)
        ranges = _highest(model, low.view(view) + draw * (high - low).view(view), sites)
        tightest = {s: torch.maximum(tightest[s], ranges[s]) for s in sites}
    measured = 0
    for site in sites:
        values = run.trace.units(quantities.UNIT_BOUND, site).values
        if len(values):
            measured += 1
            bound = torch.tensor(values[-1])
            assert bool((tightest[site].double() <= bound + 1e-4).all()), site
    assert measured


def _highest(model: nn.Module, x: Tensor, sites: tuple[str, ...]) -> dict[str, Tensor]:
    """The largest pre-activation of each unit on some inputs."""
    found: dict[str, Tensor] = {}
    handles = []

    def keep(site: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Tensor) -> None:
            z = output.detach().movedim(1, -1) if output.ndim > 2 else output.detach()
            found[site] = z.reshape(-1, z.shape[-1]).amax(0)

        return hook

    for site in sites:
        module = dict(model.named_modules()).get(site)
        if module is not None:
            handles.append(module.register_forward_hook(keep(site)))
    with torch.no_grad():
        model(x)
        if isinstance(model, Functional):
            found["w"] = (x @ model.w + model.b).amax(0)
    for handle in handles:
        handle.remove()
    return found


def test_what_is_not_understood_is_unknown() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(5, 8), nn.Linear(8, 3)
            self.c = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            h = torch.cumsum(F.relu(self.a(x)), 1)
            return self.c(F.relu(self.b(h)))

    torch.manual_seed(0)
    model = Odd()
    model.b.bias.data[:2] = -50.0
    run = train(model, sgd(model))
    c = certified(run, "b")[0]
    assert c.bound != c.bound
    assert "is not known" in render([run.diagnosis])


def test_old_traces_have_certificates_without_bounds() -> None:
    model = two_layers()
    model[0].bias.data[:3] = -30.0
    trace = train(model, sgd(model)).trace
    old = Trace(setup=trace.setup)
    new = {"unit_bound", "unit_ceiling", "unit_drift", "last_reached", "unit_bias"}
    for reading in trace:
        if reading.quantity not in new:
            old.extend(reading.step, [(reading.quantity, reading.site, reading.value)])
    found = reluctant.diagnose(old).findings
    certificates = [c for f in found for c in f.certificates if c.site == "0"]
    assert certificates
    assert all(c.bound != c.bound for c in certificates)
