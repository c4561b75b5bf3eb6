"""What a trained network amounts to, beside the best constant predictor."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reluctant.lab._map_data import NotWholeError, whole_data
from reluctant.lab._recipe import LossFn, Training, pair

MOST_SAMPLES = 20_000  # that are scored
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
        most: Samples that are scored, evenly spaced over the data where they can be.
    """

    def __init__(self, training: Training, *, most: int = MOST_SAMPLES) -> None:
        with training.own_randomness():
            self._batches, self._loss = _batches(training, most)
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
        loss = self._loss(outputs, targets)
        flat = all(isinstance(out, Tensor) and out.dim() >= 1 for out in outputs)
        if not outputs or not flat or not all(isinstance(y, Tensor) for y in targets):
            return Scores(loss, math.nan, math.nan, math.nan, 0)
        if self._constants is None:
            self._constants = _constants(self._loss, outputs[0], targets)
        right = [_right(out, y) for out, y in zip(outputs, targets, strict=True)]
        known = [r for r in right if r is not None]
        score = float(torch.cat(known).float().mean()) if known else math.nan
        return Scores(loss, score, *self._constants, _silent(outputs))


class _Loss:
    """The mean loss of a batch of the training, told from batches that may be larger.

    Args:
        loss_fn: Of the training.
        kind: Its reduction: `mean`, `sum`, or empty where that is not known.
        batch_size: Of the training.
    """

    def __init__(self, loss_fn: LossFn, kind: str, batch_size: int) -> None:
        self._loss_fn, self._kind, self._batch_size = loss_fn, kind, batch_size

    def __call__(self, outputs: Sequence[Any], targets: Sequence[Any]) -> float:
        pairs = list(zip(outputs, targets, strict=True))
        values = [float(self._loss_fn(*pair)) for pair in pairs]
        if not values or not all(map(math.isfinite, values)):
            return math.nan
        if not self._kind:
            return math.fsum(values) / len(values)
        sizes = [len(y) for y in targets]
        if self._kind == "sum":
            return math.fsum(values) * self._batch_size / sum(sizes)
        weighed = (v * n for v, n in zip(values, sizes, strict=True))
        return math.fsum(weighed) / sum(sizes)


def _batches(training: Training, most: int) -> tuple[list[Batch], _Loss]:
    kind = _reduction(training.loss_fn)
    try:
        data = whole_data(training)
    except NotWholeError:
        return list(_drawn(training, most)), _Loss(training.loss_fn, "", 1)
    x, y = data.inputs, data.targets
    if not kind:
        most = min(most, MOST_BATCHES * data.batch_size)
    if len(x) > most:
        chosen = torch.linspace(0, len(x) - 1, most).long()
        x, y = x[chosen], y[chosen]
    size = CHUNK if kind else data.batch_size
    batches = list(zip(x.split(size), y.split(size), strict=True))
    return batches, _Loss(training.loss_fn, kind, data.batch_size)


def _drawn(training: Training, most: int) -> Iterator[Batch]:
    if isinstance(training.batches, Iterator):
        return
    samples = 0
    for count, batch in enumerate(training.batches):
        if count >= MOST_BATCHES or samples >= most:
            return
        inputs, targets = pair(batch)
        samples += len(targets) if isinstance(targets, Tensor) and targets.dim() else 1
        yield inputs, targets


def _reduction(loss_fn: Any) -> str:
    """How torch's own losses go from samples to a batch; empty for any other."""
    if isinstance(loss_fn, nn.Module):
        is_own = type(loss_fn).__module__ == "torch.nn.modules.loss"
        kind = str(getattr(loss_fn, "reduction", "")) if is_own else ""
        return kind if kind in ("mean", "sum") else ""
    return (
        "mean" if getattr(F, getattr(loss_fn, "__name__", ""), None) is loss_fn else ""
    )


def _outputs(model: torch.nn.Module, inputs: Any) -> Any:
    if isinstance(inputs, tuple):
        return model(*inputs)
    return model(**inputs) if isinstance(inputs, dict) else model(inputs)


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
    loss: _Loss, outputs: Tensor, targets: list[Tensor]
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
    found = [_constant_loss(loss, c, targets) for c in candidates]
    finite = [value for value in found if math.isfinite(value)]
    return (min(finite) if finite else math.nan), score


def _constant_loss(loss: _Loss, constant: Tensor, targets: list[Tensor]) -> float:
    try:
        return loss(
            [constant.expand(len(y), *constant.shape) for y in targets], targets
        )
    except (RuntimeError, ValueError, IndexError, TypeError):
        return math.nan  # this loss cannot be had of such an output
