"""Healthy trainings of many kinds, each with a habit that a careless rule would flag.

A recipe takes a seed and returns a model, its optimizers, a function from the step to
the losses whose gradients that step adds up, and how many steps it takes.
"""

import copy
import functools
import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn, optim

import reluctant
from reluctant.records import Diagnosis, Trace


class Healthy(NamedTuple):
    model: nn.Module
    optimizers: list[optim.Optimizer]
    losses: Callable[[int], list[Tensor]]
    steps: int = 300
    after: Callable[[int], None] = lambda step: None


def train(recipe: Callable[[int], Healthy], seed: int) -> tuple[Diagnosis, Trace]:
    torch.manual_seed(seed)
    h = recipe(seed)
    with reluctant.watch(h.model, h.optimizers, budget=1.0) as run:
        for step in range(h.steps):
            for optimizer in h.optimizers:
                optimizer.zero_grad()
            for loss in h.losses(step):
                run.loss(loss).backward()
            for optimizer in h.optimizers:
                optimizer.step()
            h.after(step)
    return run.diagnosis, run.trace


@functools.cache
def digits() -> tuple[Tensor, Tensor]:
    x, y = load_digits(return_X_y=True)
    return torch.tensor(x, dtype=torch.float32) / 16, torch.tensor(y)


def batch(size: int) -> tuple[Tensor, Tensor]:
    x, y = digits()
    i = torch.randint(len(x), (size,))
    return x[i], y[i]


def he(
    *sizes: int, std: float | None = None, act: type[nn.Module] = nn.ReLU
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(sizes):
        layer = nn.Linear(a, b)
        nn.init.normal_(layer.weight, 0, std or math.sqrt(2 / a))
        nn.init.zeros_(layer.bias)
        layers += [layer, act()]
    return nn.Sequential(*layers[:-1])


def classify(
    model: nn.Module, optimizer: optim.Optimizer, size: int = 64, steps: int = 300
) -> Healthy:
    def losses(step: int) -> list[Tensor]:
        x, y = batch(size)
        return [F.cross_entropy(model(x), y)]

    return Healthy(model, [optimizer], losses, steps)


def plain_mlp(seed: int) -> Healthy:
    model = he(64, 64, 64, 10)
    return classify(model, optim.SGD(model.parameters(), lr=0.1))


def pytorch_default_adam(seed: int) -> Healthy:
    model = nn.Sequential(
        nn.Linear(64, 128),
        nn.ReLU(),
        nn.Linear(128, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )
    return classify(model, optim.Adam(model.parameters(), lr=1e-3))


def sparse_relu(seed: int) -> Healthy:
    model = he(64, 256, 10)
    model[0].bias.data.fill_(-0.4)
    return classify(model, optim.SGD(model.parameters(), lr=0.1))


def bag_of_words(seed: int) -> Healthy:
    words, topics = 500, 5
    favor = torch.rand(topics, words) ** 8
    model = he(words, 64, topics)
    optimizer = optim.Adam(model.parameters(), lr=3e-3)

    def losses(step: int) -> list[Tensor]:
        y = torch.randint(topics, (32,))
        x = (torch.rand(32, words) < 0.2 * favor[y]).float()
        return [F.cross_entropy(model(x), y)]

    return Healthy(model, [optimizer], losses)


def converged(seed: int) -> Healthy:
    x, y = digits()
    x, y = x[:200], y[:200]
    model = he(64, 128, 10)
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    return Healthy(model, [optimizer], lambda step: [F.cross_entropy(model(x), y)], 600)


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Embedding(16, 32)
        self.place = nn.Parameter(0.02 * torch.randn(12, 32))
        block = nn.TransformerEncoderLayer(
            32, 4, 64, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.body = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(32)
        self.head = nn.Linear(32, 16)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.body(self.token(x) + self.place)))


def transformer(seed: int) -> Healthy:
    model = Transformer()
    optimizer = optim.AdamW(model.parameters(), lr=2e-3)

    def losses(step: int) -> list[Tensor]:
        x = torch.randint(16, (16, 12))
        y = x.roll(1, 1)
        return [F.cross_entropy(model(x).flatten(0, 1), y.flatten())]

    return Healthy(model, [optimizer], losses, 250)


def edge_of_stability(seed: int) -> Healthy:
    x, y = digits()
    x, t = x[:300], F.one_hot(y[:300], 10).float()
    model = he(64, 48, 48, 10, std=0.15, act=nn.Tanh)
    optimizer = optim.SGD(model.parameters(), lr=0.6)
    return Healthy(model, [optimizer], lambda step: [F.mse_loss(model(x), t)], 600)


def catapult(seed: int) -> Healthy:
    """Full batch past the limit of the start: the loss grows twentyfold, then falls."""
    x, y = torch.randn(64, 20), torch.randn(64, 1)
    model = nn.Sequential(nn.Linear(20, 256, bias=False), nn.Linear(256, 1, bias=False))
    nn.init.normal_(model[0].weight, 0, math.sqrt(1 / 20))
    nn.init.normal_(model[1].weight, 0, math.sqrt(1 / 256))
    optimizer = optim.SGD(model.parameters(), lr=0.04)
    return Healthy(model, [optimizer], lambda step: [F.mse_loss(model(x), y)], 300)


def unscaled_targets(seed: int) -> Healthy:
    w = torch.randn(10, 1)
    model = he(10, 64, 1)
    optimizer = optim.Adam(model.parameters(), lr=0.03)

    def losses(step: int) -> list[Tensor]:
        x = torch.randn(64, 10)
        return [F.mse_loss(model(x), 300 * (x @ w).relu() + 200)]

    return Healthy(model, [optimizer], losses, 600)


def frozen_backbone(seed: int) -> Healthy:
    body = he(64, 64, 64)
    for p in body.parameters():
        p.requires_grad_(False)
    model = nn.Sequential(body, nn.ReLU(), nn.Linear(64, 10))
    return classify(model, optim.SGD(model[2].parameters(), lr=0.1))


def pretrained_body(seed: int) -> Healthy:
    before = he(64, 64, 64, 10)
    optimizer: optim.Optimizer = optim.Adam(
        before.parameters(), lr=3e-3, weight_decay=1e-3
    )
    for _ in range(500):
        x, y = batch(64)
        optimizer.zero_grad()
        F.cross_entropy(before(x), y).backward()
        optimizer.step()
    model = nn.Sequential(*before[:4], nn.Linear(64, 10))
    return classify(model, optim.SGD(model[4].parameters(), lr=0.1))


def fine_tuning(seed: int) -> Healthy:
    model = pretrained_body(seed).model
    return classify(model, optim.AdamW(model.parameters(), lr=1e-4), steps=200)


class ConvNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = (
            nn.Conv2d(1, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
        )
        self.conv2, self.bn2 = (
            nn.Conv2d(8, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
        )
        self.fc = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x.view(-1, 1, 8, 8))))
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        return self.fc(x.mean((2, 3)))


def batch_norm_cnn(seed: int) -> Healthy:
    model = ConvNet()
    return classify(model, optim.SGD(model.parameters(), lr=0.1, momentum=0.9), 32, 150)


def moving_targets(seed: int) -> Healthy:
    """Q-learning on a ring: the loss rises while the values grow, and hardly falls."""
    model = he(12, 64, 2)
    slow = copy.deepcopy(model)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    def losses(step: int) -> list[Tensor]:
        s, a = torch.randint(12, (32,)), torch.randint(2, (32,))
        after = (s + 2 * a - 1) % 12
        with torch.no_grad():
            best = slow(F.one_hot(after, 12).float()).amax(1)
        want = (after == 0).float() + 0.95 * best
        got = model(F.one_hot(s, 12).float()).gather(1, a[:, None])[:, 0]
        return [F.smooth_l1_loss(got, want)]

    def after(step: int) -> None:
        if step % 20 == 0:
            slow.load_state_dict(model.state_dict())

    return Healthy(model, [optimizer], losses, 500, after)


def policy_gradient(seed: int) -> Healthy:
    model = he(8, 32, 4)
    optimizer = optim.Adam(model.parameters(), lr=3e-3)

    def losses(step: int) -> list[Tensor]:
        s = torch.randint(8, (64,))
        log_p = F.log_softmax(model(F.one_hot(s, 8).float()), 1)
        a = torch.multinomial(log_p.exp().detach(), 1)[:, 0]
        reward = (a == s % 4).float()
        gain = (reward - reward.mean()) * log_p.gather(1, a[:, None])[:, 0]
        return [-gain.mean()]

    return Healthy(model, [optimizer], losses, 300)


def imbalanced(seed: int) -> Healthy:
    model = he(20, 64, 1)
    optimizer = optim.Adam(model.parameters(), lr=3e-3)

    def losses(step: int) -> list[Tensor]:
        y = (torch.rand(128) < 0.03).float()
        x = torch.randn(128, 20) + 1.5 * y[:, None] * torch.linspace(-1, 1, 20)
        return [F.binary_cross_entropy_with_logits(model(x)[:, 0], y)]

    return Healthy(model, [optimizer], losses, 400)


def rectified_outputs(seed: int) -> Healthy:
    """Minibatch 1, rectified outputs, small initial weights: below its threshold."""
    x, y = digits()
    t = F.one_hot(y, 10).float()
    model = he(64, 100, 10, std=0.01).append(nn.ReLU())
    optimizer = optim.SGD(model.parameters(), lr=0.05)

    def losses(step: int) -> list[Tensor]:
        i = torch.randint(len(x), (1,))
        return [0.5 * (model(x[i]) - t[i]).pow(2).sum()]

    return Healthy(model, [optimizer], losses, 6000)


def minibatch_one(seed: int) -> Healthy:
    model = he(64, 32, 10)
    return classify(model, optim.SGD(model.parameters(), lr=0.02), 1, 2500)


def twenty_steps(seed: int) -> Healthy:
    x, y = digits()
    model = he(64, 32, 10)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    return Healthy(model, [optimizer], lambda step: [F.cross_entropy(model(x), y)], 20)


def full_batch(seed: int) -> Healthy:
    x, y = digits()
    model = he(64, 32, 10)
    optimizer = optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
    return Healthy(model, [optimizer], lambda step: [F.cross_entropy(model(x), y)], 150)


class LowRank(nn.Module):
    def __init__(self, base: nn.Linear, rank: int = 4) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.a = nn.Parameter(0.1 * torch.randn(rank, base.in_features))
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + x @ self.a.T @ self.b.T


def lora(seed: int) -> Healthy:
    before = pretrained_body(seed).model
    model = nn.Sequential(
        LowRank(before[0]), nn.ReLU(), LowRank(before[2]), nn.ReLU(), before[4]
    )
    trained = [p for p in model.parameters() if p.requires_grad]
    return classify(model, optim.AdamW(trained, lr=3e-3))


def sparse_embedding(seed: int) -> Healthy:
    table = nn.Embedding(2000, 16, sparse=True)
    body = he(16, 32, 4)
    model = nn.Sequential(table, body)
    optimizers = [
        optim.SparseAdam(table.parameters(), lr=0.02),
        optim.Adam(body.parameters(), lr=3e-3),
    ]

    def losses(step: int) -> list[Tensor]:
        x = (torch.rand(64) ** 3 * 2000).long()
        return [F.cross_entropy(model(x), x % 4)]

    return Healthy(model, optimizers, losses, 500)


class Residual(nn.Module):
    def __init__(self, width: int = 48, depth: int = 10, norm: bool = False) -> None:
        super().__init__()
        self.stem = nn.Linear(64, width)
        self.up = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.down = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.head = nn.Linear(width, 10)
        for layer in (*self.down, self.head):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for up, down in zip(self.up, self.down, strict=True):
            x = x + down(F.relu(up(x)))
        return self.head(x)


def zero_residual_branches(seed: int) -> Healthy:
    model = Residual()
    return classify(model, optim.Adam(model.parameters(), lr=2e-3))


def zero_head(seed: int) -> Healthy:
    model = he(64, 64, 64, 64, 10)
    nn.init.zeros_(model[6].weight)
    return classify(model, optim.SGD(model.parameters(), lr=0.1))


def weight_norm(seed: int) -> Healthy:
    model = he(64, 64, 64, 10)
    for layer in (model[0], model[2], model[4]):
        nn.utils.parametrizations.weight_norm(layer)
    return classify(model, optim.SGD(model.parameters(), lr=0.1))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(8, 32, batch_first=True)
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x.view(-1, 8, 8))[0][:, -1])


def recurrent(seed: int) -> Healthy:
    model = Recurrent()
    return classify(model, optim.Adam(model.parameters(), lr=5e-3))


def small_start(seed: int) -> Healthy:
    model = he(64, 64, 64, 10, std=0.01)
    return classify(model, optim.Adam(model.parameters(), lr=3e-3))


def small_start_sgd(seed: int) -> Healthy:
    model = he(64, 64, 10, std=0.01)
    return classify(model, optim.SGD(model.parameters(), lr=0.5), 32, 600)


def scheduled(seed: int) -> Healthy:
    model = he(64, 64, 64, 10)
    optimizer = optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
    plan = optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min(1, (s + 1) / 30) * (1 - s / 301)
    )
    base = classify(model, optimizer)
    return base._replace(after=lambda step: plan.step())


def accumulated(seed: int) -> Healthy:
    model = he(64, 64, 10)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def losses(step: int) -> list[Tensor]:
        parts = [batch(16) for _ in range(4)]
        return [F.cross_entropy(model(x), y) / 4 for x, y in parts]

    return Healthy(model, [optimizer], losses, 200)


def dropout(seed: int) -> Healthy:
    model = nn.Sequential(
        nn.Linear(64, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )
    return classify(model, optim.Adam(model.parameters(), lr=2e-3))


def deep_he(seed: int) -> Healthy:
    model = he(64, *[64] * 7, 10)
    return classify(model, optim.SGD(model.parameters(), lr=0.05))


def deep_pytorch_default(seed: int) -> Healthy:
    widths = [64, 64, 64, 64, 64, 10]
    layers = [
        m for a, b in itertools.pairwise(widths) for m in (nn.Linear(a, b), nn.ReLU())
    ]
    model = nn.Sequential(*layers[:-1])
    return classify(model, optim.Adam(model.parameters(), lr=1e-3), steps=400)


def autoencoder(seed: int) -> Healthy:
    model = nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 64), nn.Sigmoid())
    optimizer = optim.Adam(model.parameters(), lr=5e-3)

    def losses(step: int) -> list[Tensor]:
        x, _ = batch(64)
        return [F.mse_loss(model(x), x)]

    return Healthy(model, [optimizer], losses, 400)


def noisy_labels(seed: int) -> Healthy:
    model = he(64, 64, 10)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def losses(step: int) -> list[Tensor]:
        x, y = batch(64)
        return [
            F.cross_entropy(
                model(x), torch.where(torch.rand(64) < 0.5, torch.randint(10, (64,)), y)
            )
        ]

    return Healthy(model, [optimizer], losses, 400)


def noisy_regression(seed: int) -> Healthy:
    """Two percent of the variance can be explained, and no more."""
    model = he(10, 32, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.01)

    def losses(step: int) -> list[Tensor]:
        x = torch.randn(64, 10)
        return [F.mse_loss(model(x), x[:, :1] * 0.3 + torch.randn(64, 1))]

    return Healthy(model, [optimizer], losses, 500)


def two_networks(seed: int) -> Healthy:
    """A generator against a critic: their losses rise and fall by design."""
    model = nn.ModuleDict({"g": he(4, 32, 2), "d": he(2, 32, 1)})
    optimizers: list[optim.Optimizer] = [
        optim.Adam(model["g"].parameters(), lr=1e-3),
        optim.Adam(model["d"].parameters(), lr=1e-3),
    ]

    def losses(step: int) -> list[Tensor]:
        angle = 6.28 * torch.rand(64)
        real = torch.stack([angle.cos(), angle.sin()], 1)
        fake = model["g"](torch.randn(64, 4))
        one, zero = torch.ones(64, 1), torch.zeros(64, 1)
        bce = F.binary_cross_entropy_with_logits
        critic = bce(model["d"](real), one) + bce(model["d"](fake.detach()), zero)
        for p in model["d"].parameters():
            p.requires_grad_(False)
        fool = bce(model["d"](fake), one)
        for p in model["d"].parameters():
            p.requires_grad_(True)
        return [critic, fool]

    return Healthy(model, optimizers, losses, 400)


ZOO: tuple[Callable[[int], Healthy], ...] = (
    accumulated,
    autoencoder,
    bag_of_words,
    batch_norm_cnn,
    catapult,
    converged,
    deep_he,
    deep_pytorch_default,
    dropout,
    edge_of_stability,
    fine_tuning,
    frozen_backbone,
    full_batch,
    imbalanced,
    lora,
    minibatch_one,
    moving_targets,
    noisy_labels,
    noisy_regression,
    plain_mlp,
    policy_gradient,
    pretrained_body,
    pytorch_default_adam,
    rectified_outputs,
    recurrent,
    scheduled,
    small_start,
    small_start_sgd,
    sparse_embedding,
    sparse_relu,
    transformer,
    twenty_steps,
    two_networks,
    unscaled_targets,
    weight_norm,
    zero_head,
    zero_residual_branches,
)
