"""What lies below a layer, read off the graph: a short program of intervals.

Longer than most files: one table of node kinds, and what each asks of its inputs. Only
numbers that nodes keep are read, never a saved tensor: to unpack one may run a
checkpointed segment again.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from torch import Tensor

from reluctant.live._graph import Node, name_of, parents

_MOST_OPS = 400
_LAST, _CHANNELS = -1, 1  # axis that an interval has one entry for each place of
# the same range for each unit before and behind
_SAME = {
    "MaxPool2DWithIndices", "MaxPool3DWithIndices", "MaxPool1DWithIndices",
    "AdaptiveMaxPool2D", "AdaptiveAvgPool2D", "UpsampleNearest2D", "ToCopy", "Clone",
    "Contiguous", "Alias",
}  # fmt: skip
_SHAPED = {"View", "ReshapeAlias", "UnsafeView", "Squeeze", "Unsqueeze", "Reshape"}
_MIXED = {"T", "Transpose", "Permute", "Slice", "Select", "Expand", "Gather", "Index"}
_MONOTONE = {
    "Relu", "Sigmoid", "Tanh", "Softplus", "LeakyRelu", "Elu", "Clamp", "ClampMin",
    "Hardtanh", "Threshold", "Gelu", "Silu",
}  # fmt: skip
_READERS = _SAME | _SHAPED | _MIXED | _MONOTONE | {"Cat", "Add", "Mean", "Mul"}
_OWNERS = (
    "Mm", "Convolution", "NativeBatchNorm", "CudnnBatchNorm", "NativeLayerNorm",
    "NativeGroupNorm",
)  # fmt: skip
_SAVED = {
    "LeakyRelu": ("_saved_negative_slope",),
    "Elu": ("_saved_alpha", "_saved_scale", "_saved_input_scale"),
    "Clamp": ("_saved_min", "_saved_max"),
    "ClampMin": ("_saved_min",),
    "Hardtanh": ("_saved_min_val", "_saved_max_val"),
    "Threshold": ("_saved_threshold",),
    "Softplus": ("_saved_beta", "_saved_threshold"),
}


class Op(NamedTuple):
    """One step of the program.

    Attributes:
        kind: `"source"`, `"linear"`, `"conv"`, `"norm"`, `"embedding"`, `"same"`,
            `"repeat"`, `"hull"`, `"drop"`, `"add"`, `"cat"`, an activation's node name,
            or `"unknown"`.
        inputs: Positions of the steps that it reads.
        names: Its parameters: weight, then bias, `""` for none.
        options: Numbers that it needs.
        axis: -1 for features, 1 for channels.
    """

    kind: str
    inputs: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    options: tuple[Any, ...] = ()
    axis: int = _LAST


class Program:
    """How each layer's pre-activations come about, for all layers seen so far.

    Attributes:
        ops: In an order in which each comes after what it reads.
        sites: The position of each layer's pre-activation.
    """

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.sites: dict[str, int] = {}

    def layer(self, site: str) -> tuple[int, str, str]:
        """The step that owns a layer's weights, and the names of weight and bias.

        Its position is -1, and the names empty, if there is none.
        """
        at, bias = self.sites.get(site, -1), ""
        while at >= 0 and self.ops[at].kind in ("same", "repeat", "hull", "add"):
            op = self.ops[at]
            if op.kind == "add" and (len(op.inputs) != 1 or bias):
                return -1, "", ""
            bias = op.names[1] if op.kind == "add" else bias
            at = op.inputs[0]
        if at < 0 or not self.ops[at].names:
            return -1, "", ""
        names = (*self.ops[at].names, "")
        return at, names[0], names[1] or bias

    def below(self, ends: Iterable[int]) -> set[int]:
        """The positions of all steps that some steps depend on, themselves included."""
        seen: set[int] = set()
        front = [end for end in ends if end >= 0]
        while front:
            at = front.pop()
            if at not in seen:
                seen.add(at)
                front += self.ops[at].inputs
        return seen


class Compiler:
    """Adds to a program what the graph of one forward pass shows.

    Args:
        program: Grows.
        names: Parameter names by `id`.
        sources: Sites whose input is data, by node.
        dropped: Largest factor of a dropout, by node.
    """

    def __init__(
        self,
        program: Program,
        names: Mapping[int, str],
        sources: Mapping[Node, str],
        dropped: Mapping[Node, float],
    ) -> None:
        self._program, self._names = program, names
        self._sources, self._dropped = sources, dropped
        self._at: dict[Node, int] = {}

    def add(self, site: str, node: Node) -> None:
        """Add a layer's pre-activation, unless it is known."""
        if site in self._program.sites or len(self._program.ops) > _MOST_OPS:
            return
        stack = [node]
        while stack:
            top = stack[-1]
            if top in self._at:
                stack.pop()
                continue
            waiting = [p for p in self._inputs(top) if p not in self._at]
            if waiting and len(stack) < _MOST_OPS:
                stack += waiting
                continue
            self._at[stack.pop()] = self._put(top)
        self._program.sites[site] = self._at[node]

    def _inputs(self, node: Node) -> list[Node]:
        """The nodes that a step reads, parameters aside."""
        name = name_of(node)
        if name == "Addmm":
            return [p for p, _ in node.next_functions[1:2] if p is not None]
        if name in _OWNERS:
            return [p for p, _ in node.next_functions[:1] if p is not None]
        if name in _READERS or "AvgPool" in name:
            return [p for p in parents(node) if name_of(p) != "AccumulateGrad"]
        return []

    def _put(self, node: Node) -> int:
        try:
            op = self._op(node)
        except (AttributeError, IndexError, TypeError, RuntimeError, KeyError):
            op = Op("unknown")
        self._program.ops.append(op)
        return len(self._program.ops) - 1

    def _op(self, node: Node) -> Op:
        name, below = name_of(node), self._inputs(node)
        inputs = tuple(self._at[p] for p in below)
        if name in ("Addmm", "Mm", "Convolution"):
            return self._weighted(node, name, inputs)
        if name in ("NativeBatchNorm", "CudnnBatchNorm"):
            shape = _shape(node)
            count = shape[0] if len(shape) == 2 else _product(shape) // shape[1]
            if not getattr(node, "_saved_training", True):
                return Op("unknown")
            return Op("norm", inputs, self._own(node, 1, 2), (count,), _CHANNELS)
        if name == "NativeLayerNorm":
            count = _product(tuple(node._saved_normalized_shape))
            return Op("norm", inputs, self._own(node, 1, 2), (count,), _LAST)
        if name == "NativeGroupNorm":
            channels, groups = int(node._saved_C), int(node._saved_group)
            count = channels // groups * int(node._saved_HxW)
            return Op("norm", inputs, self._own(node, 1, 2), (count,), _CHANNELS)
        if name == "Embedding":
            return Op("embedding", (), self._own(node, 0))
        if not inputs:
            return Op("unknown")
        first = self._program.ops[inputs[0]]
        if name in _SHAPED:
            return self._shaped(node, below[0], inputs, first.axis)
        if name in _MIXED:
            return Op("hull", inputs, options=(_width(_shape(node)),))
        if name in _MONOTONE:
            saved = tuple(_number(getattr(node, a)) for a in _SAVED.get(name, ()))
            return Op(name, inputs, options=saved, axis=first.axis)
        if name == "Mul" and node in self._dropped:
            return Op("drop", inputs, options=(self._dropped[node],), axis=first.axis)
        is_sum = name == "Add" and float(node._saved_alpha) == 1.0
        if is_sum and len(inputs) == len(list(parents(node))) == 2:
            return Op("add", inputs, axis=first.axis)
        if is_sum and len(inputs) == 1:
            return Op("add", inputs, ("", self._own(node, 1)[0]), axis=first.axis)
        if name == "Cat" and len(inputs) == len(list(parents(node))):
            axis = int(node._saved_dim) % 2**63
            last = len(_shape(node)) - 1
            if axis == (1 if first.axis == _CHANNELS else last):
                return Op("cat", inputs, axis=first.axis)
        if name == "Mean" and first.axis == _CHANNELS:
            dims = {int(d) % 2**63 % len(_shape(below[0])) for d in node._saved_dim}
            if dims <= {2, 3, 4}:
                return Op("same", inputs, axis=_CHANNELS)
        if "AvgPool" in name or name in _SAME:
            return Op("same", inputs, options=("AvgPool" in name,), axis=first.axis)
        return Op("unknown")

    def _weighted(self, node: Node, name: str, inputs: tuple[int, ...]) -> Op:
        is_conv = name == "Convolution"
        axis = _CHANNELS if is_conv else _LAST
        if not inputs:
            site = self._sources[node]
            self._program.ops.append(Op("source", (), (), (site,), axis))
            inputs = (len(self._program.ops) - 1,)
        below = self._program.ops[inputs[0]]
        if is_conv:
            if node._saved_transposed or below.axis != _CHANNELS:
                return Op("unknown")
            pads = any(int(p) > 0 for p in node._saved_padding)
            options = (int(node._saved_groups), pads)
            return Op("conv", inputs, self._own(node, 1, 2), options, _CHANNELS)
        if below.axis == _CHANNELS and len(_shape(node)) != 2:
            return Op("unknown")
        if name == "Addmm":
            (bias,) = self._own(node, 0)
            weight, turned = self._matrix(node.next_functions[2][0])
        else:
            bias, (weight, turned) = "", self._matrix(node.next_functions[1][0])
        return Op("linear", inputs, (weight, bias), (turned,))

    def _matrix(self, node: Node) -> tuple[str, bool]:
        """A weight's name, and whether it stands turned, as in `nn.Linear`."""
        turned = False
        while name_of(node) in ("T", "Transpose"):
            node, turned = next(parents(node)), not turned
        return self._names[id(node.variable)], turned

    def _own(self, node: Node, *places: int) -> tuple[str, ...]:
        """Names of the parameters at some places; `""` where there is none."""
        found = []
        for place in places:
            given = node.next_functions[place][0]
            found.append(self._names[id(given.variable)] if given is not None else "")
        return tuple(found)

    def _shaped(
        self, node: Node, below: Node, inputs: tuple[int, ...], axis: int
    ) -> Op:
        before, after = _shape(below), _shape(node)
        if axis == _LAST and before[-1] == after[-1]:
            return Op("same", inputs)
        space = _product(before[2:])
        is_flat = len(before) >= 2 and len(after) == 2
        if axis == _CHANNELS and is_flat and after[1] == before[1] * space:
            return Op("repeat", inputs, options=(space,))
        if axis == _CHANNELS and len(after) > 2 and before[1] == after[1]:
            return Op("same", inputs, axis=_CHANNELS)
        return Op("hull", inputs, options=(_width(after),))


def is_readable(z: Tensor) -> bool:
    """Whether a tensor has a graph to read."""
    return z.grad_fn is not None and z.is_floating_point()


def _shape(node: Node) -> tuple[int, ...]:
    """Of what a node has put out."""
    return tuple(int(n) for n in node._input_metadata[0].shape)


def _width(shape: tuple[int, ...]) -> int:
    return shape[-1] if shape else 1


def _product(shape: tuple[int, ...]) -> int:
    product = 1
    for n in shape:
        product *= n
    return product


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
