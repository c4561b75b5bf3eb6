"""What is operated on, and what a change may look at meanwhile."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from reluctant.records import UsageError


class DoesNotFit(UsageError):
    """This change cannot be made to this model; the message says why."""


class NothingToDo(DoesNotFit):
    """There is nothing here that this change is for; elsewhere there may be."""


class Patient(Protocol):
    """A model with its loss and its optimizer, such as a training of the lab."""

    model: nn.Module
    optimizer: Optimizer

    @property
    def loss_fn(self) -> Any:
        """Called as `loss_fn(outputs, targets)`; gives one number. May be set."""


@dataclass
class Plain:
    """The least that can be operated on."""

    model: nn.Module
    loss_fn: Callable[[Any, Any], Tensor]
    optimizer: Optimizer


@dataclass(frozen=True)
class Context:
    """What a change may look at.

    Attributes:
        batches: Pairs `(inputs, targets)` to measure on; empty where there are none.
        steps: That the training has left; 0 if unknown.
        seed: Of what is drawn. The caller's random streams are left alone.
    """

    batches: Sequence[tuple[Any, Any]] = ()
    steps: int = 0
    seed: int = 0

    def data(self, what: str) -> Sequence[tuple[Any, Any]]:
        """The batches.

        Raises:
            DoesNotFit: If there are none.
        """
        if not self.batches:
            raise DoesNotFit(f"{what} needs batches to measure on, and got none.")
        return self.batches

    def generator(self) -> torch.Generator:
        """A stream of its own."""
        return torch.Generator().manual_seed(self.seed)


@contextmanager
def streams_kept() -> Iterator[None]:
    """Leave torch's random streams where they are."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices=list(devices)):
        yield


def call(model: nn.Module, inputs: Any) -> Any:
    """The outputs for a batch's inputs, however they are packed."""
    if isinstance(inputs, tuple):
        return model(*inputs)
    return model(**inputs) if isinstance(inputs, dict) else model(inputs)


def copy_to_look_at(model: nn.Module) -> nn.Module:
    """A copy in the mode of the original, but that drops nothing at random.

    Raises:
        DoesNotFit: If the model refuses to be copied.
    """
    try:
        found = copy.deepcopy(model)
    except (RuntimeError, TypeError, ValueError) as error:
        raise DoesNotFit(f"the model cannot be copied: {error}") from error
    for module in found.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.eval()
    return found
