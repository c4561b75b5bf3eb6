"""Changes, which are data, made to a live model and optimizer in place, and undone."""

from reluctant.changes._apply import Applied, apply
from reluctant.changes._graph import Path, paths_of
from reluctant.changes._hooks import RateSchedule, StepHook, step_hooks
from reluctant.changes._patient import Context, DoesNotFit, NothingToDo, Patient, Plain
from reluctant.changes._snapshot import Snapshot
from reluctant.changes._standardize import fold_standardization
from reluctant.changes._units import dead_units, merged_units

__all__ = [
    "Applied",
    "Context",
    "DoesNotFit",
    "NothingToDo",
    "Path",
    "Patient",
    "Plain",
    "RateSchedule",
    "Snapshot",
    "StepHook",
    "apply",
    "dead_units",
    "fold_standardization",
    "merged_units",
    "paths_of",
    "step_hooks",
]
