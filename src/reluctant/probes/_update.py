"""What an optimizer would subtract next, found out without letting it step."""

import copy
import inspect
import random
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim import optimizer as torch_optimizer

from reluctant.records import ReluctantError

_HOOKS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
_SCALER = ("grad_scale", "found_inf")  # GradScaler lends these for one step
_PLAIN = ("foreach", "fused", "capturable", "differentiable")


class Unmeasurable(ReluctantError):
    """The training hides what was asked for; the message says what and why.

    A probe that meets this is blind from then on.
    """


def next_update(
    optimizer: Optimizer, gradients: Mapping[Tensor, Tensor]
) -> dict[Tensor, Tensor]:
    """What `optimizer.step()` would subtract if the gradients were these.

    The class's own `step` runs once on a float64 twin: copies of the parameters, of
    the state and of the groups. Whatever the optimizer does (moments, decay, maximize,
    a schedule inside) is therefore in the answer. The optimizer itself, its parameters,
    their `.grad`, all random states and all step hooks stay untouched.

    Args:
        optimizer: Any torch optimizer whose `step` needs no closure.
        gradients: Parameter to gradient, in the parameter's shape. Parameters of the
            optimizer that are left out count as having none.

    Returns:
        For each parameter that both the optimizer and the gradients know: p − p' in
        float64 (float32 on a device without it), the parameter's shape. nan and inf go
        through as they would in the real step.

    Raises:
        Unmeasurable: If `step` needs a closure, or the twin cannot be made or run.

    Example:
        >>> p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> sgd = torch.optim.SGD([p], lr=0.5, weight_decay=0.1)
        >>> next_update(sgd, {p: torch.tensor([4.0, 0.0])})[p]
        tensor([2.0500, 0.1000], dtype=torch.float64)
    """
    name = type(optimizer).__name__
    if _needs_closure(optimizer):
        raise Unmeasurable(
            f"{name}.step() evaluates the loss itself through a closure, so its next "
            "update is not a function of one gradient."
        )
    with same_random_states(gradients), torch.no_grad(), _no_global_hooks():
        try:
            twin, copies = _twin(optimizer, gradients)
            type(optimizer).step(twin)
        except Exception as error:  # any third-party class may end up here
            raise Unmeasurable(
                f"{name} could not be stepped as a copy: "
                f"{type(error).__name__}: {error}"
            ) from error
        return {p: _wide(p) - new.detach() for p, new in copies.items()}


@contextmanager
def same_random_states(tensors: Iterable[Tensor] = ()) -> Iterator[None]:
    """Leave every random state as it was: torch (CPU, devices), Python, NumPy.

    Args:
        tensors: Tensors whose devices are in use.
    """
    used = {t.device for t in tensors if t.device.type != "cpu"}
    modules: list[tuple[Any, torch.device]] = [
        (getattr(torch, device.type, None), device) for device in used
    ]
    on_device = [
        (module, device, module.get_rng_state(device))
        for module, device in modules
        if hasattr(module, "get_rng_state")
    ]
    on_cpu, python = torch.get_rng_state(), random.getstate()
    legacy = np.random.get_state()  # noqa: NPY002 the stream that user code draws from
    try:
        yield
    finally:
        torch.set_rng_state(on_cpu)
        for module, device, state in on_device:
            module.set_rng_state(state, device)
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002


def _twin(
    optimizer: Optimizer, gradients: Mapping[Tensor, Tensor]
) -> tuple[Optimizer, dict[Tensor, Tensor]]:
    """A float64 copy that shares nothing with the optimizer, and its parameters.

    Instance attributes that shadow a method are left out: a learning-rate scheduler
    counts steps through one.
    """
    memo: dict[int, Any] = {}
    copies: dict[Tensor, Tensor] = {}
    for group in optimizer.param_groups:
        for p in group["params"]:
            if p in gradients:
                copies[p] = memo[id(p)] = torch.nn.Parameter(_wide(p), p.requires_grad)
                # assigned while .dtype is already wide, so torch accepts it
                memo[id(p)].grad = _wide(gradients[p])
            else:  # never to be reached from the copy
                memo[id(p)] = torch.nn.Parameter(torch.empty(0), requires_grad=False)
    twin: Optimizer = object.__new__(type(optimizer))
    skipped = {"param_groups", "state", *_HOOKS, *_SCALER}
    twin.__dict__.update(
        (key, copy.deepcopy(value, memo))
        for key, value in optimizer.__dict__.items()
        if key not in skipped and not callable(getattr(type(optimizer), key, None))
    )
    twin.__dict__.update((hooks, OrderedDict()) for hooks in _HOOKS)
    twin.param_groups = [
        {
            key: [memo[id(p)] for p in value if p in copies]
            if key == "params"
            else False
            if key in _PLAIN and value is not None
            else copy.deepcopy(value, memo)
            for key, value in group.items()
        }
        for group in optimizer.param_groups
    ]
    for group in twin.param_groups:  # None lets torch choose: choose the plain loop
        group.update({key: False for key in ("foreach", "fused") if key in group})
    twin.state = defaultdict(dict)
    state: dict[Any, Any] = optimizer.state  # some keep what all share under a name
    for key, value in state.items():
        if not isinstance(key, Tensor):
            twin.state[key] = _wide_state(value, memo)
        elif key in copies:
            twin.state[copies[key]] = _wide_state(value, memo)
    return twin, copies


def _wide_state(value: Any, memo: dict[int, Any]) -> Any:
    """State in float64; a step count stays what it is."""
    if not isinstance(value, dict):
        return copy.deepcopy(value, memo)
    return {
        key: _wide(entry)
        if isinstance(entry, Tensor) and key != "step" and id(entry) not in memo
        else copy.deepcopy(entry, memo)
        for key, entry in value.items()
    }


def _wide(tensor: Tensor) -> Tensor:
    """A copy in the widest type of its kind that its device has."""
    if tensor.is_complex():
        dtype = torch.complex128
    elif not tensor.is_floating_point():
        return tensor.detach().clone()
    else:
        dtype = torch.float32 if tensor.device.type == "mps" else torch.float64
    return tensor.detach().to(dtype, copy=True)


def _needs_closure(optimizer: Optimizer) -> bool:
    try:
        signature = inspect.signature(type(optimizer).step)
    except (TypeError, ValueError):
        return False
    return any(
        p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        for p in list(signature.parameters.values())[1:]
    )


@contextmanager
def _no_global_hooks() -> Iterator[None]:
    """Hooks on every optimizer's step are for the real steps only."""
    names = ("_global_optimizer_pre_hooks", "_global_optimizer_post_hooks")
    kept = {name: getattr(torch_optimizer, name, None) for name in names}
    for name in names:
        setattr(torch_optimizer, name, OrderedDict())
    try:
        yield
    finally:
        for name, hooks in kept.items():
            setattr(torch_optimizer, name, hooks)
