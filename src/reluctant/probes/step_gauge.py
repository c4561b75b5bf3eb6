"""What a step gains on its own batch, and what curvature takes back."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.autograd.graph import Node
from torch.optim import Optimizer

from reluctant.probes._update import Unmeasurable, next_update, same_random_states


@once_differentiable
def _marked(context: object) -> None:
    """Whose code is that of every function so marked."""


_ONCE = getattr(_marked, "__code__", None)


@dataclass(frozen=True)
class StepTerms:
    """The two terms of a step's second-order change, Δloss = −gain + ½·curvature.

    Attributes:
        gain: gᵀu, in units of the loss.
        curvature: uᵀHu, in units of the loss.
    """

    gain: float
    curvature: float

    @property
    def gauge(self) -> float:
        """Curvature / gain: the loss of this batch falls below 2; nan without gain.

        Over several batches the gauge is the ratio of the means, not the mean of these.
        """
        return self.curvature / self.gain if self.gain else math.nan

    @property
    def change(self) -> float:
        """Change of this batch's loss that the two terms predict."""
        return self.curvature / 2 - self.gain


def step_terms(
    loss: Tensor,
    parameters: Iterable[Tensor],
    optimizers: Optimizer | Sequence[Optimizer],
    *,
    buffers: Iterable[Tensor] = (),
    accumulated: bool = False,
) -> StepTerms:
    """Measure gᵀu and uᵀHu for the step that this loss would lead to.

    g is the gradient of this loss, H its Hessian, u what the optimizers would subtract.
    To be called before `loss.backward()`, on the live graph, which stays whole: the
    backward pass that follows gives the bits that it would have given. `.grad`,
    parameters, buffers, optimizer state and random states are left as they were.
    Gradient clipping between `backward` and `step` is not known here, and tensor hooks
    on the graph fire as in any backward pass.

    Cost: two backward passes, about two further ones' memory.

    Args:
        loss: A scalar that `backward` has not been called on.
        parameters: The model's parameters; those without `requires_grad` are left out.
        optimizers: All that own parameters of the model.
        buffers: The model's buffers, guarded because a checkpointed segment runs again
            in a backward pass and its batch norm with it.
        accumulated: Whether the `.grad` already there will be part of the step, as in
            gradient accumulation. u is then the update for the sum; g and H stay those
            of this loss.

    Returns:
        Both terms, summed in float64. The Hessian-vector product itself is computed in
        the parameters' own precision. nan and inf where the loss or an update is not
        finite.

    Raises:
        Unmeasurable: If the loss is no scalar, depends on none of the parameters, holds
            an operation that cannot be differentiated twice, or an optimizer's next
            update cannot be found.

    Example:
        >>> p = torch.nn.Parameter(torch.tensor([3.0]))
        >>> sgd = torch.optim.SGD([p], lr=0.25)
        >>> step_terms((2 * p**2).sum(), [p], sgd)  # g = 12, H = 4, u = 3
        StepTerms(gain=36.0, curvature=36.0)

    References:
        [Andreyev2024] Edge of stochastic stability: for plain SGD the gauge is the
        learning rate times the batch sharpness.
        [Pearlmutter1994] Fast exact multiplication by the Hessian.
    """
    owners = [optimizers] if isinstance(optimizers, Optimizer) else list(optimizers)
    wanted = list({id(p): p for p in parameters if p.requires_grad}.values())
    if loss.numel() != 1:
        raise Unmeasurable(f"the loss has shape {tuple(loss.shape)}, not one number")
    if not loss.requires_grad or not wanted:
        raise Unmeasurable("the loss depends on no parameter that requires a gradient")
    if (name := _once_differentiable(loss)) is not None:
        raise Unmeasurable(f"{name} in the loss cannot be differentiated twice")
    with same_random_states(wanted), kept_buffers(buffers):
        gradients = differentiate(loss, wanted, None, create_graph=True)
        if not gradients:
            raise Unmeasurable("the loss depends on none of the model's parameters")
        updates = _updates(owners, gradients, accumulated=accumulated)
        stepped = [p for p in gradients if p in updates]
        gain = sum((_dot(gradients[p], updates[p]) for p in stepped), 0.0)
        curved = [p for p in stepped if gradients[p].requires_grad]
        product: dict[Tensor, Tensor] = {}
        if curved:  # not where every gradient is a constant
            outputs = [gradients[p] for p in curved]
            vectors = [updates[p].to(gradients[p].dtype) for p in curved]
            product = differentiate(outputs, stepped, vectors)
        curvature = sum((_dot(h, updates[p]) for p, h in product.items()), 0.0)
    return StepTerms(gain, curvature)


def differentiate(
    outputs: Tensor | Sequence[Tensor],
    inputs: Sequence[Tensor],
    vectors: Sequence[Tensor] | None,
    *,
    create_graph: bool = False,
) -> dict[Tensor, Tensor]:
    """One reverse pass that leaves the graph whole; unreached inputs are left out.

    Args:
        outputs: What to differentiate.
        inputs: By what.
        vectors: One for each output; None for scalars.
        create_graph: Whether the result can be differentiated again.

    Raises:
        Unmeasurable: If autograd cannot.
    """
    try:
        found: Sequence[Tensor | None] = torch.autograd.grad(
            outputs,
            inputs,
            vectors,
            create_graph=create_graph,
            retain_graph=True,
            allow_unused=True,
        )
    except RuntimeError as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise Unmeasurable(
            f"the loss cannot be differentiated twice: {reason}"
        ) from error
    return {p: g for p, g in zip(inputs, found, strict=True) if g is not None}


def _once_differentiable(loss: Tensor) -> str | None:
    """Name of a function in the graph that is marked once_differentiable.

    Autograd itself does not say so: such a function passes for one with no curvature.
    """
    seen: set[Node] = set()
    front = [loss.grad_fn]
    while front:
        node = front.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        made_by = getattr(node, "_forward_cls", type(node))
        if getattr(getattr(made_by, "backward", None), "__code__", node) is _ONCE:
            return str(made_by.__name__)
        front += [parent for parent, _ in node.next_functions]
    return None


def _updates(
    optimizers: Sequence[Optimizer],
    gradients: dict[Tensor, Tensor],
    *,
    accumulated: bool,
) -> dict[Tensor, Tensor]:
    """What all optimizers together would subtract."""
    seen = {
        p: g.detach() + p.grad if accumulated and p.grad is not None else g.detach()
        for p, g in gradients.items()
    }
    total: dict[Tensor, Tensor] = {}
    for optimizer in optimizers:
        for p, update in next_update(optimizer, seen).items():
            total[p] = total[p] + update if p in total else update
    return total


def _dot(a: Tensor, b: Tensor) -> float:
    a, b = a.detach().flatten().to(b.dtype), b.flatten()
    return float(torch.dot(a, b) if not b.is_complex() else torch.vdot(a, b).real)


@contextmanager
def kept_buffers(buffers: Iterable[Tensor]) -> Iterator[None]:
    """Put buffers back if they changed, past the version count that autograd checks.

    The count alone does not tell: batch norm writes its statistics without raising it.
    """
    kept = [(b, b.detach().clone()) for b in buffers]
    try:
        yield
    finally:
        for buffer, before in kept:
            if not torch.equal(buffer, before):
                buffer.data.copy_(before)
