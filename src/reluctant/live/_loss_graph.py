"""What a loss is made of, read off its graph: kind, outputs, targets, head."""

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from reluctant.live._graph import ON_WEIGHTS, Node, name_of, walk

ACTIVATION_NODES = {
    "Relu": "relu", "LeakyRelu": "leaky_relu", "Elu": "elu", "Gelu": "gelu",
    "Silu": "silu", "Mish": "mish", "Softplus": "softplus", "Sigmoid": "sigmoid",
    "Tanh": "tanh", "Hardtanh": "hardtanh", "Hardsigmoid": "hardsigmoid",
    "Hardswish": "hardswish", "Softmax": "softmax", "LogSoftmax": "log-softmax",
    "Threshold": "threshold", "ClampMin": "clamp", "Clamp": "clamp",
    "LogSigmoid": "log-sigmoid", "Prelu": "prelu", "PreluKernel": "prelu",
}  # fmt: skip
# what changes the shape of outputs and none of their numbers
_VIEWS = ON_WEIGHTS - {"Mul", "Div", "WeightNormInterface"} | {"Select", "UnsafeView"}
_MOST_ABOVE = 20  # nodes between the loss and the term that is read
_REDUCTIONS = {0: "none", 1: "mean", 2: "sum"}


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
        shape: Of the outputs before the loss made them fit the targets.
        target_shape: Of the targets before the loss made them fit.
        is_sum: Whether the loss adds something else to what is read here.
        is_broadcast: Whether it had to, and compared more pairs than there are outputs.
        bend: Of `"l1"` and `"huber"`: the error at which it turns from a square to a
            straight line.
        slope: Of that line.
    """

    kind: str
    reduction: str
    outputs: Tensor | None
    targets: Tensor | None
    axis: int
    head: str
    producer: Node | None
    shape: tuple[int, ...] = ()
    target_shape: tuple[int, ...] = ()
    is_broadcast: bool = False
    is_sum: bool = False
    bend: float = 0.0
    slope: float = 1.0


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
        shape, target_shape = _own_shape(outputs), _own_shape(targets)
        compared = outputs.shape if outputs is not None else _difference_shape(node)
        if producer is not None and name_of(producer) == "Expand":
            producer = _first(producer)  # what the loss itself made fit
        outputs = _put_out_by(producer, outputs)
        for tensor in candidates:
            if producer is not None and tensor.grad_fn is producer:
                outputs = tensor.detach()
                shape = tuple(outputs.shape)
        head = _head_activation(producer)
        reduction = _REDUCTIONS.get(getattr(node, "_saved_reduction", -1), "")
        if axis >= 0 and outputs is not None:
            axis = min(axis, max(outputs.ndim - 1, 0))
        if kind == "l1" or (kind == "mse" and not reduction):
            reduction = _outer_reduction(loss.grad_fn)
            outputs, targets = _by_difference(node, candidates, producer)
            shape, target_shape = _own_shape(outputs), _own_shape(targets)
        return LossReading(
            kind,
            reduction,
            outputs,
            targets,
            axis,
            head,
            producer,
            shape,
            target_shape,
            _is_broadcast(shape, target_shape, compared),
            _is_sum(loss.grad_fn, node),
            *_line(node),
        )
    for tensor in candidates:  # a loss of the user's own: its outputs all the same
        if tensor.grad_fn is not None:
            head = _head_activation(tensor.grad_fn)
            axis = max(tensor.ndim - 1, 0)
            return LossReading(
                "", "", tensor.detach(), None, axis, head, tensor.grad_fn
            )
    return LossReading("", "", None, None, 1, "", None)


def loss_of(found: LossReading) -> Tensor | None:
    """The term that was recognized, computed from its outputs and targets.

    Returns:
        None of another kind or reduction, or where outputs or targets are not known.
    """
    if found.outputs is None or found.targets is None:
        return None
    if found.reduction not in ("mean", "sum"):
        return None
    if found.kind in ("l1", "huber"):
        if found.outputs.shape != found.targets.shape:
            return None
        each = straight_loss(found.outputs - found.targets, found.bend)
        total: Tensor = each.sum() if found.reduction == "sum" else each.mean()
        return found.slope * total
    function = _FUNCTIONS.get(found.kind)
    if function is None:
        return None
    return function(found.outputs, found.targets, reduction=found.reduction)


def straight_loss(error: Tensor, bend: float) -> Tensor:
    """An error's size; up to `bend`, its square in the same units."""
    size = error.abs()
    if not bend > 0:
        return size
    return torch.where(size < bend, size.square() / (2 * bend), size - bend / 2)


_FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "mse": F.mse_loss,
    "cross-entropy": F.cross_entropy,
    "nll": F.nll_loss,
    "bce": F.binary_cross_entropy,
    "bce-with-logits": F.binary_cross_entropy_with_logits,
}
_Found: TypeAlias = tuple[str, Tensor | None, Tensor | None, int, Node | None]


def _line(node: Node) -> tuple[float, float]:
    """Where a loss turns straight, and how steep it is from there."""
    if name_of(node) == "HuberLoss":
        return float(node._saved_delta), float(node._saved_delta)
    return float(getattr(node, "_saved_beta", 0.0)), 1.0


def _put_out_by(producer: Node | None, saved: Tensor | None) -> Tensor | None:
    """What an activation put out, where the loss saved something made of it."""
    if producer is None or saved is None or name_of(producer) not in ACTIVATION_NODES:
        return saved
    try:
        result: Tensor = producer._saved_result.detach()
    except (AttributeError, RuntimeError):
        return saved
    return result if result.shape == saved.shape else saved


def _own_shape(tensor: Tensor | None) -> tuple[int, ...]:
    """The shape before a tensor was made to fit another, without axes of stride 0."""
    if tensor is None:
        return ()
    sizes = zip(tensor.shape, tensor.stride(), strict=True)
    return tuple(1 if stride == 0 else size for size, stride in sizes)


def _difference_shape(node: Node) -> tuple[int, ...]:
    """The shape of what a handwritten error squares; empty if it is not kept."""
    try:
        return tuple(node._saved_self.shape)
    except (AttributeError, RuntimeError):
        return ()


def _is_broadcast(
    shape: tuple[int, ...], target_shape: tuple[int, ...], compared: tuple[int, ...]
) -> bool:
    """Whether outputs were compared with targets that are not their own.

    A target of one number for a whole batch or row is meant so; a column against a row
    makes a square.
    """
    if len(compared) < 2 or not shape:
        return False
    outputs, pairs = math.prod(shape), math.prod(compared)
    targets = math.prod(target_shape) if target_shape else pairs // max(1, outputs)
    return pairs > outputs > 1 and targets > 1


def _is_sum(root: Node, node: Node) -> bool:
    """Whether two terms that both depend on parameters are added before the end."""
    here: Node | None = root
    for _ in range(_MOST_ABOVE):
        if here is None or here is node:
            return False
        terms = [parent for parent, _ in here.next_functions if parent is not None]
        if len(terms) > 1:
            return name_of(here) in ("Add", "Sub")
        here = terms[0] if terms else None
    return False


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
    difference, below = node._saved_self.detach(), _first(node)
    outputs = next((t.detach() for t in candidates if t.grad_fn is producer), None)
    if outputs is None:
        outputs = _seen_through_views(producer, candidates)
        if outputs is not None and outputs.numel() == difference.numel():
            outputs = outputs.reshape(difference.shape)
    if outputs is None:
        return None, None
    if below is None or difference.shape != outputs.shape:
        return outputs, None  # broadcast: the target cannot be told from it
    outputs_first = below.next_functions[0][0] is producer
    return outputs, outputs - difference if outputs_first else outputs + difference


def _seen_through_views(
    producer: Node | None, candidates: list[Tensor]
) -> Tensor | None:
    """The output that was sliced, squeezed or reshaped before the loss took it."""
    for _ in range(6):
        if producer is None or name_of(producer) not in _VIEWS:
            return None
        producer = _first(producer)
        for tensor in candidates:
            if tensor.grad_fn is producer:
                return tensor.detach()
    return None


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
        if name not in ON_WEIGHTS - {"Mul", "Div"}:
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
