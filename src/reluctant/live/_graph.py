"""What the autograd graph of a loss says: which layers, which loss, which parameters.

Everything here only reads the graph that the user's own forward pass has built: node
names, edges and the tensors saved for backward. It works whether a layer was called as
a module or as a function, and costs a walk over the nodes, on sampled steps alone.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

Node: TypeAlias = (
    Any  # torch.autograd.graph.Node; its saved tensors have no static type
)

MOST_NODES = 50_000
# between an operation and its parameter stand only nodes like these
_ON_WEIGHTS = {
    "AsStrided", "Clone", "Div", "Expand", "Mul", "Permute", "ReshapeAlias", "Slice",
    "Squeeze", "T", "ToCopy", "Transpose", "Unsqueeze", "View", "WeightNormInterface",
}  # fmt: skip
_CHANNELS_SECOND = ("Convolution", "BatchNorm", "GroupNorm", "InstanceNorm", "Conv")
_OPERATIONS = {
    "Addmm": "linear", "Mm": "linear", "Linear": "linear", "Bmm": "linear",
    "Baddbmm": "linear", "Mv": "linear", "Addmv": "linear", "Convolution": "conv",
    "MkldnnConvolution": "conv", "NativeBatchNorm": "batch_norm",
    "CudnnBatchNorm": "batch_norm", "MiopenBatchNorm": "batch_norm",
    "NativeLayerNorm": "layer_norm", "NativeGroupNorm": "group_norm",
    "FusedRmsNorm": "rms_norm", "Embedding": "embedding",
}  # fmt: skip
ACTIVATION_NODES = {
    "Relu": "relu", "LeakyRelu": "leaky_relu", "Elu": "elu", "Gelu": "gelu",
    "Silu": "silu", "Mish": "mish", "Softplus": "softplus", "Sigmoid": "sigmoid",
    "Tanh": "tanh", "Hardtanh": "hardtanh", "Hardsigmoid": "hardsigmoid",
    "Hardswish": "hardswish", "Softmax": "softmax", "LogSoftmax": "log-softmax",
    "Threshold": "threshold", "ClampMin": "clamp", "Clamp": "clamp",
    "LogSigmoid": "log-sigmoid", "Prelu": "prelu", "PreluKernel": "prelu",
}  # fmt: skip
_REDUCTIONS = {0: "none", 1: "mean", 2: "sum"}


def name_of(node: Node) -> str:
    """A node's operation: `"Addmm"` for `AddmmBackward0`."""
    name = str(node.name()).rsplit("::", 1)[-1].rstrip("0123456789")
    return name.removesuffix("Backward")


def parents(node: Node) -> Iterator[Node]:
    """The nodes that produced a node's inputs; constants have none."""
    for parent, _ in node.next_functions:
        if parent is not None:
            yield parent


def walk(root: Node, *, most: int = MOST_NODES) -> Iterator[Node]:
    """Every node behind `root`, nearest first, each once."""
    seen, queue = {root}, deque([root])
    while queue and most:
        node = queue.popleft()
        yield node
        most -= 1
        for parent in parents(node):
            if parent not in seen:
                seen.add(parent)
                queue.append(parent)


def leaves(root: Node) -> set[int]:
    """`id` of every leaf tensor that the graph would send a gradient to."""
    return {
        id(node.variable) for node in walk(root) if name_of(node) == "AccumulateGrad"
    }


def own_parameters(node: Node) -> list[Tensor]:
    """The leaf tensors that one operation itself uses, seen through transposes."""
    found = []
    for parent in parents(node):
        for _ in range(6):
            name = name_of(parent)
            if name == "AccumulateGrad":
                found.append(parent.variable)
                break
            inputs = list(parents(parent))
            if name not in _ON_WEIGHTS or not inputs:
                break
            if name == "WeightNormInterface":
                inputs = inputs[-1:]  # (g, v): v has the weight's shape
            if len(inputs) != 1:
                break
            parent = inputs[0]
    return found


class Owner(NamedTuple):
    """The layer that produced a tensor.

    Attributes:
        site: Module name, or parameter name where a module holds several by hand.
        operation: Such as `"linear"`.
        unit_axis: 1 for channels, -1 for features.
        parameters: Names of the operation's own parameters.
    """

    site: str
    operation: str
    unit_axis: int
    parameters: tuple[str, ...]


def owner_of(node: Node | None, names: Mapping[int, str]) -> Owner | None:
    """The nearest layer behind a tensor's `grad_fn`.

    Args:
        node: Where to start; None gives None.
        names: Parameter names by `id` of the parameter.
    """
    if node is None:
        return None
    for candidate in walk(node, most=24):
        name = name_of(candidate)
        if name in _ON_WEIGHTS and candidate is not node:
            continue
        owned = [names[id(p)] for p in own_parameters(candidate) if id(p) in names]
        if owned:
            return Owner(
                site=site_of(owned),
                operation=_OPERATIONS.get(name, name.lower()),
                unit_axis=1 if name.endswith(_CHANNELS_SECOND) else -1,
                parameters=tuple(owned),
            )
    return None


def site_of(owned: list[str]) -> str:
    """The module that owns parameters: `fc1` for `fc1.weight` and `fc1.bias`."""
    for name in owned:
        head, _, last = name.rpartition(".")
        stem, _, inside = name.partition("parametrizations.")
        if inside:
            return stem.rstrip(".") or inside.split(".")[0]
        if head and last in ("weight", "bias", "weight_v", "weight_g"):
            return head
    return owned[0]


class LossReading(NamedTuple):
    """What a loss is made of.

    Attributes:
        kind: As in `records.Loss`; `""` if unknown.
        reduction: `"mean"`, `"sum"`, `"none"` or `""`.
        outputs: Detached outputs as the loss received them, or None.
        targets: Detached, or None.
        axis: Axis of the outputs.
        head: Activation that produced the outputs, `""` for none.
        producer: The node that produced the outputs, or None.
    """

    kind: str
    reduction: str
    outputs: Tensor | None
    targets: Tensor | None
    axis: int
    head: str
    producer: Node | None


def read_loss(loss: Tensor, candidates: list[Tensor]) -> LossReading:
    """Recognize a loss by its nodes, and take its outputs and targets from them.

    Args:
        loss: Before its backward.
        candidates: Outputs of the model in the same step; the ones that the loss
            received are preferred over what the loss saved, which may be log-softmax.
    """
    if loss.grad_fn is None:
        return LossReading("", "", None, None, 1, "", None)
    for node in walk(loss.grad_fn, most=400):
        reader = _READERS.get(name_of(node))
        found = reader(node) if reader else None
        if found is None:
            continue
        kind, outputs, targets, axis, producer = found
        for tensor in candidates:
            if producer is not None and tensor.grad_fn is producer:
                outputs = tensor.detach()
        head = _head_activation(producer)
        reduction = _REDUCTIONS.get(getattr(node, "_saved_reduction", -1), "")
        if axis >= 0 and outputs is not None:
            axis = min(axis, max(outputs.ndim - 1, 0))
        if kind == "l1" or (kind == "mse" and not reduction):
            reduction = _outer_reduction(loss.grad_fn)
            outputs, targets = _by_difference(node, candidates, producer)
        return LossReading(kind, reduction, outputs, targets, axis, head, producer)
    for tensor in candidates:  # a loss of the user's own: its outputs all the same
        if tensor.grad_fn is not None:
            head = _head_activation(tensor.grad_fn)
            axis = max(tensor.ndim - 1, 0)
            return LossReading(
                "", "", tensor.detach(), None, axis, head, tensor.grad_fn
            )
    return LossReading("", "", None, None, 1, "", None)


_Found: TypeAlias = tuple[str, Tensor | None, Tensor | None, int, Node | None]


def _first(node: Node) -> Node | None:
    edges = node.next_functions
    return edges[0][0] if edges else None


def _pair(kind: str) -> Callable[[Node], _Found | None]:
    def read(node: Node) -> _Found:
        outputs, targets = node._saved_self.detach(), node._saved_target.detach()
        return kind, outputs, targets, max(outputs.ndim - 1, 0), _first(node)

    return read


def _read_nll(node: Node) -> _Found:
    outputs, targets = node._saved_self.detach(), node._saved_target.detach()
    below = _first(node)
    through_logs = below is not None and name_of(below) == "LogSoftmax"
    producer = _first(below) if through_logs else below
    kind = "cross-entropy" if through_logs else "nll"
    return kind, outputs, targets, min(1, outputs.ndim - 1), producer


def _read_soft_labels(node: Node) -> _Found | None:
    """Cross-entropy with class probabilities: a product with a log-softmax."""
    below = _first(node)
    if below is None or name_of(below) != "LogSoftmax":
        return None
    outputs = below._saved_result.detach()
    targets = node._saved_other
    if targets is None or targets.shape != outputs.shape:
        return None
    return "cross-entropy", outputs, targets.detach(), 1, _first(below)


def _read_power(node: Node) -> _Found | None:
    if name_of(node) == "Pow" and node._saved_exponent != 2:
        return None
    return _read_difference("mse", node)


def _read_absolute(node: Node) -> _Found | None:
    return _read_difference("l1", node)


def _read_difference(kind: str, node: Node) -> _Found | None:
    below = _first(node)
    if below is None or name_of(below) not in ("Sub", "Rsub"):
        return None
    sides = [parent for parent, _ in below.next_functions]
    if sum(side is not None for side in sides) != 1:  # a penalty, not a target
        return None
    producer = next(side for side in sides if side is not None)
    return kind, None, None, max(node._saved_self.ndim - 1, 0), producer


def _by_difference(
    node: Node, candidates: list[Tensor], producer: Node | None
) -> tuple[Tensor | None, Tensor | None]:
    """Outputs and targets of a squared error written out by hand."""
    if hasattr(node, "_saved_target"):
        return node._saved_self.detach(), node._saved_target.detach()
    outputs = next((t.detach() for t in candidates if t.grad_fn is producer), None)
    if outputs is None:
        return None, None
    difference, below = node._saved_self.detach(), _first(node)
    if below is None or difference.shape != outputs.shape:
        return outputs, None  # broadcast: the target cannot be told from it
    outputs_first = below.next_functions[0][0] is producer
    return outputs, outputs - difference if outputs_first else outputs + difference


def _outer_reduction(node: Node | None) -> str:
    for _ in range(4):
        if node is None:
            return ""
        name = name_of(node)
        if name in ("Mean", "Sum"):
            return name.lower()
        node = _first(node)
    return ""


def _head_activation(producer: Node | None) -> str:
    """The activation right behind the outputs, seen through reshapes."""
    for _ in range(6):
        if producer is None:
            return ""
        name = name_of(producer)
        if name in ACTIVATION_NODES:
            return ACTIVATION_NODES[name]
        if name not in _ON_WEIGHTS - {"Mul", "Div"}:
            return ""
        producer = _first(producer)
    return ""


_READERS: dict[str, Callable[[Node], _Found | None]] = {
    "MseLoss": _pair("mse"),
    "HuberLoss": _pair("huber"),
    "SmoothL1Loss": _pair("huber"),
    "BinaryCrossEntropy": _pair("bce"),
    "BinaryCrossEntropyWithLogits": _pair("bce-with-logits"),
    "NllLoss": _read_nll,
    "NllLoss2D": _read_nll,
    "Mul": _read_soft_labels,
    "Pow": _read_power,
    "Abs": _read_absolute,
}


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
