"""Whether a language model is asked for the token that it has just read."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from live.test_target_leak import (
    SAMPLES,
    TIMES,
    WIDTH,
    WORDS,
    Net,
    by_hand,
    classes_second,
    flat,
    judged,
    logs,
    lstm,
    masked_words,
    one_hot_forecaster,
    packed,
    smoothed,
    trained,
    transformer,
    without_last,
    words_convolved,
)
from reluctant.live import _future_look
from reluctant.live._governor import Governor
from reluctant.records import Confidence, Severity
from reluctant.records.quantities import PLACE_GRADIENTS, SAME_TARGETS


def text() -> tuple[Tensor, Tensor]:
    x = torch.randint(WORDS, (SAMPLES, TIMES))
    return x, x


def text_by_time() -> tuple[Tensor, Tensor]:
    x = text()[0].T.contiguous()
    return x, x


def one_hot_text() -> tuple[Tensor, Tensor]:
    x, y = text()
    return F.one_hot(x, WORDS).float(), y


def padded_text() -> tuple[Tensor, Tensor]:
    x = torch.randint(1, WORDS, (SAMPLES, TIMES))
    is_padding = torch.arange(TIMES) >= torch.randint(4, TIMES, (SAMPLES, 1))
    return x.masked_fill(is_padding, 0), x.masked_fill(is_padding, -100)


def one_text() -> tuple[Tensor, Tensor]:
    x = torch.randint(WORDS, (1, 40))
    return x, x


def text_and_next() -> tuple[Tensor, Tensor]:
    x = torch.randint(WORDS, (SAMPLES, TIMES + 1))
    return x[:, :-1], x[:, 1:]


def noisy_text() -> tuple[Tensor, Tensor]:
    """Every tenth word is replaced, and all are to be told."""
    x, y = text()
    return torch.where(torch.rand(x.shape) < 0.1, torch.randint(WORDS, x.shape), x), y


def corrected_text() -> tuple[Tensor, Tensor]:
    """Labels that are mostly the words themselves."""
    x, _ = text()
    return x, x.masked_fill(x == 3, 4)


def copied_later() -> tuple[Tensor, Tensor]:
    """The answer comes when the question is over."""
    half = torch.randint(1, WORDS, (SAMPLES, TIMES // 2))
    none = torch.zeros_like(half)
    return torch.cat((half, none), 1), torch.cat((none, half), 1)


def delayed() -> tuple[Tensor, Tensor]:
    x, _ = text()
    return x, x.roll(2, 1)


def gru_autoencoder() -> Net:
    """Through one narrow vector."""

    def forward(p: nn.ModuleDict, t: Tensor) -> Tensor:
        _, state = p["encode"](p["embed"](t))
        again = state[0][:, None].expand(-1, t.shape[1], -1)
        return p["out"](p["decode"](again)[0])

    return Net(
        forward,
        embed=nn.Embedding(WORDS, WIDTH),
        encode=nn.GRU(WIDTH, 4, batch_first=True),
        decode=nn.GRU(4, 8, batch_first=True),
        out=nn.Linear(8, WORDS),
    )


def taught_autoencoder() -> Net:
    """Its decoder is told the words before."""

    def forward(p: nn.ModuleDict, t: Tensor) -> Tensor:
        _, state = p["encode"](p["embed"](t))
        return p["out"](p["decode"](p["embed"](F.pad(t, (1, -1))), state)[0])

    return Net(
        forward,
        embed=nn.Embedding(WORDS, WIDTH),
        encode=nn.GRU(WIDTH, 8, batch_first=True),
        decode=nn.GRU(WIDTH, 8, batch_first=True),
        out=nn.Linear(8, WORDS),
    )


def shifts_itself(after: bool) -> Net:
    """Reads each word one place late, as decoders do that are given the targets."""

    def forward(p: nn.ModuleDict, t: Tensor) -> Tensor:
        if after:
            return p["out"](p["rnn"](F.pad(p["embed"](t), (0, 0, 1, -1)))[0])
        return p["out"](p["rnn"](p["embed"](F.pad(t, (1, -1))))[0])

    return Net(forward, **dict(lstm(False).parts.items()))


def word_by_word() -> nn.Module:
    """An autoencoder of single words."""
    return nn.Sequential(
        nn.Embedding(WORDS, 3), nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, WORDS)
    )


Case = tuple[Callable[[], nn.Module], Any, Any]
COPYING: dict[str, Case] = {
    "transformer": (lambda: transformer(True), text, flat),
    "transformer, time first": (
        lambda: transformer(True, batch_first=False),
        text_by_time,
        flat,
    ),
    "attention by hand": (lambda: by_hand(True), text, logs),
    "LSTM": (lambda: lstm(False), text, flat),
    "LSTM, classes second": (lambda: lstm(False), text, classes_second),
    "LSTM, time first": (lambda: lstm(False, batch_first=False), text_by_time, flat),
    "LSTM, packed": (lambda: packed(False), text, smoothed),
    "LSTM on one-hot words": (lambda: one_hot_forecaster(False), one_hot_text, flat),
    "LSTM, one text": (lambda: lstm(False), one_text, flat),
    "LSTM, padded": (lambda: lstm(False), padded_text, flat),
    "causal convolution": (lambda: words_convolved(2, 0), text, flat),
}
MEANT: dict[str, Case] = {
    "transformer, the next word": (lambda: transformer(True), text_and_next, flat),
    "LSTM, the next word": (lambda: lstm(False), text_and_next, flat),
    "cut at the loss": (lambda: lstm(False), text, without_last),
    "masked words": (lambda: transformer(False), masked_words, flat),
    "masked words, from left to right": (lambda: lstm(False), masked_words, flat),
    "all words, some replaced": (lambda: transformer(False), noisy_text, flat),
    "all words, some replaced, from left to right": (
        lambda: lstm(False),
        noisy_text,
        flat,
    ),
    "corrected": (lambda: lstm(False), corrected_text, flat),
    "copied later": (lambda: lstm(False), copied_later, flat),
    "delayed": (lambda: lstm(False), delayed, flat),
    "autoencoder": (gru_autoencoder, text, flat),
    "autoencoder that is taught": (taught_autoencoder, text, flat),
    "autoencoder of words": (word_by_word, text, flat),
    "both directions": (lambda: lstm(True), text, flat),
    "shifts tokens itself": (partial(shifts_itself, False), text, flat),
    "shifts what it made of them": (partial(shifts_itself, True), text, flat),
}


@pytest.mark.parametrize("name", COPYING)
def test_a_token_that_is_asked_back_is_an_error(name: str):
    check, (finding,), run = judged(*COPYING[name])
    assert check.outcome == "found"
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.HIGH)
    assert "not shifted" in finding.message
    assert float(run.trace.series(SAME_TARGETS).values[-1]) == 1
    (site,) = run.trace.sites(PLACE_GRADIENTS)
    earlier, own, later = run.trace.units(PLACE_GRADIENTS, site).values[-1]
    assert later == 0
    assert min(earlier, own) > 0.01
    assert run.diagnosis.root.code == "LOP402"
    (cure, *_) = [p for p in run.diagnosis.prescriptions if p.cures == "LOP402"]
    assert "x[:, 1:]" in cure.patch


@pytest.mark.parametrize("name", MEANT)
def test_what_is_meant_to_come_back_is_clear(name: str):
    _, found, run = judged(*MEANT[name])
    assert not found
    assert not [n.text for n in run.trace.notes("blind")]


@pytest.mark.parametrize("name", COPYING)
def test_looking_leaves_no_mark(name: str):
    bare, _ = trained(*COPYING[name], watched=False)
    seen, run = trained(*COPYING[name])
    assert seen == bare
    assert not [n.text for n in run.trace.notes("blind")]


def test_a_look_that_costs_too_much_is_taken_later(monkeypatch: pytest.MonkeyPatch):
    def affords(governor: Governor, seconds: float) -> bool:
        return governor._steps > 6

    monkeypatch.setattr(Governor, "affords", affords)
    monkeypatch.setattr(_future_look, "_ONCE", 0.0)
    _, run = trained(*COPYING["LSTM"], steps=16)
    steps, _ = run.trace.series(SAME_TARGETS)
    assert steps.tolist() == [6]
