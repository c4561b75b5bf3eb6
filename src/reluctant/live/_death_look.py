"""What a unit that is silent could still be woken by: bounds, momentum, what is below.

Measured for layers with units that nothing has reached since the last sampled step, at
steps ever further apart and at the end. It costs two products with each weight matrix
below; the graph is read once a layer.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from reluctant.live._below import Compiler, Program, is_readable
from reluctant.live._inertia import drift
from reluctant.live._interval import Interval, bounds, ceilings
from reluctant.live._recorder import Recorder
from reluctant.live._tap import Pass
from reluctant.probes._base import over_all_but, widest
from reluctant.records.quantities import UNIT_BOUND, UNIT_CEILING, UNIT_DRIFT

_GROWTH = 1.5  # from one measurement to the next, in steps
_S_AN_ENTRY = 8e-9  # of a weight, about
_MOST_S = 0.5  # of what is measured at the end


class DeathLook:
    """Keeps what is needed to say whether a silent unit can wake.

    Args:
        recorder: Where readings go.
        parameters: By name.
        names: By `id` of the parameter.
        optimizers: All that are alive.
    """

    def __init__(
        self,
        recorder: Recorder,
        parameters: dict[str, Tensor],
        names: Mapping[int, str],
        optimizers: Callable[[], list[Optimizer]],
    ) -> None:
        self.program = Program()
        self._recorder, self._parameters = recorder, parameters
        self._names, self._optimizers = names, optimizers
        self._ranges: dict[str, Interval] = {}
        self._nodes: dict[str, Any] = {}
        self._sources: dict[Any, str] = {}
        self._dropped: dict[Any, float] = {}
        self._fed: dict[str, tuple[str, ...] | None] = {}
        self._is_opaque = False
        self._next = 0

    # --- while the forward pass runs

    def on_layer(self, run: Pass) -> None:
        """One layer has run: note the range of what it got, if that is data."""
        self._is_opaque = self._is_opaque or _saves_elsewhere()
        x = run.source
        if x is None or not x.is_floating_point() or not x.numel() or not x.ndim:
            return
        axis = run.unit_axis if run.owner.operation.startswith("conv") else x.ndim - 1
        if axis >= x.ndim:
            return
        others = over_all_but(axis, x.ndim)
        x = widest(x.detach())
        seen = Interval(
            *torch.aminmax(x) if not others else (x.amin(others), x.amax(others))
        )
        site = run.site.partition("#")[0]
        known = self._ranges.get(site)
        if known is not None and known.low.shape == seen.low.shape:
            seen = Interval(
                torch.minimum(known.low, seen.low), torch.maximum(known.high, seen.high)
            )
        self._ranges[site] = seen
        node = _owner(run.tensor)
        if node is not None:
            self._sources[node] = site

    def on_dropout(self, output: Tensor, share: float) -> None:
        """A dropout has run."""
        if output.grad_fn is not None and 0 <= share < 1:
            self._dropped[output.grad_fn] = 1 / (1 - share)

    def on_activation(self, run: Pass) -> None:
        """A pre-activation is about to go into its activation."""
        is_new = "#" not in run.site and run.site not in self.program.sites
        if is_new and is_readable(run.tensor):
            self._nodes[run.site] = run.tensor.grad_fn

    def look(self) -> None:
        """Read the graphs of the layers that are new, before they are freed."""
        if self._nodes and not self._is_opaque:
            compiler = Compiler(self.program, self._names, self._sources, self._dropped)
            for site, node in self._nodes.items():
                compiler.add(site, node)
        self.forget()

    def forget(self) -> None:
        """Hold no graph any longer."""
        self._nodes, self._sources, self._dropped = {}, {}, {}
        self._is_opaque = False

    # --- at the end of a sampled step

    def sources(self, site: str) -> tuple[str, ...] | None:
        """Weights of the layers that a layer reads; None if they are unknown."""
        if site not in self._fed and site in self.program.sites:
            at, _, _ = self.program.layer(site)
            self._fed[site] = self._owners(at) if at >= 0 else None
        return self._fed.get(site)

    def _owners(self, at: int) -> tuple[str, ...] | None:
        """Weights of the nearest steps below that have some."""
        found: dict[str, None] = {}
        front = list(self.program.ops[at].inputs)
        while front:
            op = self.program.ops[front.pop()]
            if op.kind == "unknown" or (op.kind == "norm" and not any(op.names)):
                return None
            names = [n for n in op.names if n]
            found |= dict.fromkeys(names[:1])
            front += [] if names and op.kind != "add" else op.inputs
        return tuple(found)

    def is_due(self, step: int) -> bool:
        """Whether it is time for one more measurement."""
        return step >= self._next

    def measure(self, silent: Sequence[str], step: int, *, is_last: bool) -> None:
        """Bound what the units of some layers can do.

        Args:
            silent: Layers with units that were not reached lately.
            step: Present one.
            is_last: Whether there will be no further measurement.
        """
        self._next = int(_GROWTH * step) + 1
        for site in silent:
            self._measure(site, is_last=is_last)

    def _measure(self, site: str, *, is_last: bool) -> None:
        at, weight, bias = self.program.layer(site)
        if at < 0:
            return
        wanted = self.program.below([self.program.sites[site]])
        names = {n for i in wanted for n in self.program.ops[i].names if n}
        cost = _S_AN_ENTRY * sum(self._parameters[n].numel() for n in names)
        governor = self._recorder.governor
        if not (governor.affords(cost) or (is_last and cost < _MOST_S)):
            return
        known = bounds(self.program, wanted, self._parameters, self._ranges)
        free = ceilings(self.program, wanted, self._parameters, self._ranges)
        end = self.program.sites[site]
        for quantity, found in ((UNIT_BOUND, known), (UNIT_CEILING, free)):
            if end in found:
                self._recorder.add(quantity, site, found[end].high)
        rise = self._rise(at, weight, bias, known)
        if rise is not None:
            self._recorder.add(UNIT_DRIFT, site, rise)

    def _rise(
        self, at: int, weight: str, bias: str, known: Mapping[int, Interval]
    ) -> Tensor | None:
        """How far momentum can still lift each unit, over the range of its input."""
        op, optimizers = self.program.ops[at], self._optimizers()
        moved = drift(optimizers, self._parameters[weight])
        lifted = drift(optimizers, self._parameters[bias]) if bias else None
        if moved is None or (bias and lifted is None):
            return None
        own = torch.zeros(moved.shape[0] if op.kind != "linear" or op.options[0]
                          else moved.shape[1], device=moved.device)  # fmt: skip
        total = widest(own if lifted is None else lifted)
        if not bool(moved.any()):
            return total
        if op.kind == "norm":
            return total + math.sqrt(op.options[0]) * widest(moved).abs()
        box = known.get(op.inputs[0]) if op.inputs else None
        if box is None or not bool(
            box.low.isfinite().all() & box.high.isfinite().all()
        ):
            return None
        rows = (
            widest(moved).flatten(1)
            if op.kind == "linear"
            else widest(moved).flatten(2)
        )
        if op.kind == "linear":
            rows = rows if op.options[0] else rows.mT
            return total + rows.clamp(min=0) @ box.high + rows.clamp(max=0) @ box.low
        reach = torch.maximum(box.low.abs(), box.high.abs()).amax()
        return total + rows.abs().sum((1, 2)) * reach


def _owner(output: Tensor) -> Any:
    """The node of the layer itself, behind reshapes."""
    node: Any = output.grad_fn
    for _ in range(4):
        if node is None or "View" not in node.name():
            break
        node = node.next_functions[0][0]
    if node is not None and node.name().startswith("AddBackward"):
        node = node.next_functions[0][0]  # x @ W + b
    return node


def _saves_elsewhere() -> bool:
    """Whether saved tensors go through hooks, as in a checkpointed segment."""
    top = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", None)
    return top is not None and top(False) is not None
