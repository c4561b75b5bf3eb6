"""What a recipe says of itself: one file, one training, and its true cause."""

import ast
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from reluctant.lab import Training, build, load_recipe

FOLDER = Path(__file__).parent / "recipes"
MAX_LINES = 40


@dataclass(frozen=True)
class Recipe:
    """One file of `corpus/recipes`.

    Attributes:
        name: Of the file.
        about: First line of its docstring.
        cause: Name of the rule that names the fault; "" for a healthy training.
        also: Other names under which the same fault would be rightly told.
        steps: How long it trains.
        harm: What the fault costs, where the score does not show it.
        has_loop: Whether it trains in a loop of its own.
    """

    name: str
    about: str
    cause: str = ""
    also: tuple[str, ...] = ()
    steps: int = 300
    harm: str = ""
    has_loop: bool = False

    @property
    def path(self) -> Path:
        """Where it is."""
        return FOLDER / f"{self.name}.py"

    @property
    def right(self) -> frozenset[str]:
        """Names of rules that, as the headline, tell the true cause."""
        return frozenset((self.cause, *self.also)) - {""}

    @property
    def variants(self) -> tuple[str, ...]:
        """The trainings that the file can build."""
        return ("faulty", "repaired") if self.cause else ("healthy",)

    def load(self) -> Any:
        """The file as a module."""
        load_recipe(f"{self.path}:make")
        return sys.modules[f"_recipe_{self.name}"]

    def build(self, variant: str, seed: int) -> Training:
        """A fresh training."""
        return build(self._of(self.load().make, variant), seed)

    def loop(self, variant: str) -> Callable[..., None]:
        """How it trains: `loop(training, run, steps)`."""
        loop = getattr(self.load(), "loop", None)
        return _plain_loop if loop is None else self._of(loop, variant)

    def score(self, model: Any) -> float | None:
        """How well it trained by its own measure, more is better; None for the loss."""
        score = getattr(self.load(), "score", None)
        if score is None:
            return None
        with torch.no_grad():
            return float(score(model))

    def _of(self, function: Callable[..., Any], variant: str) -> Callable[..., Any]:
        return partial(function, faulty=variant == "faulty") if self.cause else function


def recipes() -> list[Recipe]:
    """All recipes, by name; read without being run."""
    files = sorted(FOLDER.glob("[a-z]*.py"))
    return [_read(path) for path in files]


def _read(path: Path) -> Recipe:
    tree = ast.parse(path.read_text("utf-8"))
    said = {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and statement.targets[0].id in ("CAUSE", "ALSO", "STEPS", "HARM")
    }
    return Recipe(
        name=path.stem,
        about=(ast.get_docstring(tree) or "").partition("\n")[0],
        cause=said.get("CAUSE", ""),
        also=said.get("ALSO", ()),
        steps=said.get("STEPS", 300),
        harm=said.get("HARM", ""),
        has_loop=any(
            isinstance(s, ast.FunctionDef) and s.name == "loop" for s in tree.body
        ),
    )


def _plain_loop(training: Training, run: Any, steps: int) -> None:
    training.step(steps, look=run.loss)
