"""Whether one sample's output depends on other samples of its batch.

Longer than most files: which axis holds the samples has to be found out.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from reluctant.lab._recipe import Training
from reluctant.lab.exams._batch import (
    chosen,
    is_collated,
    joined,
    length,
    mapped,
    tensors,
)
from reluctant.probes._update import Unmeasurable
from reluctant.probes.sample_mixing import NONE, mixing

_MOST_SAMPLES = 16
_MOST_MODULES = 64  # outputs that are looked at to find where it begins
_BATCH_NORM = nn.modules.batchnorm._BatchNorm


class BatchLeak(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a sample's output comes from other samples, in evaluation mode.

    Attributes:
        value: Of the gradient of a sample's output by the inputs, the share (by norm)
            that falls on other samples; the largest of those looked at. 0 where
            samples are independent.
        site: The first module whose output mixes samples; `""` if there is none, or if
            it happens in no module of its own.
        operation: That module's class.
        samples: How many samples the batch was cut to.
        batch_norms: How many modules mix samples in training mode, as they should.
    """

    value: float
    site: str
    operation: str
    samples: int
    batch_norms: int


def batch_leak(training: Training, *, looked_at: int = 3) -> BatchLeak:
    """Differentiate single outputs by all inputs of their batch.

    In evaluation mode: batch statistics couple samples in training mode by design.
    Which axis holds the samples is not assumed: they are independent if along some axis
    of the outputs each entry depends on one entry of an axis of the inputs alone. Only
    where torch's own collation made the batch is the inputs' first axis known to be it.
    Where inputs are whole numbers, their embeddings stand for them.

    Works on a fork.

    Args:
        training: Anything that can be forked.
        looked_at: Samples whose outputs are differentiated.

    Raises:
        UsageError: If the training cannot be forked, or has no batch.
        Unmeasurable: If outputs do not belong to single samples, or depend on no input
            by a gradient.
    """
    copy = training.fork()
    model = copy.model.eval()
    axes = (0,) if is_collated(copy.batches) else (0, 1)
    with (
        copy.own_randomness(),
        sdpa_kernel(SDPBackend.MATH),
        torch.backends.cudnn.flags(enabled=False),
    ):
        batch = copy.next_batch()
        if length(batch[0]) == 1:
            batch = joined(batch, copy.next_batch())
        seen = _look(copy, batch)
        found = math.nan
        for output in seen.outputs:
            found = mixing(output, seen.source, axes, looked_at)
            if not math.isnan(found):
                break
        if math.isnan(found):
            shapes = ", ".join(str(tuple(t.shape)) for t in seen.outputs[:3])
            known = tuple(seen.source.shape)
            raise Unmeasurable(
                f"no output (shape {shapes or 'unknown'}) follows the samples of the "
                f"inputs (shape {known}) one by one, by a gradient"
            )
        site = operation = ""
        if found > NONE:
            site, operation = _first_mixed(seen, axes, looked_at)
    return BatchLeak(
        value=found if found > NONE else 0.0,
        site=site,
        operation=operation,
        samples=seen.samples,
        batch_norms=sum(isinstance(m, _BATCH_NORM) for m in model.modules()),
    )


class _Look(NamedTuple):
    source: Tensor  # what stands for the inputs
    outputs: list[Tensor]
    modules: list[tuple[str, str, Tensor]]  # name, class, output, in order
    samples: int


def _look(copy: Training, batch: Any) -> _Look:
    """Run the model once on few samples, by a number that no other axis has."""
    n = length(batch[0])
    taken = {d for t in tensors(batch) for d in t.shape[1:]}
    fitting = [m for m in range(min(n, _MOST_SAMPLES), 1, -1) if m not in taken]
    if n < 2:
        raise Unmeasurable("batches hold a single sample")
    for m in (fitting[0] if fitting else n, n):
        try:
            return _run(copy, chosen(batch, slice(m))[0], m)
        except (RuntimeError, ValueError, IndexError, AssertionError):
            if m == n:
                raise
    raise AssertionError("the loop returns or raises")


def _run(copy: Training, inputs: Any, n: int) -> _Look:
    sources: list[Tensor] = []

    def follow(tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point() or not tensor.ndim:
            return tensor
        sources.append(tensor.detach().clone().requires_grad_())
        return sources[-1].clone()  # a model may write into its input

    inputs = mapped(inputs, follow)
    passed: list[tuple[str, str, Tensor]] = []
    with torch.enable_grad(), _listening(copy.model, passed):
        if sources:
            outputs = copy.outputs(inputs)
        else:
            shapes = {tuple(t.shape) for t in tensors(inputs)}
            with _Embeddings(shapes, sources):
                outputs = copy.outputs(inputs)
    sources = [s for s in sources if s.requires_grad]
    if not sources:
        raise Unmeasurable("the inputs are whole numbers that no embedding reads")
    source = next((s for s in sources if n in s.shape), sources[0])
    found = [t for t in tensors(outputs) if t.requires_grad and t.ndim]
    return _Look(source, found, passed, n)


class _Embeddings(TorchFunctionMode):
    """Collects what embeddings make of the inputs."""

    def __init__(self, shapes: set[tuple[int, ...]], found: list[Tensor]) -> None:
        super().__init__()
        self._shapes, self._found = shapes, found

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        shape = tuple(output.shape) if func in (F.embedding, F.embedding_bag) else ()
        firsts = {known[:1] for known in self._shapes}
        one_each = func is F.embedding and shape[:-1] in self._shapes
        one_a_bag = func is F.embedding_bag and shape[:1] in firsts
        if one_each or one_a_bag:
            self._found.append(output)
        return output


@contextmanager
def _listening(
    model: nn.Module, passed: list[tuple[str, str, Tensor]]
) -> Iterator[None]:
    """Keep every module's output, in the order in which they return."""

    def keep(name: str, module: nn.Module, output: Any) -> None:
        found = [t for t in tensors(output) if t.requires_grad and t.ndim]
        if found and len(passed) < _MOST_MODULES:
            passed.append((name, type(module).__name__, found[0]))

    handles = [
        module.register_forward_hook(
            lambda module, args, output, name=name: keep(name, module, output)
        )
        for name, module in model.named_modules()
        if name
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _first_mixed(seen: _Look, axes: tuple[int, ...], looked_at: int) -> tuple[str, str]:
    """The first module whose output mixes samples."""
    for name, kind, output in seen.modules:
        if mixing(output, seen.source, axes, looked_at) > NONE:
            return name, kind
    return "", ""
