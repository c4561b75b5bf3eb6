"""A training as it runs: attach, guard, budget, record, detach."""

from reluctant.live._watch import Watch, watch

__all__ = ["Watch", "watch"]
