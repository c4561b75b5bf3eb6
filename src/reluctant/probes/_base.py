"""What every probe is: one moment of the training step, read without touching it."""

import abc
from collections.abc import Iterator, Mapping
from typing import ClassVar, NamedTuple

from torch import Tensor

from reluctant.records import Quantity


class Measurement(NamedTuple):
    """A value still on its device, so that a step costs one transfer.

    Attributes:
        quantity: What was measured.
        site: Where.
        value: Shape `()`, or `(units,)` for quantities that are per unit or output.
    """

    quantity: Quantity
    site: str
    value: Tensor


class LayerPass(NamedTuple):
    """What one layer put out in one forward pass of the training.

    Attributes:
        site: The layer.
        preactivation: Detached, before any activation; the first axis is the sample.
        unit_axis: Its axis of units (features, channels), never negative.
        activation: Name of the activation that reads it; `""` while none is known.
        slope: Negative slope of a leaky activation, else 0.
    """

    site: str
    preactivation: Tensor
    unit_axis: int
    activation: str = ""
    slope: float = 0.0


class HeadPass(NamedTuple):
    """What the loss received in one backward pass.

    Attributes:
        kind: Loss kind, as in `records.Loss`.
        outputs: Detached, shape `(samples, …)`; logits, not probabilities, if logits
            were given. None where they cannot be had.
        targets: Detached: class ids, or numbers of the outputs' shape; or None.
        output_axis: Axis of the outputs (classes, features); never negative.
    """

    kind: str
    outputs: Tensor | None
    targets: Tensor | None
    output_axis: int


class InputPass(NamedTuple):
    """What the model was called with in one forward pass of the training.

    Attributes:
        inputs: Detached, the first tensor among the arguments; the first axis is the
            sample.
    """

    inputs: Tensor


class InputProbe(abc.ABC):
    """Reads what goes into the model, on sampled steps."""

    yields: ClassVar[tuple[Quantity, ...]]

    @abc.abstractmethod
    def read(self, seen: InputPass) -> Iterator[Measurement]:
        """Yield measurements. Never modify the tensor in place, never keep it."""


class LayerProbe(abc.ABC):
    """Reads a layer's output right after it was computed, on sampled steps."""

    yields: ClassVar[tuple[Quantity, ...]]

    @abc.abstractmethod
    def read(self, layer: LayerPass) -> Iterator[Measurement]:
        """Yield measurements. Never modify the tensor in place, never keep it."""


class ActivationProbe(abc.ABC):
    """Reads the pre-activation as an activation function receives it."""

    yields: ClassVar[tuple[Quantity, ...]]

    @abc.abstractmethod
    def read(self, layer: LayerPass) -> Iterator[Measurement]:
        """Yield measurements. Never modify the tensor in place, never keep it."""


class HeadProbe(abc.ABC):
    """Reads the outputs against the targets as the loss receives them."""

    yields: ClassVar[tuple[Quantity, ...]]

    @abc.abstractmethod
    def read(self, head: HeadPass) -> Iterator[Measurement]:
        """Yield measurements. Never modify a tensor in place, never keep it."""


class GradientProbe(abc.ABC):
    """Reads the gradients as the optimizer used them."""

    yields: ClassVar[tuple[Quantity, ...]]

    @abc.abstractmethod
    def read(self, gradients: Mapping[str, Tensor]) -> Iterator[Measurement]:
        """Yield measurements.

        Args:
            gradients: Detached gradients by parameter name.
        """


class UpdateProbe(abc.ABC):
    """Reads the parameters on both sides of one step."""

    yields: ClassVar[tuple[Quantity, ...]]

    @abc.abstractmethod
    def read(
        self, before: Mapping[str, Tensor], after: Mapping[str, Tensor]
    ) -> Iterator[Measurement]:
        """Yield measurements.

        Args:
            before: Copies of the parameters as they were, by name.
            after: The same parameters, detached, as they are.
        """


def widest(tensor: Tensor) -> Tensor:
    """The tensor in the precision to sum in: float64, or float32 where there is none.

    Half precision overflows at 65,504 and squares of 1e-21 underflow in float32.
    """
    return tensor.float() if tensor.device.type == "mps" else tensor.double()


def rms(tensor: Tensor) -> Tensor:
    """Root mean square over all entries, shape `()`; nan if there are none.

    The norm is scaled by the largest entry, so that neither 1e-30 nor 1e30 is lost
    in single precision, and no copy in double precision is made.
    """
    flat = tensor.detach().reshape(-1)
    if flat.is_complex():
        flat = flat.abs()
    elif not flat.is_floating_point():
        flat = flat.float()
    if flat.numel() == 0:
        return flat.new_full((), float("nan"))
    if flat.dtype.itemsize < 4:
        flat = flat.float()
    largest = flat.abs().amax()
    scale = largest.where((largest > 0) & largest.isfinite(), largest.new_ones(()))
    return scale * (flat / scale).square().mean().sqrt()


def over_all_but(axis: int, ndim: int) -> tuple[int, ...]:
    """All axes but one."""
    return tuple(i for i in range(ndim) if i != axis)
