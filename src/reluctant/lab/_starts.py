"""Where the trainings of a trial start from, and what they may look at."""

from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from reluctant.changes import Context, RateSchedule, apply, step_hooks
from reluctant.lab._advance import Fused
from reluctant.lab._map_data import NotWholeError, Ordered, whole_data
from reluctant.lab._random import RandomStates, seed_all
from reluctant.lab._recipe import Recipe, Training, build
from reluctant.lab.engines import UnsupportedError
from reluctant.records import Restart

KEPT = 64  # states on the way that are held, so that no arm has to get there again
FRESH = 1_000_003  # added to a seed for the plain restart: another draw, another order
MOST_BATCHES, MOST_SAMPLES = 64, 2048  # that a change may measure on


class Starts:
    """Makes the state that the arms of a pair share, as often as it is asked for.

    Args:
        source: A recipe, or a training that others are forked from. Never changed.
        after: Steps to be done before.
    """

    def __init__(self, source: Recipe | Training, after: int = 0) -> None:
        self.source, self.after = source, after
        self._on_the_way: OrderedDict[int, Training] = OrderedDict()

    @property
    def is_recipe(self) -> bool:
        """Whether each seed has a state of its own."""
        return not isinstance(self.source, Training)

    def make(self, seed: int) -> Training:
        """The state of a seed; equal for equal seeds, and shares nothing."""
        if seed in self._on_the_way:
            return self._on_the_way[seed].fork()
        if isinstance(self.source, Training):
            training = _reseeded(self.source.fork(), seed)
        else:
            training = build(self.source, seed)
        if not self.after:
            return training
        self._go(training, seed)
        self._on_the_way[seed] = training
        while len(self._on_the_way) > KEPT:
            self._on_the_way.popitem(last=False)
        return training.fork()

    def _go(self, training: Training, seed: int) -> None:
        """Take the steps before the shared state.

        Plain networks take them in the fused engine, which leaves no optimizer state.
        """
        try:
            Fused(1)([training], self.after, [seed])
        except UnsupportedError:
            training.step(self.after)
        for hook in step_hooks(training.optimizer):
            if isinstance(hook, RateSchedule):
                hook.begin(self.after)

    def fresh(self, seed: int, which: int = 0) -> Training:
        """A new start, drawn anew: a restart, or one of many."""
        seed = FRESH * (which + 1) + seed
        if not isinstance(self.source, Training):
            return build(self.source, seed)
        training = _reseeded(self.source.fork(), seed)
        apply([Restart()], training, Context(seed=seed))
        return training


def _reseeded(training: Training, seed: int) -> Training:
    """The same state before another order of batches and other random numbers."""
    if seed == 0:
        return training  # as it would go on
    outside = RandomStates.now()
    try:
        seed_all(seed)
        training._random = RandomStates.now()
    finally:
        outside.restore()
    training._epoch, training._epoch_start, training._taken = None, None, 0
    batches = training.batches
    if isinstance(batches, DataLoader):
        for part in (batches, batches.sampler):
            generator = getattr(part, "generator", None)
            if isinstance(generator, torch.Generator):
                generator.manual_seed(seed)
    elif isinstance(batches, list | tuple):
        order = np.random.default_rng(seed).permutation(len(batches))
        training.batches = [batches[int(i)] for i in order]
    return training


def in_fused_order(training: Training, seed: int) -> Training:
    """Let a training see its samples in the order of the fused engine."""
    training.batches = Ordered(whole_data(training), seed)
    training._epoch, training._epoch_start, training._taken = None, None, 0
    return training


def context_of(training: Training, *, steps: int, seed: int) -> Context:
    """Batches to measure on, none of which the training loses."""
    try:
        data = whole_data(training)
    except NotWholeError:
        return Context(_first_batches(training), steps, seed)
    count = len(data.inputs)
    chosen = torch.linspace(0, count - 1, min(count, MOST_SAMPLES)).long().unique()
    x, y = data.inputs[chosen], data.targets[chosen]
    size = max(data.batch_size, 256)
    return Context(list(zip(x.split(size), y.split(size), strict=True)), steps, seed)


def _first_batches(training: Training) -> list[tuple[Any, Any]]:
    look = training.fork()
    batches, samples = [], 0
    with look.own_randomness():
        for _ in range(MOST_BATCHES):
            batch = look.next_batch()
            batches.append(batch)
            samples += len(batch[1]) if isinstance(batch[1], Tensor) else 1
            if samples >= MOST_SAMPLES:
                break
    return batches
