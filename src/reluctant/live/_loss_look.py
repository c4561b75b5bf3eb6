"""What a loss shows on a sampled step: head, gauge, and what the last step left."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from reluctant.live._best_constant import ConstantLook
from reluctant.live._governor import clock
from reluctant.live._graph import leaf_tensors, leaves, name_of, operations, owner_of
from reluctant.live._loss_graph import LossReading, loss_of, read_loss
from reluctant.live._models import models_of
from reluctant.live._recorder import Recorder
from reluctant.probes import HeadPass, HeadProbe, Probe
from reluctant.probes._base import widest
from reluctant.probes.step_gauge import step_terms
from reluctant.records import Loss
from reluctant.records.quantities import (
    GRAD_KEPT,
    INPUT_DISTANCES,
    JOINT_MOMENTS,
    LOSS_PART,
    STEP_CURVATURE,
    STEP_GAIN,
)

_GAUGE_PASSES = 8  # a gauge costs about as much as this many forward passes
_GAUGES_AT_FIRST = 6  # sampled steps that are all gauged; later ones now and then
_GAUGE_EVERY = 3
_SMALL_BATCH = 8  # samples up to which one batch says little of the average step
_BURST = 5  # steps in a row that are then gauged
_GAUGE_SHARE = 0.4  # of the time for sampling may go into gauges
_AMOUNTS = ("mse", "l1", "huber")
_PAIRED, _FEWEST_PAIRED = 64, 16  # samples of a batch that are compared in pairs
_MOST_PAIRED, _MOST_CLASSES = 4096, 50  # features of a sample; range of the targets
_MOST_FEATURES, _MOST_TARGETS = 24, 4  # a table of more is not multiplied out
_FIRST_STEPS = 2  # steps in which it is looked at which parameters a loss reaches


class HeadLook:
    """Reads what the loss receives.

    Attributes:
        loss: What the loss is; None until one was seen.
        inputs: What the model was called with in this step, if it was seen.
        site: The layer that the loss reads; `""` if unknown.
        unreached: Parameters that the loss does not depend on.
        unlisted: What it depends on and `parameters()` does not know.
        strangers: Parameters of other models, where it depends on none of these.
        operations: Names of the nodes on its graph.
    """

    def __init__(
        self, recorder: Recorder, probes: Sequence[Probe], parameters: dict[str, Tensor]
    ) -> None:
        self.loss: Loss | None = None
        self.inputs: Tensor | None = None
        self.site = ""
        self.unreached: tuple[str, ...] = ()
        self.unlisted: tuple[str, ...] = ()
        self.strangers: tuple[str, ...] = ()
        self.operations: tuple[str, ...] = ()
        self._recorder, self._parameters = recorder, parameters
        self._probes = [p for p in probes if isinstance(p, HeadProbe)]
        self._constant = ConstantLook(recorder)

    def look(
        self,
        loss: Tensor,
        outputs: list[Tensor],
        names: Mapping[int, str],
        lost: Callable[[], Mapping[str, Tensor]] = dict,
    ) -> None:
        """Read one loss before its backward.

        Args:
            loss: A scalar with a graph.
            outputs: What the model put out in this step.
            names: Parameter names by `id`.
            lost: Gives what no optimizer owns and `parameters()` does not know.
        """
        with torch.no_grad():
            found = read_loss(loss, outputs)
        seen = HeadPass(found.kind, found.outputs, found.targets, max(found.axis, 0))
        for probe in self._probes:
            self._recorder.measure(probe, seen)
        if found.is_sum:
            self._recorder.guard("loss part", self._part, loss, found)
        self._recorder.guard("best constant", self._constant.look, loss, found)
        self._recorder.guard("joint moments", self._joint, found.targets)
        if found.kind in _AMOUNTS:
            self._recorder.guard("distances", self._distances, found.targets)
        given = found.outputs
        self.loss = Loss(
            kind=found.kind,
            reduction=found.reduction,
            head=found.head,
            outputs=_width(given, found.axis),
            shape=found.shape,
            target_shape=found.target_shape,
            is_broadcast=found.is_broadcast,
            is_scaled=name_of(loss.grad_fn) in ("Div", "Mul"),
        )
        if self._recorder.now.step < _FIRST_STEPS:
            reached = leaves(loss.grad_fn)
            self.operations = tuple(sorted(operations(loss.grad_fn)))
            self.unreached = tuple(
                name
                for name, p in self._parameters.items()
                if p.requires_grad and id(p) not in reached
            )
            self.unlisted = tuple(n for n, p in lost().items() if id(p) in reached)
            is_ours = any(id(p) in reached for p in self._parameters.values())
            self.strangers = () if is_ours else _parameters_on(loss)
        head = owner_of(found.producer, names)
        self.site = head.site if head else ""

    def _joint(self, targets: Tensor | None) -> None:
        """What inputs and targets have in common, where both are few numbers."""
        if self.inputs is None or targets is None:
            return
        with torch.no_grad():
            moments = joint_moments(self.inputs, targets)
        if moments is not None:
            self._recorder.add(JOINT_MOMENTS, "", moments)

    def _part(self, loss: Tensor, found: LossReading) -> None:
        """How much of a sum of terms is the one that was recognized."""
        with torch.no_grad():
            part = loss_of(found)
            if part is not None:
                self._recorder.add(LOSS_PART, "", part / loss.detach())

    def _distances(self, targets: Tensor | None) -> None:
        """Whether inputs are the farther apart the farther their targets are."""
        if self.inputs is None or targets is None:
            return
        with torch.no_grad():
            apart = class_distances(self.inputs, targets)
        if apart is not None:
            self._recorder.add(INPUT_DISTANCES, "", apart)


def _parameters_on(loss: Tensor) -> tuple[str, ...]:
    """Names of the parameters of whatever models a loss depends on."""
    found = [p for p in leaf_tensors(loss.grad_fn) if isinstance(p, nn.Parameter)]
    reached = {id(p) for p in found}
    return tuple(
        f"{type(model).__name__}.{name}"
        for model in models_of(found)
        for name, p in model.named_parameters()
        if id(p) in reached
    )


def class_distances(inputs: Tensor, targets: Tensor) -> Tensor | None:
    """Mean squared distance of inputs by how far their targets are apart.

    Args:
        inputs: Shape `(samples, …)`.
        targets: One number a sample.

    Returns:
        Of pairs with the same target, with targets one apart, and at least half of the
        batch's range apart; None if the targets are not a few whole numbers.
    """
    y = targets.reshape(-1)
    x = inputs.reshape(len(inputs), -1)
    is_one_each = len(y) == len(x) >= _FEWEST_PAIRED and x.is_floating_point()
    if not is_one_each or x.shape[1] > _MOST_PAIRED:
        return None
    x, y = widest(x[:_PAIRED]), widest(y[:_PAIRED])
    if not bool((y == y.round()).all()) or not bool(x.isfinite().all()):
        return None
    span = y.max() - y.min()
    if not 3 <= float(span) <= _MOST_CLASSES:
        return None
    x = x - x.mean(0)
    length = x.square().sum(1)
    square = (length[:, None] + length - 2 * x @ x.T) / x.shape[1]
    gap = (y[:, None] - y).abs()
    is_pair = ~torch.eye(len(y), dtype=torch.bool, device=y.device)
    kinds = (gap == 0) & is_pair, gap == 1, gap >= span / 2
    if not all(bool(k.any()) for k in kinds):
        return None
    return torch.stack([square[k].mean() for k in kinds])


def joint_moments(inputs: Tensor, targets: Tensor) -> Tensor | None:
    """Second moments of (inputs, 1, targets), row by row; None of what is too wide.

    All that a least-squares fit needs, and the condition number of the inputs.

    Args:
        inputs: Shape `(samples, features)`.
        targets: Numbers, shape `(samples,)` or `(samples, outputs)`.
    """
    if targets.ndim == 1:
        targets = targets[:, None]
    is_table = inputs.ndim == targets.ndim == 2 and len(inputs) == len(targets) > 1
    numbers = inputs.is_floating_point() and targets.is_floating_point()
    if not (is_table and numbers) or inputs.shape[1] > _MOST_FEATURES:
        return None
    if targets.shape[1] > _MOST_TARGETS:
        return None
    ones = inputs.new_ones(len(inputs), 1)
    rows = torch.cat([widest(t) for t in (inputs, ones, targets)], 1)
    return (rows.T @ rows / len(rows)).reshape(-1)


def _width(outputs: Tensor | None, axis: int) -> int:
    """Length of the output axis: 1 where each sample has a single number."""
    if outputs is None or not outputs.ndim:
        return 0
    return outputs.shape[axis] if outputs.ndim > 1 else 1


class GaugeLook:
    """Measures what a step gains on its own batch, and what curvature takes back.

    Two backward passes on the live graph, which leave it whole; nothing is copied and
    nothing is run again, so it works for any loss, and the training stays as it is.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._last_s = self._spent_s = 0.0
        self._looks = 0
        self._burst = 0

    @property
    def is_in_burst(self) -> bool:
        """Whether the next step is to be gauged though it is not sampled."""
        return self._burst > 0

    def look(
        self,
        loss: Tensor,
        parameters: dict[str, Tensor],
        optimizers: Sequence[Optimizer],
        model: nn.Module | None,
        *,
        forward_s: float,
        samples: int,
        accumulates: bool,
    ) -> None:
        """Measure one step, if it can be measured and may be afforded.

        Args:
            loss: A scalar with a graph, before its backward.
            parameters: By name.
            optimizers: All that own parameters of the model.
            model: Its buffers are guarded.
            forward_s: Seconds that the forward pass took; 0 if unknown.
            samples: In the batch; few of them make it look at several steps in a row.
            accumulates: Whether the step before took several losses.
        """
        if self._recorder.is_blind("step gauge") or not optimizers:
            return
        if accumulates:
            self._blind("gradients accumulate over several batches")
            return
        if len(optimizers) > 1:
            self._blind("several optimizers share the loss")
            return
        if self._burst:
            self._burst -= 1
        else:
            self._looks += 1
            if self._looks > _GAUGES_AT_FIRST and self._looks % _GAUGE_EVERY:
                return
            if self._looks > _GAUGES_AT_FIRST and 0 < samples <= _SMALL_BATCH:
                self._burst = _BURST - 1
        governor = self._recorder.governor
        expected_s = self._last_s or _GAUGE_PASSES * (forward_s or governor.step_s)
        share = _GAUGE_SHARE * governor.allowance_s
        if self._spent_s + expected_s > share or not governor.affords(expected_s):
            self._burst = 0
            return
        start = clock()
        self._recorder.now.in_gauge = True
        try:
            terms = step_terms(
                loss,
                parameters.values(),
                optimizers,
                buffers=model.buffers() if model is not None else (),
            )
        finally:
            self._recorder.now.in_gauge = False
            self._last_s = clock() - start
            self._spent_s += self._last_s
        self._recorder.add(STEP_GAIN, "", terms.gain)
        self._recorder.add(STEP_CURVATURE, "", terms.curvature)

    def _blind(self, reason: str) -> None:
        self._recorder.note_blind("step gauge", reason)


class HygieneLook:
    """Tells whether gradients were zeroed between one step and the next backward."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._left: list[tuple[Tensor, int, int]] = []

    def remember(self, owned: Sequence[Tensor]) -> None:
        """A few gradients as a step left them; only of what its optimizer zeroes."""
        left = [
            (p, p.grad.data_ptr(), p.grad._version)
            for p in owned
            if p.grad is not None and p.grad.layout == torch.strided
        ]
        self._left = left[:1] + left[-2:]

    def attend(self, loss: Tensor) -> None:
        """Look again when this loss's backward begins."""
        if self._left and loss.requires_grad:
            loss.register_hook(partial(self._on_backward, self._left))
            self._left = []

    def _on_backward(self, left: list[tuple[Tensor, int, int]], _: Tensor) -> None:
        """Tensor hook: must return None."""
        if not self._recorder.now.in_gauge:
            self._recorder.guard("gradient hygiene", self._compare, left)

    def _compare(self, left: list[tuple[Tensor, int, int]]) -> None:
        kept = any(
            p.grad is not None
            and p.grad.data_ptr() == pointer
            and p.grad._version == version
            and bool((p.grad != 0).any())
            for p, pointer, version in left
        )
        self._recorder.add(GRAD_KEPT, "", float(kept))
