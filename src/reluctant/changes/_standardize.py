"""Inputs and targets brought to mean 0 and deviation 1, and folded back in."""

import abc
from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor, nn

from reluctant.changes._graph import LAYERS, first_layers, trace
from reluctant.changes._patient import Context, DoesNotFit, Patient, streams_kept
from reluctant.changes._snapshot import Snapshot
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


class InputScaling(abc.ABC):
    """Stands before a model's forward pass, and can go into its first layer.

    Two with the same `repr` do the same.
    """

    @abc.abstractmethod
    def scaled(self, inputs: Tensor) -> Tensor:
        """What the model reads instead."""

    @abc.abstractmethod
    def into(self, module: nn.Module, *, inverse: bool = False) -> None:
        """Let a first layer do this besides; or take it back, if `inverse`."""

    @final
    def __call__(self, module: nn.Module, args: tuple[Any, ...]) -> Any:
        first, *others = args
        return (self.scaled(first), *others)


class StandardizedInput(Scaling, InputScaling):
    """Subtracts the mean and divides by the deviation."""

    def __repr__(self) -> str:
        return f"StandardizedInput({self.mean}, {self.std})"

    def scaled(self, inputs: Tensor) -> Tensor:
        """See `InputScaling`."""
        mean, std = self.parts(inputs)
        return (inputs - mean) / std

    def into(self, module: nn.Module, *, inverse: bool = False) -> None:
        """See `InputScaling`."""

        def rescaled(weight: Tensor) -> Tensor:
            s = weight.new_tensor(self.std)
            s = s.repeat_interleave(weight.shape[1] // len(s))
            s = s.reshape(-1, *[1] * (weight.dim() - 2))
            return weight * s if inverse else weight / s

        into_first(module, self.mean, rescaled, inverse=inverse)


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
        mean, std = measured(read_now(patient, context), "inputs")
    put_before(patient, StandardizedInput(mean, std), keep=change.keep_function)
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
        mean, std = measured(targets, "targets")
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

    Whitened inputs count among them. The function stays what it is, and the model is
    again what its source says.

    Raises:
        DoesNotFit: If a layer cannot take the scaling in; then nothing is changed.
    """
    snapshot = Snapshot(patient)
    try:
        return _folded(patient)
    except DoesNotFit:
        snapshot.restore()
        raise


def _folded(patient: Patient) -> int:
    model, count = patient.model, 0
    # what runs last stands next to the layer
    for key, hook in reversed(list(model._forward_pre_hooks.items())):
        if isinstance(hook, InputScaling):
            for module, _ in first_layers(model):
                hook.into(module)
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


def read_now(patient: Patient, context: Context) -> Tensor:
    """The inputs as the model reads them, behind the scalings that it has.

    Raises:
        DoesNotFit: If they are not one tensor of numbers.
    """
    values = [x for x, _ in context.data("scaling the inputs")]
    if not all(isinstance(x, Tensor) and x.is_floating_point() for x in values):
        raise DoesNotFit("inputs are not one tensor of floating-point numbers.")
    inputs = torch.cat(values)
    for hook in patient.model._forward_pre_hooks.values():
        if isinstance(hook, InputScaling):
            inputs = hook.scaled(inputs)
    return inputs


def put_before(patient: Patient, scaling: InputScaling, *, keep: bool) -> None:
    """Scale what the model reads; `keep` its function, if so."""
    if keep:
        for module, _ in first_layers(patient.model):
            scaling.into(module, inverse=True)
            _forgotten(patient, module)
    patient.model.register_forward_pre_hook(scaling)


def measured(values: Tensor, what: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each feature, or channel; 1 for what is constant.

    Raises:
        DoesNotFit: If there are none.
    """
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


def into_first(
    module: nn.Module,
    mean: tuple[float, ...],
    rescaled: Callable[[Tensor], Tensor],
    *,
    inverse: bool = False,
) -> None:
    """W·A(x − m) + b as one layer, where `rescaled` gives WA; or the other way round.

    Raises:
        DoesNotFit: If the layer cannot take it in.
    """
    weight: Tensor = module.weight  # type: ignore[assignment]
    bias: Tensor | None = module.bias  # type: ignore[assignment]
    features = weight.shape[1]
    if features % len(mean):
        raise DoesNotFit(f"{len(mean)} features do not fit {features} inputs.")
    old = weight.double()
    m = old.new_tensor(mean).repeat_interleave(features // len(mean))
    padding = getattr(module, "padding", 0)
    padded = any(
        p != 0 for p in (padding if isinstance(padding, tuple) else (padding,))
    )
    if bool(m.any()) and (bias is None or padded):
        what = "pads its input with zeros" if padded else "has no bias"
        raise DoesNotFit(f"the first layer {what}, so it cannot take a mean in.")
    new = rescaled(old)
    if bias is not None:
        reads_raw = old if inverse else new  # of the two the one that reads the inputs
        shift = reads_raw.flatten(2).sum(dim=2) if old.dim() > 2 else reads_raw
        shift = shift @ m
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
