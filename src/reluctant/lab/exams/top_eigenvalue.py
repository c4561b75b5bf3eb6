"""The sharpest direction of the loss, and the steps that are stable along it."""

import math
from collections.abc import Callable, Sequence

import msgspec
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from reluctant.lab._recipe import Training
from reluctant.lab.exams._lanczos import largest_eigenpair
from reluctant.lab.exams._stability import law_of
from reluctant.probes.step_gauge import differentiate
from reluctant.records import UsageError


class TopEigenvalue(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The largest eigenvalue of the Hessian of the loss, by sign.

    Attributes:
        value: λmax, in units of loss per squared parameter.
        error: An eigenvalue lies within this of it.
        products: Hessian-vector products spent, about two gradients each.
        is_converged: Whether `error` is within the tolerance asked for.
        vector: Its eigenvector, shape `(parameters,)`: start the next one from it.
        limit: Learning rate beyond which a quadratic with this λmax diverges under the
            training's optimizer: 2/λ, with momentum 2(1+β)/λ, preconditioned for Adam.
            inf where nothing curves up; nan where the optimizer is another.
        rule: The formula of `limit`, for a reader; `""` where there is none.
        preconditioned: Largest eigenvalue of P⁻¹H for Adam, from its present second
            moments; nan for others, and before Adam's first step.
        batches: Over how many batches the loss was averaged.
        learning_rate: Of the optimizer's first group.
    """

    value: float
    error: float
    products: int
    is_converged: bool
    vector: Tensor
    limit: float
    rule: str
    preconditioned: float
    batches: int
    learning_rate: float


def top_eigenvalue(
    training: Training,
    *,
    batches: int = 1,
    tolerance: float = 0.01,
    most: int = 60,
    start: Tensor | None = None,
    seed: int = 0,
) -> TopEigenvalue:
    """Find the largest eigenvalue of the Hessian, at the weights as they are.

    Works on a fork: the training goes on afterwards as if nothing had been measured.

    Args:
        training: Anything that can be forked.
        batches: The loss is the mean over the next so many. Few samples have a larger
            λmax than all: 128 of 2,000 images measured 1.3 to 1.7 times as much.
        tolerance: Relative error at which to stop.
        most: Hessian-vector products at which to stop in any case.
        start: The `vector` of an earlier measurement of the same network.
        seed: Of the random start.

    Raises:
        UsageError: If there are no batches, or the training cannot be forked.
        Unmeasurable: If the loss cannot be differentiated twice.

    References:
        [Cohen2021] Gradient descent on neural networks typically occurs at the edge of
        stability: 2/λ, and 2(1+β)/λ with momentum.
        [Cohen2022] Adaptive gradient methods at the edge of stability.
        [Pearlmutter1994] Fast exact multiplication by the Hessian.
    """
    if batches < 1:
        raise UsageError(f"batches is {batches}, but the Hessian needs at least 1.")
    copy = training.fork()
    wanted = [p for p in copy.model.parameters() if p.requires_grad]
    # the fused kernels of attention have no second derivative
    with copy.own_randomness(), sdpa_kernel(SDPBackend.MATH):
        losses = [copy.loss(copy.next_batch()) for _ in range(batches)]
        product, used = hessian_product(losses, wanted)
        size = sum(p.numel() for p in used)
        dtype, device = used[0].dtype, used[0].device
        numbers = torch.Generator().manual_seed(seed)
        draw = torch.randn(size, generator=numbers, dtype=dtype).to(device)
        warm = start is not None and start.shape == draw.shape
        begin = start.to(draw) if start is not None and warm else draw
        fresh = draw if warm else None
        found = largest_eigenpair(
            product, begin, tolerance=tolerance, most=most, fresh=fresh
        )
        law = law_of(copy.optimizer, used)
        preconditioned, products, sharpness = math.nan, found.products, found.value
        if law.weights is not None:
            weights = law.weights.to(draw)
            pair = largest_eigenpair(
                lambda v: weights * product(weights * v),
                draw,
                tolerance=tolerance,
                most=most,
            )
            sharpness = preconditioned = pair.value
            products += pair.products
    lr = copy.optimizer.param_groups[0].get("lr", math.nan)
    limit = law.factor / sharpness if sharpness > 0 else math.inf
    return TopEigenvalue(
        value=found.value,
        error=found.residual,
        products=products,
        is_converged=found.is_converged,
        vector=found.vector,
        limit=math.nan if math.isnan(law.factor * sharpness) else limit,
        rule=law.rule,
        preconditioned=preconditioned,
        batches=batches,
        learning_rate=float(lr),
    )


def hessian_product(
    losses: Sequence[Tensor], parameters: Sequence[Tensor]
) -> tuple[Callable[[Tensor], Tensor], list[Tensor]]:
    """Products with the Hessian of the mean of some losses, as a function of v.

    The gradient's graph is built once and kept, so that a product costs one more pass
    back, about two gradients. Parameters that a loss does not reach are left out.

    Args:
        losses: Scalars with their graphs.
        parameters: That may have a gradient.

    Returns:
        v to H·v, both of shape `(n,)`, and the parameters that the entries belong to.

    Raises:
        Unmeasurable: If nothing depends on the parameters, or not twice.
    """
    total = losses[0] if len(losses) == 1 else sum(losses[1:], losses[0]) / len(losses)
    found = differentiate(total, list(parameters), None, create_graph=True)
    gradients = {p: g.to_dense() if g.is_sparse else g for p, g in found.items()}
    used = list(gradients)
    curved = [p for p in used if gradients[p].requires_grad]
    outputs = [gradients[p] for p in curved]

    def product(v: Tensor) -> Tensor:
        parts = dict(zip(used, v.split([p.numel() for p in used]), strict=True))
        if not curved:  # a loss that is linear in every parameter
            return torch.zeros_like(v)
        vectors = [parts[p].reshape(p.shape).to(p.dtype) for p in curved]
        found = differentiate(outputs, used, vectors)
        rows = [found.get(p, torch.zeros_like(p)) for p in used]
        dense = [row.to_dense() if row.is_sparse else row for row in rows]
        return torch.cat([row.reshape(-1).to(v) for row in dense])

    return product, used
