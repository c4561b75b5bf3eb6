"""Every random stream that a training may draw from, kept and put back."""

import random
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor


class RandomStates(NamedTuple):
    """Every random stream that a training may draw from."""

    torch: Tensor
    devices: tuple[tuple[Any, Tensor], ...]
    python: Any
    numpy: Any

    @classmethod
    def now(cls) -> "RandomStates":
        """The streams as they are."""
        devices = (
            tuple(enumerate(torch.cuda.get_rng_state_all()))
            if torch.cuda.is_available() and torch.cuda.is_initialized()
            else ()
        )
        # the legacy stream is the one that user code draws from
        numpy = np.random.get_state()  # noqa: NPY002
        return cls(torch.get_rng_state(), devices, random.getstate(), numpy)

    def restore(self) -> None:
        """Make the streams what they were."""
        torch.set_rng_state(self.torch)
        for device, state in self.devices:
            torch.cuda.set_rng_state(state, device)
        random.setstate(self.python)
        np.random.set_state(self.numpy)  # noqa: NPY002


def seed_all(seed: int) -> None:
    """Set every random stream by one seed."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
