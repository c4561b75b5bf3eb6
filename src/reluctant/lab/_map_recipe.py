"""What a map has to know of a recipe before it begins: mark, steps and axes."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reluctant.lab._cells import Setting, Value
from reluctant.lab._map_settings import ACTIVATIONS, AXES, build_at, takes
from reluctant.lab._recipe import Recipe, Training, build
from reluctant.lab._time_limit import NotEndedError, time_limit
from reluctant.records import UsageError

DEFAULT_EPOCHS = 10


def settings_of(recipe: Recipe, axes: Mapping[str, Sequence[Value]]) -> list[Setting]:
    """Every combination of the values of the axes, the last axis fastest.

    Raises:
        UsageError: If there is no such axis, or a value is none of it.
    """
    for name, values in axes.items():
        if name not in AXES:
            raise UsageError(f"no axis {name!r}: choose from {', '.join(AXES)}.")
        if not values or len(set(values)) != len(values):
            raise UsageError(f"{name} has the values {list(values)}: give each once.")
        for value in values:
            _check(name, value, is_passed_on=takes(recipe, name))
    names = [name for name in AXES if name in axes]
    return [
        tuple(zip(names, values, strict=True))
        for values in product(*(axes[name] for name in names))
    ]


def _check(name: str, value: Value, *, is_passed_on: bool) -> None:
    if name == "activation":
        if not is_passed_on and value not in ACTIVATIONS:
            raise UsageError(
                f"no activation {value!r}: choose from {', '.join(ACTIVATIONS)}."
            )
        return
    kinds = (int, float) if name == "init_scale" else (int,)
    if not isinstance(value, kinds) or not value > 0:
        raise UsageError(f"{name} {value!r} is not a number above 0.")


def first_training(
    recipe: Recipe, setting: Setting, seeds: Iterable[int], timeout: float
) -> tuple[int, Training]:
    """The first seed at which the recipe builds, and its training.

    Raises:
        UsageError: If it does not end; after `timeout` seconds it is broken off.
        Exception: What the recipe raised, if it builds at no seed.
    """
    first: BaseException | None = None
    for seed in seeds:
        try:
            with time_limit(timeout, f"the recipe at seed {seed}"):
                return seed, build_at(recipe, setting, None, seed)
        except UsageError:
            raise
        # one seed that breaks is a cell that failed; all of them are a broken recipe
        except Exception as error:
            first = first or error
    assert first is not None
    if isinstance(first, NotEndedError):
        raise UsageError(f"{first}: what `make` does must end.")
    raise first


def steps_of(training: Training, *, steps: int | None, epochs: float | None) -> int:
    """Steps that a training takes.

    Raises:
        UsageError: If epochs are asked for, and no one knows how long one is.
    """
    if steps is not None:
        return steps
    try:
        length = len(training.batches)  # type: ignore[arg-type]
    except TypeError:
        raise UsageError(
            f"batches ({type(training.batches).__name__}) has no length, so an epoch "
            "has no number of steps: give the steps of a training."
        ) from None
    return max(1, round(length * (DEFAULT_EPOCHS if epochs is None else epochs)))


def fingerprint(recipe: Recipe, seed: int) -> tuple[str, str]:
    """A mark of what a recipe does, and a warning if that is not always the same.

    Of its source file, and of the initial state, options and first batch at a seed.
    """
    digest = sha256(_source(recipe))
    one, two = (_state(build(recipe, seed)) for _ in range(2))
    if one != two:
        return digest.hexdigest()[:16], (
            f"the recipe built two different trainings from seed {seed}, so its "
            "results cannot be had again: draw from the streams that the seed sets."
        )
    digest.update(one)
    return digest.hexdigest()[:16], ""


def _source(recipe: Recipe) -> bytes:
    try:
        file = inspect.getsourcefile(inspect.unwrap(recipe))
        return Path(file).read_bytes() if file else b""
    except (OSError, TypeError):
        return b""


def _state(training: Training) -> bytes:
    digest = sha256()
    for name, value in training.model.state_dict().items():
        digest.update(name.encode())
        _add(digest, value)
    for group in training.optimizer.param_groups:
        options = {k: v for k, v in group.items() if k != "params"}
        digest.update(repr(sorted(options.items(), key=str)).encode())
    digest.update(type(training.optimizer).__name__.encode())
    with training.own_randomness():
        _add(digest, training.next_batch())
    return digest.digest()


def _add(digest: Any, value: Any) -> None:
    if isinstance(value, Tensor):
        digest.update(str((value.dtype, tuple(value.shape))).encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data if len(flat) else b"")
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            digest.update(str(key).encode())
            _add(digest, value[key])
    elif isinstance(value, list | tuple):
        for part in value:
            _add(digest, part)
