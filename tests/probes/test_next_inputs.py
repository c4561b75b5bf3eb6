"""Whether targets are the next inputs, however both are laid out."""

import pytest
import torch
import torch.nn.functional as F

from reluctant.probes.next_inputs import located, next_inputs

TEXT = torch.randint(9, (6, 15), generator=torch.Generator().manual_seed(0))
SERIES = torch.randn(6, 15, 4, generator=torch.Generator().manual_seed(0))
X, Y = TEXT[:, :-1], TEXT[:, 1:]
U, V = SERIES[:, :-1], SERIES[:, 1:]

SHIFTED = {
    "words": (X, Y),
    "flat targets": (X, Y.reshape(-1)),
    "time first": (X.T, Y.T),
    "time first, flat": (X.T, Y.T.reshape(-1)),
    "one text": (TEXT.reshape(-1)[:-1], TEXT.reshape(-1)[1:]),
    "one-hot": (F.one_hot(X, 9).float(), Y),
    "one-hot, words second": (F.one_hot(X, 9).float().mT, Y),
    "numbers": (U, V),
    "numbers, flat": (U, V.reshape(-1, 4)),
    "channels": (U.mT, V.mT),
    "channels, against features": (U.mT, V),
    "numbers, time first": (U.transpose(0, 1), V.transpose(0, 1)),
    "one of the features": (U, V[..., 2]),
    "one feature": (U[..., 0], V[..., :1]),
    "one target less": (TEXT, Y),
    "subtracted and added": (U, (V - 3.3) + 3.3),
    "some are ignored": (X, Y.masked_fill(torch.arange(14) % 3 == 0, -100)),
}
OTHERS = {
    "the same": (X, X),
    "the one before": (Y, X),
    "the same numbers": (U, U),
    "a smooth series, the same": (U.cumsum(1).cumsum(1), U.cumsum(1).cumsum(1)),
    "other words": (X, Y.flip(0)),
    "classes": (torch.randn(64, 32), torch.randint(4, (64,))),
    "images": (torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8)),
    "bits": (X > 4, Y > 4),
}


@pytest.mark.parametrize("name", SHIFTED)
def test_next_inputs_are_found_and_shown(name: str):
    x, y = SHIFTED[name]
    found = next_inputs(x, y)
    assert found.share == 1
    assert found.is_short == (name == "one target less")
    then = found.sequences[found.sample, found.time + 1]
    now = y.reshape(-1)[found.rows]
    assert torch.isclose(then, now, atol=1e-5).any()
    laid = found.arrange(x)
    assert laid.shape[:2] == found.sequences.shape[:2]


@pytest.mark.parametrize("name", OTHERS)
def test_other_targets_are_not(name: str):
    assert next_inputs(*OTHERS[name]).share < 0.5


def test_what_never_changes_does_not_tell():
    found = next_inputs(torch.ones(6, 9), torch.ones(6, 9))
    assert found.fits
    assert not found.places


def test_the_place_shown_is_not_before_padding():
    x = X.clone() + 1
    x[:, 8:] = 0
    y = torch.cat([x[:, 1:], torch.zeros(6, 1, dtype=torch.long)], 1)
    assert next_inputs(x, y).time < 7


@pytest.mark.parametrize("before", [(0, 0), (2, 0), (1, 1), (0, 2)])
def test_sequences_are_located_in_what_a_layer_reads(before: tuple[int, int]):
    padded = F.pad(U.mT, before)
    arrange = located(padded, U)
    assert arrange is not None
    assert torch.equal(arrange(padded), U)


def test_sequences_are_located_in_rows_and_one_hot():
    rows = located(U.reshape(-1, 4), U)
    assert rows is not None
    assert torch.equal(rows(U.reshape(-1, 4)), U)
    assert located(F.one_hot(X, 9).float(), X[:, :, None]) is not None
    assert located(V, U) is None
