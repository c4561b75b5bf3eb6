"""Whether samples are mixed: where they are, where they are not, and where it is."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from reluctant.lab import Training
from reluctant.lab.exams import BatchLeak, batch_leak
from reluctant.probes._update import Unmeasurable
from reluctant.probes.sample_mixing import mixing

torch.set_num_threads(1)


class Apply(nn.Module):
    """A network whose forward pass is given as a function."""

    def __init__(self, forward, **parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(parts)
        self._forward = forward

    def forward(self, *inputs):
        return self._forward(self.parts, *inputs)


def leak_of(model: nn.Module, x, *, collated: bool = False, batches: int = 2):
    torch.manual_seed(1)
    first = x[0] if isinstance(x, tuple) else x
    y = torch.zeros(len(first), dtype=torch.long)
    given = DataLoader(TensorDataset(x, y), len(x)) if collated else [(x, y)] * batches
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    return batch_leak(Training(model, F.cross_entropy, sgd, given))


def lstm(batch_first: bool, pick) -> nn.Module:
    return Apply(
        lambda p, x: p["head"](pick(p["rnn"](x)[0])),
        rnn=nn.LSTM(5, 8, batch_first=batch_first),
        head=nn.Linear(8, 3),
    )


def attention(batch_first: bool) -> nn.Module:
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=batch_first)
    return Apply(
        lambda p, t: p["head"](p["body"](p["embed"](t)).mean(1)),
        embed=nn.Embedding(20, 8),
        body=nn.TransformerEncoder(layer, 1, enable_nested_tensor=False),
        head=nn.Linear(8, 3),
    )


X, IMAGES = torch.randn(12, 6), torch.randn(12, 3, 8, 8)
SEQUENCES, TOKENS = torch.randn(12, 7, 5), torch.randint(20, (12, 7))

APART = {
    "mlp": lambda: (nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)), X),
    "batch norm": lambda: (
        nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)),
        X,
    ),
    "as many classes as samples": lambda: (nn.Linear(6, 12), X),
    "softmax over classes": lambda: (
        nn.Sequential(nn.Linear(6, 3), nn.Softmax(dim=1)),
        X,
    ),
    "cnn": lambda: (
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)),
        IMAGES,
    ),
    "inplace": lambda: (
        nn.Sequential(nn.ReLU(inplace=True), nn.Linear(6, 3)),
        X.clone(),
    ),
    "lstm, samples first": lambda: (lstm(True, lambda h: h[:, -1]), SEQUENCES),
    "lstm, time first": lambda: (
        lstm(False, lambda h: h[-1]),
        SEQUENCES.transpose(0, 1).contiguous(),
    ),
    "lstm, a square batch, time first": lambda: (
        lstm(False, lambda h: h[-1]),
        torch.randn(9, 9, 5),
    ),
    "every position": lambda: (
        lstm(True, lambda h: h.reshape(-1, 8)),
        SEQUENCES,
    ),
    "transformer": lambda: (attention(True), TOKENS),
}
MIXED = {
    "softmax over samples": lambda: (
        nn.Sequential(nn.Linear(6, 3), nn.Softmax(dim=0)),
        X,
        "1",
    ),
    "mean over samples": lambda: (
        Apply(lambda p, x: p["b"](p["a"](x - x.mean(0))), a=nn.Linear(6, 4),
              b=nn.Linear(4, 3)),
        X,
        "parts.a",
    ),
    "view for a transpose": lambda: (
        Apply(
            lambda p, x: p["b"](p["a"](x).permute(1, 0, 2, 3).reshape(len(x), -1)),
            a=nn.Conv2d(3, 4, 3),
            b=nn.Linear(144, 3),
        ),
        IMAGES,
        "parts.b",
    ),
    "lstm that takes samples for time": lambda: (
        lstm(False, lambda h: h[:, -1]),
        SEQUENCES,
        "parts.head",
    ),
    "attention among samples": lambda: (attention(False), TOKENS, "parts.head"),
}  # fmt: skip


@pytest.mark.parametrize("name", APART)
def test_independent_samples_leave_nothing(name):
    assert leak_of(*APART[name]()).value == 0


@pytest.mark.parametrize("name", MIXED)
def test_mixed_samples_are_found_where_they_are_mixed(name):
    model, x, site = MIXED[name]()
    found = leak_of(model, x)
    assert 0.01 < found.value <= 1
    assert found.site.startswith(site)
    assert found.operation


def test_collation_tells_which_axis_it_is():
    # read as (time, samples, features) this is sound; the loader says it is not
    model = lstm(False, lambda h: h)
    assert leak_of(model, SEQUENCES).value == 0
    assert leak_of(model, SEQUENCES, collated=True).value > 0.01


@pytest.mark.parametrize(
    ("name", "site"),
    [
        ("lstm that takes samples for time", "parts.rnn"),
        ("attention among samples", "parts.body"),
    ],
)
def test_with_the_axis_known_the_site_is_exact(name, site):
    model, x, _ = MIXED[name]()
    assert leak_of(model, x, collated=True).site.startswith(site)


def test_batch_norm_counts_and_without_running_statistics_it_leaks():
    def net(**options) -> nn.Module:
        return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8, **options))

    assert leak_of(net(), X) == BatchLeak(
        value=0.0, site="", operation="", samples=12, batch_norms=1
    )
    found = leak_of(net(track_running_stats=False), X)
    assert found.value > 0.01
    assert (found.site, found.operation) == ("1", "BatchNorm1d")


def test_minibatches_of_one_are_put_together():
    model = nn.Sequential(nn.Linear(6, 3), nn.Softmax(dim=0))
    assert leak_of(model, X[:1]).value > 0.01
    assert leak_of(nn.Linear(6, 3), X[:1]).samples == 2


def silent() -> nn.Module:
    model = nn.Sequential(nn.Linear(6, 3), nn.ReLU())
    model[0].bias.data.fill_(-100.0)
    return model


@pytest.mark.parametrize(
    ("model", "x", "reason"),
    [
        (lambda: silent(), X, "follows the samples"),
        (
            lambda: Apply(lambda p, x: p["a"](x).sum(), a=nn.Linear(6, 3)),
            X,
            "follows",
        ),
        (
            lambda: Apply(
                lambda p, t: p["a"](F.one_hot(t, 20).float()), a=nn.Linear(20, 3)
            ),
            TOKENS,
            "no embedding",
        ),
        (
            lambda: Apply(lambda p, x: p["a"](x)[:5], a=nn.Linear(6, 3)),
            X,
            "one by one",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_told_says_why(model, x: Tensor, reason: str):
    with pytest.raises(Unmeasurable, match=reason):
        leak_of(model(), x)


@pytest.mark.parametrize("silent", [(0, 4, 7), range(8)])
def test_samples_that_a_narrow_layer_is_silent_for_say_nothing(silent):
    x = torch.rand(8, 8).requires_grad_()  # as many features as samples
    fires = torch.ones(8, 1)
    fires[list(silent)] = 0
    output = (x @ torch.rand(8, 1) * fires).relu()
    found = mixing(output, x)
    assert found == 0 if len(silent) < 8 else math.isnan(found)
