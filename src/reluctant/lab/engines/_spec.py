"""What the fused engine can train: a plain network, its loss and its optimizer."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "SGD",
    "Activation",
    "Adam",
    "Loss",
    "MLPSpec",
    "Optimizer",
    "Parameters",
    "Reduction",
]

Activation: TypeAlias = Literal[
    "linear", "relu", "leaky_relu", "sigmoid", "tanh", "softmax"
]
Loss: TypeAlias = Literal["mse", "cross_entropy"]
Reduction: TypeAlias = Literal["mean", "sum"]

Parameters: TypeAlias = list[tuple[NDArray[np.floating], NDArray[np.floating] | None]]
"""Weight `(out, in)` and bias `(out,)`, or None, of each layer, as torch keeps them."""


@dataclass(frozen=True)
class SGD:
    """Gradient descent as `torch.optim.SGD` does it, without dampening.

    Attributes:
        momentum: Share of the last step's speed that is kept, in [0, 1).
        nesterov: Look ahead by one step of momentum.
        weight_decay: Added to the gradient as `weight_decay * w`.
    """

    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0


@dataclass(frozen=True)
class Adam:
    """Adam and AdamW as torch does them, without amsgrad.

    Attributes:
        beta1: Decay of the mean of the gradient, in [0, 1).
        beta2: Decay of the mean of its square, in [0, 1).
        eps: Added to the root of that mean.
        weight_decay: Added to the gradient, or, if decoupled, taken off the weight.
        decoupled: Whether the decay acts on the weight alone, as in AdamW.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    decoupled: bool = False


Optimizer: TypeAlias = SGD | Adam


@dataclass(frozen=True)
class MLPSpec:
    """A plain network and how it is trained, but for rates, seeds and data.

    The loss is torch's: `mse` with reduction `mean` divides by samples *and* outputs,
    so `sum` steps as many times further as a batch has numbers; `cross_entropy` takes
    what the head returns for logits, so a softmax head before it is applied twice,
    as it is in torch.

    Attributes:
        widths: Inputs, each hidden layer, outputs.
        hidden: Activation of every hidden layer, or one for each.
        head: Activation of the output layer.
        loss: What is lowered.
        reduction: Over the samples of a batch and, for `mse`, over outputs.
        optimizer: How a gradient turns into a step.
        batch_size: Samples a step.
        drop_last: Whether an epoch leaves out its last, smaller batch.
        leaky_slope: Slope of `leaky_relu` below zero, at least 0.
        bias: Whether the layers have biases.

    Raises:
        ValueError: If a field is outside what is said above.
    """

    widths: tuple[int, ...]
    hidden: Activation | tuple[Activation, ...] = "relu"
    head: Activation = "linear"
    loss: Loss = "mse"
    reduction: Reduction = "mean"
    optimizer: Optimizer = field(default_factory=SGD)
    batch_size: int = 1
    drop_last: bool = False
    leaky_slope: float = 0.01
    bias: bool = True

    def __post_init__(self) -> None:
        if len(self.widths) < 2 or min(self.widths) < 1:
            raise ValueError(
                f"widths is {self.widths}, but a network has at least inputs and "
                "outputs, one of each: give (inputs, hidden..., outputs)."
            )
        if self.batch_size < 1:
            raise ValueError(
                f"batch_size is {self.batch_size}, but a step needs a sample: "
                "give 1 or more."
            )
        activations = self.activations
        if len(activations) != len(self.widths) - 1:
            raise ValueError(
                f"{len(activations) - 1} hidden activations for "
                f"{len(self.widths) - 2} hidden layers: give one name, or one a layer."
            )
        for name in activations:
            _check_member("activation", name, get_args(Activation))
        if "softmax" in activations[:-1]:
            raise ValueError(
                "softmax in a hidden layer, but this engine has it in the head only: "
                "use the torch engine."
            )
        _check_member("loss", self.loss, get_args(Loss))
        _check_member("reduction", self.reduction, get_args(Reduction))
        if not self.leaky_slope >= 0.0:
            raise ValueError(
                f"leaky_slope is {self.leaky_slope}, but below 0 the output no longer "
                "tells the side of the hinge: give 0 or more."
            )
        for what, value, limit in self._numbers():
            if not (0.0 <= value < limit):
                raise ValueError(
                    f"{what} is {value}, which is not in [0, {limit}): change it."
                )
        if (
            isinstance(self.optimizer, SGD)
            and self.optimizer.nesterov
            and not (self.optimizer.momentum > 0.0)
        ):
            raise ValueError("nesterov with momentum 0: give a momentum above 0.")

    def _numbers(self) -> list[tuple[str, float, float]]:
        rule = self.optimizer
        decay = ("weight_decay", rule.weight_decay, math.inf)
        if isinstance(rule, SGD):
            return [("momentum", rule.momentum, 1.0), decay]
        limits = [("beta1", rule.beta1, 1.0), ("beta2", rule.beta2, 1.0)]
        return [*limits, ("eps", rule.eps, math.inf), decay]

    @property
    def activations(self) -> tuple[Activation, ...]:
        """Activation of each layer, the head's last."""
        if isinstance(self.hidden, str):
            return (self.hidden,) * (len(self.widths) - 2) + (self.head,)
        return (*self.hidden, self.head)

    def steps_per_epoch(self, samples: int) -> int:
        """Return how many steps one pass over `samples` samples takes."""
        whole, rest = divmod(samples, self.batch_size)
        return whole if self.drop_last or not rest else whole + 1


def _check_member(what: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise ValueError(f"no {what} {name!r}: choose from {', '.join(known)}.")
