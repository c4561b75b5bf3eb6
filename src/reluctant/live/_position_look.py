"""Whether attention is told where in the text a token stands.

Without a mask it weighs what it reads as a set. So if the same token brings the same
numbers to it wherever it stands, nothing that follows can know the order.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from reluctant.live._recorder import Recorder
from reluctant.records.quantities import PLACES_ALIKE

_LOOKS = 6  # sampled steps that are looked at
_MOST = 4  # attentions, and tensors of tokens, in one forward pass
_ROWS, _TIMES = 16, 128  # texts, and tokens of each, that are compared
_FEWEST = 16  # pairs of places with the same token
_SAME = 1e-5  # of the size of what is compared


class PositionLook:
    """Compares what attention reads at places with the same token."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._read: list[Tensor | None] = []  # time first; None if order is told
        self._tokens: list[Tensor] = []
        self._looks = 0

    def on_attention(self, query: Tensor, key: Tensor, *, is_masked: bool) -> None:
        """An attention is about to read, time first."""
        if self._looks < _LOOKS and len(self._read) < _MOST and query.ndim == 3:
            tells = is_masked or query is not key
            self._read.append(None if tells else query.detach())

    def on_read(self, data: Tensor) -> None:
        """A layer or an embedding has read data."""
        if self._looks < _LOOKS and len(self._tokens) < _MOST and is_tokens(data):
            self._tokens.append(data.detach())

    def look(self, inputs: Sequence[Tensor]) -> None:
        """The model has returned; this is what it was given."""
        tokens = [x.detach() for x in inputs if is_tokens(x)] + self._tokens
        first = self._read[0] if self._read else None
        is_told = None in self._read
        self.forget()
        if first is None or not tokens or is_told:
            return
        self._looks += 1
        with torch.no_grad():
            shares = [
                share
                for x in tokens
                for laid in (x.T, x)
                if laid.shape == first.shape[:2]
                and (share := _alike(first, laid)) is not None
            ]
        if shares:
            self._recorder.add(PLACES_ALIKE, "", torch.stack(shares).amax())

    def forget(self) -> None:
        """The step is over."""
        self._read, self._tokens = [], []


def is_tokens(x: Tensor) -> bool:
    """Whether these are texts, as whole numbers."""
    return x.ndim == 2 and x.dtype in (torch.int64, torch.int32)


def _alike(read: Tensor, tokens: Tensor) -> Tensor | None:
    """Of places with the same token, the share at which the same is read.

    Entries that are zero are left out: dropout makes some, at random.

    Args:
        read: Shape `(times, texts, features)`.
        tokens: Shape `(times, texts)`.

    Returns:
        None where too few places have the same token.
    """
    tokens, read = tokens[:_TIMES, :_ROWS], read[:_TIMES, :_ROWS]
    tokens, order = tokens.sort(dim=0, stable=True)
    read = read.gather(0, order[..., None].expand_as(read))
    here, there = read[:-1], read[1:]
    both = (here != 0) & (there != 0)
    apart = ((here - there) * both).abs().amax(2)
    size = torch.maximum(here.abs(), there.abs()).amax(2)
    is_pair = (tokens[:-1] == tokens[1:]) & both.any(2)
    count = is_pair.sum()
    if int(count) < _FEWEST:
        return None
    return ((apart <= _SAME * size) & is_pair).sum() / count
