"""A forward pass with some of its operations replaced, the modules left as they are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, fx, nn

from reluctant.changes._graph import Path, Traced, in_force
from reluctant.changes._patient import DoesNotFit
from reluctant.changes._pointwise import SCALE, SHIFT

_BOUNDS = {
    nn.Softmax,
    nn.LogSoftmax,
    nn.Sigmoid,
    nn.LogSigmoid,
    nn.Tanh,
    nn.Softsign,
    nn.ReLU,
    nn.ReLU6,
    nn.Hardsigmoid,
    nn.Hardtanh,
}
_BOUND_NAMES = {
    "softmax",
    "log_softmax",
    "sigmoid",
    "logsigmoid",
    "tanh",
    "softsign",
    "relu",
    "relu6",
    "clamp",
}


def bounds_of(model: nn.Module, traced: Traced) -> list[fx.Node]:
    """Nodes through which the one output leaves, from the last one backwards."""
    (output,) = (n for n in traced.graph.nodes if n.op == "output")
    node, found = output.args[0], []
    while isinstance(node, fx.Node) and _is_bound(node, model):
        found.append(node)
        node = source_of(node)
    return found


def _is_bound(node: fx.Node, model: nn.Module) -> bool:
    if node.op == "call_module":
        return type(model.get_submodule(str(node.target))) in _BOUNDS
    name = getattr(node.target, "__name__", str(node.target))
    return node.op in ("call_function", "call_method") and name in _BOUND_NAMES


def source_of(node: fx.Node) -> fx.Node:
    """What an operation of one tensor is given."""
    source = node.args[0] if node.args else node.kwargs.get("input")
    if not isinstance(source, fx.Node):
        raise DoesNotFit(f"{node.name} is not given one tensor.")
    return source


@dataclass(frozen=True)
class Part:
    """An activation on a path: operations that follow each other straight away.

    Attributes:
        nodes: In order of execution.
        source: What the first one is given.
    """

    nodes: tuple[fx.Node, ...]
    source: fx.Node


def activations_of(path: Path) -> list[Part]:
    """The activations on a path; what only scales or shifts belongs to its neighbors.

    Raises:
        DoesNotFit: If one reads what stands before and behind something else.
    """
    groups: list[list[fx.Node]] = []
    for node, _ in path.acts:
        joined = [g for g in groups if any(x in g for x in node.all_input_nodes)]
        groups = [g for g in groups if g not in joined]
        groups.append([*(x for g in joined for x in g), node])
    names = dict(path.acts)
    parts = []
    for group in groups:
        if all(names[node] in (SCALE, SHIFT) for node in group):
            continue
        nodes = tuple(node for node in names if node in group)
        (source, *others) = dict.fromkeys(
            x for node in nodes for x in node.all_input_nodes if x not in group
        )
        if others:
            raise DoesNotFit(
                f"the activation behind {path.site} reads both {source.name} and "
                f"{others[0].name}, so it is not one function of one number."
            )
        parts.append(Part(nodes, source))
    return parts


@dataclass(frozen=True)
class Edit:
    """One function that takes the place of all of a part's operations.

    Attributes:
        part: What goes.
        function: What comes.
    """

    part: Part
    function: Callable[[Tensor], Tensor]


def is_rewritten(model: nn.Module) -> bool:
    """Whether the model runs a graph that `rewrite` gave it."""
    return in_force(model) is not model


def rewrite(model: nn.Module, traced: Traced, edits: Sequence[Edit]) -> None:
    """Let the model run its graph with some nodes replaced by other functions.

    The modules stay the model's own; only its forward pass is another, until
    `model.forward` is deleted.

    Raises:
        DoesNotFit: If the graph holds what depends on the mode it was traced in.
    """
    for node in traced.graph.nodes:
        if node.op == "call_function" and "training" in node.kwargs:
            raise DoesNotFit(
                f"the forward pass calls {getattr(node.target, '__name__', '')} with a "
                "fixed mode, so it cannot be rewritten: use the module instead."
            )
    for edit in edits:
        nodes = edit.part.nodes
        with traced.graph.inserting_before(nodes[0]):
            new = traced.graph.call_function(edit.function, (edit.part.source,))
        for node in nodes:
            for user in [x for x in node.users if x not in nodes]:
                user.replace_input_with(node, new)
        for node in reversed(nodes):
            traced.graph.erase_node(node)
    model.forward = fx.GraphModule(model, traced.graph).forward
