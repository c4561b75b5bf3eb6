"""A recipe at another width, initial scale, activation, batch size or learning rate.

Where the recipe's function takes a setting as a keyword, the function does it. Where it
does not, a plain network is rebuilt: what cannot be done exactly is refused.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import (
    DataLoader,
    RandomSampler,
    SequentialSampler,
)

from reluctant.lab._cells import Setting, Value
from reluctant.lab._recipe import Recipe, Training, build
from reluctant.records import UsageError

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "selu": nn.SELU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
}
AXES = ("width", "init_scale", "activation", "batch_size")
_PLAIN = (nn.Linear, nn.Flatten, nn.Dropout, nn.Softmax, nn.LogSoftmax)
_KINDS = tuple(
    kind for kind in {type(make()) for make in ACTIVATIONS.values()} | {nn.Hardtanh}
)


def at_setting(recipe: Recipe, setting: Setting) -> Recipe:
    """The recipe at a setting.

    Raises:
        UsageError: When called: if the training does not allow a change.
    """
    if not setting:
        return recipe
    given = {name: value for name, value in setting if takes(recipe, name)}
    rest = [(name, value) for name, value in setting if name not in given]

    def make(seed: int) -> Training:
        training = recipe(seed, **given)
        if not isinstance(training, Training):
            return training  # `build` says what is wrong with it
        for name, value in sorted(rest, key=lambda item: AXES.index(item[0])):
            _CHANGES[name](training, value, seed)
        return training

    return make


def takes(recipe: Recipe, name: str) -> bool:
    """Whether the recipe's function has a parameter of this name."""
    try:
        return name in inspect.signature(recipe).parameters
    except (TypeError, ValueError):
        return False


def build_at(
    recipe: Recipe, setting: Setting, rate: float | None, seed: int
) -> Training:
    """A fresh training at a setting and a learning rate.

    Groups with rates of their own keep their ratio to the first one's.

    Raises:
        UsageError: If the training does not allow the setting, or its own learning rate
            is not a positive number.
    """
    training = build(at_setting(recipe, setting), seed)
    own = float(training.optimizer.param_groups[0].get("lr", math.nan))
    if not own > 0:
        raise UsageError(
            f"the recipe's learning rate is {own}, but other rates are set in "
            "proportion to it: give the optimizer a positive lr."
        )
    if rate is None:
        return training
    for group in training.optimizer.param_groups:
        group["lr"] = rate if group["lr"] == own else group["lr"] * (rate / own)
    return training


def _width(training: Training, value: Value, seed: int) -> None:
    """Give every hidden layer so many units, drawn as the recipe's own were."""
    width = int(value)
    linears = [m for m in _plain(training, "width") if isinstance(m, nn.Linear)]
    if len(linears) < 2:
        raise _refusal("width", f"the model has {len(linears)} Linear layer")
    generator = torch.Generator().manual_seed(seed)
    for place, old in enumerate(linears):
        fan_in = old.in_features if place == 0 else width
        fan_out = old.out_features if place == len(linears) - 1 else width
        bound = 1 / math.sqrt(old.in_features)
        is_default = _is_uniform(old.weight.detach(), bound)
        weight = torch.empty(fan_out, fan_in, dtype=old.weight.dtype)
        _draw(weight, old.weight.detach(), fan_in, is_default, generator)
        old_bias: Tensor | None = old.bias
        old.in_features, old.out_features = fan_in, fan_out
        old.weight = nn.Parameter(weight)
        if old_bias is not None:
            bias = torch.empty(fan_out, dtype=old_bias.dtype)
            _draw(bias, old_bias.detach(), fan_in, is_default, generator)
            old.bias = nn.Parameter(bias)
    _renew_optimizer(training)


def _draw(
    new: Tensor, old: Tensor, fan_in: int, is_default: bool, generator: torch.Generator
) -> None:
    """By torch's own rule where the old ones were; else from among the old values."""
    if is_default:
        new.uniform_(-1, 1, generator=generator).mul_(1 / math.sqrt(fan_in))
    else:
        values = old.reshape(-1)
        taken = torch.randint(len(values), tuple(new.shape), generator=generator)
        new.copy_(values[taken])


def _is_uniform(weight: Tensor, bound: float) -> bool:
    """Whether weights look as `nn.Linear` draws them: uniform up to 1/√fan-in."""
    spread = float(weight.pow(2).mean().sqrt()) * math.sqrt(3)
    slack = 4 / math.sqrt(weight.numel())
    return float(weight.abs().max()) <= bound and abs(spread / bound - 1) < slack


def _init_scale(training: Training, value: Value, seed: int) -> None:
    layers = (nn.Linear, nn.modules.conv._ConvNd)
    found = [m for m in training.model.modules() if isinstance(m, layers)]
    if not found:
        raise _refusal("init_scale", "the model has no Linear and no Conv layer")
    with torch.no_grad():
        for weight in {id(m.weight): m.weight for m in found}.values():
            weight.mul_(float(value))


def _activation(training: Training, value: Value, seed: int) -> None:
    make = ACTIVATIONS[str(value)]
    model = training.model
    layers = _plain(training, "activation")
    last = max((i for i, m in enumerate(layers) if isinstance(m, nn.Linear)), default=0)
    hidden = {id(m) for m in layers[:last] if isinstance(m, _KINDS)}
    if not hidden:
        raise _refusal(
            "activation", "the model has no activation between Linear layers"
        )
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if id(child) in hidden:
                setattr(parent, name, make())


def _batch_size(training: Training, value: Value, seed: int) -> None:
    size, batches = int(value), training.batches
    if isinstance(batches, DataLoader):
        kind = type(batches.sampler)
        if batches.batch_size is None or kind not in (RandomSampler, SequentialSampler):
            raise _refusal("batch_size", f"the DataLoader draws by a {kind.__name__}")
        training.batches = DataLoader(
            batches.dataset,
            batch_size=size,
            shuffle=kind is RandomSampler,
            drop_last=batches.drop_last,
            collate_fn=batches.collate_fn,
            generator=batches.generator,
        )
        return
    if isinstance(batches, list | tuple) and all(
        isinstance(b, list | tuple)
        and len(b) == 2
        and all(isinstance(part, Tensor) for part in b)
        for b in batches
    ):
        x, y = (torch.cat(parts) for parts in zip(*batches, strict=True))
        training.batches = list(zip(x.split(size), y.split(size), strict=True))
        return
    raise _refusal("batch_size", f"batches is a {type(batches).__name__}")


def _plain(training: Training, axis: str) -> list[nn.Module]:
    """The layers of a plain MLP, in order."""
    layers = _leaves(training.model)
    for layer in layers:
        if type(layer) not in (*_PLAIN, *_KINDS):
            raise _refusal(axis, f"the model holds a {type(layer).__name__}")
    return layers


def _leaves(model: nn.Module) -> list[nn.Module]:
    if type(model) is not nn.Sequential:
        return [model]
    return [leaf for child in model for leaf in _leaves(child)]


def _renew_optimizer(training: Training) -> None:
    old = training.optimizer
    if len(old.param_groups) != 1 or old.state:
        raise _refusal("width", "the optimizer has several groups, or has done steps")
    options = {k: v for k, v in old.param_groups[0].items() if k != "params"}
    known = inspect.signature(type(old)).parameters
    kept = {k: v for k, v in options.items() if k in known}
    training.optimizer = type(old)(training.model.parameters(), **kept)


def _refusal(axis: str, reason: str) -> UsageError:
    return UsageError(
        f"{axis} cannot be set on this recipe, for {reason}: let the recipe do it, as "
        f"in def make(seed, {axis}=...)."
    )


_CHANGES: dict[str, Callable[[Training, Any, int], None]] = {
    "width": _width,
    "init_scale": _init_scale,
    "activation": _activation,
    "batch_size": _batch_size,
}
