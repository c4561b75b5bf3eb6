"""What is being trained, as a record."""

import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter
from torch.optim import Optimizer

from reluctant.records import Group, Module, Parameter, Setup

_Dropout = nn.modules.dropout._DropoutNd
_WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
_PLAIN = (bool, int, float, str)
Option: TypeAlias = float | bool | str | tuple[float, ...] | None


def plain_name(name: str) -> str:
    """A dotted name without what torch's wrappers put into it."""
    for wrapper in _WRAPPERS:
        name = name.replace(wrapper, "")
    return name


def named(model: nn.Module) -> dict[str, Tensor]:
    """Parameters by plain name, each tensor once, without `DataParallel`'s prefix."""
    prefix = "module." if type(model).__name__.endswith("DataParallel") else ""
    return {
        plain_name(name).removeprefix(prefix): parameter
        for name, parameter in model.named_parameters()
    }


def describe(
    model: nn.Module | None,
    parameters: Mapping[str, Tensor],
    optimizers: Sequence[Optimizer],
    *,
    name: str,
    argv: tuple[str, ...] = (),
) -> Setup:
    """Everything about a training that can be known before its first step.

    Args:
        model: None for a training of bare tensors.
        parameters: By name.
        optimizers: May be empty where none was made yet.
        name: What the user calls the model.
        argv: The command that was run.
    """
    groups = [(o, group) for o in optimizers for group in o.param_groups]
    owner = {id(p): i for i, (_, g) in enumerate(groups) for p in g["params"]}
    ours = {id(p) for p in parameters.values()}
    first = next(iter(parameters.values()), None)
    return Setup(
        name=name,
        modules=tuple(_modules(model)) if model is not None else (),
        parameters=tuple(
            _parameter(n, p, owner.get(id(p)), _aliases(model, n, p))
            for n, p in parameters.items()
        ),
        groups=tuple(
            Group(
                optimizer=type(optimizer).__name__,
                options=_options(group),
                parameters=len(group["params"]),
                unowned=sum(id(p) not in ours for p in group["params"]),
            )
            for optimizer, group in groups
        ),
        device=str(first.device) if first is not None else "",
        seed=torch.initial_seed() % 2**63,
        versions=_versions(),
        argv=argv,
        started=time.time(),
    )


def _modules(model: nn.Module) -> Iterable[Module]:
    for name, module in model.named_modules():
        yield Module(
            name=plain_name(name),
            type=type(module).__name__,
            parameters=tuple(
                plain_name(f"{name}.{n}" if name else n)
                for n, p in module._parameters.items()
                if p is not None
            ),
            training=module.training,
            dropout=module.p if isinstance(module, _Dropout) else 0.0,
        )


def _parameter(
    name: str, parameter: Tensor, group: int | None, aliases: tuple[str, ...]
) -> Parameter:
    if isinstance(parameter, UninitializedParameter):
        return Parameter(
            name=name, shape=(), requires_grad=parameter.requires_grad, group=group
        )
    data = parameter.detach()
    numbers = data.numel() and data.is_floating_point() and data.layout == torch.strided
    wide = data.float() if numbers else None
    return Parameter(
        name=name,
        shape=tuple(data.shape),
        dtype=str(data.dtype).removeprefix("torch."),
        requires_grad=parameter.requires_grad,
        group=group,
        rms=float(wide.square().mean().sqrt()) if wide is not None else 0.0,
        std=float(wide.std(unbiased=False)) if wide is not None else 0.0,
        rows_apart=_apart(wide, 0) if wide is not None else None,
        columns_apart=_apart(wide, 1) if wide is not None else None,
        aliases=aliases,
    )


def _apart(weight: Tensor, axis: int) -> float | None:
    """RMS distance of the slices along an axis from their mean; None of a vector."""
    if weight.ndim < 2:
        return None
    distance = weight - weight.mean(axis, keepdim=True)
    return float(distance.square().mean().sqrt())


def _aliases(model: nn.Module | None, name: str, tensor: Tensor) -> tuple[str, ...]:
    if model is None:
        return ()
    every = model.named_parameters(remove_duplicate=False)
    return tuple(
        plain_name(n) for n, p in every if p is tensor and plain_name(n) != name
    )


def _options(group: Mapping[str, object]) -> dict[str, Option]:
    options: dict[str, Option] = {}
    for key, value in group.items():
        if key == "params":
            continue
        if isinstance(value, Tensor) and value.numel() == 1:
            value = float(value)
        if value is None or isinstance(value, _PLAIN):
            options[key] = float(value) if type(value) is int else value
        elif isinstance(value, tuple | list) and all(
            isinstance(v, int | float) for v in value
        ):
            options[key] = tuple(float(v) for v in value)
    return options


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "torch": str(torch.__version__)}
    for package in ("reluctant", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
