"""Whether targets are the inputs one place further on, as a forecaster's are.

Or at the same place, as those of a forecaster whose targets were not shifted.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

Arrange: TypeAlias = Callable[[Tensor], Tensor]

_SAMPLES, _NUMBERS = 32, 250_000  # that are compared, at most; but one sample
_FEWEST = 16  # places that tell; for two tokens chance agrees once in 65,000 batches
_FEWEST_TIMES = 3
_CHANCE = 0.5  # of two tokens, one is the other's next as often as not
_MOST_NUMBERS = 50_000_000  # of what is compared
_SAME = 1e-5  # of the largest: what is left of a target that was subtracted and added


class NextInputs(NamedTuple):
    """How far targets are the inputs one place further on.

    Attributes:
        share: Of the places where the input changes and the target counts, those
            whose target is the next input.
        places: How many such places there are, in the samples compared; 0 if too few.
        arrange: Gives what has the inputs' shape as `(samples, times, …)`.
        sequences: The inputs so arranged, by their one feature if they are tokens.
        sample: One that shows it.
        time: The last place in it that does.
        rows: Indices into the flat targets that belong to this sample and time; None
            where the share is no more than chance.
        is_short: Whether there is one target less than inputs.
        fits: Whether there are as many targets as a sequence has.
    """

    share: float
    places: int = 0
    arrange: Arrange | None = None
    sequences: Tensor | None = None
    sample: int = 0
    time: int = 0
    rows: Tensor | None = None
    is_short: bool = False
    fits: bool = False


NONE = NextInputs(0.0)


def next_inputs(x: Tensor, y: Tensor) -> NextInputs:
    """Compare targets with inputs, however both are laid out.

    Args:
        x: Tokens `(samples, times)`, numbers `(samples, times, features)`, or one-hot
            tokens; samples, times and features in any order.
        y: Targets, flat or not.

    Returns:
        The way to lay them out that agrees best.

    Example:
        >>> x = torch.arange(40).reshape(2, 20)
        >>> next_inputs(x, x + 1).share
        1.0
        >>> next_inputs(x, x).share < 0.1
        True
    """
    best, rows = NONE, None
    if x.numel() > _MOST_NUMBERS or y.is_complex() or y.dtype is torch.bool:
        return best
    for arrange, sequences in _sequences(x.detach(), y):
        samples, times, features = sequences.shape
        if times < _FEWEST_TIMES:
            continue
        for is_short in (False, True):
            length = times - is_short
            for laid in _layouts(y.numel(), samples, length, {features, 1}):
                found = _compared(sequences, laid(y.detach().reshape(-1)))
                if found is None:
                    best = best._replace(fits=True)
                    continue
                share, places, sample, time = found
                if best.places and share <= best.share:
                    continue
                if share > _CHANCE:
                    index = torch.arange(y.numel(), device=y.device)
                    rows = laid(index)[sample, time]
                best = NextInputs(
                    share,
                    places,
                    arrange,
                    sequences,
                    sample,
                    time,
                    rows,
                    is_short=is_short,
                    fits=True,
                )
    return best


def same_tokens(x: Tensor, y: Tensor) -> NextInputs:
    """Compare targets with the tokens at their own places, however both are laid out.

    Args:
        x: Tokens, one-hot or not, as `next_inputs` takes them.
        y: Targets, flat or not; none are found where they are no whole numbers.

    Returns:
        The way to lay them out that agrees best; its time is one in the middle.

    Example:
        >>> x = torch.arange(40).reshape(2, 20)
        >>> same_tokens(x, x).share
        1.0
        >>> same_tokens(x, x + 1).share < 0.1
        True
    """
    best = NONE
    if x.numel() > _MOST_NUMBERS or y.is_floating_point() or y.dtype is torch.bool:
        return best
    for arrange, sequences in _sequences(x.detach(), y):
        samples, times, features = sequences.shape
        if times < _FEWEST_TIMES:
            continue
        for laid in _layouts(y.numel(), samples, times, {features}):
            found = _compared(sequences, laid(y.detach().reshape(-1)), ahead=0)
            if found is None or (best.places and found[0] <= best.share):
                continue
            share, places, sample, time = found
            rows = None
            if share > _CHANCE:
                rows = laid(torch.arange(y.numel(), device=y.device))[sample, time]
            best = NextInputs(
                share, places, arrange, sequences, sample, time, rows, fits=True
            )
    return best


def located(data: Tensor, sequences: Tensor) -> Arrange | None:
    """How a layer's data hold these sequences, moved about or padded.

    Args:
        data: What a layer read.
        sequences: Shape `(samples, times, features)`, or tokens with one feature.

    Returns:
        What arranges a tensor of the data's shape as `(samples, times, …)`; None if
        the sequences are not found in it.
    """
    samples, times, features = sequences.shape
    for arrange in _arrangements(data, samples):
        laid = arrange(data)
        if laid.shape[0] != samples or laid.shape[1] < times:
            continue
        more = laid.shape[1] - times
        for start in dict.fromkeys((more, more // 2, 0)):  # padded in front, or around
            part = laid.narrow(1, start, times)
            if part.shape[2] != features and _is_one_hot(part):
                part = part.argmax(-1, keepdim=True)
            if part.shape == sequences.shape and bool((part == sequences).all()):
                return _cut(arrange, start, times)
    return None


def _cut(arrange: Arrange, start: int, times: int) -> Arrange:
    return lambda tensor: arrange(tensor).narrow(1, start, times)


def _arrangements(x: Tensor, samples: int = 0) -> Iterator[Arrange]:
    """Ways to read a tensor as `(samples, times, features)`, the usual ones first."""
    if x.ndim == 1:
        yield lambda t: t[None, :, None]
    elif x.ndim == 2:
        yield lambda t: t[:, :, None]
        yield lambda t: t.transpose(0, 1)[:, :, None]
        if samples and len(x) % samples == 0:
            yield lambda t: t.reshape(samples, -1, t.shape[1])
    elif x.ndim == 3:
        yield lambda t: t
        yield lambda t: t.transpose(1, 2)
        yield lambda t: t.transpose(0, 1)


def _sequences(x: Tensor, y: Tensor) -> Iterator[tuple[Arrange, Tensor]]:
    """Ways to read inputs, with the inputs so read, comparable with the targets."""
    if x.is_complex() or x.dtype is torch.bool:
        return
    for arrange in _arrangements(x):
        laid = arrange(x)
        if x.is_floating_point() == y.is_floating_point():
            yield arrange, laid
        elif x.is_floating_point() and x.ndim == 3 and _is_one_hot(laid):
            yield arrange, laid.argmax(-1, keepdim=True)


def _is_one_hot(laid: Tensor) -> bool:
    few = laid[: _most(laid)]
    is_bit = bool(((few == 0) | (few == 1)).all())
    return is_bit and few.shape[-1] > 1 and bool((few.sum(-1) == 1).all())


def _layouts(numel: int, samples: int, times: int, widths: set[int]) -> list[Arrange]:
    """Ways to read flat targets as `(samples, times, features)`."""
    found: list[Arrange] = []
    for width in sorted(widths, reverse=True):
        if numel == samples * times * width:
            found += [
                _swapped((samples, times, width), 0),
                _swapped((times, samples, width), 0, 1),
            ]
            if width > 1:
                found.append(_swapped((samples, width, times), 1, 2))
    return found


def _swapped(shape: tuple[int, ...], *axes: int) -> Arrange:
    """Read as this shape; then two axes change places, if two are given."""
    return lambda flat: flat.reshape(shape).transpose(axes[0], axes[-1])


def _most(laid: Tensor) -> int:
    """Samples that are compared."""
    return min(_SAMPLES, max(1, _NUMBERS // max(1, laid[:1].numel())))


def _compared(
    x: Tensor, y: Tensor, ahead: int = 1
) -> tuple[float, int, int, int] | None:
    """Share, number of places, and one place; None where too few places tell."""
    x, y = x[: _most(x)], y[: _most(x), : x.shape[1] - 1]
    now, then = x[:, :-1], x[:, 1:]
    slack = 0.0
    if x.is_floating_point():
        slack = _SAME * float(x.abs().amax())
    is_next = ((then if ahead else now) - y).abs() <= slack
    changes = (then - now).abs() > 3 * slack
    if y.shape[2] == x.shape[2]:
        is_next, changes = is_next.all(2), changes.any(2)
    else:  # one of the features is forecast
        column = int((is_next & changes).sum((0, 1)).argmax())
        is_next, changes = is_next[..., column], changes[..., column]
    tells = changes
    if not y.is_floating_point():
        tells = changes & (y[..., 0] >= 0)  # what is ignored is below 0
    places = int(tells.sum())
    if places < _FEWEST:
        return None
    hits = is_next & tells
    sample = int(hits.sum(1).argmax())
    if not ahead:  # in the middle: there are places before it and behind
        full = (2 * hits.sum(1) >= hits.sum(1).amax()).nonzero()
        sample = int(full[len(full) // 2])
        times = hits[sample].nonzero()
        time = int(times[len(times) // 2]) if len(times) else 0
        return float(hits.sum() / places), places, sample, time
    # where the next input is followed by another: it may be padding otherwise
    times = (hits[sample, :-1] & changes[sample, 1:]).nonzero()
    time = int(times[-1]) if len(times) else int(hits[sample].int().argmax())
    return float(hits.sum() / places), places, sample, time
