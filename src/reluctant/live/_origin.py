"""Where a nan or inf came from, read off the graph of the loss that it reached."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from reluctant.live._graph import Node, name_of, owner_of, parents, walk


class Origin(NamedTuple):
    """Where a nan or inf came from: a place, and what happened there."""

    site: str
    text: str


def nonfinite_origin(loss: Tensor, names: Mapping[int, str]) -> Origin:
    """The first place in the forward pass that held or made a nan or inf.

    Weights are looked at first, then data, then operations in the order in which they
    ran. Reads saved tensors alone; nothing is run again.
    """
    if loss.grad_fn is None:
        return Origin("loss", "the loss has no graph to look into")
    nodes = list(walk(loss.grad_fn))
    broken = [
        names.get(id(n.variable), "a leaf tensor")
        for n in nodes
        if name_of(n) == "AccumulateGrad" and not _finite(n.variable)
    ]
    if broken:
        rest = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        return Origin(broken[-1], f"held nan or inf before the forward pass{rest}")
    ordered = sorted(nodes, key=lambda n: int(n._sequence_nr()))
    for node in ordered:
        name = name_of(node)
        data = [
            ("target" if slot == "target" else "input", value)
            for slot, value in _saved(node)
            if slot in ("mat1", "input", "self", "target", "mat2", "other")
        ]
        for what, value in data:
            if _finite(value):
                continue
            made = [p for p in parents(node) if name_of(p) != "AccumulateGrad"]
            made = [p for p in made if name_of(p) not in ("T", "ToCopy")]
            rows = _rows(value)
            owner = owner_of(node, names)
            site = owner.site if owner else ""
            if what == "target" or not made:
                return Origin(what, f"holds nan or inf in {rows}")
            return Origin(
                site, f"{name_of(made[0]).lower()} put out nan or inf in {rows}"
            )
        again = _again(name, dict(_saved(node)))
        if again is not None and not _finite(again):
            owner = owner_of(node, names)
            site = owner.site if owner else ""
            text = f"{name.lower()} put out nan or inf in {_rows(again)}"
            return Origin(site, text)
        for slot, value in _saved(node):
            if slot == "result" and not _finite(value):
                owner = owner_of(node, names)
                site = owner.site if owner else ""
                return Origin(
                    site, f"{name.lower()} put out nan or inf in {_rows(value)}"
                )
    return Origin("loss", f"{name_of(loss.grad_fn).lower()} put out nan or inf")


def _again(name: str, saved: Mapping[str, Tensor]) -> Tensor | None:
    """What an operation with a pole put out, where it saved only what it took in."""
    taken, other = saved.get("self"), saved.get("other")
    if name in ("Log", "Log2", "Log10", "Log1p") and taken is not None:
        return torch.log1p(taken) if name == "Log1p" else torch.log(taken)
    if name == "Div" and other is not None:
        return other.reciprocal()
    return None


def _saved(node: Node) -> Iterator[tuple[str, Tensor]]:
    for slot in ("mat1", "input", "self", "target", "mat2", "other", "result"):
        try:
            value = getattr(node, f"_saved_{slot}", None)
        except RuntimeError:  # freed, or changed in place since
            continue
        if isinstance(value, Tensor) and value.is_floating_point():
            yield slot, value.detach()


def _finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())


def _rows(tensor: Tensor) -> str:
    bad = ~torch.isfinite(tensor)
    if tensor.ndim == 0:
        return "the value"
    rows = bad.reshape(bad.shape[0], -1).any(1).nonzero().flatten().tolist()
    if len(rows) == tensor.shape[0] > 1:
        return f"every sample ({len(rows)})"
    shown = ", ".join(map(str, rows[:3])) + (", …" if len(rows) > 3 else "")
    return f"sample {shown} of {tensor.shape[0]}"
