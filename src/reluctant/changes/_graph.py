"""From a layer to what reads its units, by tracing the model once.

Longer than most files: the whole grammar of what may stand between two layers.
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from reluctant.changes._patient import DoesNotFit, streams_kept
from reluctant.changes._pointwise import HOMOGENEOUS, SCALE, SHIFT, pointwise

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_DROPS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.Identity)
_POOLS = (
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.MaxPool3d,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AvgPool3d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveAvgPool3d,
    nn.AdaptiveMaxPool2d,
)
_POOL_FUNCTIONS = {
    function
    for name in ("max_pool", "avg_pool", "adaptive_avg_pool", "adaptive_max_pool")
    for d in "123"
    for home in (F, torch)
    if (function := getattr(home, f"{name}{d}d", None)) is not None
}


@dataclass(frozen=True)
class Consumer:
    """A layer that reads units.

    Attributes:
        name: As torch names it.
        module: The layer.
        block: Inputs that one unit becomes, 1 unless a flatten stands between.
    """

    name: str
    module: nn.Module
    block: int

    def columns(self, units: Tensor) -> Tensor:
        """Indices along the weight's dimension 1 that read these units."""
        offsets = torch.arange(self.block, device=units.device)
        return (units[:, None] * self.block + offsets).reshape(-1)


@dataclass
class Path:
    """One layer, and the way to what reads it.

    Attributes:
        site: As torch names it.
        module: The layer.
        norms: Batch norms on the way, by name.
        acts: What works on each number alone on the way, an activation or a part of
            one that the user wrote: nodes with their names.
        consumers: What reads the units.
    """

    site: str
    module: nn.Module
    norms: list[tuple[str, nn.Module]] = field(default_factory=list)
    acts: list[tuple[fx.Node, str]] = field(default_factory=list)
    consumers: list[Consumer] = field(default_factory=list)
    is_flat: bool = False
    refusal: str = ""

    @property
    def units(self) -> int:
        """How many units the layer has."""
        return int(self.weight.shape[0])

    @property
    def weight(self) -> nn.Parameter:
        """Of the layer, units along dimension 0."""
        weight: nn.Parameter = self.module.weight  # type: ignore[assignment]
        return weight

    @property
    def bias(self) -> nn.Parameter | None:
        """Of the layer."""
        bias: nn.Parameter | None = self.module.bias  # type: ignore[assignment]
        return bias

    @property
    def bends(self) -> bool:
        """Whether an activation is on the way: more than a number times or added."""
        return any(name not in (SCALE, SHIFT) for _, name in self.acts)

    @property
    def bar(self) -> str:
        """Through what a unit's scale does not pass unchanged; `""` if it passes."""
        if self.norms:
            return "batch norm"
        return next((name for _, name in self.acts if name not in HOMOGENEOUS), "")


@dataclass(frozen=True)
class Traced:
    """A model's graph with the paths of all its layers.

    Attributes:
        graph: As traced; its module calls are the model's own modules.
        paths: By site, in order of execution.
        heads: Layers whose units reach the output.
    """

    graph: fx.Graph
    paths: dict[str, Path]
    heads: tuple[str, ...]


def trace(model: nn.Module) -> Traced:
    """Trace a model.

    Raises:
        DoesNotFit: If torch.fx cannot follow its forward pass.
    """
    with streams_kept():
        try:
            if isinstance(model, LAYERS):  # fx wants something around a leaf
                raise DoesNotFit("the model is one layer: there are no hidden units.")
            graph = fx.Tracer().trace(in_force(model))
        except DoesNotFit:
            raise
        except Exception as error:  # whatever a forward pass does to a proxy
            reason = " ".join(str(error).split())[:160]
            raise DoesNotFit(
                f"the forward pass of {type(model).__name__} cannot be followed by "
                f"torch.fx ({type(error).__name__}: {reason})."
            ) from None
    calls: dict[str, list[fx.Node]] = {}
    for node in graph.nodes:
        if node.op == "call_module":
            calls.setdefault(str(node.target), []).append(node)
    shared = _shared(model)
    paths, heads = {}, []
    for site, nodes in calls.items():
        module = model.get_submodule(site)
        if not isinstance(module, LAYERS):
            continue
        path = Path(site, module)
        if len(nodes) > 1:
            path.refusal = f"{site} runs {len(nodes)} times in one forward pass"
        elif site in shared:
            path.refusal = f"{site} shares its weight with another module"
        elif getattr(module, "groups", 1) != 1:
            path.refusal = f"{site} is a grouped convolution"
        elif _is_parametrized(module):
            path.refusal = f"{site} is parametrized"
        else:
            reaches = _follow(nodes[0], path, model, shared)
            if reaches:
                heads.append(site)
        paths[site] = path
    return Traced(graph, paths, tuple(heads))


def in_force(model: nn.Module) -> nn.Module:
    """What runs in a forward pass: the model, or the graph put in its place."""
    owner = getattr(vars(model).get("forward"), "__self__", model)
    return owner if isinstance(owner, fx.GraphModule) else model


def paths_of(model: nn.Module, sites: Sequence[str] = ()) -> list[Path]:
    """The paths of some hidden layers, or of all that can be operated on.

    Raises:
        DoesNotFit: If there is none, or one that was named cannot be operated on.
    """
    traced = trace(model)
    if not sites:
        found = [
            p
            for p in traced.paths.values()
            if not p.refusal and p.bends and p.site not in traced.heads
        ]
        if not found:
            reasons = "; ".join(p.refusal for p in traced.paths.values() if p.refusal)
            raise DoesNotFit(
                "the model has no hidden layer that can be operated on"
                + (f": {reasons}." if reasons else ".")
            )
        return found
    found = []
    for site in sites:
        path = traced.paths.get(site)
        if path is None:
            known = ", ".join(traced.paths)
            raise DoesNotFit(f"{site!r} is no layer of this model; it has {known}.")
        if path.refusal:
            raise DoesNotFit(f"{path.refusal}.")
        if site in traced.heads:
            raise DoesNotFit(f"the units of {site} are outputs, which nothing reads.")
        found.append(path)
    return found


def first_layers(model: nn.Module) -> list[tuple[nn.Module, int]]:
    """The layers that read the input, with the block that a feature becomes.

    Raises:
        DoesNotFit: If anything but a flatten stands before them.
    """
    if isinstance(model, LAYERS):
        if getattr(model, "groups", 1) != 1 or _is_parametrized(model):
            raise DoesNotFit("the model is one layer, grouped or parametrized.")
        return [(model, 1)]
    traced = trace(model)
    inputs = [n for n in traced.graph.nodes if n.op == "placeholder"]
    start = Path("input", model)
    if len(inputs) != 1:
        raise DoesNotFit(f"the model takes {len(inputs)} inputs.")
    reaches = _follow(inputs[0], start, model, _shared(model), from_input=True)
    is_straight = not (reaches or start.norms or start.acts)
    if start.refusal or not is_straight or not start.consumers:
        reason = start.refusal or "the input does not go to a layer straight away"
        raise DoesNotFit(f"{reason}.")
    return [(c.module, c.block) for c in start.consumers]


def _follow(
    start: fx.Node,
    path: Path,
    model: nn.Module,
    shared: set[str],
    *,
    from_input: bool = False,
) -> bool:
    """Fill the path with what lies behind a node; whether it reaches the output."""
    holds = {start: False}  # nodes that hold the units: whether flattened
    reaches = False
    for node in start.graph.nodes:
        held = {holds[x] for x in node.all_input_nodes if x in holds}
        if not held:
            continue
        is_flat = True in held
        kind, name = _kind(node, model)
        is_joined = len(held) > 1 or any(x not in holds for x in node.all_input_nodes)
        if kind == "activation" and is_joined:
            kind = "refused"  # with what other units put out, or with a trained number
        if kind == "shape":
            continue
        if kind == "output":
            reaches = True
            continue
        if kind == "layer":
            module = model.get_submodule(str(node.target))
            if str(node.target) in shared:
                path.refusal = f"{node.target} shares its weight with another module"
            elif getattr(module, "groups", 1) != 1:
                path.refusal = f"{node.target} is a grouped convolution"
            else:
                path.consumers.append(
                    _consumer(node, module, path, is_flat, from_input)
                )
        elif kind == "norm":
            path.norms.append((str(node.target), model.get_submodule(str(node.target))))
            if is_flat:
                path.refusal = f"batch norm {node.target} stands behind a flatten"
        elif kind == "activation":
            path.acts.append((node, name))
        elif kind == "refused":
            path.refusal = f"{name} stands behind {path.site}"
        if path.refusal:
            break
        if kind != "layer":
            holds[node] = is_flat or kind == "flatten"
    return reaches


def _consumer(
    node: fx.Node, module: nn.Module, path: Path, is_flat: bool, from_input: bool
) -> Consumer:
    weight: Tensor = module.weight  # type: ignore[assignment]
    block = 1
    if not from_input:
        block, rest = divmod(int(weight.shape[1]), path.units)
        if rest or (block > 1 and not is_flat):
            path.refusal = (
                f"{node.target} reads {weight.shape[1]} inputs, which are not the "
                f"{path.units} units of {path.site}"
            )
    return Consumer(str(node.target), module, block)


def _kind(node: fx.Node, model: nn.Module) -> tuple[str, str]:
    """What a node is on a path, and what to call it."""
    if node.op == "output":
        return "output", ""
    if name := pointwise(node, model):
        return "activation", name
    if node.op == "call_module":
        module = model.get_submodule(str(node.target))
        kind = type(module)
        if isinstance(module, LAYERS):
            return "layer", ""
        if isinstance(module, _NORMS):
            return "norm", ""
        if isinstance(module, (*_DROPS, *_POOLS)):
            return "pass", ""
        if isinstance(module, nn.Flatten) and module.start_dim == 1:
            return "flatten", ""
        return "refused", f"{node.target} ({kind.__name__})"
    name = str(node.target)
    if node.op == "call_function":
        name = getattr(node.target, "__name__", name)
        if node.target in _POOL_FUNCTIONS or node.target is F.dropout:
            return "pass", ""
        if node.target is torch.flatten and _starts_at_one(node):
            return "flatten", ""
        if node.target is getattr:
            return "shape", ""
        if node.target is operator.getitem:
            return "refused", "an index"
    if node.op == "call_method":
        if name in ("size", "dim"):
            return "shape", ""
        if name == "flatten" and _starts_at_one(node):
            return "flatten", ""
        is_pair = len(node.args) == 3 and node.args[-1] == -1
        if name in ("view", "reshape") and is_pair:
            return "flatten", ""
        if name in ("contiguous", "clone"):
            return "pass", ""
    return "refused", name


def _starts_at_one(node: fx.Node) -> bool:
    start = node.args[1] if len(node.args) > 1 else node.kwargs.get("start_dim", 0)
    end = node.args[2] if len(node.args) > 2 else node.kwargs.get("end_dim", -1)
    return bool(start == 1 and end == -1)


def _shared(model: nn.Module) -> set[str]:
    """Modules of which a parameter also belongs to another."""
    owners: dict[int, set[str]] = {}
    for name, module in model.named_modules():
        for parameter in module._parameters.values():
            if parameter is not None:
                owners.setdefault(id(parameter), set()).add(name)
    return {name for names in owners.values() if len(names) > 1 for name in names}


def _is_parametrized(module: nn.Module) -> bool:
    return "weight" not in module._parameters or "parametrizations" in module._modules
