"""Trainings of our own: to try, to measure and to prove on, never the user's."""

from reluctant.lab._check import check, check_training
from reluctant.lab._load import load_recipe
from reluctant.lab._map import MapInterrupted, success_map
from reluctant.lab._recipe import Recipe, Training, build
from reluctant.lab._step_size_limit import StepSizeLimit, step_size_limit
from reluctant.lab._treat import Treatment, make_changes, treat, treat_recipe
from reluctant.lab._treated import treated, treated_source
from reluctant.lab._trial import trial

__all__ = [
    "MapInterrupted",
    "Recipe",
    "StepSizeLimit",
    "Training",
    "Treatment",
    "build",
    "check",
    "check_training",
    "load_recipe",
    "make_changes",
    "step_size_limit",
    "success_map",
    "treat",
    "treat_recipe",
    "treated",
    "treated_source",
    "trial",
]
