"""How to start a training over: the one thing the lab asks of its user."""

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from reluctant.changes import step_hooks
from reluctant.lab._random import RandomStates, seed_all
from reluctant.records import UsageError

LossFn: TypeAlias = Callable[[Any, Any], Tensor]


@dataclass
class Training:
    """All the parts of one training, with its place in the data and its own randomness.

    What `step` draws at random comes from streams of this training's own, so trainings
    may take turns in one process without any noticing the others, and the streams of
    the caller stay where they are.

    Attributes:
        model: In the mode in which it should train.
        loss_fn: Called as `loss_fn(model(inputs), targets)`; gives one number.
        optimizer: Owns the model's parameters.
        batches: Pairs `(inputs, targets)`; a tuple of inputs is spread over the model's
            arguments, a dict over its keywords. Iterated anew for each epoch.
        steps: Optimizer steps taken here.
    """

    model: nn.Module
    loss_fn: LossFn
    optimizer: Optimizer
    batches: Iterable[Any]
    steps: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        for name, kind in (("model", nn.Module), ("optimizer", Optimizer)):
            if not isinstance(part := getattr(self, name), kind):
                raise UsageError(
                    f"Training got a {type(part).__name__} as {name}, but that must "
                    f"be a torch {kind.__name__}: the order is "
                    "model, loss_fn, optimizer, batches."
                )
        if not callable(self.loss_fn):
            raise UsageError(
                f"Training got a {type(self.loss_fn).__name__} as loss_fn, but that "
                "must be called as loss_fn(outputs, targets)."
            )
        if not isinstance(self.batches, Iterable):
            raise UsageError(
                f"Training got a {type(self.batches).__name__} as batches, but that "
                "must be an iterable of (inputs, targets), such as a DataLoader."
            )
        self._random = RandomStates.now()
        self._epoch: Iterator[Any] | None = None
        self._taken = 0  # batches of this epoch
        self._epoch_start: tuple[Any, RandomStates] | None = None

    @contextmanager
    def own_randomness(self) -> Iterator[None]:
        """Draw from this training's streams, and leave the caller's where they were."""
        outside = RandomStates.now()
        self._random.restore()
        try:
            yield
        finally:
            self._random = RandomStates.now()
            outside.restore()

    @contextmanager
    def same_randomness(self) -> Iterator[None]:
        """Draw as this training would next, and leave its streams where they were."""
        mine = self._random
        with self.own_randomness():
            yield
        self._random = mine

    def next_batch(self) -> tuple[Any, Any]:
        """The next `(inputs, targets)`, from a new epoch where one ends.

        Raises:
            UsageError: If there is none, or it is no pair.
        """
        for _ in range(2):
            if self._epoch is None:
                self._begin_epoch()
            if self._epoch is not None:
                for batch in self._epoch:
                    self._taken += 1
                    return pair(batch)
            self._epoch = None
        one_shot = isinstance(self.batches, Iterator)
        raise UsageError(
            f"batches ({type(self.batches).__name__}) "
            + (
                "is a one-shot iterator and is used up: pass what it was made from."
                if one_shot
                else "is empty: a training needs at least one batch."
            )
        )

    def rest_of_epoch(self) -> Iterator[tuple[Any, Any]]:
        """The batches that are left of the epoch under way; none between two."""
        for batch in self._epoch or ():
            self._taken += 1
            yield pair(batch)

    def outputs(self, inputs: Any) -> Any:
        """What the model makes of the inputs of one batch."""
        if isinstance(inputs, tuple):
            return self.model(*inputs)
        if isinstance(inputs, dict):
            return self.model(**inputs)
        return self.model(inputs)

    def loss(self, batch: tuple[Any, Any]) -> Tensor:
        """The loss of one batch, with its graph; UsageError if it is no scalar."""
        inputs, targets = batch
        loss: Any = self.loss_fn(self.outputs(inputs), targets)
        if not isinstance(loss, Tensor):
            raise UsageError(
                f"loss_fn gave a {type(loss).__name__}, but training needs a tensor of "
                "one number."
            )
        if loss.numel() != 1:
            got = f"shape {tuple(loss.shape)}"
            raise UsageError(
                f"loss_fn gave a tensor of {got}, but training needs one number: "
                "reduce it with .mean() or .sum()."
            )
        return loss

    def step(
        self, count: int = 1, *, look: Callable[[Tensor], object] | None = None
    ) -> list[float]:
        """Train for some steps; the loss of each, before its step.

        Args:
            count: How many.
            look: Given each step's loss with its graph, before `backward`; more than
                once a step where the optimizer evaluates the loss itself.
        """
        losses = []
        with self.own_randomness():
            for _ in range(count):
                batch = self.next_batch()
                loss = self._step(batch, look)
                losses.append(float(loss.detach()))
                self.steps += 1
        return losses

    def fork(self) -> "Training":
        """A copy that will go on as this one would, and shares nothing that changes.

        Model and optimizer are copied in one go, so the copy's optimizer owns the
        copy's parameters. The data set is shared; the order of drawing is not.

        Raises:
            UsageError: If the batches cannot be iterated twice, or a part refuses to be
                copied.
        """
        given = getattr(self.batches, "inner", self.batches)
        drawn_from = getattr(given, "dataset", given)
        if isinstance(given, Iterator) or isinstance(drawn_from, Iterator):
            raise UsageError(
                f"batches is a one-shot iterator ({type(drawn_from).__name__}), so a "
                "copy of the training would take batches away from the original: pass "
                "what it was made from, such as the DataLoader or a list."
            )
        if _closes_over(self.loss_fn, self.model):
            raise UsageError(
                "loss_fn holds the model in its closure, so a copy of the training "
                "would compute its loss from the original: let a recipe build both."
            )
        memo: dict[int, Any] = {}
        try:
            model, optimizer, loss_fn = copy.deepcopy(
                (self.model, self.optimizer, self.loss_fn), memo
            )
            # an optimizer's copy keeps its groups and state alone
            for key, value in vars(self.optimizer).items():
                if key not in vars(optimizer) and not callable(value):
                    setattr(optimizer, key, copy.deepcopy(value, memo))
            # it has no hooks; those of changes belong to the training
            for hook in step_hooks(self.optimizer):
                copy.deepcopy(hook, memo).attach(optimizer)
            batches, start = copy_of_batches(self.batches), None
            if self._epoch_start is not None:
                start = copy_of_batches(self._epoch_start[0]), self._epoch_start[1]
        except (RuntimeError, TypeError, ValueError) as error:
            raise UsageError(
                f"this training cannot be forked: {error}. A recipe that builds it "
                "anew does not need a copy."
            ) from error
        fork = Training(model, loss_fn, optimizer, batches, steps=self.steps)
        fork._random = self._random
        if start is not None and self._epoch is not None:
            fork._replay_epoch(start, self._taken)
        return fork

    # --- inside

    def _step(
        self, batch: tuple[Any, Any], look: Callable[[Tensor], object] | None
    ) -> Tensor:
        if "closure" in _required(type(self.optimizer).step):
            first: list[Tensor] = []

            def closure() -> Tensor:
                self.optimizer.zero_grad()
                loss = self.loss(batch)
                if look is not None:
                    look(loss)
                loss.backward()
                first.append(loss)
                return loss

            self.optimizer.step(closure)  # type: ignore[arg-type]
            return first[0]
        loss = self.loss(batch)
        if look is not None:
            look(loss)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    def _begin_epoch(self) -> None:
        if isinstance(self.batches, Iterator):
            self._epoch_start = None
        else:
            self._epoch_start = copy_of_batches(self.batches), RandomStates.now()
        self._epoch, self._taken = iter(self.batches), 0

    def _replay_epoch(self, start: tuple[Any, RandomStates], taken: int) -> None:
        """Stand where an epoch that began from `start` stands after some batches."""
        outside = RandomStates.now()
        self._epoch_start = start
        # what the epoch draws from, it also leaves behind for the next one
        self.batches = copy_of_batches(start[0])
        start[1].restore()
        try:
            self._epoch = iter(self.batches)
            for _ in range(taken):
                next(self._epoch)
            self._taken = taken
        finally:
            outside.restore()


class Recipe(Protocol):
    """How to start a training over: a function of a seed that returns a `Training`."""

    def __call__(self, seed: int, /) -> Training:
        """A fresh training, drawn with this seed."""


def build(recipe: Recipe, seed: int) -> Training:
    """A fresh training from a recipe, with every random stream set by the seed.

    Args:
        recipe: Called with the seed; it may seed further generators with it.
        seed: Equal seeds give equal trainings.

    Raises:
        UsageError: If the recipe gives anything but a Training.
    """
    outside = RandomStates.now()
    try:
        seed_all(seed)
        training = recipe(seed)
    finally:
        outside.restore()
    if not isinstance(training, Training):
        name = getattr(recipe, "__name__", "the recipe")
        raise UsageError(
            f"{name}({seed}) returned {type(training).__name__}, but a recipe returns "
            "reluctant.Training(model, loss_fn, optimizer, batches)."
        )
    return training


def pair(batch: Any) -> tuple[Any, Any]:
    """What a loader yields as `(inputs, targets)`; UsageError if it is no pair."""
    if isinstance(batch, tuple | list) and len(batch) == 2:
        return batch[0], batch[1]
    size = f" of {len(batch)}" if isinstance(batch, tuple | list | dict) else ""
    raise UsageError(
        f"a batch is a {type(batch).__name__}{size}, but a training needs pairs "
        "(inputs, targets): wrap the loader in a generator class that yields them."
    )


def copy_of_batches(batches: Any) -> Any:
    """Copy what decides the order, share the data."""
    if isinstance(batches, list | tuple | Tensor):
        return batches
    if isinstance(batches, torch.utils.data.DataLoader):
        # its worker pool and current iterator belong to the original alone
        shared = {id(batches.dataset): batches.dataset}
        iterator, batches._iterator = batches._iterator, None
        try:
            return copy.deepcopy(batches, shared)
        finally:
            batches._iterator = iterator
    data = (Tensor, np.ndarray, torch.utils.data.Dataset)
    memo: dict[int, Any] = {
        id(value): value
        for value in getattr(batches, "__dict__", {}).values()
        if isinstance(value, data)
    }
    return copy.deepcopy(batches, memo)


def _closes_over(function: Any, model: nn.Module) -> bool:
    """Whether a plain function refers to the model or a part of it."""
    if not isinstance(function, FunctionType):
        return False
    parts = {id(part) for part in (*model.modules(), *model.parameters())}
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    return any(id(content) in parts for content in cells)


def _required(function: Callable[..., Any]) -> set[str]:
    """Names of the arguments that must be given."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return set()
    return {p.name for p in parameters if p.default is p.empty}
