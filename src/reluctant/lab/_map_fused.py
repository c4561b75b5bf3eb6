"""The fused engine on a recipe: plain networks, hundreds of times faster than torch.

Each seed's network and data are read off the recipe once; then networks go through in
small lots, so that a map of any size holds only a few at a time.
"""

import math
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor, nn

from reluctant.lab._cells import (
    WINDOWS,
    Attempt,
    Cell,
    Setting,
    Stop,
    in_one_line,
    no_limit,
    trend_of,
)
from reluctant.lab._map_data import NotWholeError, WholeData, whole_data
from reluctant.lab._map_score import Scorer
from reluctant.lab._map_settings import build_at
from reluctant.lab._map_train import hard_ground, probe_steps
from reluctant.lab._recipe import Recipe, Training
from reluctant.lab._short_trainings import from_records
from reluctant.lab._step_size_gauge import Terms
from reluctant.lab._step_size_limit import SEEDS, StepSizeLimit
from reluctant.lab._step_size_probes import settled
from reluctant.lab._step_size_search import Probe as ShortProbe
from reluctant.lab._step_size_search import search
from reluctant.lab._time_limit import BUILD_TIMEOUT, NotEndedError, time_limit
from reluctant.lab.engines import (
    Dataset,
    MLPSpec,
    Parameters,
    Run,
    UnsupportedError,
    parameters_of,
    recognize,
    train_many,
)

LOT = 64  # networks trained in one call
LOT_BYTES = 256 << 20  # of their parameters, at most
KEPT = 4  # data sets with their scorers that are held at a time
_DIGESTS: dict[int, tuple[weakref.ref[Tensor], int, bytes]] = {}


@dataclass(frozen=True)
class _Start:
    """A seed's network before its first step, and what it is trained on."""

    spec: MLPSpec
    rate: float
    parameters: Parameters
    data: "_Data"


@dataclass(frozen=True)
class _Data:
    """A data set with a network to score others of its kind in."""

    key: str
    dataset: Dataset
    is_shuffled: bool
    template: Training
    scorer: Scorer


class FusedEngine:
    """Trains cells of plain networks in compiled code, one network a thread.

    Args:
        recipe: Of a network that `unsupported` has nothing against.
        steps: Of a training, by setting.
        workers: Threads.
        seed: Of the predictions.
        timeout: Seconds that the recipe may take to build one training.
        notify: Given a sentence if the first call has to wait for a compiler.
    """

    name = "fused"

    def __init__(
        self,
        recipe: Recipe,
        *,
        steps: dict[Setting, int],
        workers: int,
        seed: int = 0,
        timeout: float | None = None,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        self._recipe, self._steps, self._seed = recipe, steps, seed
        self._timeout = BUILD_TIMEOUT if timeout is None else timeout
        self._threads, self._notify = max(1, workers), notify
        self._data: OrderedDict[str, _Data] = OrderedDict()

    def run(self, cells: Sequence[Cell], on_done: Callable[[Attempt], None]) -> None:
        """Train all cells; see `Engine`."""
        with hard_ground():
            lots: dict[tuple[Any, ...], list[tuple[Cell, _Start]]] = {}
            by_start: dict[tuple[Setting, int], list[Cell]] = {}
            for cell in cells:
                by_start.setdefault((cell.setting, cell.seed), []).append(cell)
            for (setting, seed), same in by_start.items():
                try:
                    with time_limit(self._timeout, f"the recipe at seed {seed}"):
                        start = self._start(setting, seed)
                except NotEndedError as error:
                    for cell in same:
                        on_done(_failed(cell, "hung", error))
                    continue
                # a seed that breaks costs itself alone, whatever its recipe raises
                except (Exception, SystemExit) as error:
                    for cell in same:
                        on_done(_failed(cell, "raised", error))
                    continue
                key = (setting, start.spec, start.data.key)
                for cell in same:
                    lot = lots.setdefault(key, [])
                    lot.append((cell, start))
                    size = sum(w.nbytes for w, _ in start.parameters)
                    if len(lot) >= min(LOT, max(self._threads, LOT_BYTES // size)):
                        self._train(lots.pop(key), on_done)
            for lot in lots.values():
                self._train(lot, on_done)

    def predict(self, setting: Setting, steps: int, gap: float) -> StepSizeLimit:
        """Predict from probes of this engine; see `Engine`."""
        try:
            with hard_ground(), time_limit(self._timeout, "the recipe"):
                start = self._start(setting, self._seed)
        # a prediction that fails costs itself alone, whatever the recipe raises
        except (Exception, SystemExit) as error:
            return no_limit(in_one_line(error))
        seeds = range(self._seed, self._seed + SEEDS["probe"])
        try:
            return search(
                self.short(setting, seeds),
                start=start.rate,
                steps=probe_steps(steps),
                gap=gap,
            )
        except (Exception, SystemExit) as error:  # of another seed
            return no_limit(in_one_line(error))

    def short(self, setting: Setting, seeds: Sequence[int]) -> ShortProbe:
        """Trains the beginning of a training; see `search`.

        Args:
            setting: Of the recipe.
            seeds: That trainings take turns with.
        """

        def probe(rate: float, turn: int, steps: int) -> tuple[Attempt, Attempt]:
            seed = seeds[turn % len(seeds)]
            with hard_ground():
                start = self._start(setting, seed)
                (run,) = self._engine([rate], [start], [seed], steps, None)
                fill(start.data.template, run.parameters)
                scores = start.data.scorer.measure(start.data.template)
            records = run.records
            losses = records.loss
            if not run.finite or run.stop == "nonfinite":
                losses = np.full(len(losses), math.nan)
            cell, share = Cell(setting, rate, seed), records.step / steps
            return from_records(cell, share, losses, records.score, scores)

        return probe

    def probe(
        self,
        setting: Setting,
        steps: int,
        measured: int,
        *,
        seed: int | None = None,
        start: _Start | None = None,
    ) -> Callable[[float], Terms]:
        """Trains at a rate, and measures the gauge in the second half.

        Args:
            setting: Of the recipe.
            steps: Of each training.
            measured: Steps whose gauge is measured.
            seed: Of weights and order; by default that of the predictions.
            start: At that seed, if it is there already.
        """
        at = self._seed if seed is None else seed
        every = max(1, steps // 2 // measured)

        def probe(rate: float) -> Terms:
            here = self._start(setting, at) if start is None else start
            with hard_ground():
                (run,) = self._engine([rate], [here], [at], steps, None, every)
            if run.stop == "nonfinite":
                return np.zeros((0, 2))
            terms = np.stack([run.gauges.descent, run.gauges.curvature], axis=1)
            ended = build_at(self._recipe, setting, None, at)
            fill(ended, run.parameters)
            fresh = build_at(self._recipe, setting, None, at)
            return settled(terms, ended, fresh, rate)

        return probe

    def close(self) -> None:
        """Forget the data."""
        self._data.clear()

    # --- inside

    def _start(self, setting: Setting, seed: int) -> _Start:
        training = build_at(self._recipe, setting, None, seed)
        data = whole_data(training)
        spec, rate = _recognized(training, data)
        return _Start(spec, rate, parameters_of(training.model), self._held(training))

    def _held(self, training: Training) -> _Data:
        data = whole_data(training)
        key = _key(data, training)
        if key not in self._data:
            x = data.inputs.detach().reshape(len(data.inputs), -1).numpy()
            dataset = Dataset(x, data.targets.detach().numpy())
            scorer = Scorer(training)
            shuffled = data.order == "shuffled"
            self._data[key] = _Data(key, dataset, shuffled, training, scorer)
            while len(self._data) > KEPT:
                self._data.popitem(last=False)
        self._data.move_to_end(key)
        return self._data[key]

    def _train(
        self, lot: list[tuple[Cell, _Start]], on_done: Callable[[Attempt], None]
    ) -> None:
        cells, starts = [cell for cell, _ in lot], [start for _, start in lot]
        steps = self._steps[cells[0].setting]

        def done(position: int, run: Run) -> None:
            if run.stop != "cancelled":
                on_done(_attempt(cells[position], run, starts[position].data, steps))

        self._engine(
            [cell.rate for cell in cells],
            starts,
            [cell.seed for cell in cells],
            steps,
            done,
        )

    def _engine(
        self,
        rates: list[float],
        starts: list[_Start],
        seeds: list[int],
        steps: int,
        on_done: Callable[[int, Run], None] | None,
        gauge_every: int | None = None,
    ) -> list[Run]:
        data = starts[0].data
        samples = np.arange(len(data.dataset))
        parameters = _Networks(starts)
        return train_many(
            starts[0].spec,
            parameters,
            data.dataset,
            learning_rates=rates,
            steps=steps,
            seeds=seeds,
            orders=None if data.is_shuffled else lambda network, epoch: samples,
            record_every=max(1, steps // WINDOWS),
            gauge_every=gauge_every,
            threads=self._threads,
            dtype=parameters[0][0][0].dtype,
            on_done=on_done,
            notify=self._notify,
        )


class _Networks(Sequence[Parameters]):
    """The networks of a lot; those of one seed share their initial parameters."""

    def __init__(self, starts: list[_Start]) -> None:
        self._starts = starts

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> Parameters: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Parameters]: ...
    def __getitem__(self, index: int | slice) -> Parameters | Sequence[Parameters]:
        if isinstance(index, slice):
            return [start.parameters for start in self._starts[index]]
        return self._starts[index].parameters


def unsupported(training: Training) -> str | None:
    """Why the fused engine cannot have a training; None where it can."""
    try:
        _recognized(training, whole_data(training))
    except (NotWholeError, UnsupportedError) as error:
        return str(error)
    return None


def _recognized(training: Training, data: WholeData) -> tuple[MLPSpec, float]:
    spec, rate = recognize(
        training.model,
        training.loss_fn,
        training.optimizer,
        batch_size=data.batch_size,
        drop_last=data.drop_last,
    )
    x, y = data.inputs, data.targets
    if x.dim() != 2 and not isinstance(next(training.model.children()), nn.Flatten):
        raise UnsupportedError(f"inputs have shape {tuple(x.shape)}, not (n, features)")
    weight = next(training.model.parameters())
    if x.device.type != "cpu" or weight.device.type != "cpu":
        raise UnsupportedError("the training is not on the CPU")
    if x.dtype != weight.dtype:
        raise UnsupportedError(f"inputs are of {x.dtype}, weights of {weight.dtype}")
    classes = y.dim() == 1 and not y.is_floating_point()
    if classes and spec.loss != "cross_entropy":
        raise UnsupportedError("targets are classes, but the loss is no cross-entropy")
    if not classes and tuple(y.shape) != (len(x), spec.widths[-1]):
        raise UnsupportedError(
            f"targets have shape {tuple(y.shape)}, "
            f"outputs ({len(x)}, {spec.widths[-1]})"
        )
    if data.drop_last and len(x) < data.batch_size:
        raise UnsupportedError("there is no whole batch")
    return spec, rate


def _key(data: WholeData, training: Training) -> str:
    """Equal for trainings that can share data and scorer."""
    digest = sha256()
    for part in (data.inputs, data.targets):
        digest.update(_digest(part))
    layout = str([(name, p.shape) for name, p in training.model.named_parameters()])
    plan = (data.batch_size, data.drop_last, data.order, str(training.model), layout)
    digest.update(repr((plan, training.loss_fn)).encode())
    return digest.hexdigest()


def _digest(part: Tensor) -> bytes:
    """Of a tensor; known ones are not read again until they are written to."""
    known = _DIGESTS.get(id(part))
    if known is not None and known[0]() is part and known[1] == part._version:
        return known[2]
    digest = sha256(str((part.shape, part.dtype)).encode())
    digest.update(np.ascontiguousarray(part.detach().numpy()).data)
    while len(_DIGESTS) >= KEPT:
        _DIGESTS.pop(next(iter(_DIGESTS)))
    _DIGESTS[id(part)] = (weakref.ref(part), part._version, digest.digest())
    return digest.digest()


def fill(training: Training, parameters: Parameters) -> None:
    """Put the weights of a network of the engine into a training's model."""
    linears = [m for m in training.model.modules() if isinstance(m, nn.Linear)]
    with torch.no_grad():
        for linear, (weight, bias) in zip(linears, parameters, strict=True):
            linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight)))
            if bias is not None:
                linear.bias.copy_(torch.from_numpy(np.ascontiguousarray(bias)))


def _attempt(cell: Cell, run: Run, data: _Data, steps: int) -> Attempt:
    fill(data.template, run.parameters)
    scores = data.scorer.measure(data.template)
    finite = run.finite and run.stop != "nonfinite"
    stop: Stop = "frozen" if run.stop == "frozen" else "done"
    if not finite:
        stop = "nonfinite"
    window = max(1, steps // WINDOWS)
    whole = [
        float(loss)
        for step, loss in zip(run.records.step, run.records.loss, strict=True)
        if step % window == 0
    ]
    return Attempt(
        cell=cell,
        steps=run.steps,
        stop=stop,
        loss=scores.loss if finite else math.nan,
        score=scores.score if finite else math.nan,
        constant_loss=scores.constant_loss,
        constant_score=scores.constant_score,
        first_loss=whole[0] if whole else math.nan,
        trend=trend_of(whole),
        silent=scores.silent if finite else 0,
    )


def _failed(cell: Cell, stop: Stop, error: BaseException) -> Attempt:
    return Attempt(cell=cell, steps=0, stop=stop, reason=in_one_line(error))
