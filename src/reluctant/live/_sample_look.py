"""Whether samples are mixed, as far as the user's own forward pass shows it.

`reluctant check` asks a copy, in evaluation mode. A watched training is not run again,
so only what the live graph says is taken: the gradient of a sample's output by what the
first layer, or the first embedding, made of all samples; and the axis along which a
recurrent layer ran.
"""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from reluctant.live._graph import operations
from reluctant.live._recorder import Recorder
from reluctant.probes._update import same_random_states
from reluctant.probes.sample_mixing import mixing
from reluctant.probes.step_gauge import kept_buffers
from reluctant.records.quantities import SAMPLE_LEAK

_LOOKS = 4  # sampled steps that it may take to find a gradient
_SOURCES = 3  # a network may begin with several branches
_PASSES = 6  # forward passes that a look costs
_NONE = 1e-6  # of a gradient: what independent samples leave is an exact zero
_FEWEST = 3  # samples: one in the middle, and one on either side
_BATCH_NORMS = ("BatchNorm", "InstanceNorm")  # mix samples, or look as if they did
_PRODUCTS = ("Bmm", "Baddbmm", "Einsum", "ScaledDotProduct")
_SEQUENCE = (nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention, nn.Transformer)


class SampleLook:
    """Looks until it could tell, in the first sampled steps of a training."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._sources: list[tuple[str, Tensor]] = []
        self._inputs: list[tuple[int, ...]] = []
        self._ran: list[tuple[str, tuple[int, ...]]] = []
        self._given: list[tuple[tuple[int, ...], int]] = []  # laid out in one piece
        self._read: list[tuple[str, tuple[int, ...], int]] = []
        self._looks = 0
        self._is_done = False

    @property
    def is_done(self) -> bool:
        """Whether no further look is needed."""
        return self._is_done

    def on_first(self, site: str, tensor: Tensor) -> None:
        """A layer or an embedding has run: the first ones are kept until the loss."""
        is_wanted = len(self._sources) < _SOURCES and not self._is_done
        if is_wanted and tensor.requires_grad:
            self._sources.append((site, tensor))

    def on_recurrent(self, kind: str, inputs: Tensor, *, batch_first: bool) -> None:
        """A recurrent layer has run over the axis that is not its batch's."""
        if inputs.ndim == 3 and not batch_first and not self._is_done:
            self._ran.append((kind, tuple(inputs.shape)))
            if inputs.is_contiguous():
                self._read.append((kind, tuple(inputs.shape), inputs.data_ptr()))

    def on_inputs(self, inputs: Sequence[Tensor]) -> None:
        """The model has returned; this is what it was given."""
        self._inputs = [tuple(x.shape) for x in inputs]
        self._given = [
            (tuple(x.shape), x.data_ptr()) for x in inputs if x.is_contiguous()
        ]

    def forget(self) -> None:
        """The step is over."""
        self._inputs = []
        self._sources.clear()
        self._ran.clear()
        self._given.clear()
        self._read.clear()

    def look(
        self, outputs: Sequence[Tensor], model: nn.Module, forward_s: float
    ) -> None:
        """Differentiate, before the loss's backward.

        Args:
            outputs: What the model put out, with its graph.
            model: As it is trained.
            forward_s: Seconds that its forward pass took.
        """
        if self._is_done or not outputs or not self._inputs:
            return
        self._looks += 1
        self._is_done = self._looks >= _LOOKS
        output = outputs[0]
        ran = self._ran_over_samples(tuple(output.shape)) or self._reshaped()
        if ran:
            self._is_done = True
            self._recorder.note("sample-axis", "", ran)
            return
        found = [(site, t) for site, t in self._sources if self._is_plain(t)]
        if _has_batch_norm(output):
            found = []
        elif any(t.ndim == 2 for _, t in found) and _may_be_one(output, model):
            found = [(site, t) for site, t in found if t.ndim > 2]
        if not found or not self._recorder.governor.affords(_PASSES * forward_s):
            return
        self._recorder.now.in_gauge = True
        try:
            with (
                same_random_states([t for _, t in found]),
                kept_buffers(model.buffers()),
            ):
                shares = {s: mixing(output, t, both_sides=True) for s, t in found}
        except RuntimeError:  # such as a checkpointed segment, which runs again
            self._is_done = True
            self._recorder.note_blind("samples", "the graph cannot be differentiated")
            return
        finally:
            self._recorder.now.in_gauge = False
        known = {site: x for site, x in shares.items() if not math.isnan(x)}
        if known:
            self._is_done = True
            site = max(known, key=known.__getitem__)
            share = known[site] if known[site] > _NONE else 0.0
            self._recorder.add(SAMPLE_LEAK, site, share)

    def _ran_over_samples(self, output: tuple[int, ...]) -> str:
        """Why a recurrent layer must have taken samples for time, or nothing.

        Its outputs at all times but one would have to be of no use, if the axis that it
        ran along were time: the model answers for each entry of that axis, and for
        none of the other.
        """
        for kind, shape in self._ran:
            along, beside = shape[0], shape[1]
            if (
                min(along, beside) > 1
                and along != beside
                and output[:1] == (along,)
                and beside not in output
                and all(given[:2] == (along, beside) for given in self._inputs[:1])
            ):
                return (
                    f"{kind} got inputs of shape {shape} without batch_first, so it "
                    f"took {along} samples for times and ran along them"
                )
        return ""

    def _reshaped(self) -> str:
        """Why sequences must be cut up and put together anew, or nothing.

        The same numbers in the same order of memory, under swapped axes: a transposed
        tensor has another order.
        """
        for kind, shape, place in self._read:
            for given, start in self._given:
                swapped = (given[1], given[0], *given[2:]) if len(given) > 2 else ()
                if shape == swapped != given and place == start and min(shape[:2]) > 1:
                    return (
                        f"inputs of shape {given} were reshaped to {shape} for "
                        f"{kind}, not transposed: each sequence that it reads is made "
                        f"of pieces of several samples"
                    )
        return ""

    def _is_plain(self, source: Tensor) -> bool:
        """Whether the first axis of a layer's output can be that of the samples."""
        if len(self._inputs) != 1 or source.ndim < 2:
            return False
        samples = self._inputs[0][:1]
        if samples != source.shape[:1] or samples[0] < _FEWEST:
            return False
        return source.ndim == 2 or int(source.shape[1]) > 1


def _has_batch_norm(output: Tensor) -> bool:
    found = operations(output.grad_fn)
    return any(part in name for name in found for part in _BATCH_NORMS)


def _may_be_one(output: Tensor, model: nn.Module) -> bool:
    """Whether rows may be the times of one sequence, without a batch."""
    found = operations(output.grad_fn)
    return any(isinstance(m, _SEQUENCE) for m in model.modules()) or any(
        name.startswith(_PRODUCTS) for name in found
    )
