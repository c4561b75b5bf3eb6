"""Trainings of our own: to try, to measure and to prove on, never the user's."""

from reluctant.lab._load import load_recipe
from reluctant.lab._map import MapInterrupted, success_map
from reluctant.lab._recipe import Recipe, Training, build

__all__ = [
    "MapInterrupted",
    "Recipe",
    "Training",
    "build",
    "load_recipe",
    "success_map",
]
