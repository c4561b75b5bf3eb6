"""From the name of a recipe to the recipe, or to what is missing."""

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

from reluctant.lab._recipe import Recipe
from reluctant.records import UsageError


def load_recipe(reference: str) -> Recipe:
    """Find a recipe by name.

    Args:
        reference: `"file.py:make"` or `"package.module:make"`. A file is imported with
            its folder on the path, as when it is run.

    Raises:
        UsageError: If the reference has no such form, or the file, the module or the
            function is missing, or takes no seed. An error that the file raises itself
            comes through unchanged.
    """
    source, colon, name = reference.rpartition(":")
    if not colon or not source or not name:
        raise UsageError(
            f"{reference!r} names no recipe: write file.py:make or "
            "package.module:make, where make(seed) returns a reluctant.Training."
        )
    if source.endswith(".py"):
        module = _import_file(Path(source))
    else:
        module = _import_module(source)
    recipe = getattr(module, name, None)
    if recipe is None:
        functions = sorted(
            key
            for key, value in vars(module).items()
            if inspect.isfunction(value) and value.__module__ == module.__name__
        )
        known = f"; it defines {', '.join(functions)}" if functions else ""
        raise UsageError(f"{source} has no function {name!r}{known}.")
    if not callable(recipe):
        raise UsageError(
            f"{name} in {source} is a {type(recipe).__name__}, but a recipe is a "
            "function of a seed: def make(seed): ... return Training(...)."
        )
    try:
        inspect.signature(recipe).bind(0)
    except TypeError as error:
        raise UsageError(
            f"{name} in {source} cannot be called with a seed alone ({error}): "
            "def make(seed): ..."
        ) from None
    except ValueError:
        pass  # a builtin without a signature
    found: Recipe = recipe
    return found


def _import_file(path: Path) -> Any:
    if not path.is_file():
        raise UsageError(f"there is no file {path}: a recipe is named file.py:make.")
    name = f"_recipe_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} cannot be imported as Python.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where pickle and dataclasses look for it
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(folder)
    return module


def _import_module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name + ".").startswith(error.name + "."):
            raise UsageError(
                f"there is no module {error.name}: a recipe in a file is named "
                "file.py:make, one in a module package.module:make."
            ) from None
        raise
