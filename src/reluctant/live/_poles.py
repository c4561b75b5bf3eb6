"""Which operation turned a finite gradient into one that is no number.

An operation may be harmless forward and have no derivative: the root of 0, the norm or
the spread of equal entries, a logarithm behind a `where` that leaves its value out.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from reluctant.live._governor import clock
from reluctant.live._graph import Node, name_of, own_parameters, owner_of, walk
from reluctant.live._recorder import Recorder

# derivatives that are not finite everywhere where the operation itself is
POLES = {
    "Acos", "Acosh", "Angle", "Asin", "Atan2", "Atanh", "Cdist", "Cosh", "Cumprod",
    "Dist", "Div", "Erfinv", "EuclideanDist", "Exp", "Expm1", "Hypot", "Lgamma",
    "LinalgCholeskyEx", "LinalgEig", "LinalgEigh", "LinalgInvEx", "LinalgQr",
    "LinalgSlogdet", "LinalgSolveEx", "LinalgSvd", "LinalgVectorNorm", "Log", "Log10",
    "Log1P", "Log2", "LogSoftmax", "Logit", "Logsumexp", "Norm", "Pow", "Prod",
    "Reciprocal", "Renorm", "Rsqrt", "Sinh", "Softmax", "Sqrt", "Std", "StdMean", "Tan",
    "Xlogy",
}  # fmt: skip
_MOST = 200  # operations of one graph that are followed


class PoleLook:
    """Stands behind every operation with a pole while a sampled backward pass runs."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._seen: list[tuple[str, str, Tensor]] = []
        self._is_done = False

    def attend(self, loss: Tensor, names: Mapping[int, str]) -> None:
        """Follow the operations behind one loss, whose backward is about to begin."""
        if self._is_done or loss.grad_fn is None:
            return
        self._seen.clear()
        suspects = [n for n in walk(loss.grad_fn) if _has_pole(n)]
        for node in suspects[:_MOST]:
            owner = owner_of(node, names)
            what = name_of(node).lower(), owner.site if owner else ""
            # a hook that held its own node would keep the graph alive for ever
            node.register_hook(partial(self._on_backward, what))

    def emit(self) -> None:
        """Note the first operation that broke the gradient, if one did."""
        seen, self._seen = self._seen, []
        if not seen or self._is_done:
            return
        flags = torch.stack([broke.cpu() for _, _, broke in seen]).tolist()
        for (name, site, _), broke in zip(seen, flags, strict=True):
            if broke:  # in backward order: the first one is the source
                self._is_done = True
                self._recorder.note("pole", site, name)
                return

    def _on_backward(self, what: tuple[str, str], put_out: Any, took_in: Any) -> None:
        """Node hook: must return None, or it would replace the gradients."""
        now = self._recorder.now
        if now.deep and not now.in_gauge:
            start = clock()
            self._recorder.guard("backward pass", self._compare, what, put_out, took_in)
            self._recorder.governor.charge(clock() - start, deep=True)

    def _compare(self, what: tuple[str, str], put_out: Any, took_in: Any) -> None:
        with torch.no_grad():
            after = [t.isfinite().all() for t in put_out if _counts(t)]
            before = [t.isfinite().all() for t in took_in if _counts(t)]
            if after and before:
                broke = torch.stack(before).all() & ~torch.stack(after).all()
                self._seen.append((*what, broke))


def suspects_between(loss: Tensor, names: Mapping[int, str]) -> tuple[str, str]:
    """Where a backward pass broke, read off the weights that it has left behind.

    All that lies before the operation that broke it got a gradient that is no number,
    and is none itself since the step; what lies behind it is sound.

    Args:
        loss: Of the step after, whose graph is of the same form.
        names: Parameter names by `id`.

    Returns:
        The layer behind which it broke, and the operations with poles that stand
        between it and the next sound layer; empty where that cannot be told.
    """
    if loss.grad_fn is None:
        return "", ""
    nodes = sorted(walk(loss.grad_fn), key=lambda n: int(n._sequence_nr()))
    last, site, until = -1, "", len(nodes)
    for i, node in enumerate(nodes):
        if name_of(node) == "AccumulateGrad":
            continue
        own = [p for p in own_parameters(node) if id(p) in names]
        if any(not bool(p.isfinite().all()) for p in own):
            last, until = i, len(nodes)
            owner = owner_of(node, names)
            site = owner.site if owner else ""
        elif own and until == len(nodes):
            until = i
    if last < 0:
        return "", ""
    between = [name_of(n) for n in nodes[last + 1 : until] if _has_pole(n)]
    poles = [name.lower() for name in dict.fromkeys(between)]
    return site, ", ".join(poles)


def _has_pole(node: Node) -> bool:
    name = name_of(node)
    if name == "Pow":  # a whole power has a derivative everywhere
        power = getattr(node, "_saved_exponent", None)
        return not (isinstance(power, int | float) and power >= 1)
    return name in POLES


def _counts(tensor: object) -> bool:
    return isinstance(tensor, Tensor) and tensor.is_floating_point()
