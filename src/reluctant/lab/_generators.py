"""Random generators that user objects hold, kept and put back."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

_MOST_OBJECTS = 10_000
_DEEPEST = 6


@contextmanager
def kept_generators(*holders: Any) -> Iterator[None]:
    """Leave every generator as it was that can be reached from some objects.

    A data set is shared with the copies of a training, for it may be large; one that
    draws from a generator of its own would otherwise be moved on by a look at it.

    Args:
        holders: Where to look: attributes, items, and theirs.
    """
    found = list(_generators(holders))
    states = [_state(generator) for generator in found]
    try:
        yield
    finally:
        for generator, state in zip(found, states, strict=True):
            _restore(generator, state)


def _generators(holders: tuple[Any, ...]) -> Iterator[Any]:
    seen: set[int] = set()
    front = [(holder, 0) for holder in holders]
    while front and len(seen) < _MOST_OBJECTS:
        value, depth = front.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, _KINDS):
            yield value
            continue
        if depth >= _DEEPEST or isinstance(value, Tensor | np.ndarray | str | bytes):
            continue
        inside: list[Any] = []
        if isinstance(value, dict):
            inside = list(value.values())
        elif isinstance(value, tuple | list | set):
            inside = list(value)
        if len(inside) > 1000:  # data, not structure
            inside = inside[:1]
        inside += list(getattr(value, "__dict__", {}).values())
        cells = getattr(value, "__closure__", None) or ()
        inside += [cell.cell_contents for cell in cells if _is_filled(cell)]
        front += [(item, depth + 1) for item in inside if not isinstance(item, type)]


_KINDS = (
    torch.Generator,
    random.Random,
    np.random.Generator,
    np.random.RandomState,
)


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - empty cells raise
    except ValueError:
        return False
    return True


def _state(generator: Any) -> Any:
    if isinstance(generator, random.Random):
        return generator.getstate()
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.get_state()


def _restore(generator: Any, state: Any) -> None:
    if isinstance(generator, random.Random):
        generator.setstate(state)
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)
