"""Whether a forecaster is shown what it is to forecast, as its own graph shows it."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import reluctant
from live.nets import everything
from reluctant.records import Confidence, Severity
from reluctant.records.quantities import FUTURE_LEAK, NEXT_TARGETS

WORDS, SAMPLES, TIMES, WIDTH = 11, 8, 12, 16

Batch = Callable[[], tuple[Tensor | tuple[Tensor, ...], Tensor]]


class Net(nn.Module):
    """A network whose forward pass is given as a function of its parts."""

    def __init__(self, forward: Callable[..., Tensor], **parts: nn.Module) -> None:
        super().__init__()
        self.parts, self._forward = nn.ModuleDict(parts), forward

    def forward(self, *inputs: Tensor, **named: Tensor) -> Tensor:
        return self._forward(self.parts, *inputs, **named)


def words() -> tuple[Tensor, Tensor]:
    text = torch.randint(WORDS, (SAMPLES, TIMES + 1))
    return text[:, :-1], text[:, 1:]


def words_by_time() -> tuple[Tensor, Tensor]:
    x, y = words()
    return x.T, y.T


def one_hot() -> tuple[Tensor, Tensor]:
    x, y = words()
    return F.one_hot(x, WORDS).float(), y


def series() -> tuple[Tensor, Tensor]:
    values = torch.randn(SAMPLES, TIMES + 1, 3).cumsum(1)
    return values[:, :-1], values[:, 1:]


def channels() -> tuple[Tensor, Tensor]:
    x, y = series()
    return x.mT, y.mT


def one_of_them() -> tuple[Tensor, Tensor]:
    x, y = series()
    return x, y[..., :1]


def masked_words() -> tuple[Tensor, Tensor]:
    text, _ = words()
    hidden = torch.rand(text.shape) < 0.3
    return text.masked_fill(hidden, 0), text.masked_fill(~hidden, -100)


def same_words() -> tuple[Tensor, Tensor]:
    return (words()[0],) * 2


def same_channels() -> tuple[Tensor, Tensor]:
    return (channels()[0],) * 2


def translated() -> tuple[tuple[Tensor, Tensor], Tensor]:
    x, y = words()
    return (words()[0], x), y


def copied() -> tuple[tuple[Tensor, Tensor], Tensor]:
    x, y = words()
    return (x, x), y


def constant() -> tuple[Tensor, Tensor]:
    return (torch.ones(SAMPLES, TIMES, dtype=torch.long),) * 2


def padded() -> tuple[Tensor, Tensor]:
    """Short texts with a mark at their end, and padding behind it."""
    x = torch.randint(2, WORDS, (SAMPLES, TIMES))
    lengths = torch.randint(5, TIMES - 1, (SAMPLES, 1))
    place = torch.arange(TIMES)
    y = torch.where(place < lengths, x.roll(-1, 1), 1).masked_fill(
        place > lengths, -100
    )
    return x.masked_fill(place > lengths, 0), y


def causal() -> Tensor:
    return nn.Transformer.generate_square_subsequent_mask(TIMES)


def transformer(masked: bool, batch_first: bool = True) -> Net:
    layer = nn.TransformerEncoderLayer(
        WIDTH, 2, 32, dropout=0.1, batch_first=batch_first
    )
    return Net(
        lambda p, t: p["out"](p["body"](p["embed"](t), causal() if masked else None)),
        embed=nn.Embedding(WORDS, WIDTH),
        body=nn.TransformerEncoder(layer, 2, enable_nested_tensor=False),
        out=nn.Linear(WIDTH, WORDS),
    )


def by_hand(masked: bool) -> Net:
    def forward(p: nn.ModuleDict, t: Tensor) -> Tensor:
        h = p["embed"](t) + p["place"](torch.arange(t.shape[1]))
        scores = p["q"](h) @ p["k"](h).mT / WIDTH**0.5
        if masked:
            scores = scores.masked_fill(causal() < 0, -1e9)
        return p["out"](p["norm"](h + scores.softmax(-1) @ p["v"](h)))

    return Net(
        forward,
        embed=nn.Embedding(WORDS, WIDTH),
        place=nn.Embedding(TIMES, WIDTH),
        norm=nn.LayerNorm(WIDTH),
        **{name: nn.Linear(WIDTH, WIDTH) for name in "qkv"},
        out=nn.Linear(WIDTH, WORDS),
    )


def masks_padding(masked: bool) -> Net:
    mask = causal() < 0 if masked else None
    return Net(
        lambda p, t: p["out"](p["body"](p["embed"](t), mask, t == 0)),
        **dict(transformer(masked).parts.items()),
    )


def lstm(both: bool, batch_first: bool = True) -> Net:
    return Net(
        lambda p, t: p["out"](p["rnn"](p["embed"](t))[0]),
        embed=nn.Embedding(WORDS, WIDTH),
        rnn=nn.LSTM(WIDTH, 8, batch_first=batch_first, bidirectional=both),
        out=nn.Linear(16 if both else 8, WORDS),
    )


def packed(both: bool) -> Net:
    def forward(p: nn.ModuleDict, t: Tensor) -> Tensor:
        lengths = torch.full((len(t),), t.shape[1])
        h = pack_padded_sequence(p["embed"](t), lengths, batch_first=True)
        return p["out"](pad_packed_sequence(p["rnn"](h)[0], batch_first=True)[0])

    return Net(forward, **dict(lstm(both).parts.items()))


def forecaster(both: bool, width: int = 3) -> Net:
    """Its recurrent layer reads the data themselves."""
    return Net(
        lambda p, x: p["out"](p["rnn"](x)[0]),
        rnn=nn.GRU(3, 8, 2, batch_first=True, bidirectional=both, dropout=0.1),
        out=nn.Linear(16 if both else 8, width),
    )


def one_hot_forecaster(both: bool) -> Net:
    return Net(
        lambda p, x: p["out"](p["rnn"](x)[0]),
        rnn=nn.LSTM(WORDS, 8, batch_first=True, bidirectional=both),
        out=nn.Linear(16 if both else 8, WORDS),
    )


def convolution(before: int, after: int, *norms: nn.Module) -> nn.Module:
    return nn.Sequential(
        nn.ConstantPad1d((before, after), 0.0),
        nn.Conv1d(3, 8, 3),
        *norms,
        nn.ReLU(inplace=True),
        nn.Conv1d(8, 3, 1),
    )


def same_padding() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(3, 8, 3, padding="same"), nn.ReLU(), nn.Conv1d(8, 3, 1)
    )


def cut_behind() -> Net:
    """Padded on both sides, and what came too much is cut off."""
    return Net(
        lambda p, x: p["out"](p["conv"](x)[..., :-2].relu()),
        conv=nn.Conv1d(3, 8, 3, padding=2),
        out=nn.Conv1d(8, 3, 1),
    )


def words_convolved(before: int, after: int) -> Net:
    return Net(
        lambda p, t: p["out"](p["conv"](F.pad(p["embed"](t).mT, (before, after))).mT),
        embed=nn.Embedding(WORDS, WIDTH),
        conv=nn.Conv1d(WIDTH, WIDTH, 3),
        out=nn.Linear(WIDTH, WORDS),
    )


def translator(masked: bool) -> Net:
    mask = causal() if masked else None
    return Net(
        lambda p, s, t: p["out"](
            p["body"](p["embed"](s), p["embed"](t), tgt_mask=mask)
        ),
        embed=nn.Embedding(WORDS, WIDTH),
        body=nn.Transformer(WIDTH, 2, 1, 1, 32, batch_first=True),
        out=nn.Linear(WIDTH, WORDS),
    )


def autoencoder() -> Net:
    """Of sentences: an encoder's last state, and a decoder that is told the words."""

    def forward(p: nn.ModuleDict, t: Tensor) -> Tensor:
        h = p["embed"](t)
        _, state = p["encode"](F.dropout(h, 0.1))
        return p["out"](p["decode"](h, state)[0])

    return Net(
        forward,
        embed=nn.Embedding(WORDS, WIDTH),
        encode=nn.GRU(WIDTH, 8, batch_first=True),
        decode=nn.GRU(WIDTH, 8, batch_first=True),
        out=nn.Linear(8, WORDS),
    )


def flat(outputs: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(outputs.reshape(-1, WORDS), y.reshape(-1))


def classes_second(outputs: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(outputs.transpose(1, 2), y)


def logs(outputs: Tensor, y: Tensor) -> Tensor:
    return F.nll_loss(outputs.log_softmax(-1).flatten(0, 1), y.flatten())


def smoothed(outputs: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(outputs.flatten(0, 1), y.flatten(), label_smoothing=0.1)


def squares(outputs: Tensor, y: Tensor) -> Tensor:
    return ((outputs - y) ** 2).mean()


def without_last(outputs: Tensor, y: Tensor) -> Tensor:
    return flat(outputs[:, :-1], y[:, 1:])


def without_first(outputs: Tensor, y: Tensor) -> Tensor:
    return flat(outputs[:, 1:], y[:, 1:])


Case: TypeAlias = tuple[Callable[[], Net], Any, Any]
# nets that differ in one thing: whether what is to come is hidden from them
PAIRS: dict[str, tuple[Callable[[bool], Net], Any, Any]] = {
    "transformer, padded texts": (masks_padding, padded, flat),
    "transformer": (transformer, words, flat),
    "transformer, classes second": (transformer, words, classes_second),
    "transformer, time first": (
        partial(transformer, batch_first=False),
        words_by_time,
        flat,
    ),
    "transformer, one text, cut at the loss": (transformer, same_words, without_last),
    "attention by hand": (by_hand, words, logs),
    "LSTM": (lambda hides: lstm(not hides), words, flat),
    "LSTM, time first": (
        lambda hides: lstm(not hides, batch_first=False),
        words_by_time,
        flat,
    ),
    "LSTM, packed": (lambda hides: packed(not hides), words, smoothed),
    "LSTM on one-hot words": (
        lambda hides: one_hot_forecaster(not hides),
        one_hot,
        flat,
    ),
    "GRU on numbers": (lambda hides: forecaster(not hides), series, squares),
    "GRU on numbers, of which one is forecast": (
        lambda hides: forecaster(not hides, 1),
        one_of_them,
        F.mse_loss,
    ),
    "convolution": (
        lambda hides: convolution(*((2, 0) if hides else (1, 1))),
        channels,
        F.mse_loss,
    ),
    "convolution of words": (
        lambda hides: words_convolved(*((2, 0) if hides else (1, 1))),
        words,
        flat,
    ),
    "translator": (translator, translated, flat),
}


def half(hides: bool) -> dict[str, Case]:
    return {name: (partial(net, hides), *rest) for name, (net, *rest) in PAIRS.items()}


LEAKING: dict[str, Case] = half(False) | {
    "convolution, same": (same_padding, channels, F.l1_loss),
    "convolution and batch norm": (
        lambda: convolution(1, 1, nn.BatchNorm1d(8)),
        channels,
        F.mse_loss,
    ),
}
APART: dict[str, Case] = half(True) | {
    "convolution, cut behind": (cut_behind, channels, F.l1_loss),
    "translator that copies": (lambda: translator(True), copied, flat),
    "masked words": (lambda: transformer(False), masked_words, flat),
    "same words": (lambda: transformer(False), same_words, flat),
    "same numbers": (lambda: convolution(1, 1), same_channels, F.mse_loss),
    "same numbers, padded in front": (
        lambda: convolution(2, 0),
        same_channels,
        F.mse_loss,
    ),
}
UNKNOWN = {
    "causal convolution and batch norm": (
        lambda: convolution(2, 0, nn.BatchNorm1d(8)),
        channels,
        F.mse_loss,
    ),
    "causal convolution and a norm over time": (
        lambda: convolution(2, 0, nn.GroupNorm(1, 8)),
        channels,
        F.mse_loss,
    ),
    "causal convolution and a norm over time of each channel": (
        lambda: convolution(2, 0, nn.InstanceNorm1d(8)),
        channels,
        F.mse_loss,
    ),
    "same words, without the first output": (
        lambda: transformer(False),
        same_words,
        without_first,
    ),
    "autoencoder": (autoencoder, words, flat),
    "one word alone": (lambda: transformer(False), constant, flat),
}


def trained(
    build: Callable[[], nn.Module],
    draw: Batch,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    steps: int = 6,
    *,
    watched: bool = True,
):
    torch.manual_seed(0)
    net = build()
    optimizer = torch.optim.AdamW(net.parameters(), 0.01)
    run = reluctant.watch(net, optimizer, budget=1.0) if watched else None
    for _ in range(steps):
        x, y = draw()
        loss = loss_fn(net(*(x if isinstance(x, tuple) else (x,))), y)
        if run:
            loss = run.loss(loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if run:
        run.detach()
    return everything(net, optimizer), run


def judged(*case):
    _, run = trained(*case)
    (check,) = [c for c in run.diagnosis.checks if c.code == "LOP402"]
    found = [f for f in run.diagnosis.findings if f.code == "LOP402"]
    return check, found, run


@pytest.mark.parametrize("name", LEAKING)
def test_a_target_that_is_seen_is_an_error(name: str):
    check, (finding,), run = judged(*LEAKING[name])
    assert check.outcome == "found"
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.HIGH)
    shifted = float(run.trace.series(NEXT_TARGETS).values[-1])
    assert shifted == 1 or ("padded" in name and shifted > 0.8)
    assert run.diagnosis.root.code == "LOP402"


@pytest.mark.parametrize("name", APART)
def test_what_is_causal_or_no_forecast_is_clear(name: str):
    check, _, run = judged(*APART[name])
    assert (check.outcome, check.reason) == ("clear", "")
    for site in run.trace.sites(FUTURE_LEAK):
        assert float(run.trace.series(FUTURE_LEAK, site).values[-1]) == 0


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_cannot_be_asked_is_blind(name: str):
    check, _, _ = judged(*UNKNOWN[name])
    assert check.outcome == "blind"


def test_inputs_by_name_are_known_by_what_reads_them():
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = transformer(False)

        def forward(self, *, words: Tensor) -> Tensor:
            return self.net(words)

    torch.manual_seed(0)
    net = Named()
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    with reluctant.watch(net, optimizer, budget=1.0) as run:
        for _ in range(3):
            x, y = words()
            loss = run.loss(flat(net(words=x), y))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert "LOP402" in {f.code for f in run.diagnosis.findings}


@pytest.mark.slow
@pytest.mark.parametrize("masked", [False, True])
def test_a_check_tells_it_before_the_training_begins(masked: bool):
    torch.manual_seed(0)
    net = by_hand(masked)
    optimizer = torch.optim.AdamW(net.parameters(), 0.01)
    found = reluctant.check(net, flat, optimizer, [words() for _ in range(4)])
    outcomes = {c.code: c.outcome for c in found.checks}
    assert outcomes["LOP402"] == ("clear" if masked else "found")


@pytest.mark.parametrize("name", LEAKING)
def test_looking_leaves_no_mark(name: str):
    bare, _ = trained(*LEAKING[name], watched=False)
    seen, run = trained(*LEAKING[name])
    assert seen == bare
    assert not [n.text for n in run.trace.notes("blind")]
