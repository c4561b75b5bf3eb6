"""What the autograd graph of a loss says: which layers, which loss, which parameters.

Everything here only reads the graph that the user's own forward pass has built: node
names, edges and the tensors saved for backward. It works whether a layer was called as
a module or as a function, and costs a walk over the nodes, on sampled steps alone.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor

Node: TypeAlias = (
    Any  # torch.autograd.graph.Node; its saved tensors have no static type
)

MOST_NODES = 50_000
# between an operation and its parameter stand only nodes like these
ON_WEIGHTS = {
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


def leaf_tensors(root: Node) -> list[Tensor]:
    """Every leaf tensor that the graph would send a gradient to."""
    return [node.variable for node in walk(root) if name_of(node) == "AccumulateGrad"]


def leaves(root: Node) -> set[int]:
    """`id` of every leaf tensor that the graph would send a gradient to."""
    return {id(leaf) for leaf in leaf_tensors(root)}


def operations(root: Node) -> set[str]:
    """Names of all nodes.

    A product of two parts of the graph is `MulMul`, and a power that a layer reads is
    `LayerPow`: those of a loss stand in front of all layers.
    """
    nodes = list(walk(root))
    found = {name_of(node) for node in nodes}
    if any(name_of(n) == "Mul" and len(list(parents(n))) > 1 for n in nodes):
        found.add("MulMul")
    if "Pow" in found:
        layers = [n for n in nodes if _OPERATIONS.get(name_of(n)) in ("linear", "conv")]
        if any(name_of(node) == "Pow" for node in _behind(layers)):
            found.add("LayerPow")
    return found


def _behind(nodes: Iterable[Node]) -> set[Node]:
    """What the inputs of these come from."""
    seen: set[Node] = set()
    queue = [parent for node in nodes for parent in parents(node)]
    while queue:
        node = queue.pop()
        if node not in seen:
            seen.add(node)
            queue += parents(node)
    return seen


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
            if name not in ON_WEIGHTS or not inputs:
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
        if name in ON_WEIGHTS and candidate is not node:
            continue
        owned = [names[id(p)] for p in own_parameters(candidate) if id(p) in names]
        if owned and name == "Add":  # x @ w, then + b: one layer
            reshaped = [_unviewed(p) for p in parents(candidate)]
            product = [p for p in reshaped if name_of(p) in ("Mm", "Bmm")]
            weights = [q for p in product for q in own_parameters(p)]
            owned = [names[id(q)] for q in weights if id(q) in names] + owned
            name = name_of(product[0]) if product else name
        if owned:
            return Owner(
                site=site_of(owned),
                operation=_OPERATIONS.get(name, name.lower()),
                unit_axis=1 if name.endswith(_CHANNELS_SECOND) else -1,
                parameters=tuple(owned),
            )
    return None


def _unviewed(node: Node) -> Node:
    """The node behind one change of shape."""
    behind = list(parents(node)) if name_of(node) in ("UnsafeView", "View") else []
    return behind[0] if len(behind) == 1 else node


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
