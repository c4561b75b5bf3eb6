"""Inputs and targets brought to mean 0 and deviation 1, and folded back in."""

from typing import Any

import torch
from torch import Tensor, nn

from reluctant.changes._graph import LAYERS, first_layers, trace
from reluctant.changes._patient import Context, DoesNotFit, Patient, streams_kept
from reluctant.records import StandardizeInput, StandardizeTarget

_LEAST = 1e-6  # of the largest deviation: a feature below it is constant


class Scaling:
    """Subtracts a mean and divides by a deviation, by feature or by channel."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        self.mean, self.std = mean, std

    def parts(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation in the shape that fits."""
        shape = [1] * (like.dim() - 2) if like.dim() > 2 else []
        parts = [
            torch.tensor(v).to(like).reshape(-1, *shape) for v in (self.mean, self.std)
        ]
        return parts[0], parts[1]


class StandardizedInput(Scaling):
    """Before a model's forward pass."""

    def __call__(self, module: nn.Module, args: tuple[Any, ...]) -> Any:
        first, *others = args
        mean, std = self.parts(first)
        return ((first - mean) / std, *others)


class ScaledOutput(Scaling):
    """Behind a model's forward pass."""

    def __call__(self, module: nn.Module, args: Any, out: Tensor) -> Tensor:
        mean, std = self.parts(out)
        return out * std + mean


@torch.no_grad()
def standardize_input(
    change: StandardizeInput, patient: Patient, context: Context
) -> StandardizeInput:
    """Make a `StandardizeInput`; the change with what was measured."""
    mean, std = change.mean, change.std
    if not mean:
        values = [x for x, _ in context.data("standardizing")]
        if not all(isinstance(x, Tensor) and x.is_floating_point() for x in values):
            raise DoesNotFit("inputs are not one tensor of floating-point numbers.")
        mean, std = _measured(torch.cat(values), "inputs")
    if change.keep_function:
        for module, block in first_layers(patient.model):
            _into_first(module, block, mean, std, inverse=True)
            _forgotten(patient, module)
    patient.model.register_forward_pre_hook(StandardizedInput(mean, std))
    return StandardizeInput(mean, std, change.keep_function)


@torch.no_grad()
def standardize_target(
    change: StandardizeTarget, patient: Patient, context: Context
) -> StandardizeTarget:
    """Make a `StandardizeTarget`; the change with what was measured."""
    mean, std = change.mean, change.std
    if not mean:
        values = [y for _, y in context.data("standardizing")]
        if not all(isinstance(y, Tensor) and y.is_floating_point() for y in values):
            raise DoesNotFit("targets are not one tensor of floating-point numbers.")
        targets = torch.cat(values)
        if targets.dim() < 2:
            targets = targets[:, None]
        mean, std = _measured(targets, "targets")
    if change.keep_function:
        module = _head(patient.model)
        _into_last(module, mean, std, inverse=True)
        _forgotten(patient, module)
    else:
        _slow_down(patient, max(std))
    patient.model.register_forward_hook(ScaledOutput(mean, std))
    return StandardizeTarget(mean, std, change.keep_function)


def _slow_down(patient: Patient, scale: float) -> None:
    """Let plain descent step as on standardized targets, whose gradient is smaller."""
    is_squared = isinstance(patient.loss_fn, nn.MSELoss) or (
        patient.loss_fn is nn.functional.mse_loss
    )
    if is_squared and isinstance(patient.optimizer, torch.optim.SGD):
        for group in patient.optimizer.param_groups:
            group["lr"] = group["lr"] / scale**2


@torch.no_grad()
def fold_standardization(patient: Patient) -> int:
    """Let the first and the last layer do the scaling; how many scalings went.

    The function stays what it is, and the model is again what its source says.

    Raises:
        DoesNotFit: If a layer cannot take the scaling in.
    """
    model, count = patient.model, 0
    for key, hook in list(model._forward_pre_hooks.items()):
        if isinstance(hook, StandardizedInput):
            for module, block in first_layers(model):
                _into_first(module, block, hook.mean, hook.std)
                _forgotten(patient, module)
            del model._forward_pre_hooks[key]
            count += 1
    for key, out_hook in list(model._forward_hooks.items()):
        if isinstance(out_hook, ScaledOutput):
            module = _head(model)
            _into_last(module, out_hook.mean, out_hook.std)
            _forgotten(patient, module)
            del model._forward_hooks[key]
            count += 1
    return count


def _measured(values: Tensor, what: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if values.dim() < 2:
        raise DoesNotFit(f"{what} have no axis of features.")
    rows = values.double().transpose(1, -1).reshape(-1, values.shape[1])
    if not bool(torch.isfinite(rows).all()):
        raise DoesNotFit(f"{what} hold nan or inf.")
    mean, std = rows.mean(dim=0), rows.std(dim=0, unbiased=False)
    largest = float(std.max())
    if not largest > 0:
        raise DoesNotFit(f"{what} are constant.")
    std = torch.where(std > _LEAST * largest, std, torch.ones_like(std))
    return tuple(mean.tolist()), tuple(std.tolist())


def _into_first(
    module: nn.Module,
    block: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    *,
    inverse: bool = False,
) -> None:
    """W(x − m)/s + b as one layer; or the other way round."""
    weight: Tensor = module.weight  # type: ignore[assignment]
    bias: Tensor | None = module.bias  # type: ignore[assignment]
    features = weight.shape[1]
    m, s = (
        torch.tensor(v, dtype=torch.float64, device=weight.device) for v in (mean, std)
    )
    if features % len(m):
        raise DoesNotFit(f"{len(m)} features do not fit {features} inputs.")
    m, s = (v.repeat_interleave(features // len(m)) for v in (m, s))
    padding = getattr(module, "padding", 0)
    padded = any(
        p != 0 for p in (padding if isinstance(padding, tuple) else (padding,))
    )
    if bool(m.any()) and (bias is None or padded):
        what = "pads its input with zeros" if padded else "has no bias"
        raise DoesNotFit(f"the first layer {what}, so it cannot take a mean in.")
    shape = (1, -1, *[1] * (weight.dim() - 2))
    old = weight.double()
    new = old * s.reshape(shape) if inverse else old / s.reshape(shape)
    if bias is not None:
        by_input = (
            (old if inverse else new).flatten(2).sum(dim=2)
            if old.dim() > 2
            else (old if inverse else new)
        )
        shift = by_input @ m
        bias.copy_(bias.double() + (shift if inverse else -shift))
    weight.copy_(new)


def _into_last(
    module: nn.Module,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    *,
    inverse: bool = False,
) -> None:
    weight: Tensor = module.weight  # type: ignore[assignment]
    bias: Tensor | None = module.bias  # type: ignore[assignment]
    m, s = (
        torch.tensor(v, dtype=torch.float64, device=weight.device) for v in (mean, std)
    )
    if len(m) not in (1, weight.shape[0]):
        raise DoesNotFit(f"{len(m)} targets do not fit {weight.shape[0]} outputs.")
    if bias is None and bool(m.any()):
        raise DoesNotFit("the last layer has no bias, so it cannot take a mean in.")
    rows = s.expand(weight.shape[0]).reshape(-1, *[1] * (weight.dim() - 1))
    weight.copy_(weight.double() / rows if inverse else weight.double() * rows)
    if bias is not None:
        own = bias.double()
        bias.copy_((own - m) / s if inverse else own * s + m)


def _head(model: nn.Module) -> nn.Module:
    if isinstance(model, LAYERS):
        return model
    with streams_kept():
        traced = trace(model)
    paths = [traced.paths[site] for site in traced.heads]
    if len(paths) != 1 or paths[0].acts or paths[0].norms or paths[0].consumers:
        raise DoesNotFit("the model does not end with one layer of weights.")
    return paths[0].module


def _forgotten(patient: Patient, module: nn.Module) -> None:
    for parameter in module._parameters.values():
        if parameter is not None:
            patient.optimizer.state.pop(parameter, None)
