"""What an optimizer's step shows: gradients, updates, rates, and who was reached."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor
from torch.optim import Optimizer

from reluctant.live._recorder import Recorder
from reluctant.probes import GradientProbe, Probe, UpdateProbe
from reluctant.records import Layer
from reluctant.records.quantities import (
    GRAD_MISSING,
    GRAD_REACHED,
    LAST_REACHED,
    LEARNING_RATE,
    REACH_STEPS,
    UPDATE_LOST,
)

_HALF = (torch.float16, torch.bfloat16)


class StepLook:
    """Reads gradients and parameters on both sides of a sampled step.

    Args:
        recorder: Where readings go.
        probes: Of these, the ones that read gradients and updates.
        parameters: By name.
    """

    def __init__(
        self, recorder: Recorder, probes: Sequence[Probe], parameters: dict[str, Tensor]
    ) -> None:
        self._recorder, self._parameters = recorder, parameters
        self._gradient_probes = [p for p in probes if isinstance(p, GradientProbe)]
        self._update_probes = [p for p in probes if isinstance(p, UpdateProbe)]
        self._before: dict[str, Tensor] = {}
        self._rates: list[float] = []

    def before(self, owned: Mapping[str, Tensor]) -> None:
        """Keep copies of what is about to move."""
        self._before |= {name: p.detach().clone() for name, p in owned.items()}

    def after(self, owned: Mapping[str, Tensor]) -> None:
        """Measure gradients, and how far each parameter has moved."""
        gradients = {n: p.grad.detach() for n, p in owned.items() if p.grad is not None}
        if owned:
            given = sum(bool(g.any()) for g in map(_entries, gradients.values()))
            self._recorder.add(GRAD_MISSING, "", 1 - given / len(owned))
        for probe in self._gradient_probes:
            self._recorder.measure(probe, gradients)
        after = {n: p.detach() for n, p in owned.items() if n in self._before}
        before = {n: self._before.pop(n) for n in after}
        self._lost(gradients, before, after)
        for update_probe in self._update_probes:
            self._recorder.measure(update_probe, before, after)

    def _lost(
        self,
        gradients: Mapping[str, Tensor],
        before: Mapping[str, Tensor],
        after: Mapping[str, Tensor],
    ) -> None:
        """What of an update was rounded away, where weights have few digits."""
        for name, new in after.items():
            gradient = gradients.get(name)
            if new.dtype not in _HALF or gradient is None or gradient.is_sparse:
                continue
            called = gradient != 0
            lost = called & (new == before[name])
            self._recorder.add(UPDATE_LOST, name, lost.sum() / called.sum())

    def rates(self, optimizers: Iterable[Optimizer]) -> None:
        """Record learning rates when they change."""
        groups = [group for o in optimizers for group in o.param_groups]
        rates = [float(group["lr"]) for group in groups if "lr" in group]
        if rates != self._rates:
            self._rates = rates
            for i, rate in enumerate(rates):
                self._recorder.add(LEARNING_RATE, f"group{i}", rate)

    def forget(self) -> None:
        """Drop the copies."""
        self._before.clear()


def _entries(gradient: Tensor) -> Tensor:
    """The entries that there are, of a sparse gradient too."""
    return gradient._values() if gradient.is_sparse else gradient


class ReachLook:
    """When each unit last got a gradient: exact, at every step, and next to free.

    A unit behind a rectifier that is silent for a whole batch has a bias gradient of
    exactly 0, so one comparison a layer and step never misses a dead one. A step in
    which a plain head gets none either, as under a hinge loss that is met, tells
    nothing of the units below, and does not count.
    """

    def __init__(self, recorder: Recorder, parameters: dict[str, Tensor]) -> None:
        self._recorder, self._parameters = recorder, parameters
        self._reached: dict[str, tuple[Tensor, Tensor]] = {}
        self._head: Tensor | None = None  # bias of a head that cannot fall silent
        self._told: Tensor | None = None  # steps in which a gradient came at all
        self._steps = self._since = 0

    def follow(self, layers: Iterable[Layer], head: str) -> None:
        """Follow the bias of every layer that an activation stands behind.

        Args:
            layers: As far as they are known.
            head: Name of the one whose outputs the loss reads.
        """
        for layer in layers:
            bias = self._parameters.get(layer.bias)
            if layer.site == head and not layer.activation and bias is not None:
                self._head = bias
            if layer.site in self._reached or not layer.activation or bias is None:
                continue
            if bias.shape == (layer.units,):
                last = torch.full((layer.units,), -1, device=bias.device)
                self._reached[layer.site] = bias, last

    def look(self) -> None:
        """Note who is reached by the gradients of this step."""
        self._steps += 1
        step = self._recorder.now.step
        self._count()
        for bias, last in self._reached.values():
            if bias.grad is not None:
                last.masked_fill_(bias.grad != 0, step)  # nan is a gradient too

    def _count(self) -> None:
        """Count the step if it sent a gradient to the head, or to the layer below it.

        That of a head may cancel.
        """
        gradient = self._head.grad if self._head is not None else None
        if gradient is None:
            self._told = self._head = None
            return
        told = (gradient != 0).any()
        for bias, _ in list(self._reached.values())[-1:]:
            if bias.grad is not None and bias.grad.device == told.device:
                told = told | (bias.grad != 0).any()
        self._told = told.long() if self._told is None else self._told + told

    def emit(self) -> None:
        """Record who was reached since the last time, and begin anew."""
        if self._reached and self._steps:
            told = self._told if self._told is not None else float(self._steps)
            self._recorder.add(REACH_STEPS, "", told)
            for site, (_, last) in self._reached.items():
                reached = (last >= self._since).to(torch.float32)
                self._recorder.add(GRAD_REACHED, site, reached)
                self._recorder.add(LAST_REACHED, site, last.to(torch.float64))
        self._steps, self._since = 0, self._recorder.now.step + 1
        self._told = None

    def silent(self, layers: Iterable[Layer]) -> list[str]:
        """The layers with units that nothing has reached in the present step.

        Those without a bias, which cannot be told, are among them.
        """
        now = self._since - 1
        quiet = [s for s, (_, x) in self._reached.items() if bool((x < now).any())]
        bare = [x.site for x in layers if x.activation and x.site not in self._reached]
        return quiet + bare
