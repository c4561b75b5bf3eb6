"""What runs around an optimizer's step. Objects, so that a fork can copy them."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from reluctant.records import DecayLearningRate


class StepHook:
    """Runs before each step of an optimizer; made here, so that forks carry it over."""

    def __call__(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Do it."""
        raise NotImplementedError

    def attach(self, optimizer: Optimizer) -> None:
        """Hook it up."""
        optimizer.register_step_pre_hook(self)


class RateSchedule(StepHook):
    """Multiplies the learning rates for the length of a step.

    Outside of steps they stay what the user, or a scheduler of the user's, made them.
    """

    ends_with_training = False

    def __init__(self) -> None:
        self.done = 0
        self.steps = 0
        self.is_paused = False
        self._kept: list[Any] = []

    def begin(self, steps: int) -> None:
        """Start over, for a training of so many steps."""
        self.done, self.is_paused = 0, False
        if self.ends_with_training:
            self.steps = steps

    def factor(self, step: int) -> float:
        """What the rates are multiplied by at a step, from 0."""
        raise NotImplementedError

    def __call__(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        factor = 1.0 if self.is_paused else self.factor(self.done)
        self._kept.append([group["lr"] for group in optimizer.param_groups])
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * factor

    def put_back(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """After the step."""
        for group, rate in zip(optimizer.param_groups, self._kept.pop(), strict=True):
            group["lr"] = rate
        self.done += 1

    def attach(self, optimizer: Optimizer) -> None:
        """Hook it up, before and after; the first to scale is the last to put back."""
        optimizer.register_step_pre_hook(self)
        handle = optimizer.register_step_post_hook(self.put_back)
        hooks: Any = optimizer._optimizer_step_post_hooks  # an OrderedDict
        hooks.move_to_end(handle.id, last=False)


class Rising(RateSchedule):
    """From 1/steps to 1."""

    def __init__(self, steps: int) -> None:
        RateSchedule.__init__(self)
        self.steps = steps

    def factor(self, step: int) -> float:
        """See `WarmUp`."""
        return min(1.0, (step + 1) / self.steps)


class Falling(RateSchedule):
    """From 1 to the floor."""

    def __init__(self, change: DecayLearningRate, steps: int) -> None:
        RateSchedule.__init__(self)
        self.change, self.steps = change, steps
        self.ends_with_training = not change.steps

    def factor(self, step: int) -> float:
        """See `DecayLearningRate`."""
        change = self.change
        begin = change.begin * self.steps
        share = min(1.0, max(0.0, (step - begin) / max(1.0, self.steps - begin)))
        if change.shape == "exponential":
            return float(max(change.floor, 1e-12) ** share)
        if change.shape == "cosine":
            share = (1 - math.cos(math.pi * share)) / 2
        return 1 - (1 - change.floor) * share


class Clipping(StepHook):
    """Keeps the norm of all gradients together at or below a limit."""

    def __init__(self, limit: float) -> None:
        self.limit = limit

    def __call__(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, self.limit)


class Repelling(StepHook):
    """Adds the gradient of what units pay for pointing the same way."""

    def __init__(
        self, layers: list[tuple[Tensor, Tensor | None]], strength: float, steps: int
    ) -> None:
        self.layers, self.strength, self.steps, self.done = layers, strength, steps, 0

    def __call__(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self.done += 1
        if self.steps and self.done > self.steps:
            return
        wanted = [p for pair in self.layers for p in pair if p is not None]
        wanted = [p for p in wanted if p.grad is not None]
        if not wanted:
            return
        with torch.enable_grad():
            price = self.strength * self.price()
            gradients = torch.autograd.grad(price, wanted, allow_unused=True)
        for parameter, gradient in zip(wanted, gradients, strict=True):
            if gradient is not None:
                grad: Any = parameter.grad  # those without one were left out
                grad.add_(gradient)

    def price(self) -> Tensor:
        """Mean squared cosine between the units of a layer, biases included."""
        prices = []
        for weight, bias in self.layers:
            rows = weight.flatten(1)
            if bias is not None:
                rows = torch.cat([rows, bias[:, None]], dim=1)
            rows = torch.nn.functional.normalize(rows, dim=1)
            units = len(rows)
            squares = (rows @ rows.T).square().sum() - units
            prices.append(squares / max(1, units * (units - 1)))
        return torch.stack(prices).mean()


def step_hooks(optimizer: Optimizer) -> Iterator[StepHook]:
    """The hooks that changes have put on an optimizer, in the order they run."""
    for hook in optimizer._optimizer_step_pre_hooks.values():
        if isinstance(hook, StepHook):
            yield hook
