"""A change, which is data, made to a live model and optimizer, and undone."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from reluctant.changes import (
    _draw,
    _rates,
    _scale,
    _standardize,
    _swap,
    _units,
    _whiten,
    _width,
)
from reluctant.changes._patient import Context, DoesNotFit, NothingToDo, Patient
from reluctant.changes._see import largest_change, outputs_on
from reluctant.changes._snapshot import Snapshot
from reluctant.records import (
    AddDropout,
    AddParameters,
    Change,
    ClipGradNorm,
    DecayLearningRate,
    EditSource,
    InsertActivation,
    Prune,
    Reinitialize,
    RepelUnits,
    RescaleUnits,
    Restart,
    RestartSelected,
    ReviveOutputs,
    ReviveUnits,
    ScaleDropout,
    ScaleLearningRate,
    ScaleOutgoing,
    ScaleWeightDecay,
    SplitUnits,
    StandardizeInput,
    StandardizeTarget,
    SwapActivation,
    SwapLoss,
    SwapOptimizer,
    TrainMode,
    UnboundOutputs,
    WarmUp,
    WhitenInput,
    Widen,
)

_MAKE: dict[type[Any], Callable[[Any, Patient, Context], Change]] = {
    AddDropout: _swap.add_dropout,
    AddParameters: _rates.add_parameters,
    ClipGradNorm: _rates.clip,
    InsertActivation: _swap.insert_activation,
    ScaleDropout: _swap.scale_dropout,
    ScaleWeightDecay: _rates.scale_weight_decay,
    TrainMode: _swap.train_mode,
    UnboundOutputs: _swap.unbind_outputs,
    DecayLearningRate: _rates.decay,
    Prune: _width.prune,
    Reinitialize: _draw.reinitialize,
    RepelUnits: _swap.repel,
    RescaleUnits: _scale.rescale_units,
    Restart: _draw.restart,
    ReviveOutputs: _units.revive_outputs,
    ReviveUnits: _units.revive,
    ScaleLearningRate: _rates.scale_rate,
    ScaleOutgoing: _scale.scale_outgoing,
    SplitUnits: _units.split,
    StandardizeInput: _standardize.standardize_input,
    StandardizeTarget: _standardize.standardize_target,
    SwapActivation: _swap.swap_activation,
    SwapLoss: _swap.swap_loss,
    SwapOptimizer: _rates.swap_optimizer,
    WarmUp: _rates.warm_up,
    WhitenInput: _whiten.whiten_input,
    Widen: _width.widen,
}
_SHIFTED = 1e-3  # likewise, where a large mean is taken off and put on again
_ROUNDING = 1e-4  # of the largest output: what sums in another order may differ by


class Applied:
    """Changes that were made, and can be taken back.

    Attributes:
        changes: As they were made: with what was found or measured in making them.
    """

    def __init__(self, changes: tuple[Change, ...], snapshot: Snapshot) -> None:
        self.changes = changes
        self._snapshot: Snapshot | None = snapshot

    def undo(self) -> None:
        """Put model, optimizer and loss back as they were before, byte for byte.

        Steps that were taken since are taken back, too. A second call does nothing.
        """
        if self._snapshot is not None:
            self._snapshot.restore()
            self._snapshot = None


def apply(
    changes: Sequence[Change], patient: Patient, context: Context | None = None
) -> Applied:
    """Make changes to a model and an optimizer in place, all or none.

    A change that finds nothing to do, such as to revive units where all live, is left
    out, unless all do.

    Parameters stay the objects that they are wherever their shape stays. Gradients of
    the last backward pass go: they belong to what was there before.

    Args:
        changes: In order.
        patient: Changed in place.
        context: What may be measured on; nothing if left out.

    Raises:
        DoesNotFit: If one of them cannot be made; then nothing is changed.
    """
    context = context or Context()
    snapshot = Snapshot(patient)
    made: list[Change] = []
    nothing: NothingToDo | None = None
    try:
        for change in changes:
            try:
                made.append(_make(change, patient, context))
            except NothingToDo as reason:
                nothing = reason
        if nothing is not None and not made:
            raise nothing
    except BaseException:
        snapshot.restore()
        raise
    for parameter in patient.model.parameters():
        parameter.grad = None
    return Applied(tuple(made), snapshot)


def _make(change: Change, patient: Patient, context: Context) -> Change:
    if isinstance(change, EditSource):
        raise DoesNotFit(
            f"only its author can change the source: {change.where or change.after}"
        )
    if isinstance(change, RestartSelected):
        raise DoesNotFit("many starts need many trainings: let a trial make them.")
    limit = _allowed(change)
    before = outputs_on(patient.model, context) if limit is not None else []
    made = _MAKE[type(change)](change, patient, context)
    if limit is not None:
        moved = largest_change(before, outputs_on(patient.model, context))
        if not moved <= limit:
            raise DoesNotFit(
                f"{type(change).__name__} should leave the outputs as they are, but "
                f"moved them by {moved:.2g} of the largest."
            )
    return made


def _allowed(change: Change) -> float | None:
    """By how much a change that keeps the function may move the outputs."""
    if isinstance(change, SplitUnits):
        return _ROUNDING + math.sqrt(2 * max(0.0, 1 - change.same))
    if isinstance(change, ReviveUnits | RescaleUnits | Widen):
        return _ROUNDING
    if isinstance(change, StandardizeInput | StandardizeTarget | WhitenInput):
        return _SHIFTED if change.keep_function else None
    return None
