"""Reading a spec off torch objects, or saying why the fused engine cannot have them.

torch is imported only when asked, so the engine itself runs without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from reluctant.lab.engines._spec import (
    SGD,
    Activation,
    Adam,
    Loss,
    MLPSpec,
    Optimizer,
    Parameters,
)

if TYPE_CHECKING:
    import torch

__all__ = ["UnsupportedError", "parameters_of", "recognize"]


class UnsupportedError(ValueError):
    """The fused engine cannot run this training; the message says why."""


def recognize(
    model: torch.nn.Module,
    loss_fn: Any,
    optimizer: torch.optim.Optimizer,
    *,
    batch_size: int = 1,
    drop_last: bool = False,
) -> tuple[MLPSpec, float]:
    """Read the spec and the learning rate of a training of a plain network.

    Args:
        model: An `nn.Sequential` of Flatten, Linear and activations, nested or not.
        loss_fn: `nn.MSELoss`, `nn.CrossEntropyLoss`, or the function of either.
        optimizer: SGD, Adam or AdamW with one group that has all parameters, and no
            step done yet.
        batch_size: Samples a step.
        drop_last: Whether the loader leaves out a smaller last batch.

    Returns:
        The spec, and the optimizer's learning rate.

    Raises:
        UnsupportedError: If the engine would not do exactly the same.

    Example:
        >>> import torch
        >>> net = torch.nn.Sequential(torch.nn.Linear(3, 1))
        >>> optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        >>> recognize(net, torch.nn.MSELoss(), optimizer)[0].widths
        (3, 1)
    """
    linears, activations, slope = _layers(model)
    loss, reduction = _loss(loss_fn)
    rule, rate = _optimizer(model, optimizer)
    biases = {_has_bias(linear) for linear in linears}
    if len(biases) > 1:
        raise _refuse("some Linear layers have a bias and some have none")
    widths = (linears[0].in_features, *(linear.out_features for linear in linears))
    for number, linear in enumerate(linears):
        if linear.in_features != widths[number]:
            raise _refuse(
                f"Linear {number} takes {linear.in_features} inputs, but gets "
                f"{widths[number]}"
            )
    try:
        spec = MLPSpec(
            widths=widths,
            hidden=tuple(activations[:-1]),
            head=activations[-1],
            loss=loss,
            reduction=reduction,
            optimizer=rule,
            batch_size=batch_size,
            drop_last=drop_last,
            leaky_slope=slope,
            bias=biases.pop(),
        )
    except ValueError as error:
        raise UnsupportedError(str(error)) from None
    return spec, rate


def parameters_of(model: torch.nn.Module) -> Parameters:
    """Copy the weights and biases of every Linear of `model`, first to last."""
    import torch

    return [
        (
            module.weight.detach().cpu().numpy().copy(),
            module.bias.detach().cpu().numpy().copy() if _has_bias(module) else None,
        )
        for module in model.modules()
        if isinstance(module, torch.nn.Linear)
    ]


def _has_bias(linear: Any) -> bool:  # torch's types say that it always has
    return linear.bias is not None


def _refuse(reason: str) -> UnsupportedError:
    return UnsupportedError(
        f"{reason}, which the fused engine does not run: use the torch engine."
    )


def _flat(model: torch.nn.Module) -> list[torch.nn.Module]:
    import torch

    if type(model) is not torch.nn.Sequential:
        return [model]
    return [leaf for child in model for leaf in _flat(child)]


def _layers(
    model: torch.nn.Module,
) -> tuple[list[torch.nn.Linear], list[Activation], float]:
    import torch
    from torch import nn

    names: dict[type[nn.Module], Activation] = {
        nn.ReLU: "relu",
        nn.LeakyReLU: "leaky_relu",
        nn.Sigmoid: "sigmoid",
        nn.Tanh: "tanh",
        nn.Softmax: "softmax",
    }
    if type(model) is not nn.Sequential:
        raise _refuse(f"the model is a {type(model).__name__}, not an nn.Sequential")
    linears: list[nn.Linear] = []
    activations: list[Activation] = []
    slopes: set[float] = set()
    module: Any
    for place, module in enumerate(_flat(model)):
        kind = type(module)
        name = kind.__name__
        if _has_hooks(module):
            raise _refuse(f"layer {place} ({name}) has hooks")
        if kind is nn.Flatten and not linears:
            if (module.start_dim, module.end_dim) != (1, -1):
                raise _refuse(f"layer {place} is a Flatten of some dimensions only")
        elif kind is nn.Identity:
            continue
        elif kind is nn.Linear:
            if not module.weight.requires_grad:
                raise _refuse(f"layer {place} is a frozen Linear")
            if any(module.weight is linear.weight for linear in linears):
                raise _refuse(f"layer {place} shares its weight with another")
            if module.weight.dtype not in (torch.float32, torch.float64):
                raise _refuse(f"layer {place} is of {module.weight.dtype}")
            linears.append(module)
            activations.append("linear")
        elif kind in names:
            if not linears:
                raise _refuse(f"layer {place} is a {name} before the first Linear")
            if activations[-1] != "linear":
                raise _refuse(f"layer {place} is a second activation in a row, {name}")
            if kind is nn.Softmax and module.dim not in (1, -1):
                raise _refuse(f"layer {place} is a Softmax over dim={module.dim}")
            if kind is nn.LeakyReLU:
                slopes.add(float(module.negative_slope))
            activations[-1] = names[kind]
        else:
            raise _refuse(f"layer {place} is {name}")
    if not linears:
        raise _refuse("the model has no Linear layer")
    if len(slopes) > 1:
        raise _refuse(f"leaky ReLUs of several slopes ({sorted(slopes)})")
    return linears, activations, slopes.pop() if slopes else 0.01


def _has_hooks(module: torch.nn.Module) -> bool:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
    return any(getattr(module, kind) for kind in kinds)


def _loss(loss_fn: Any) -> tuple[Loss, Any]:
    from torch import nn
    from torch.nn import functional as F

    functions: dict[Callable[..., Any], Loss] = {
        F.mse_loss: "mse",
        F.cross_entropy: "cross_entropy",
    }
    if not isinstance(loss_fn, nn.Module):
        if loss_fn in functions:
            return functions[loss_fn], "mean"
        name = getattr(loss_fn, "__name__", type(loss_fn).__name__)
        raise _refuse(f"the loss is {name}")
    if type(loss_fn) is nn.CrossEntropyLoss:
        if loss_fn.weight is not None or loss_fn.label_smoothing:
            raise _refuse("the loss has class weights or label smoothing")
        if loss_fn.ignore_index >= 0:
            raise _refuse("the loss ignores a class")
        name = "cross_entropy"
    elif type(loss_fn) is nn.MSELoss:
        name = "mse"
    else:
        raise _refuse(f"the loss is {type(loss_fn).__name__}")
    if loss_fn.reduction not in ("mean", "sum"):
        raise _refuse(f"the loss has reduction={loss_fn.reduction!r}")
    return ("mse" if name == "mse" else "cross_entropy"), loss_fn.reduction


def _optimizer(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[Optimizer, float]:
    import torch

    kind = type(optimizer)
    if kind not in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW):
        raise _refuse(f"the optimizer is {kind.__name__}")
    if len(optimizer.param_groups) != 1:
        raise _refuse(f"the optimizer has {len(optimizer.param_groups)} groups")
    if optimizer.state:
        raise _refuse("the optimizer has done steps already")
    group = optimizer.param_groups[0]
    owned = {id(parameter) for parameter in group["params"]}
    wanted = {id(parameter) for parameter in model.parameters()}
    if owned != wanted:
        raise _refuse("the optimizer does not own just the model's parameters")
    for flag in ("maximize", "amsgrad", "differentiable"):
        if group.get(flag):
            raise _refuse(f"the optimizer has {flag}=True")
    rate, decay = float(group["lr"]), float(group["weight_decay"])
    if kind is torch.optim.SGD:
        if group["dampening"]:
            raise _refuse("the optimizer has dampening")
        return SGD(float(group["momentum"]), bool(group["nesterov"]), decay), rate
    beta1, beta2 = (float(beta) for beta in group["betas"])
    # AdamW keeps the flag in its group since it became a kind of Adam.
    decoupled = bool(group.get("decoupled_weight_decay", kind is torch.optim.AdamW))
    return Adam(beta1, beta2, float(group["eps"]), decay, decoupled), rate
