"""Which models are being trained, found from what an optimizer holds."""

import gc
import sys
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

_Kind = TypeVar("_Kind")
_MOST_KEPT = 256  # entries of a plain container that are looked through


def alive(kind: type[_Kind]) -> Iterator[_Kind]:
    """All live objects of a type, found by looking through everything once."""
    for held in gc.get_objects():
        # of the type, for to ask a proxy for its class may warn or run its code
        if issubclass(type(held), kind):
            yield held


def keeps_statistics(module: nn.Module) -> bool:
    """Whether it normalizes by what it saw in training, once in evaluation mode."""
    is_norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
    return is_norm and bool(module.track_running_stats)


def models_of(parameters: Iterable[Tensor]) -> list[nn.Module]:
    """The outermost modules that hold the given tensors, fewest first.

    Looks through all live objects once, tens of milliseconds; a module that is part of
    another one is represented by that one.
    """
    wanted = {id(p) for p in parameters}
    modules = list(alive(nn.Module))
    parents: dict[int, list[nn.Module]] = {}
    for module in modules:
        for child in module.__dict__.get("_modules", {}).values():
            if child is not None:
                parents.setdefault(id(child), []).append(module)
    tops: dict[int, nn.Module] = {}
    for module in modules:
        own = module.__dict__.get("_parameters", {}).values()
        if not any(p is not None and id(p) in wanted for p in own):
            continue
        front, seen = [module], {id(module)}
        while front:
            current = front.pop()
            above = [m for m in parents.get(id(current), []) if id(m) not in seen]
            if not parents.get(id(current)):
                tops[id(current)] = current
            seen.update(map(id, above))
            front += above
    cover: list[nn.Module] = []
    held = {k: {id(p) for p in m.parameters()} & wanted for k, m in tops.items()}
    while wanted and held:
        # of two that hold as much, the smaller: a wrapper that was left behind
        # (an old ensemble, a list of all models) is not what is trained now
        best = max(
            held,
            key=lambda k: (len(held[k] & wanted), -sum(1 for _ in tops[k].modules())),
        )
        if not held[best] & wanted:
            break
        cover.append(tops[best])
        wanted -= held.pop(best)
    return cover


def unlisted(model: nn.Module) -> dict[str, Tensor]:
    """Tensors that want a gradient and that `parameters()` does not know, by name.

    A module registers what is assigned to it as an attribute. Layers, parameters and
    tensors in a plain list, tuple or mapping, and tensors that are no `nn.Parameter`,
    pass it by.
    """
    listed = {id(p) for p in model.parameters()}
    found: dict[str, Tensor] = {}
    for site, module in model.named_modules():
        for name, value in vars(module).items():
            if name in ("_parameters", "_buffers", "_modules"):
                continue
            if isinstance(value, nn.Module):
                continue  # put past the registration on purpose
            for where, tensor in _kept(value, f"{site}.{name}" if site else name):
                if id(tensor) not in listed and tensor.is_leaf and tensor.requires_grad:
                    found.setdefault(where, tensor)
    return found


def _kept(value: object, where: str, depth: int = 2) -> Iterator[tuple[str, Tensor]]:
    """Tensors in an attribute, and in modules that a plain container holds."""
    if isinstance(value, Tensor):
        yield where, value
    elif isinstance(value, nn.Module):
        yield from ((f"{where}.{name}", p) for name, p in value.named_parameters())
    elif depth and isinstance(value, list | tuple) and len(value) <= _MOST_KEPT:
        for i, item in enumerate(value):
            yield from _kept(item, f"{where}[{i}]", depth - 1)
    elif depth and type(value) is dict and len(value) <= _MOST_KEPT:
        for key, item in value.items():
            yield from _kept(item, f"{where}[{key!r}]", depth - 1)


def live_optimizers() -> list[Optimizer]:
    """Every optimizer that is alive."""
    return [o for o in gc.get_objects() if issubclass(type(o), Optimizer)]


def names_of(tensors: Iterable[Tensor], frame: FrameType | None) -> dict[str, Tensor]:
    """Bare tensors by the names of the variables that hold them.

    Args:
        tensors: No part of any module.
        frame: Where to look for variables, and in the frames that called it.
    """
    known: dict[int, str] = {}
    while frame is not None:
        for scope in (frame.f_locals, frame.f_globals):
            for name, value in list(scope.items()):
                if isinstance(value, Tensor) and not name.startswith("_"):
                    known.setdefault(id(value), name)
        frame = frame.f_back
    found: dict[str, Tensor] = {}
    for i, tensor in enumerate(tensors):
        name = known.get(id(tensor), f"parameter{i}")
        found[name if name not in found else f"{name}{i}"] = tensor
    return found


def caller() -> FrameType | None:
    """The nearest frame that belongs neither to torch nor to us."""
    frame: FrameType | None = sys._getframe(1)
    inside = ("reluctant.", "torch.")
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if not f"{module}.".startswith(inside):
            return frame
        frame = frame.f_back
    return None


def combined(models: list[nn.Module]) -> nn.Module:
    """Several models as one, under their class names."""
    names: dict[str, nn.Module] = {}
    for model in models:
        name, number = type(model).__name__, 1
        while name in names:
            number += 1
            name = f"{type(model).__name__}{number}"
        names[name] = model
    return _Combined(names)


class _Combined(nn.Module):
    """A container for names; it changes nothing in what it contains."""

    def __init__(self, models: dict[str, nn.Module]) -> None:
        super().__init__()
        training = any(m.training for m in models.values())
        for name, model in models.items():
            self.add_module(name, model)
        self.training = training


def is_scalar(loss: object) -> bool:
    """Whether something can be the loss of a step."""
    return isinstance(loss, torch.Tensor) and loss.numel() == 1
