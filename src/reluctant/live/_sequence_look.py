"""What becomes of the gradient on its way back through a sequence.

A recurrent weight is used once for each place of the sequence. Its gradient is a sum
over all of them, and does not show whether that from the first place is a billion times
that from the last.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from reluctant.live._governor import clock
from reluctant.live._graph import Node, name_of, own_parameters, site_of, walk
from reluctant.live._recorder import Recorder
from reluctant.probes import rms
from reluctant.records.quantities import SEQUENCE_GRAD_GROWTH

_USES = 8  # of one weight in one forward pass, from which on it is a sequence
_MOST_NODES = 5000  # of the graph that are looked through
_PRODUCTS = ("Addmm", "Mm", "Linear", "Bmm", "Baddbmm")


class SequenceLook:
    """Stands at the first and the last use of every weight that is used many times."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._sizes: dict[tuple[str, bool], Tensor] = {}
        self._is_none = False  # a model without a sequence is not looked through again

    def attend(self, loss: Tensor, names: Mapping[int, str]) -> None:
        """Follow one loss, whose backward is about to begin."""
        if self._is_none or loss.grad_fn is None:
            return
        self._sizes.clear()
        uses: dict[int, list[tuple[int, Node]]] = {}
        for node in walk(loss.grad_fn, most=_MOST_NODES):
            if name_of(node) not in _PRODUCTS:
                continue
            for parameter in own_parameters(node):
                if parameter.ndim > 1 and id(parameter) in names:
                    at = int(node._sequence_nr())
                    uses.setdefault(id(parameter), []).append((at, node))
        long = {key: found for key, found in uses.items() if len(found) >= _USES}
        self._is_none = not long
        for key, found in long.items():
            found.sort(key=lambda use: use[0])
            site = site_of([names[key]])
            for (_, node), is_first in ((found[0], True), (found[-1], False)):
                # a hook that held its own node would keep the graph alive for ever
                node.register_prehook(partial(self._on_backward, site, is_first))

    def emit(self) -> None:
        """Record the growth of the step."""
        for (site, is_first), size in self._sizes.items():
            last = self._sizes.get((site, False))
            if is_first and last is not None:
                growth = (size.double() / last.double()).log10()
                self._recorder.add(SEQUENCE_GRAD_GROWTH, site, growth)
        self._sizes.clear()

    def _on_backward(self, site: str, is_first: bool, took_in: Any) -> None:
        """Node hook: must return None, or it would replace the gradients."""
        now = self._recorder.now
        if now.deep and not now.in_gauge:
            start = clock()
            self._recorder.guard("sequence", self._measure, site, is_first, took_in)
            self._recorder.governor.charge(clock() - start, deep=True)

    def _measure(self, site: str, is_first: bool, took_in: Any) -> None:
        if took_in and isinstance(took_in[0], Tensor):
            with torch.no_grad():
                self._sizes[site, is_first] = rms(took_in[0])
