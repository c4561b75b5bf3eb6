"""Whether attention is told where in the text a token stands."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import reluctant
from live.nets import everything
from reluctant.records.quantities import PLACES_ALIKE

WORDS, WIDTH, TIMES = 8, 32, 12


class Net(nn.Module):
    """A text classifier; `how` it knows of places, if at all."""

    def __init__(self, how: str, dropout: float, *, batch_first: bool) -> None:
        super().__init__()
        self.how, self.batch_first = how, batch_first
        self.embed, self.out = nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, 2)
        self.drop = nn.Dropout(dropout)
        self.register_buffer("places", torch.randn(TIMES, WIDTH))
        self.places: Tensor
        if how == "recurrent":
            self.mixed = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.body = nn.TransformerEncoderLayer(
            WIDTH, 4, 64, dropout=dropout, batch_first=batch_first
        )

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x)
        if self.how == "added":
            h = h + self.places
        if self.how == "recurrent":
            h = self.mixed(h)[0]
        h = self.drop(h)
        h = h if self.batch_first else h.transpose(0, 1)
        mask = None
        if self.how == "causal":
            mask = nn.Transformer.generate_square_subsequent_mask(TIMES)
        h = self.body(h, src_mask=mask)
        return self.out(h.mean(1 if self.batch_first else 0))


def trained(
    how: str,
    *,
    dropout: float = 0.1,
    batch_first: bool = True,
    in_order: bool = True,
    steps: int = 4,
    watched: bool = True,
) -> tuple[Any, Any]:
    torch.manual_seed(0)
    net = Net(how, dropout, batch_first=batch_first)
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    run = reluctant.watch(net, optimizer, budget=1.0) if watched else None
    for _ in range(steps):
        x = torch.randint(3, WORDS, (64, TIMES))
        places = torch.rand(64, TIMES).argsort(1)[:, :2]
        x.scatter_(1, places, torch.tensor([[1, 2]]).expand(64, 2))
        y = (places[:, 0] < places[:, 1]) if in_order else (x == 3).sum(1) > 2
        loss = F.cross_entropy(net(x), y.long())
        loss = run.loss(loss) if run else loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if run:
        run.detach()
    return everything(net, optimizer), run


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize(
    ("how", "expected"), [("", 1.0), ("added", 0.0), ("recurrent", 0.0)]
)
def test_what_is_read_at_places_with_the_same_token(
    how: str, expected: float, batch_first: bool, dropout: float
) -> None:
    _, run = trained(how, dropout=dropout, batch_first=batch_first)
    shares = run.trace.series(PLACES_ALIKE).values
    assert len(shares) >= 3
    assert shares == pytest.approx(expected, abs=1e-3)


def test_a_causal_mask_tells_of_places() -> None:
    _, run = trained("causal")
    assert not run.trace.has(PLACES_ALIKE)


def test_training_is_left_as_it_is() -> None:
    assert trained("")[0] == trained("", watched=False)[0]


@pytest.mark.parametrize(
    ("how", "in_order", "told"),
    [("", True, True), ("added", True, False), ("", False, False)],
)
def test_is_told_only_where_the_order_was_needed(
    how: str, in_order: bool, told: bool
) -> None:
    _, run = trained(how, in_order=in_order, dropout=0.0, steps=220)
    names = [f.name for f in run.diagnosis.findings]
    assert ("no-positions" in names) == told
    assert not told or run.diagnosis.root.name == "no-positions"
