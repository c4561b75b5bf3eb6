"""Whether a forecaster's outputs know what they are to forecast.

Where the targets are the inputs one place further on, the output at one place must not
depend on the input at the next. Where they are the tokens at the same place, and the
output depends on that one and on earlier ones but on none that follows, a forecaster's
targets were not shifted. The user's own forward pass is not run again: the rows
that the loss itself received are differentiated on the live graph, by what the first
layer made of the data. Through a first layer that reads numbers, which need no gradient
of their own, the gradient is led by running that one layer again.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import torch
from torch import Tensor, nn

from reluctant.live._graph import ON_WEIGHTS, Node, name_of, parents, walk
from reluctant.live._loss_graph import LossReading, read_loss
from reluctant.live._place_gradient import by_place, edge_of
from reluctant.live._recorder import Recorder
from reluctant.live._tap import Read
from reluctant.probes._update import same_random_states
from reluctant.probes.next_inputs import NextInputs, located, next_inputs, same_tokens
from reluctant.probes.step_gauge import kept_buffers
from reluctant.records.quantities import (
    FUTURE_LEAK,
    NEXT_TARGETS,
    PLACE_GRADIENTS,
    SAME_TARGETS,
)

_LOOKS = 4  # sampled steps that it may take to find targets, and a gradient
_MOST_READS = 8  # layers that read data, in one forward pass
_PASSES = 2  # forward passes that a look costs: no gradient of a weight is asked for
_ONCE = 0.05  # of the time so far that this may cost, once, whatever the budget left
_REFUSALS = 40  # after which a training is taken to be too short for it
_NEARLY_ALL = 0.8  # of the targets; the mark at the end of a short text is none
_ALL = 0.999  # of the targets that were not shifted; noise and labels leave others
_NONE = 1e-5  # of a gradient: a mask leaves an exact zero, a Fourier transform 1e-6
_ABOVE = 10.0  # times what batch norm leaves at the places of other samples
_STEPS_BACK = 12  # from what a recurrent layer reads to an embedding
_PLAIN = ON_WEIGHTS | {"NativeDropout", "FusedDropout", "PackPaddedSequence"}
_RESHAPES = ON_WEIGHTS | {"LogSoftmax", "UnsafeView"}

Compare: TypeAlias = Callable[[Tensor, Tensor], NextInputs]


class FutureLook:
    """Looks until it could tell, in the first sampled steps of a training."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._reads: list[Read] = []
        self._inputs: list[Tensor] = []
        self._recurrent: list[Tensor] = []
        self._looks = self._refused = 0
        self._is_done = False

    @property
    def is_done(self) -> bool:
        """Whether no further look is needed."""
        return self._is_done

    def on_read(self, read: Read) -> None:
        """A layer has read data: the first ones are kept until the loss."""
        if len(self._reads) < _MOST_READS and not self._is_done:
            self._reads.append(read)

    def on_recurrent(self, inputs: Tensor) -> None:
        """A recurrent layer has run."""
        if len(self._recurrent) < _MOST_READS and not self._is_done:
            self._recurrent.append(inputs)

    def on_inputs(self, inputs: Sequence[Tensor]) -> None:
        """The model has returned; this is what it was given."""
        if not self._is_done:
            self._inputs = [x.detach() for x in inputs]

    def forget(self) -> None:
        """The step is over."""
        self._inputs = []
        self._reads.clear()
        self._recurrent.clear()

    def look(
        self,
        loss: Tensor,
        outputs: list[Tensor],
        model: nn.Module,
        forward_s: float,
    ) -> None:
        """Compare targets with inputs, and differentiate if they are the next ones.

        Args:
            loss: A scalar with a graph, before its backward.
            outputs: What the model put out.
            model: As it is trained.
            forward_s: Seconds that its forward pass took.
        """
        self._looks += 1
        self._is_done = self._looks >= _LOOKS
        with torch.no_grad():
            seen = read_loss(loss, outputs)
            if seen.targets is None:
                return
            best = self._best(seen.targets, next_inputs)
        if best is None or (best.fits and not best.places):
            return  # nothing was read, or too little of it tells
        if best.share >= _NEARLY_ALL:
            if not self._affords(forward_s):
                return
            self._recorder.guard("future", self._ask, loss, seen, best, model)
        else:
            with torch.no_grad():
                same = self._best(seen.targets, same_tokens)
            if same is not None and same.share >= _ALL:
                if not self._affords(forward_s):
                    return
                self._recorder.guard("future", self._ask_same, loss, seen, same, model)
        self._is_done = True
        self._recorder.add(NEXT_TARGETS, "", best.share)

    def _affords(self, forward_s: float) -> bool:
        """Whether to differentiate now; if not, a later sampled step may."""
        governor, cost = self._recorder.governor, _PASSES * forward_s
        if governor.affords(cost) or cost <= _ONCE * governor.elapsed_s:
            return True
        self._refused += 1
        self._looks -= 1
        self._is_done = self._refused >= _REFUSALS
        return False

    def _best(self, targets: Tensor, compare: Compare) -> NextInputs | None:
        """The inputs that the targets follow best; a layer's where no other fit."""
        for data in (self._inputs, [read.data for read in self._reads]):
            found = [compare(x, targets) for x in {id(x): x for x in data}.values()]
            best = max(found, key=lambda f: (f.share, f.places), default=None)
            if best is not None and (best.fits or not self._reads):
                return best
        return best

    def _ask_same(
        self, loss: Tensor, seen: LossReading, best: NextInputs, model: nn.Module
    ) -> None:
        """Differentiate the output at one place by the tokens at all."""
        sources: list[tuple[Read, NextInputs]] = []
        if seen.targets is None:
            return
        for read in self._reads:
            place = same_tokens(read.data, seen.targets)
            if place.share < _ALL and best.sequences is not None:
                place = best._replace(arrange=located(read.data, best.sequences))
            if place.arrange is not None:
                sources.append((read, place))
        edge = edge_of(loss, seen.producer)
        with self._differentiating(sources, model):
            asked = [(by_place(edge, seen, r, p), r, p) for r, p in sources]
            parts = [(_parts(by, p), r.site) for by, r, p in asked if by is not None]
            if parts:  # of several, the one that shows most of what is to come
                shares, site = max(parts, key=lambda part: part[0][2])
                self._recorder.add(SAME_TARGETS, "", best.share)
                self._recorder.add(PLACE_GRADIENTS, site, torch.tensor(shares))

    @contextmanager
    def _differentiating(
        self, sources: list[tuple[Read, NextInputs]], model: nn.Module
    ) -> Iterator[None]:
        """Differentiate, and leave no mark; blind where that cannot be done."""
        self._recorder.now.in_gauge = True
        try:
            with (
                same_random_states([read.output for read, _ in sources]),
                kept_buffers(model.buffers()),
            ):
                yield
        except (RuntimeError, TypeError, AttributeError):  # such as a checkpointed part
            self._go_blind("the graph cannot be differentiated")
        finally:
            self._recorder.now.in_gauge = False

    def _ask(
        self, loss: Tensor, seen: LossReading, best: NextInputs, model: nn.Module
    ) -> None:
        sources = self._sources(seen, best)
        if not sources:
            self._go_blind(
                "no layer was seen that reads these inputs for these outputs"
            )
            return
        if any(self._is_read_twice(read) for read, _ in sources):
            self._go_blind("two recurrent layers read them, as an autoencoder's do")
            return
        with self._differentiating(sources, model):
            asked = [(r.site, _leak(loss, seen, r, p)) for r, p in sources]
            self._tell(asked)

    def _tell(self, asked: list[tuple[str, float | None]]) -> None:
        leaks = [(leak, site) for site, leak in asked if leak is not None]
        if not leaks:
            self._go_blind("no output depends on these inputs by a gradient")
        elif any(leak == 0 for leak, _ in leaks):
            # a decoder is as it should be, and its encoder reads the whole
            self._recorder.add(FUTURE_LEAK, leaks[0][1], 0.0)
        elif any(math.isnan(leak) for leak, _ in leaks):
            self._go_blind("a norm over several places makes each depend on all")
        else:
            leak, site = min(leaks)
            self._recorder.add(FUTURE_LEAK, site, leak)

    def _go_blind(self, reason: str) -> None:
        self._recorder.note_blind("future", reason)

    def _sources(
        self, seen: LossReading, best: NextInputs
    ) -> list[tuple[Read, NextInputs]]:
        """Layers that read the inputs whose next ones are the targets."""
        found: list[tuple[Read, NextInputs]] = []
        if seen.targets is None or best.sequences is None:
            return found
        for read in self._reads:
            place = next_inputs(read.data, seen.targets)
            if place.share < _NEARLY_ALL or place.is_short:
                place = best._replace(arrange=located(read.data, best.sequences))
            is_known = not place.is_short or _leaves_out_the_last(seen.producer)
            if place.arrange is not None and is_known:
                found.append((read, place))
        return found

    def _is_read_twice(self, read: Read) -> bool:
        """Whether several recurrent layers begin with what a layer put out."""
        return sum(_comes_from(x, read.output) for x in self._recurrent) > 1


def _comes_from(tensor: Tensor, output: Tensor) -> bool:
    """Whether nothing but a change of shape, or dropout, lies between."""
    node: Node = tensor.grad_fn
    for _ in range(_STEPS_BACK):
        if node is None or node is output.grad_fn:
            break
        before = list(parents(node))
        node = before[0] if name_of(node) in _PLAIN and len(before) == 1 else None
    return node is output.grad_fn


def _leaves_out_the_last(node: Node) -> bool:
    """Whether the outputs were cut at their end, and not at their beginning."""
    starts = []
    while node is not None and name_of(node) in _RESHAPES:
        if name_of(node) == "Slice":
            starts.append(int(node._saved_start))
        node = next(parents(node), None)
    return bool(starts) and not any(starts)


def _leak(
    loss: Tensor, seen: LossReading, read: Read, place: NextInputs
) -> float | None:
    """Share, by norm, of a gradient that falls on the next input.

    Returns:
        0 where there is none; nan where no more than a norm lets through; None where
        the outputs do not depend on the inputs.
    """
    edge = edge_of(loss, seen.producer)
    by = by_place(edge, seen, read, place)
    if edge is None or by is None:
        return None
    total, leak = float(by.norm()), float(by[place.sample, place.time + 1])
    if leak <= _NONE * total:
        return 0.0
    by[place.sample] = 0
    others = float(by.amax())
    if leak <= _ABOVE * others or (
        not others and _is_coupled(edge.node, read, by.shape[1])
    ):
        return math.nan
    return leak / total


def _parts(by: Tensor, place: NextInputs) -> tuple[float, float, float]:
    """Shares of a gradient on earlier places of its sample, the same, and later ones.

    Tokens are the same at their own place however the axes are taken: time is the one
    along which the output depends on anything else. A norm over the batch leaves a
    trace everywhere, later places among them.
    """
    total, here = float(by.norm()), float(by[place.sample, place.time])
    ways = (by[place.sample], place.time), (by[:, place.time], place.sample)
    parts = [(float(r[:at].norm()), float(r[at + 1 :].norm())) for r, at in ways]
    before, after = max(parts, key=lambda part: math.hypot(*part))
    return before / total, here / total, after / total


def _is_coupled(node: Node, read: Read, times: int) -> bool:
    """Whether a norm lies on the way that may run over the places of a sequence."""
    is_told = list(read.output.shape).count(times) == 1  # apart from the features
    for found in walk(node):
        name = name_of(found)
        if "BatchNorm" in name or "GroupNorm" in name:
            return True
        if "LayerNorm" in name:
            over = tuple(getattr(found, "_saved_normalized_shape", ()))
            if len(over) > 1 or (is_told and over == (times,)):
                return True
    return False
