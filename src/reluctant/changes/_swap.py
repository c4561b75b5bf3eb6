"""Another activation, another loss, dropout, and units that repel each other."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from reluctant.changes._graph import paths_of, trace
from reluctant.changes._hooks import Repelling
from reluctant.changes._patient import (
    Context,
    DoesNotFit,
    NothingToDo,
    Patient,
    call,
    copy_to_look_at,
    streams_kept,
)
from reluctant.changes._rewrite import (
    Edit,
    Part,
    activations_of,
    bounds_of,
    is_rewritten,
    rewrite,
    source_of,
)
from reluctant.records import (
    AddDropout,
    InsertActivation,
    RepelUnits,
    ScaleDropout,
    SwapActivation,
    SwapLoss,
    TrainMode,
    UnboundOutputs,
)


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
    parts: dict[fx.Node, Part] = {}
    for path in paths:
        if path.refusal or not path.bends:
            raise DoesNotFit(
                f"{path.refusal or f'no known activation stands behind {path.site}'}."
            )
        parts |= {part.nodes[0]: part for part in activations_of(path)}
    calls = [n.target for n in traced.graph.nodes if n.op == "call_module"]
    by_module: dict[str, nn.Module] = {}
    edits: list[Edit] = []
    for node, part in parts.items():
        is_own = node.op == "call_module" and calls.count(node.target) == 1
        if is_own and len(part.nodes) == 1 and not is_rewritten(model):
            by_module[str(node.target)] = _modules(change)
        else:
            edits.append(Edit(part, _function(change)))
    for name, module in by_module.items():  # before the graph takes modules over
        module.training = model.training
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, module)
    if edits:
        rewrite(model, traced, edits)
    sites = tuple(path.site for path in paths)
    return SwapActivation(sites, change.activation, change.slope)


def unbind_outputs(
    change: UnboundOutputs, patient: Patient, context: Context
) -> UnboundOutputs:
    """Make an `UnboundOutputs`."""
    traced = trace(patient.model)
    nodes = bounds_of(patient.model, traced)
    if not nodes:
        raise NothingToDo("nothing bounds the outputs, as far as torch.fx can follow.")
    edits = [Edit(Part((node,), source_of(node)), _same) for node in nodes]
    rewrite(patient.model, traced, edits)
    return change


def insert_activation(
    change: InsertActivation, patient: Patient, context: Context
) -> InsertActivation:
    """Make an `InsertActivation`; the change with the layers that it was made to."""
    traced = trace(patient.model)
    bare = [
        path
        for site, path in traced.paths.items()
        if (site in change.sites or not change.sites)
        and site not in traced.heads
        and not path.bends
        and not path.refusal
    ]
    if not bare:
        raise NothingToDo("there are no two layers with nothing between them.")
    for path in bare:
        path.module.register_forward_hook(Bending(change.activation))
    sites = tuple(path.site for path in bare)
    return InsertActivation(sites, change.activation)


class Bending:
    """Applies an activation to what a layer puts out."""

    def __init__(self, activation: str) -> None:
        self.activation = activation

    def __call__(self, module: nn.Module, args: Any, output: Tensor) -> Tensor:
        return output.relu() if self.activation == "relu" else output.tanh()


def scale_dropout(
    change: ScaleDropout, patient: Patient, context: Context
) -> ScaleDropout:
    """Make a `ScaleDropout`."""
    drops = [
        module
        for module in patient.model.modules()
        if isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0
    ]
    if not drops:
        raise NothingToDo("the model has no dropout layer.")
    for module in drops:
        module.p = min(1.0, module.p * change.factor)
    return change


def train_mode(change: TrainMode, patient: Patient, context: Context) -> TrainMode:
    """Make a `TrainMode`."""
    if all(module.training for module in patient.model.modules()):
        raise NothingToDo("the model is in training mode.")
    patient.model.train()
    return change


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


class _Fitted:
    """A loss of one number an output, targets brought to the outputs' shape.

    Args:
        loss: Such as the squared error.
        no: The target that stands for 0, where targets are yes and no; else None.
    """

    def __init__(self, loss: nn.Module, no: float | None = None) -> None:
        self.loss, self.no = loss, no

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if self.no is not None:
            targets = targets > self.no
        value: Tensor = self.loss(outputs, targets.reshape(outputs.shape).to(outputs))
        return value


_LOSSES: dict[str, type[nn.Module]] = {
    "cross-entropy": nn.CrossEntropyLoss,
    "mse": nn.MSELoss,
    "l1": nn.L1Loss,
    "huber": nn.HuberLoss,
    "nll": nn.NLLLoss,
    "bce-with-logits": nn.BCEWithLogitsLoss,
}


def swap_loss(change: SwapLoss, patient: Patient, context: Context) -> SwapLoss:
    """Make a `SwapLoss`; targets are turned into what it takes."""
    inputs, targets = context.data("a swap of the loss")[0]
    if not isinstance(targets, Tensor):
        raise DoesNotFit(f"targets are a {type(targets).__name__}, not a tensor.")
    kind = change.loss
    if kind == "suited":
        kind = _suited(_outputs(patient, inputs), targets)
    loss: Any = _LOSSES[kind](reduction=change.reduction)
    are_classes = not targets.is_floating_point() and targets.dim() == 1
    if kind in ("cross-entropy", "nll"):
        if not are_classes:
            if not _are_rows(targets):
                raise DoesNotFit(f"targets are no classes, which {kind} needs.")
            loss = _Classes(loss)
    elif change.loss == "suited":
        values = targets.unique()
        no = float(values.min()) if kind == "bce-with-logits" else None
        loss = _Fitted(loss, no)
    elif are_classes:
        loss = _OneHot(loss)
    vars(patient)["loss_fn"] = loss
    return SwapLoss(kind, change.reduction) if change.loss != "suited" else change


def _suited(outputs: Tensor, targets: Tensor) -> Any:
    """Which loss outputs and targets ask for."""
    width = outputs.shape[-1] if outputs.dim() > 1 else 1
    are_classes = not targets.is_floating_point() and targets.dim() == 1
    if width > 1 and (are_classes or _are_rows(targets)):
        return "cross-entropy"
    if outputs.numel() != targets.numel():
        raise DoesNotFit(
            f"outputs of shape {tuple(outputs.shape)} and targets of shape "
            f"{tuple(targets.shape)} do not go together."
        )
    values = sorted(float(v) for v in targets.unique()[:3])
    return "bce-with-logits" if values in ([0, 1], [-1, 1]) else "mse"


def _are_rows(targets: Tensor) -> bool:
    """Whether they are one-hot rows."""
    rows = targets.dim() == 2 and bool(((targets == 0) | (targets == 1)).all())
    return rows and targets.shape[1] > 1 and bool((targets.sum(dim=1) == 1).all())


@torch.no_grad()
def _outputs(patient: Patient, inputs: Any) -> Tensor:
    with streams_kept():
        outputs = call(copy_to_look_at(patient.model), inputs)
    if not isinstance(outputs, Tensor):
        raise DoesNotFit(f"outputs are a {type(outputs).__name__}, not a tensor.")
    return outputs
