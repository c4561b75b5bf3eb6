"""Where does a training fail? Success over learning rate and seed.

Goes in rounds: what is known decides which trainings are wanted next. Nothing but
finished trainings enters that decision, so a map that was broken off and taken up again
is the same map. Longer than most files: one map, from its arguments to its record.
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import torch

from reluctant.lab._cells import Attempt, Cell, Engine, Setting, Value, no_limit
from reluctant.lab._judge import DEFAULT, Judge, read_criterion
from reluctant.lab._load import load_recipe
from reluctant.lab._map_recipe import (
    fingerprint,
    first_training,
    settings_of,
    steps_of,
)
from reluctant.lab._map_result import slice_of
from reluctant.lab._map_search import Verdicts, still_open, wanted
from reluctant.lab._map_state import VERSION, MapState
from reluctant.lab._recipe import Recipe, Training
from reluctant.lab._step_size_limit import GAP
from reluctant.lab._time_limit import BUILD_TIMEOUT
from reluctant.lab._torch_engine import TorchEngine, reference_of
from reluctant.records import SuccessMap, UsageError

EngineName = Literal["auto", "fused", "torch"]


class MapInterrupted(KeyboardInterrupt):
    """Ctrl-C on the way. What is done is kept where there is a folder.

    Attributes:
        partial: The map so far, not complete.
    """

    def __init__(self, partial: SuccessMap) -> None:
        super().__init__("interrupted")
        self.partial = partial


def success_map(
    recipe: str | Recipe,
    rates: Sequence[float],
    *,
    seeds: int | Sequence[int] = 8,
    axes: Mapping[str, Sequence[Value]] | None = None,
    steps: int | None = None,
    epochs: float | None = None,
    success: str = DEFAULT,
    full: bool = False,
    engine: EngineName = "auto",
    workers: int | None = None,
    timeout: float | None = None,
    folder: Path | None = None,
    predict: bool = True,
    on_progress: Callable[[int, int, str], None] | None = None,
    notify: Callable[[str], None] | None = None,
) -> SuccessMap:
    """Train a recipe at many learning rates and seeds, and say where it fails.

    Args:
        recipe: `file.py:make`, `package.module:make`, or the function itself.
        rates: Learning rates, of the optimizer's first group; others keep their ratio.
        seeds: How many, from 0; or which.
        axes: Values of `width`, `init_scale`, `activation` or `batch_size`. A recipe
            whose function has such a parameter is called with it; else a plain network
            is rebuilt.
        steps: Of each training.
        epochs: Instead of steps; ten if neither is given.
        success: `gap<0.05`: at most that share of the way from the best constant
            predictor to the best training of the map is missing, by the score where
            targets are classes, else by the loss. Or `loss<0.1`, or `score>0.9`.
        full: Train every cell, not only those near the boundary.
        engine: `fused` takes plain networks; `torch` anything; `auto` the first that
            can.
        workers: Processes, or threads of the fused engine; by default the processors.
            0 trains in this process.
        timeout: Seconds that a training in a worker process may take, by default
            twenty times the median, at least a minute; and that the recipe may take to
            build one in this process, by default five minutes.
        folder: Where finished trainings are kept. A later call goes on from there.
        predict: Whether to predict the limit from short trainings.
        on_progress: Given trainings done, trainings expected in all, and what is done.
        notify: Given sentences on the way.

    Returns:
        The map. It depends on the arguments alone: not on workers, not on interruption.

    Raises:
        UsageError: If an argument cannot be used, the recipe does not allow an axis, or
            the folder holds a map of something else.
        MapInterrupted: On Ctrl-C, with what there is.
    """
    maker = load_recipe(recipe) if isinstance(recipe, str) else recipe
    plan = _Plan(
        maker,
        _rates(rates),
        _seeds(seeds),
        axes or {},
        steps,
        epochs,
        success,
        full,
        timeout,
    )
    tell = notify or (lambda line: None)
    workers = _processors() if workers is None else workers
    used, why_not = _choose(engine, plan, recipe, workers, timeout, tell)
    mark, warning = fingerprint(maker, plan.first_seed)
    identity = {
        "map version": str(VERSION),
        "recipe": f"{_short(recipe)} ({mark})",
        "length of a training": plan.length,
        "engine": used.name,
        "torch version": str(torch.__version__),
    }
    map_ = _Map(plan, used, _short(recipe), [*why_not, *filter(None, [warning])])
    try:
        with _closing(MapState(folder, identity)) as state:
            return map_.make(state, predict, on_progress or (lambda *told: None))
    finally:
        used.close()


class _Plan:
    """What is asked for, checked."""

    def __init__(
        self,
        recipe: Recipe,
        rates: tuple[float, ...],
        seeds: tuple[int, ...],
        axes: Mapping[str, Sequence[Value]],
        steps: int | None,
        epochs: float | None,
        success: str,
        full: bool,
        timeout: float | None,
    ) -> None:
        for name, length in (("steps", steps), ("epochs", epochs)):
            if length is not None and not length > 0:
                raise UsageError(f"{name} is {length}: give a number above 0, or none.")
        if steps is not None and epochs is not None:
            raise UsageError(f"{steps} steps and {epochs:g} epochs: give one of them.")
        self.recipe, self.rates, self.seeds, self.full = recipe, rates, seeds, full
        self.criterion = read_criterion(success)
        is_gap = self.criterion.measure == "gap"  # others fit no short training
        self.gap = self.criterion.limit if is_gap else GAP
        self.axes = {name: tuple(values) for name, values in axes.items()}
        self.settings = settings_of(recipe, self.axes)
        self.firsts: dict[Setting, Training] = {}
        self.steps: dict[Setting, int] = {}
        for setting in self.settings:
            self.first_seed, training = first_training(
                recipe, setting, seeds, BUILD_TIMEOUT if timeout is None else timeout
            )
            self.steps[setting] = steps_of(training, steps=steps, epochs=epochs)
            self.firsts[setting] = training
        first = self.firsts[self.settings[0]].optimizer.param_groups[0]
        self.own_rate = float(first.get("lr", math.nan))
        self.length = f"{steps} steps"
        if steps is None:
            epochs_in_all = 10 if epochs is None else epochs
            self.length = f"{epochs_in_all:g} epochs"


class _Map:
    """One map on its way."""

    def __init__(
        self, plan: _Plan, engine: Engine, name: str, notes: list[str]
    ) -> None:
        self.plan, self.engine, self.name, self.notes = plan, engine, name, notes
        self.asked: dict[Setting, dict[Cell, tuple[int, int]]] = {
            setting: {} for setting in plan.settings
        }

    def make(
        self,
        state: MapState,
        predict: bool,
        on_progress: Callable[[int, int, str], None],
    ) -> SuccessMap:
        """Train until nothing is wanted any more, then predict."""
        plan = self.plan
        try:
            while wave := self._next(state):
                missing = [cell for cell in wave if cell not in state.attempts]
                expected = self._done(state) + self._open(state)
                expected = max(expected, self._done(state) + len(missing))

                def done(attempt: Attempt, expected: int = expected) -> None:
                    state.add(attempt)
                    on_progress(self._done(state), expected, "training")

                on_progress(self._done(state), expected, "training")
                if missing:
                    self.engine.run(missing, done)
            for setting in plan.settings if predict else ():
                known = state.predictions.get(setting)
                if known is None or known.allowed != plan.gap:
                    total = self._done(state)
                    on_progress(total, total, "predicting the limit")
                    limit = self.engine.predict(setting, plan.steps[setting], plan.gap)
                    limit = msgspec.structs.replace(limit, allowed=plan.gap)
                    state.add_prediction(setting, limit)
        except KeyboardInterrupt:
            raise MapInterrupted(
                self._result(state, predict, is_complete=False)
            ) from None
        return self._result(state, predict, is_complete=True)

    def _next(self, state: MapState) -> list[Cell]:
        """Ask for the trainings of the next round; none when all is known."""
        plan, wave = self.plan, []
        verdicts = self._verdicts(state)
        for setting, known in verdicts.items():
            for i, k in wanted(known, len(plan.rates), len(plan.seeds), full=plan.full):
                cell = Cell(setting, plan.rates[i], plan.seeds[k])
                self.asked[setting][cell] = (i, k)
                wave.append(cell)
        return wave

    def _verdicts(self, state: MapState) -> dict[Setting, Verdicts]:
        judge = self._judge(state)
        verdicts: dict[Setting, Verdicts] = {}
        for setting, cells in self.asked.items():
            known = verdicts.setdefault(setting, {})
            for cell, (i, k) in cells.items():
                if cell in state.attempts:
                    outcome = judge.outcome(state.attempts[cell])
                    known.setdefault(i, {})[k] = outcome == "trained"
        return verdicts

    def _judge(self, state: MapState) -> Judge:
        return Judge(self.plan.criterion, self._attempts(state))

    def _attempts(self, state: MapState) -> list[Attempt]:
        return [
            state.attempts[cell]
            for cells in self.asked.values()
            for cell in cells
            if cell in state.attempts
        ]

    def _done(self, state: MapState) -> int:
        return sum(
            cell in state.attempts for cells in self.asked.values() for cell in cells
        )

    def _open(self, state: MapState) -> int:
        plan = self.plan
        return sum(
            still_open(known, len(plan.rates), len(plan.seeds), full=plan.full)
            for known in self._verdicts(state).values()
        )

    def _result(
        self, state: MapState, predict: bool, *, is_complete: bool
    ) -> SuccessMap:
        plan, judge = self.plan, self._judge(state)
        missing = no_limit("not yet predicted" if predict else "not asked for")
        slices = tuple(
            slice_of(
                setting,
                [state.attempts[cell] for cell in cells if cell in state.attempts],
                judge,
                steps=plan.steps[setting],
                seeds=plan.seeds,
                limit=state.predictions.get(setting, missing) if predict else missing,
            )
            for setting, cells in self.asked.items()
        )
        return SuccessMap(
            recipe=self.name,
            criterion=str(plan.criterion),
            meaning=judge.meaning(),
            engine=self.engine.name,
            rates=plan.rates,
            seeds=plan.seeds,
            axes=plan.axes,
            is_full=plan.full,
            is_complete=is_complete,
            slices=slices,
            notes=(*self.notes, *judge.notes()),
            own_rate=plan.own_rate,
        )


class _closing:  # noqa: N801 - reads as contextlib's
    """Closes a state, whatever happens."""

    def __init__(self, state: MapState) -> None:
        self._state = state

    def __enter__(self) -> MapState:
        return self._state

    def __exit__(self, *error: object) -> None:
        self._state.close()


def _choose(
    name: EngineName,
    plan: _Plan,
    recipe: str | Recipe,
    workers: int,
    timeout: float | None,
    notify: Callable[[str], None],
) -> tuple[Engine, list[str]]:
    """The engine, and what is to be said about it."""
    options: dict[str, Any] = {
        "steps": plan.steps,
        "workers": workers,
        "seed": plan.first_seed,
    }
    notes = []
    if name != "torch":
        reason = _against_fused(plan)
        if reason is None:
            from reluctant.lab._map_fused import FusedEngine

            return FusedEngine(
                plan.recipe, notify=notify, timeout=timeout, **options
            ), []
        if name == "fused":
            raise UsageError(f"the fused engine cannot train this recipe: {reason}.")
        notes = [f"the torch engine trains, for the fused one cannot: {reason}."]
        notify(notes[0])
    named = recipe if isinstance(recipe, str) else reference_of(recipe)
    if named is None and workers:
        notes.append(
            "the recipe is a function that no other process can load, so trainings run "
            "one after the other, and one that hangs in compiled code is not stopped."
        )
    return TorchEngine(named or plan.recipe, timeout=timeout, **options), notes


def _against_fused(plan: _Plan) -> str | None:
    try:
        from reluctant.lab._map_fused import unsupported
    except ImportError as error:
        return f"{error.name} is not installed; pip install 'reluctant[lab]'"
    for setting, training in plan.firsts.items():
        reason = unsupported(training)
        if reason is not None:
            at = ", ".join(f"{name} {value}" for name, value in setting)
            return (f"at {at}, {reason}" if at else reason).rstrip(".")
    return None


def _rates(rates: Sequence[float]) -> tuple[float, ...]:
    found = tuple(float(rate) for rate in rates)
    if not found or not all(0 < rate < float("inf") for rate in found):
        raise UsageError(f"learning rates are {list(found)}: give numbers above 0.")
    if list(found) != sorted(set(found)):
        raise UsageError(
            f"learning rates are {list(found)}: give them rising, each once."
        )
    return found


def _seeds(seeds: int | Sequence[int]) -> tuple[int, ...]:
    found = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    if not found or min(found) < 0 or len(set(found)) != len(found):
        raise UsageError(
            f"seeds are {seeds}: give a number above 0, or different ones."
        )
    return found


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _short(recipe: str | Recipe) -> str:
    """As it was named, without the folder: that may move."""
    if isinstance(recipe, str):
        source, _, name = recipe.rpartition(":")
        return f"{Path(source).name}:{name}"
    return getattr(recipe, "__qualname__", type(recipe).__name__)
