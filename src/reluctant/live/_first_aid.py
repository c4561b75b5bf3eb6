"""First aid in a live training: dead units revived, a step past its limit cut.

Off unless it is asked for. Every act is recorded, and can be taken back.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from reluctant.changes import Applied, Context, DoesNotFit, Plain, apply
from reluctant.records import (
    Change,
    Diagnosis,
    ReviveUnits,
    ScaleLearningRate,
    SplitUnits,
)

EVERY = 200  # steps between looks, at least: what was done has to show first
BATCHES = 8  # of inputs that are kept, to find out who is dead
UNDOABLE = 3  # acts that can be taken back; each holds a copy of the model


@dataclass
class Act:
    """One act of first aid.

    Attributes:
        step: After which it was done.
        changes: As they were made.
        because: The finding's message.
    """

    step: int
    changes: tuple[Change, ...]
    because: str
    _applied: Applied | None = None

    @property
    def is_undoable(self) -> bool:
        """Whether the state before it is still held."""
        return self._applied is not None

    def undo(self) -> None:
        """Go back to the state before the act: the steps since are taken back, too."""
        if self._applied is not None:
            self._applied.undo()
            self._applied = None


class FirstAid:
    """Looks after a training under watch.

    Args:
        model: Operated on in place.
        diagnose: Says what is wrong so far.
        note: Given a line for each act, and for each that could not be done.
    """

    def __init__(
        self,
        model: nn.Module,
        diagnose: Callable[[], Diagnosis],
        note: Callable[[str], None],
    ) -> None:
        self.acts: list[Act] = []
        self._model, self._diagnose, self._note = model, diagnose, note
        self._inputs: deque[Any] = deque(maxlen=BATCHES)
        self._next = EVERY
        self._acted: dict[type[Change], int] = {}
        self._handle = model.register_forward_pre_hook(self._keep, with_kwargs=True)

    def detach(self) -> None:
        """Keep no more inputs."""
        self._handle.remove()
        self._inputs.clear()

    def look(self, step: int, optimizer: Optimizer) -> None:
        """After a step: act if something is found that can be treated now."""
        if step < self._next:
            return
        self._next = step + EVERY
        for finding in self._diagnose().findings:
            change = _TREATS.get(finding.name)
            if finding.name == "step-past-limit":
                gauges = [e.value for e in finding.evidence if e.quantity == "gauge"]
                change = _cut(gauges[0]) if gauges else None
            seen = max((e.step for e in finding.evidence), default=finding.since_step)
            # what was seen before the last act of this kind was acted upon
            if change is not None and seen >= self._acted.get(type(change), 0):
                self._acted[type(change)] = step
                self._act(change, finding.message, step, optimizer)

    # --- inside

    def _keep(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        if module.training and (args or kwargs):
            held = [_detached(value) for value in args]
            self._inputs.append(
                {k: _detached(v) for k, v in kwargs.items()}
                if kwargs and not args
                else (held[0] if len(held) == 1 else tuple(held))
            )

    def _act(
        self, change: Change, because: str, step: int, optimizer: Optimizer
    ) -> None:
        handle = self._handle
        handle.remove()  # copies that are looked at must not look back
        context = Context([(x, None) for x in self._inputs], seed=step)
        try:
            done = apply([change], Plain(self._model, _no_loss, optimizer), context)
        except DoesNotFit as reason:
            self._note(f"step {step}: {type(change).__name__} not done: {reason}")
            return
        finally:
            self._handle = self._model.register_forward_pre_hook(
                self._keep, with_kwargs=True
            )
        self.acts.append(Act(step, done.changes, because, done))
        for old in self.acts[:-UNDOABLE]:
            old._applied = None
        self._note(f"step {step}: {done.changes[0]}: {because}")


_TREATS: dict[str, Change] = {
    "dead-unit": ReviveUnits(),
    "dead-layer": ReviveUnits(),
    "merged-units": SplitUnits(),
}
_LIMIT, _MARGIN = 2.0, 0.4  # as lower-learning-rate has them


def _cut(gauge: float) -> Change | None:
    factor = _MARGIN * _LIMIT / gauge if gauge > 0 else 1.0
    return ScaleLearningRate(max(0.01, factor)) if factor < 1 else None


def _detached(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value


def _no_loss(outputs: Any, targets: Any) -> Tensor:
    raise DoesNotFit("first aid has no loss.")
