"""The catalogue of remedies: one per file, listed by hand, sorted by name."""

from reluctant.remedies._base import Remedy

__all__ = ["REMEDIES", "Remedy"]

REMEDIES: tuple[type[Remedy], ...] = ()
