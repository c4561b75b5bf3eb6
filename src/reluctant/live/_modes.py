"""What does one thing in training and another in evaluation."""

from collections.abc import Iterator

from torch import nn

from reluctant.live._models import keeps_statistics


def with_modes(model: nn.Module) -> list[nn.Module]:
    """Every dropout and batch norm in a model, but for parts that are all frozen.

    A backbone that is only fine-tuned at its head rightly stays in evaluation mode.
    """
    return [m for m in _alive(model) if _has_modes(m)]


def _alive(module: nn.Module) -> Iterator[nn.Module]:
    """It and what is in it, but for parts whose parameters are all frozen."""
    own = list(module.parameters())
    if own and not any(p.requires_grad for p in own):
        return
    yield module
    for child in module.children():
        yield from _alive(child)


def _has_modes(module: nn.Module) -> bool:
    """Whether a module does one thing in training and another in evaluation."""
    if isinstance(module, nn.modules.dropout._DropoutNd):
        return module.p > 0
    if isinstance(module, nn.MultiheadAttention):
        return bool(module.dropout > 0)
    if isinstance(module, nn.RNNBase):
        return module.dropout > 0 and module.num_layers > 1
    return keeps_statistics(module)
