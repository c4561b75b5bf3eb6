"""The catalogue of rules: one per file, listed by hand, sorted by code."""

from reluctant.rules._base import Blind, Rule
from reluctant.rules._causes import CAUSES

__all__ = ["CAUSES", "RULES", "Blind", "Rule"]

RULES: tuple[type[Rule], ...] = ()
