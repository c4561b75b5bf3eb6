"""Trainings of our own: to try, to measure and to prove on, never the user's."""

from reluctant.lab._check import check, check_training
from reluctant.lab._load import load_recipe
from reluctant.lab._map import MapInterrupted, success_map
from reluctant.lab._recipe import Recipe, Training, build
from reluctant.lab._step_size_limit import StepSizeLimit, step_size_limit

__all__ = [
    "MapInterrupted",
    "Recipe",
    "StepSizeLimit",
    "Training",
    "build",
    "check",
    "check_training",
    "load_recipe",
    "step_size_limit",
    "success_map",
]
