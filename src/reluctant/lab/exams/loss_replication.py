"""Whether the loss grows with the number of samples."""

import math

import torch

from reluctant.lab._recipe import Training
from reluctant.lab.exams._batch import length, mapped, tensors
from reluctant.probes._update import Unmeasurable


def loss_replication(training: Training) -> float:
    """The loss of a batch and its copy together, over the loss of the batch alone.

    1 where the loss is a mean over samples, 2 where it is a sum; another number where
    it is neither, such as a loss that compares samples with each other. The outputs are
    computed once, in evaluation mode, and given to the loss twice over.

    Works on a fork.

    Raises:
        UsageError: If the training cannot be forked, or has no batch.
        Unmeasurable: If the loss is 0 or not finite, or cannot take the batch twice.
    """
    copy = training.fork()
    copy.model.eval()
    with copy.own_randomness(), torch.no_grad():
        inputs, targets = copy.next_batch()
        outputs = copy.outputs(inputs)
        once = float(copy.loss_fn(outputs, targets))
        rows = {t.shape[0] for t in tensors(outputs) if t.ndim}
        n = length(targets) or length(inputs)
        rows |= {n}

        def twice(tensor: torch.Tensor) -> torch.Tensor:
            is_row = tensor.ndim and tensor.shape[0] in rows
            return torch.cat([tensor, tensor]) if is_row else tensor

        try:
            both = float(copy.loss_fn(mapped(outputs, twice), mapped(targets, twice)))
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            raise Unmeasurable(
                f"the loss does not take a batch twice over: {error}"
            ) from error
    if not math.isfinite(once) or not once:
        raise Unmeasurable(f"the loss is {once}, of which nothing is the double")
    return both / once
