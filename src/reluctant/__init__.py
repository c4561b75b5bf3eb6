"""Find out why a neural network will not learn.

The whole public surface is listed in `__all__`; everything else is private.
Names are loaded on first use, so reading a recorded run never imports torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reluctant.diagnosis import diagnose as diagnose
    from reluctant.lab import Recipe as Recipe
    from reluctant.lab import Training as Training
    from reluctant.lab import check as check
    from reluctant.lab import step_size_limit as step_size_limit
    from reluctant.lab import success_map as success_map
    from reluctant.lab import treat as treat
    from reluctant.lab import trial as trial
    from reluctant.live import watch as watch
    from reluctant.records import Trace as Trace

_HOMES = {
    "Recipe": "reluctant.lab",
    "Trace": "reluctant.records",
    "Training": "reluctant.lab",
    "check": "reluctant.lab",
    "diagnose": "reluctant.diagnosis",
    "step_size_limit": "reluctant.lab",
    "success_map": "reluctant.lab",
    "treat": "reluctant.lab",
    "trial": "reluctant.lab",
    "watch": "reluctant.live",
}
__all__ = [
    "Recipe",
    "Trace",
    "Training",
    "check",
    "diagnose",
    "step_size_limit",
    "success_map",
    "treat",
    "trial",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'reluctant' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
