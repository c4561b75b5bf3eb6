"""Whether a key padding mask hides the text and shows the padding."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import reluctant
from live.nets import everything
from reluctant.records import Confidence, Severity
from reluctant.records.quantities import ATTENDED_NUMBERS, LEFT_OUT_NUMBERS

WORDS, WIDTH, TIMES = 30, 16, 12
Mask = Callable[[Tensor], Tensor | None]


def texts(words: int = WORDS, padding: int = 0, front: bool = False) -> Tensor:
    x = torch.randint(1, words, (16, TIMES))
    is_padding = torch.arange(TIMES) >= torch.randint(3, TIMES, (16, 1))
    return x.masked_fill(is_padding.flip(1) if front else is_padding, padding)


class Net(nn.Module):
    """Reads a text; `mask` makes a key padding mask of it."""

    def __init__(self, mask: Mask, *, kind: str = "stack", batch_first: bool = True):
        super().__init__()
        self.mask, self.kind, self.batch_first = mask, kind, batch_first
        self.embed, self.out = nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, 2)
        layer = nn.TransformerEncoderLayer(
            WIDTH, 2, 32, dropout=0.1, batch_first=batch_first
        )
        if kind == "layer":
            self.body = layer
        elif kind == "attention":
            self.body = nn.MultiheadAttention(WIDTH, 2, batch_first=batch_first)
        else:
            self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        mask = self.mask(x)
        h = self.embed(x)
        if self.kind == "attention":
            h = h + self.body(h, h, h, key_padding_mask=mask)[0]
        else:
            h = self.body(h, src_key_padding_mask=mask)
        return self.out(h.mean(1 if self.batch_first else 0))


class Translator(nn.Module):
    """Of two texts of one shape, each with a mask of its own."""

    def __init__(self, mask: Mask) -> None:
        super().__init__()
        self.mask = mask
        self.embed, self.out = nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, 2)
        self.body = nn.Transformer(WIDTH, 2, 1, 1, 32, batch_first=True)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        h = self.body(
            self.embed(source),
            self.embed(target),
            src_key_padding_mask=self.mask(source),
            tgt_key_padding_mask=self.mask(target),
            memory_key_padding_mask=self.mask(source),
        )
        return self.out(h.mean(1))


class Given(Net):
    """Is handed the mask as numbers, 1 for what counts, as tokenizers give it."""

    def forward(self, x: Tensor, counts: Tensor) -> Tensor:
        hides = counts == 0 if self.mask is right else counts == 1
        h = self.body(self.embed(x), src_key_padding_mask=hides)
        return self.out(h.mean(1))


def text_and_mask() -> tuple[Tensor, Tensor]:
    x = texts()
    return x, (x != 0).long()


def right(x: Tensor) -> Tensor:
    return x == 0


def inverted(x: Tensor) -> Tensor:
    return x != 0


def as_numbers(mask: Mask) -> Mask:
    def added(x: Tensor) -> Tensor:
        hides = mask(x)
        assert hides is not None
        return torch.zeros(hides.shape).masked_fill(hides, -1e9)

    return added


def by_batch(mask: Mask) -> Mask:
    """Of texts whose first axis is time."""
    return lambda x: mask(x.T)


def trained(
    net: nn.Module, draw: Callable[[], Any], steps: int = 4, *, watched: bool = True
):
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    run = reluctant.watch(net, optimizer, budget=1.0) if watched else None
    for _ in range(steps):
        x = draw()
        outputs = net(*x) if isinstance(x, tuple) else net(x)
        loss = F.cross_entropy(outputs, torch.arange(len(outputs)) % 2)
        if run:
            loss = run.loss(loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if run:
        run.detach()
    return everything(net, optimizer), run


PAIRS: dict[str, tuple[Callable[[Mask], nn.Module], Callable[[], Any]]] = {
    "stack": (Net, texts),
    "layer": (lambda m: Net(m, kind="layer"), texts),
    "attention": (lambda m: Net(m, kind="attention"), texts),
    "numbers": (lambda m: Net(as_numbers(m)), texts),
    "padded in front": (Net, lambda: texts(front=True)),
    "bases": (Net, lambda: texts(words=5)),
    "time first": (
        lambda m: Net(by_batch(m), batch_first=False),
        lambda: texts().T.contiguous(),
    ),
    "a mask that is given": (Given, text_and_mask),
    "translator": (Translator, lambda: (texts(), texts())),
}
MEANT: dict[str, tuple[Callable[[], nn.Module], Callable[[], Any]]] = {
    "none": (lambda: Net(lambda x: None), texts),
    "none, and mostly padding": (
        lambda: Net(lambda x: None),
        lambda: texts() * (torch.arange(TIMES) < 2),
    ),
    "the first place alone": (
        lambda: Net(lambda x: torch.arange(TIMES).expand(x.shape) > 0),
        lambda: torch.cat((torch.ones(16, 1, dtype=torch.long), texts()[:, 1:]), 1),
    ),
    "words of one kind": (lambda: Net(lambda x: x % 2 == 0), lambda: texts(padding=1)),
    "hidden at random": (
        lambda: Net(
            lambda x: torch.cat(
                (torch.zeros(16, 1, dtype=bool), torch.rand(16, TIMES - 1) < 0.5), 1
            )
        ),
        texts,
    ),
    "one length": (
        lambda: Net(lambda x: torch.arange(TIMES).expand(x.shape) >= 6),
        texts,
    ),
    "two words": (lambda: Net(inverted), lambda: texts(words=3)),
}


def judged(net: nn.Module, draw: Callable[[], Any]):
    _, run = trained(net, draw)
    assert not [n.text for n in run.trace.notes("blind")]
    (check,) = [c for c in run.diagnosis.checks if c.code == "LOP403"]
    return check.outcome, run


@pytest.mark.parametrize("name", PAIRS)
def test_a_mask_that_shows_padding_is_an_error(name: str):
    torch.manual_seed(0)
    build, draw = PAIRS[name]
    outcome, run = judged(build(inverted), draw)
    assert outcome == "found"
    (found,) = [f for f in run.diagnosis.findings if f.code == "LOP403"]
    assert (found.severity, found.confidence) == (Severity.ERROR, Confidence.HIGH)
    assert set(run.trace.series(ATTENDED_NUMBERS).values) == {1.0}
    assert run.diagnosis.root.code == "LOP403"


@pytest.mark.parametrize("name", PAIRS)
def test_a_mask_that_hides_padding_is_clear(name: str):
    torch.manual_seed(0)
    build, draw = PAIRS[name]
    outcome, run = judged(build(right), draw)
    assert outcome == "clear"
    assert set(run.trace.series(LEFT_OUT_NUMBERS).values) == {1.0}


@pytest.mark.parametrize("name", MEANT)
def test_what_may_be_meant_is_clear(name: str):
    torch.manual_seed(0)
    build, draw = MEANT[name]
    assert judged(build(), draw)[0] == "clear"


def test_a_row_without_padding_is_nan_and_the_mask_is_to_blame():
    def some_of_full_length() -> Tensor:
        x = texts()
        x[0] = x[0].clamp(min=1)
        return x

    torch.manual_seed(0)
    _, run = trained(Net(inverted), some_of_full_length, steps=12)
    assert run.diagnosis.root.code == "LOP403"


def test_constant_outputs_are_a_consequence():
    """What reads the attention alone is a constant, and stands under the mask."""

    class Pooled(Net):
        def forward(self, x: Tensor) -> Tensor:
            h = self.embed(x)
            seen, _ = self.body(h, h, h, key_padding_mask=self.mask(x))
            return self.out(seen.mean(1))

    torch.manual_seed(0)
    _, run = trained(Pooled(inverted, kind="attention"), texts, steps=60)
    assert run.diagnosis.root.code == "LOP403"


@pytest.mark.parametrize("kind", ["stack", "layer", "attention"])
def test_looking_leaves_no_mark(kind: str):
    ends = []
    for watched in (False, True):
        torch.manual_seed(0)
        net = Net(inverted, kind=kind)
        ends.append(trained(net, texts, steps=8, watched=watched)[0])
    assert ends[0] == ends[1]
