"""Another activation, another loss, dropout, and units that repel each other."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from reluctant.changes._graph import paths_of, rewrite, trace
from reluctant.changes._hooks import Repelling
from reluctant.changes._patient import Context, DoesNotFit, Patient
from reluctant.records import AddDropout, RepelUnits, SwapActivation, SwapLoss


def _same(value: Tensor) -> Tensor:
    return value


def _modules(change: SwapActivation) -> nn.Module:
    made: dict[str, Callable[[], nn.Module]] = {
        "relu": nn.ReLU,
        "leaky_relu": partial(nn.LeakyReLU, change.slope),
        "elu": nn.ELU,
        "gelu": nn.GELU,
        "selu": nn.SELU,
        "silu": nn.SiLU,
        "softplus": nn.Softplus,
        "tanh": nn.Tanh,
        "linear": nn.Identity,
    }
    return made[change.activation]()


def _function(change: SwapActivation) -> Callable[[Tensor], Tensor]:
    made: dict[str, Callable[[Tensor], Tensor]] = {
        "relu": torch.relu,
        "leaky_relu": partial(F.leaky_relu, negative_slope=change.slope),
        "elu": F.elu,
        "gelu": F.gelu,
        "selu": torch.selu,
        "silu": F.silu,
        "softplus": F.softplus,
        "tanh": torch.tanh,
        "linear": _same,
    }
    function = made[change.activation]
    if isinstance(function, partial):
        vars(function)["__name__"] = change.activation  # the graph's code names it
        vars(function)["__module__"] = __name__
    return function


def swap_activation(
    change: SwapActivation, patient: Patient, context: Context
) -> SwapActivation:
    """Make a `SwapActivation`; the change with the layers that it was made to."""
    model = patient.model
    traced = trace(model)
    if change.sites:
        for site in change.sites:
            if site not in traced.paths:
                known = ", ".join(traced.paths)
                raise DoesNotFit(f"{site!r} is no layer of this model; it has {known}.")
        paths = [traced.paths[site] for site in change.sites]
    else:
        hidden = {path.site for path in paths_of(model)}
        paths = [path for site, path in traced.paths.items() if site in hidden]
    nodes: dict[str, fx.Node] = {}
    for path in paths:
        if path.refusal or not path.acts:
            raise DoesNotFit(
                f"{path.refusal or f'no known activation stands behind {path.site}'}."
            )
        nodes |= {node.name: node for node, _ in path.acts}
    calls = [n.target for n in traced.graph.nodes if n.op == "call_module"]
    by_module, edits = {}, {}
    for node in nodes.values():
        if node.op == "call_module" and calls.count(node.target) == 1:
            by_module[str(node.target)] = _modules(change)
        else:
            edits[node] = _function(change)
    if edits:
        rewrite(model, traced, edits)
    for name, module in by_module.items():
        module.training = model.training
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, module)
    sites = tuple(path.site for path in paths)
    return SwapActivation(sites, change.activation, change.slope)


class Dropping:
    """Drops what a layer reads, while the layer trains."""

    def __init__(self, share: float) -> None:
        self.share = share

    def __call__(self, module: nn.Module, args: tuple[Any, ...]) -> Any:
        first, *others = args
        return (F.dropout(first, self.share, module.training), *others)


def add_dropout(change: AddDropout, patient: Patient, context: Context) -> AddDropout:
    """Make an `AddDropout`: at what reads the units."""
    if not 0 < change.share < 1:
        raise DoesNotFit(f"a share of {change.share:g} is not between 0 and 1.")
    paths = paths_of(patient.model, change.sites)
    readers = {c.name: c.module for path in paths for c in path.consumers}
    for module in readers.values():
        module.register_forward_pre_hook(Dropping(change.share))
    return AddDropout(tuple(path.site for path in paths), change.share)


def repel(change: RepelUnits, patient: Patient, context: Context) -> RepelUnits:
    """Make a `RepelUnits`."""
    paths = paths_of(patient.model, change.sites)
    layers: list[tuple[Tensor, Tensor | None]] = [(p.weight, p.bias) for p in paths]
    Repelling(layers, change.strength, change.steps).attach(patient.optimizer)
    sites = tuple(path.site for path in paths)
    return RepelUnits(sites, change.strength, change.steps)


class _OneHot:
    """A loss on one-hot rows, given classes."""

    def __init__(self, loss: nn.Module) -> None:
        self.loss = loss

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        rows = F.one_hot(targets, outputs.shape[-1]).to(outputs)
        value: Tensor = self.loss(outputs, rows)
        return value


class _Classes:
    """A loss on classes, given one-hot rows."""

    def __init__(self, loss: nn.Module) -> None:
        self.loss = loss

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        value: Tensor = self.loss(outputs, targets.argmax(dim=-1))
        return value


def swap_loss(change: SwapLoss, patient: Patient, context: Context) -> SwapLoss:
    """Make a `SwapLoss`; targets are turned into what it takes."""
    kinds: dict[str, type[nn.Module]] = {
        "cross-entropy": nn.CrossEntropyLoss,
        "mse": nn.MSELoss,
        "l1": nn.L1Loss,
        "huber": nn.HuberLoss,
        "nll": nn.NLLLoss,
        "bce-with-logits": nn.BCEWithLogitsLoss,
    }
    loss: Any = kinds[change.loss](reduction=change.reduction)
    targets = context.data("a swap of the loss")[0][1]
    if not isinstance(targets, Tensor):
        raise DoesNotFit(f"targets are a {type(targets).__name__}, not a tensor.")
    are_classes = not targets.is_floating_point() and targets.dim() == 1
    wants_classes = change.loss in ("cross-entropy", "nll")
    if are_classes and not wants_classes:
        loss = _OneHot(loss)
    elif wants_classes and not are_classes:
        rows = targets.dim() == 2 and bool(((targets == 0) | (targets == 1)).all())
        if not rows or not bool((targets.sum(dim=1) == 1).all()):
            raise DoesNotFit(f"targets are no classes, which {change.loss} needs.")
        loss = _Classes(loss)
    vars(patient)["loss_fn"] = loss
    return change
