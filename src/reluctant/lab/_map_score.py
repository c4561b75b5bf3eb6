"""What a trained network amounts to, beside the best constant predictor."""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from reluctant.lab._map_data import NotWholeError, whole_data
from reluctant.lab._recipe import Training, _pair

MOST_SAMPLES = 20_000  # that are scored, evenly spaced over the data where they can be
MOST_BATCHES = 2_000
CHUNK = 4096  # samples scored at once, where the loss is a mean over them
_TINY = 1e-6

Batch = tuple[Any, Any]


class Scores(NamedTuple):
    """Of one network; nan where there is no such number. See `Attempt`."""

    loss: float
    score: float
    constant_loss: float
    constant_score: float
    silent: int


class Scorer:
    """The data of a training, to score networks on.

    Args:
        training: Its batches are read to the end where they are not a fixed set of
            samples, so it is the last thing that is done with them.
    """

    def __init__(self, training: Training) -> None:
        self._loss_fn = training.loss_fn
        with training.own_randomness():
            self._batches = list(_batches(training))
        self._constants: tuple[float, float] | None = None

    @torch.no_grad()
    def measure(self, training: Training) -> Scores:
        """Score the training's model, in evaluation mode."""
        model = training.model
        modes = [(module, module.training) for module in model.modules()]
        model.eval()
        try:
            outputs = [_outputs(model, x) for x, _ in self._batches]
        finally:
            for module, mode in modes:
                module.training = mode
        targets = [y for _, y in self._batches]
        loss = _mean(map(self._loss_fn, outputs, targets))
        flat = all(isinstance(out, Tensor) and out.dim() >= 1 for out in outputs)
        if not outputs or not flat or not all(isinstance(y, Tensor) for y in targets):
            return Scores(loss, math.nan, math.nan, math.nan, 0)
        if self._constants is None:
            self._constants = _constants(self._loss_fn, outputs[0], targets)
        right = [_right(out, y) for out, y in zip(outputs, targets, strict=True)]
        known = [r for r in right if r is not None]
        score = float(torch.cat(known).float().mean()) if known else math.nan
        return Scores(loss, score, *self._constants, _silent(outputs))


def _batches(training: Training) -> Iterator[Batch]:
    try:
        data = whole_data(training)
    except NotWholeError:
        yield from _drawn(training)
        return
    x, y = data.inputs, data.targets
    if len(x) > MOST_SAMPLES:
        chosen = torch.linspace(0, len(x) - 1, MOST_SAMPLES).long()
        x, y = x[chosen], y[chosen]
    size = CHUNK if _is_mean(training.loss_fn) else data.batch_size
    yield from zip(x.split(size), y.split(size), strict=True)


def _drawn(training: Training) -> Iterator[Batch]:
    if isinstance(training.batches, Iterator):
        return
    samples = 0
    for count, batch in enumerate(training.batches):
        if count >= MOST_BATCHES or samples >= MOST_SAMPLES:
            return
        inputs, targets = _pair(batch)
        samples += len(targets) if isinstance(targets, Tensor) and targets.dim() else 1
        yield inputs, targets


def _is_mean(loss_fn: Any) -> bool:
    """Whether the loss of a larger batch is the mean over its parts."""
    if isinstance(loss_fn, torch.nn.Module):
        return getattr(loss_fn, "reduction", "") == "mean"
    return getattr(F, getattr(loss_fn, "__name__", ""), None) is loss_fn


def _outputs(model: torch.nn.Module, inputs: Any) -> Any:
    if isinstance(inputs, tuple):
        return model(*inputs)
    return model(**inputs) if isinstance(inputs, dict) else model(inputs)


def _mean(losses: Iterator[Tensor]) -> float:
    values = [float(loss) for loss in losses]
    return math.fsum(values) / len(values) if _all_finite(values) else math.nan


def _all_finite(values: list[float]) -> bool:
    return bool(values) and all(map(math.isfinite, values))


def _right(outputs: Tensor, targets: Tensor) -> Tensor | None:
    """Which samples are classified rightly; equal outputs name no class."""
    if outputs.dim() != 2 or outputs.shape[1] < 2:
        return None
    labels = _labels(outputs.shape[1], targets)
    if labels is None:
        return None
    names = outputs.max(dim=1).values > outputs.min(dim=1).values
    return (outputs.argmax(dim=1) == labels) & names


def _labels(classes: int, targets: Tensor) -> Tensor | None:
    if targets.dim() == 1 and not targets.is_floating_point():
        return targets
    if targets.dim() != 2 or targets.shape[1] != classes:
        return None
    binary = bool(((targets == 0) | (targets == 1)).all())
    if binary and bool((targets.sum(dim=1) == 1).all()):
        return targets.argmax(dim=1)
    return None


def _silent(outputs: list[Any]) -> int:
    """Outputs that are the same finite number for every sample."""
    flat = [out.reshape(len(out), -1) for out in outputs if out.dim()]
    if sum(map(len, flat)) < 2 or len({f.shape[1] for f in flat}) != 1:
        return 0
    top = torch.stack([f.max(dim=0).values for f in flat]).max(dim=0).values
    bottom = torch.stack([f.min(dim=0).values for f in flat]).min(dim=0).values
    return int((top == bottom).sum())


def _constants(
    loss_fn: Callable[[Any, Any], Tensor], outputs: Tensor, targets: list[Tensor]
) -> tuple[float, float]:
    """Loss and score of the best constant predictor among those that are usual."""
    every = torch.cat([y.reshape(len(y), -1) if y.dim() > 1 else y for y in targets])
    labels = _labels(outputs.shape[-1], every) if outputs.dim() == 2 else None
    score = math.nan
    shape = outputs.shape[1:]
    candidates: list[Tensor] = [torch.zeros(shape, dtype=outputs.dtype)]
    if labels is not None and outputs.shape[1] > 1:
        counts = torch.bincount(labels, minlength=outputs.shape[1])
        share = (counts / counts.sum()).to(outputs.dtype)
        score = float(share.max())
        candidates += [share, share.clamp(min=_TINY).log()]
    if every.is_floating_point() and every[0].numel() == math.prod(shape):
        mean = every.mean(dim=0).reshape(shape).to(outputs.dtype)
        median = every.median(dim=0).values.reshape(shape).to(outputs.dtype)
        candidates += [mean, median, mean.clamp(_TINY, 1 - _TINY).logit()]
    losses = [_constant_loss(loss_fn, c, targets) for c in candidates]
    finite = [loss for loss in losses if math.isfinite(loss)]
    return (min(finite) if finite else math.nan), score


def _constant_loss(
    loss_fn: Callable[[Any, Any], Tensor], constant: Tensor, targets: list[Tensor]
) -> float:
    try:
        return _mean(
            loss_fn(constant.expand(len(y), *constant.shape), y) for y in targets
        )
    except (RuntimeError, ValueError, IndexError, TypeError):
        return math.nan  # this loss cannot be had of such an output
