"""The step: its rate, its schedule, its rule, its length, and what it moves."""

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from reluctant.changes._hooks import Clipping, Falling, Rising
from reluctant.changes._patient import (
    Context,
    DoesNotFit,
    NothingToDo,
    Patient,
    call,
    copy_to_look_at,
    streams_kept,
)
from reluctant.records import (
    AddParameters,
    ClipGradNorm,
    DecayLearningRate,
    ScaleLearningRate,
    ScaleWeightDecay,
    SwapOptimizer,
    WarmUp,
)


def scale_rate(
    change: ScaleLearningRate, patient: Patient, context: Context
) -> ScaleLearningRate:
    """Make a `ScaleLearningRate`."""
    for group in patient.optimizer.param_groups:
        group["lr"] = group["lr"] * change.factor
        if "initial_lr" in group:  # what a scheduler starts from
            group["initial_lr"] = group["initial_lr"] * change.factor
    return change


def scale_weight_decay(
    change: ScaleWeightDecay, patient: Patient, context: Context
) -> ScaleWeightDecay:
    """Make a `ScaleWeightDecay`."""
    groups = [g for g in patient.optimizer.param_groups if g.get("weight_decay")]
    if not groups:
        raise NothingToDo("the optimizer has no weight decay.")
    for group in groups:
        group["weight_decay"] = group["weight_decay"] * change.factor
    return change


def warm_up(change: WarmUp, patient: Patient, context: Context) -> WarmUp:
    """Make a `WarmUp`."""
    if change.steps < 1:
        raise DoesNotFit(f"a warm-up of {change.steps} steps is none: give 1 or more.")
    Rising(change.steps).attach(patient.optimizer)
    return change


def decay(
    change: DecayLearningRate, patient: Patient, context: Context
) -> DecayLearningRate:
    """Make a `DecayLearningRate`; the change with its number of steps."""
    steps = change.steps or context.steps
    if steps < 1:
        raise DoesNotFit("no one knows how many steps the rate should take to fall.")
    Falling(change, steps).attach(patient.optimizer)
    return DecayLearningRate(steps, change.shape, change.begin, change.floor)


def swap_optimizer(
    change: SwapOptimizer, patient: Patient, context: Context
) -> SwapOptimizer:
    """Make a `SwapOptimizer`: the object stays, what it is becomes another."""
    old = patient.optimizer
    groups = [
        {"params": list(group["params"]), "lr": change.rate}
        | ({"weight_decay": group["weight_decay"]} if "weight_decay" in group else {})
        for group in old.param_groups
    ]
    new: Optimizer
    if change.optimizer in ("sgd", "momentum"):
        momentum = change.momentum if change.optimizer == "momentum" else 0.0
        new = torch.optim.SGD(groups, lr=change.rate, momentum=momentum)
    elif change.optimizer == "adam":
        new = torch.optim.Adam(groups, lr=change.rate)
    else:
        new = torch.optim.AdamW(groups, lr=change.rate)
    hooks = {
        name: value for name, value in vars(old).items() if name.endswith("_hooks")
    }
    old.__class__ = type(new)
    vars(old).clear()
    vars(old).update(vars(new) | hooks)
    return change


def clip(change: ClipGradNorm, patient: Patient, context: Context) -> ClipGradNorm:
    """Make a `ClipGradNorm`; the change with its limit."""
    limit = change.limit or _usual_norm(patient, context)
    if not limit > 0:
        raise DoesNotFit("gradients are zero on the data, so no norm is usual.")
    Clipping(limit).attach(patient.optimizer)
    return ClipGradNorm(limit)


def _usual_norm(patient: Patient, context: Context) -> float:
    """Median over batches of the norm of all gradients, on a copy."""
    look = copy_to_look_at(patient.model)
    norms = []
    with streams_kept(), torch.enable_grad():
        for inputs, targets in context.data("a usual norm"):
            loss: Any = patient.loss_fn(call(look, inputs), targets)
            parameters = [p for p in look.parameters() if p.requires_grad]
            gradients: tuple[Tensor | None, ...] = torch.autograd.grad(
                loss, parameters, allow_unused=True
            )
            squares = [g.double().square().sum() for g in gradients if g is not None]
            norm = float(torch.stack(squares).sum().sqrt()) if squares else 0.0
            if norm == norm and norm != float("inf"):
                norms.append(norm)
    return sorted(norms)[len(norms) // 2] if norms else 0.0


def add_parameters(
    change: AddParameters, patient: Patient, context: Context
) -> AddParameters:
    """Make an `AddParameters`."""
    known = dict(patient.model.named_parameters())
    missing = [name for name in change.parameters if name not in known]
    if missing:
        raise DoesNotFit(f"the model has no parameter {missing[0]!r}.")
    first = patient.optimizer.param_groups[0]["params"]
    owned = {id(p) for g in patient.optimizer.param_groups for p in g["params"]}
    for name in change.parameters:
        known[name].requires_grad_(True)
        if id(known[name]) not in owned:
            first.append(known[name])
    return change
