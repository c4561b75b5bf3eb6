"""Whether samples are mixed, as a watched training shows it."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import reluctant
from reluctant.records import Severity


class Net(nn.Module):
    """A network whose forward pass is given as a function of its parts."""

    def __init__(self, forward: Callable[..., Tensor], **parts: nn.Module) -> None:
        super().__init__()
        self.parts, self._forward = nn.ModuleDict(parts), forward

    def forward(self, *inputs: Tensor) -> Tensor:
        return self._forward(self.parts, *inputs)


def pair(forward: Callable[..., Tensor]) -> Net:
    return Net(forward, into=nn.Linear(5, 8), out=nn.Linear(8, 3))


def gated(dim: int) -> Net:
    return pair(lambda p, x: p["out"](p["into"](x) * p["into"](x).softmax(dim)))


def lstm(pick: Callable[[Tensor], Tensor], *, batch_first: bool) -> Net:
    return Net(
        lambda p, x: p["out"](pick(p["rnn"](x)[0])),
        rnn=nn.LSTM(5, 8, batch_first=batch_first),
        out=nn.Linear(8, 3),
    )


def turned(lay: Callable[[Tensor], Tensor]) -> Net:
    """An LSTM along the first axis of what is laid out for it."""
    return Net(
        lambda p, x: p["out"](p["rnn"](lay(x))[0][-1]),
        rnn=nn.LSTM(5, 8),
        out=nn.Linear(8, 3),
    )


def attention(*, batch_first: bool) -> Net:
    return Net(
        lambda p, t: p["out"](p["body"](p["embed"](t)).mean(1)),
        embed=nn.Embedding(9, 8),
        body=nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=batch_first),
        out=nn.Linear(8, 3),
    )


def tagger() -> Net:
    return Net(
        lambda p, t: p["out"](p["rnn"](p["embed"](t)[:, None])[0][:, 0]),
        embed=nn.Embedding(9, 8),
        rnn=nn.LSTM(8, 8, bidirectional=True),
        out=nn.Linear(16, 3),
    )


def attend_to_all(p, x: Tensor) -> Tensor:
    h = p["into"](x)
    return p["out"](torch.bmm((h @ h.T).softmax(-1)[None], h[None])[0])


def rows() -> Tensor:
    return torch.randn(12, 5)


def series() -> Tensor:
    return torch.randn(12, 7, 5)


def series_by_time() -> Tensor:
    return torch.randn(7, 12, 5)


def words() -> Tensor:
    return torch.randint(9, (12, 7))


def sentence() -> Tensor:
    return torch.randint(9, (12,))


MIXED = {
    "softmax": (lambda: gated(0), rows),
    "mean": (
        lambda: pair(lambda p, x: p["out"](p["into"](x) - p["into"](x).mean(0))),
        rows,
    ),
    "attention": (lambda: attention(batch_first=False), words),
    "LSTM": (lambda: lstm(lambda h: h[:, -1], batch_first=False), series),
    "reshaped": (lambda: turned(lambda x: x.reshape(7, 12, 5)), series),
}
APART = {
    "softmax over units": (lambda: gated(1), rows),
    "attention among words": (lambda: attention(batch_first=True), words),
    "transposed": (lambda: turned(lambda x: x.transpose(0, 1)), series),
    "LSTM along time": (lambda: lstm(lambda h: h[:, -1], batch_first=True), series),
    "time first": (lambda: lstm(lambda h: h[-1], batch_first=False), series_by_time),
    "time first, an output at each time": (
        lambda: lstm(lambda h: h, batch_first=False),
        series_by_time,
    ),
    "one sentence": (tagger, sentence),
    "one sequence": (lambda: pair(attend_to_all), rows),
    "one sequence, the past alone": (
        lambda: pair(lambda p, x: p["out"](p["into"](x).cumsum(0))),
        rows,
    ),
    "batch norm": (
        lambda: nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)),
        rows,
    ),
    "several inputs": (
        lambda: pair(lambda p, x, links: p["out"](links @ p["into"](x))),
        lambda: (rows(), torch.rand(12, 12)),
    ),
}


def told(build: Callable[[], nn.Module], draw: Callable[[], Tensor]):
    torch.manual_seed(0)
    net = build()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with reluctant.watch(net, optimizer, budget=1.0) as run:
        for _ in range(8):
            drawn = draw()
            outputs = net(*(drawn if isinstance(drawn, tuple) else (drawn,)))
            outputs = outputs.reshape(-1, 3)
            y = torch.randint(3, (len(outputs),))
            loss = run.loss(F.cross_entropy(outputs, y))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert not [n for n in run.trace.notes("blind") if n.site == "samples"]
    return [f for f in run.diagnosis.findings if f.name == "leak-across-batch"]


@pytest.mark.parametrize("name", MIXED)
def test_mixed_samples_are_an_error(name: str):
    (finding,) = told(*MIXED[name])
    assert finding.severity is Severity.ERROR


@pytest.mark.parametrize("name", APART)
def test_what_may_be_meant_is_not_told(name: str):
    assert not told(*APART[name])


def test_one_batch_of_samples_that_may_belong_together_is_a_note():
    x = rows()
    (finding,) = told(lambda: gated(0), lambda: x)
    assert finding.severity is Severity.NOTE
