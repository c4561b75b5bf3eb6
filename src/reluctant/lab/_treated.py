"""A recipe with a winner's changes in it."""

import json
import os
from pathlib import Path

import msgspec

from reluctant.lab._course import Course
from reluctant.lab._load import load_recipe
from reluctant.lab._recipe import Recipe, Training
from reluctant.records import Change, TreatmentRecord, UsageError


def treated(reference: str, changes: str, *, steps: int) -> Recipe:
    """The recipe of this name, with changes made to each training that it builds.

    Args:
        reference: `"file.py:make"` or `"package.module:make"`.
        changes: As JSON.
        steps: Of a training; what a schedule ends with.
    """
    made = load_recipe(reference)
    found = msgspec.json.decode(changes, type=tuple[Change, ...])

    def make(seed: int) -> Training:
        from reluctant.lab._treat import make_changes

        training = made(seed)
        make_changes(found, training, steps=steps, seed=seed)
        return training

    return make


def treated_source(record: TreatmentRecord, recipe: str, path: Path) -> str:
    """A file whose `make` is the recipe with the winner's changes.

    Raises:
        UsageError: If a change comes in the midst of a training, where no recipe is.
    """
    prescribed = _prescribed(record)
    if Course.of(prescribed).late:
        raise UsageError(
            f"{record.winner} makes a change in the midst of a training, which a "
            "recipe cannot: follow the patch."
        )
    changes = json.dumps(msgspec.to_builtins(prescribed), indent=4)
    source, _, name = recipe.rpartition(":")
    if source.endswith(".py"):
        source = os.path.relpath(source, path.parent)
        reference = f'str(Path(__file__).parent / "{source}") + ":{name}"'
        first = "from pathlib import Path\n\n"
    else:
        reference, first = f'"{recipe}"', ""
    steps = record.confirmation.steps if record.confirmation else 0
    return (
        f'"""{name} with {record.winner}, which `reluctant treat` found to help."""\n\n'
        f"{first}from reluctant.lab import treated\n\n"
        f'CHANGES = """{changes}"""\n'
        f"make = treated({reference}, CHANGES, steps={steps})\n"
    )


def _prescribed(record: TreatmentRecord) -> tuple[Change, ...]:
    """As prescribed, not as made: what is measured, each seed measures anew."""
    assert record.confirmation is not None
    arm = record.confirmation.arm(record.winner)
    return tuple(c for p in arm.prescriptions for c in p.changes)
