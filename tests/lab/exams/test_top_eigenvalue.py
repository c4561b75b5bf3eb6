"""The largest eigenvalue against dense ones, on operators and on small networks."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from reluctant.lab import Training
from reluctant.lab.exams import top_eigenvalue
from reluctant.lab.exams._lanczos import largest_eigenpair
from reluctant.lab.exams.top_eigenvalue import hessian_product
from reluctant.records import UsageError

torch.set_num_threads(1)


def operator(values: torch.Tensor, seed: int = 0) -> torch.Tensor:
    numbers = torch.Generator().manual_seed(seed)
    q, _ = torch.linalg.qr(
        torch.randn(len(values), len(values), generator=numbers, dtype=torch.float64)
    )
    return q * values @ q.T


def solve(matrix: torch.Tensor, *, tolerance=0.01, start=None, seed=1, most=60):
    numbers = torch.Generator().manual_seed(seed)
    draw = torch.randn(len(matrix), generator=numbers, dtype=matrix.dtype)
    return largest_eigenpair(
        lambda v: matrix @ v,
        draw if start is None else start,
        tolerance=tolerance,
        most=most,
        fresh=None if start is None else draw,
    )


def bulk(top: list[float], low: list[float], n: int = 300) -> torch.Tensor:
    """A spectrum like a network's: a few outliers on a bulk at zero."""
    numbers = torch.Generator().manual_seed(3)
    rest = 0.05 * torch.randn(n - len(top) - len(low), generator=numbers)
    return torch.cat([torch.tensor(top), torch.tensor(low), rest]).double()


SPECTRA = {
    "one outlier": bulk([10.0], []),
    "negative end larger": bulk([2.0], [-30.0, -20.0]),
    "degenerate top": bulk([5.0, 5.0, 5.0], [-1.0]),
    "close top": bulk([5.0, 4.97, 4.9, 4.0], [-0.3]),
    "all negative": -torch.linspace(0.5, 9.0, 80, dtype=torch.float64),
    "flat": torch.linspace(0.0, 1.0, 200, dtype=torch.float64),
}


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("seed", range(5))
def test_within_one_percent_and_of_the_right_sign(name, seed):
    values = SPECTRA[name]
    truth = float(values.max())
    found = solve(operator(values, seed), seed=seed + 10)
    assert found.is_converged
    assert found.value == pytest.approx(truth, rel=0.01)
    assert abs(found.value - values).min() <= found.residual + 1e-9 * abs(truth)
    assert found.value <= truth + 1e-9


def test_the_vector_is_the_eigenvector_and_the_residual_is_its_own():
    matrix = operator(SPECTRA["one outlier"])
    found = solve(matrix, tolerance=1e-9)
    residual = matrix @ found.vector - found.value * found.vector
    assert float(residual.norm()) == pytest.approx(found.residual, abs=1e-6)
    assert float(found.vector.norm()) == pytest.approx(1.0)


def test_what_did_not_converge_says_so():
    found = solve(operator(SPECTRA["flat"]), tolerance=1e-6, most=5)
    assert found.products == 5
    assert not found.is_converged
    assert found.residual > 1e-6


def test_small_spaces_and_nothing_at_all():
    assert solve(torch.eye(1, dtype=torch.float64) * 3).value == pytest.approx(3)
    assert solve(torch.eye(5, dtype=torch.float64) * 3).products == 1
    assert solve(torch.zeros(9, 9, dtype=torch.float64)).value == 0.0
    assert math.isnan(solve(torch.full((4, 4), math.nan)).value)


def test_a_warm_start_costs_less_and_sees_another_direction_overtake():
    values = SPECTRA["close top"]
    matrix = operator(values)
    cold = solve(matrix)
    warm = solve(matrix, start=cold.vector)
    assert warm.products < cold.products
    other = values.clone()
    other[1] = 6.0  # what was second has grown past the first
    overtaken = solve(operator(other), start=cold.vector)
    assert overtaken.value == pytest.approx(6.0, rel=0.01)


def network(kind: str, *, optimizer=torch.optim.SGD, **options) -> Training:
    torch.manual_seed(0)
    x, y = torch.randn(24, 5), torch.randint(3, (24,))
    models = {
        "relu": lambda: nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3)),
        "tanh": lambda: nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3)),
        "norm": lambda: nn.Sequential(
            nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)
        ),
        "linear": lambda: nn.Sequential(nn.Linear(5, 3)),
        "saddle": lambda: nn.Sequential(nn.Linear(5, 8), nn.Linear(8, 3)),
    }
    model = models[kind]().double()
    if kind == "saddle":  # near zero both ends of the spectrum are of one size
        for p in model.parameters():
            p.data *= 0.01
    options.setdefault("lr", 0.1)
    batches = [(x.double(), y)]
    return Training(
        model, F.cross_entropy, optimizer(model.parameters(), **options), batches
    )


def dense(training: Training) -> torch.Tensor:
    copy = training.fork()
    parameters = list(copy.model.parameters())
    product, used = hessian_product([copy.loss(copy.next_batch())], parameters)
    n = sum(p.numel() for p in used)
    return torch.stack([product(row) for row in torch.eye(n, dtype=torch.float64)])


@pytest.mark.parametrize("kind", ["relu", "tanh", "norm", "linear", "saddle"])
@pytest.mark.parametrize("steps", [0, 15])
def test_networks_against_their_dense_hessians(kind, steps):
    training = network(kind)
    training.step(steps)
    matrix = dense(training)
    assert torch.allclose(matrix, matrix.T, atol=1e-10)
    truth = float(torch.linalg.eigvalsh(matrix)[-1])
    found = top_eigenvalue(training)
    assert found.value == pytest.approx(truth, rel=0.01)
    assert found.limit == pytest.approx(2 / truth, rel=0.01)
    assert found.is_converged


def test_warm_starts_along_a_training():
    training = network("relu", lr=0.5)
    last, spent = None, []
    for _ in range(8):
        found = top_eigenvalue(training, start=last)
        truth = float(torch.linalg.eigvalsh(dense(training))[-1])
        assert found.value == pytest.approx(truth, rel=0.01)
        last, spent = found.vector, [*spent, found.products]
        training.step(3)
    assert max(spent[1:]) < spent[0]


def test_sparse_gradients_count():
    torch.manual_seed(0)
    tokens, y = torch.randint(9, (20, 4)), torch.randint(3, (20,))

    def training(sparse: bool) -> Training:
        torch.manual_seed(1)
        model = nn.Sequential(
            nn.Embedding(9, 5, sparse=sparse), nn.Flatten(), nn.Linear(20, 3)
        ).double()
        sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        return Training(model, F.cross_entropy, sgd, [(tokens, y)])

    dense = top_eigenvalue(training(False))
    assert top_eigenvalue(training(True)).value == pytest.approx(dense.value)


def test_several_batches_are_averaged():
    training = network("tanh")
    ((x, y),) = training.batches
    truth = top_eigenvalue(training, tolerance=1e-6).value
    training.batches = list(zip(x.split(6), y.split(6), strict=True))
    assert top_eigenvalue(training, batches=4, tolerance=1e-6).value == pytest.approx(
        truth
    )
    with pytest.raises(UsageError, match="at least 1"):
        top_eigenvalue(training, batches=0)


def diverges(training: Training, rate: float) -> bool:
    copy = training.fork()
    for group in copy.optimizer.param_groups:
        group["lr"] = rate
    losses = copy.step(400)
    return not losses[-1] < 10 * losses[0]


@pytest.mark.parametrize(
    ("options", "factor"),
    [
        ({}, 2.0),
        ({"momentum": 0.9}, 3.8),
        ({"momentum": 0.9, "nesterov": True}, 3.8 / 2.8),
        ({"momentum": 0.8, "dampening": 0.5}, 7.2),
    ],
)
def test_the_limit_is_where_a_quadratic_diverges(options, factor):
    torch.manual_seed(1)
    model = nn.Linear(6, 1).double()
    x, t = torch.randn(30, 6).double(), torch.randn(30, 1).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, **options)
    training = Training(model, F.mse_loss, optimizer, [(x, t)])
    found = top_eigenvalue(training, tolerance=1e-6)
    assert found.limit == pytest.approx(factor / found.value)
    assert not diverges(training, 0.98 * found.limit)
    assert diverges(training, 1.02 * found.limit)


def test_adam_has_a_limit_once_it_has_moments():
    torch.manual_seed(1)
    model = nn.Linear(6, 1).double()
    x, t = torch.randn(30, 6).double(), torch.randn(30, 1).double()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    training = Training(model, F.mse_loss, optimizer, [(x, t)])
    assert math.isnan(top_eigenvalue(training).limit)
    training.step(300)
    found = top_eigenvalue(training, tolerance=1e-6)
    state = [optimizer.state[p] for p in model.parameters()]
    steps = float(state[0]["step"])
    root = torch.cat([s["exp_avg_sq"].reshape(-1) for s in state])
    scale = (1 - 0.9**steps) * ((root / (1 - 0.999**steps)).sqrt() + 1e-8)
    matrix = dense(training) / scale.sqrt()[:, None] / scale.sqrt()
    truth = float(torch.linalg.eigvalsh(matrix)[-1])
    assert found.preconditioned == pytest.approx(truth, rel=1e-4)
    assert found.limit == pytest.approx(38 / truth, rel=1e-4)


def test_rates_by_group_count_against_the_first():
    training = network("tanh")
    parts = list(training.model.parameters())
    training.optimizer = torch.optim.SGD(
        [{"params": parts[:2], "lr": 0.1}, {"params": parts[2:3], "lr": 0.4}]
    )
    rates = [1.0, 1.0, 4.0, 0.0]  # the last one has no owner
    root = torch.cat(
        [torch.full((p.numel(),), r) for p, r in zip(parts, rates, strict=True)]
    ).sqrt()
    matrix = root[:, None] * dense(training) * root
    truth = float(torch.linalg.eigvalsh(matrix)[-1])
    assert top_eigenvalue(training, tolerance=1e-6).limit == pytest.approx(2 / truth)


def test_the_training_is_left_alone():
    training = network("norm", momentum=0.9)
    training.step(3)
    before = everything(training)
    top_eigenvalue(training, batches=2)
    assert everything(training) == before


def everything(training: Training) -> list[bytes]:
    parts = [*training.model.state_dict().values(), torch.get_rng_state()]
    parts += [p.grad for p in training.model.parameters()]
    for state in training.optimizer.state_dict()["state"].values():
        parts += [v for v in state.values() if isinstance(v, torch.Tensor)]
    return [part.numpy().tobytes() for part in parts]
