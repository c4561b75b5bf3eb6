"""Whether a key padding mask hides what it should show.

Which places are padding is not known; but padding is one number, and text is many.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from reluctant.live._position_look import is_tokens
from reluctant.live._recorder import Recorder
from reluctant.records.quantities import ATTENDED_NUMBERS, LEFT_OUT_NUMBERS

_LOOKS = 6  # sampled steps that are looked at
_MOST = 4  # masks, and tensors of tokens, in one forward pass
_ROWS = 64  # that are compared
_FEWEST = 16  # places of either kind
_HIDDEN = -1e3  # what is added to a score to hide a place is far below


class PaddingLook:
    """Compares masks with tokens, in the first sampled steps of a training."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._masks: list[Tensor] = []
        self._tokens: list[Tensor] = []
        self._looks = 0

    def on_mask(self, mask: Tensor) -> None:
        """An attention was given a key padding mask."""
        if self._looks < _LOOKS and len(self._masks) < _MOST and mask.ndim == 2:
            self._masks.append(mask.detach())

    def on_read(self, data: Tensor) -> None:
        """A layer or an embedding has read data."""
        if self._looks < _LOOKS and len(self._tokens) < _MOST and is_tokens(data):
            self._tokens.append(data.detach())

    def look(self, inputs: Sequence[Tensor]) -> None:
        """The model has returned; this is what it was given."""
        tokens = [x.detach() for x in inputs if is_tokens(x)] + self._tokens
        masks = self._masks
        self.forget()
        if not masks or not tokens:
            return
        self._looks += 1
        with torch.no_grad():
            found = [told for mask in masks if (told := _best(mask, tokens))]
        if found:  # of several masks, one that is inverted
            attended, left_out = min(found)
            self._recorder.add(ATTENDED_NUMBERS, "", float(attended))
            self._recorder.add(LEFT_OUT_NUMBERS, "", float(left_out))

    def forget(self) -> None:
        """The step is over."""
        self._masks, self._tokens = [], []


def _best(mask: Tensor, tokens: Sequence[Tensor]) -> tuple[int, int] | None:
    """What a mask shows and hides of the tokens that it belongs to.

    Of a source and a target of one shape, that is the one of which it hides one number.
    """
    hides = mask if mask.dtype is torch.bool else mask < _HIDDEN
    found = [
        told
        for x in tokens
        for laid in ([x] if x.shape == mask.shape else [x.T])
        if laid.shape == mask.shape and (told := _numbers(hides, laid))
    ]
    return min(found, key=lambda f: (f[1] > 1, f[0], -f[1]), default=None)


def _numbers(hides: Tensor, tokens: Tensor) -> tuple[int, int] | None:
    """How many different tokens are shown, and how many hidden.

    Returns:
        None unless a mask looks like one for padding: each row is cut at most once, and
        rows differ in length; unless both kinds of places are many; and where one
        number is shown and one is hidden, as of a mask that the model was given.
    """
    hides, tokens = hides[:_ROWS], tokens[:_ROWS]
    cuts = (hides[:, 1:] != hides[:, :-1]).sum(1)
    lengths = hides.sum(1)
    if bool((cuts > 1).any()) or bool((lengths == lengths[0]).all()):
        return None
    hidden, shown = tokens[hides], tokens[~hides]
    if min(hidden.numel(), shown.numel()) < _FEWEST:
        return None
    numbers = shown.unique().numel(), hidden.unique().numel()
    return numbers if numbers != (1, 1) else None
