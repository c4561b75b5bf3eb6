"""The same training as a torch loop in float64, and the gauge by double backward."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from reluctant.lab.engines import SGD, MLPSpec, Parameters

torch.set_num_threads(1)


def network(spec: MLPSpec, parameters: Parameters) -> torch.nn.Sequential:
    modules: list[torch.nn.Module] = []
    kinds = {
        "linear": torch.nn.Identity,
        "relu": torch.nn.ReLU,
        "leaky_relu": lambda: torch.nn.LeakyReLU(spec.leaky_slope),
        "sigmoid": torch.nn.Sigmoid,
        "tanh": torch.nn.Tanh,
        "softmax": lambda: torch.nn.Softmax(-1),
    }
    for (weight, bias), name in zip(parameters, spec.activations, strict=True):
        outputs, inputs = weight.shape
        linear = torch.nn.Linear(
            inputs, outputs, bias=bias is not None, dtype=torch.float64
        )
        with torch.no_grad():
            linear.weight.copy_(torch.as_tensor(weight))
            if bias is not None:
                linear.bias.copy_(torch.as_tensor(bias))
        modules += [linear, kinds[name]()]
    return torch.nn.Sequential(*modules)


def optimizer_of(
    spec: MLPSpec, net: torch.nn.Module, rate: float
) -> torch.optim.Optimizer:
    rule = spec.optimizer
    if isinstance(rule, SGD):
        return torch.optim.SGD(
            net.parameters(),
            lr=rate,
            momentum=rule.momentum,
            nesterov=rule.nesterov,
            weight_decay=rule.weight_decay,
        )
    kind = torch.optim.AdamW if rule.decoupled else torch.optim.Adam
    return kind(
        net.parameters(),
        lr=rate,
        betas=(rule.beta1, rule.beta2),
        eps=rule.eps,
        weight_decay=rule.weight_decay,
    )


def loss_of(spec: MLPSpec) -> torch.nn.Module:
    if spec.loss == "mse":
        return torch.nn.MSELoss(reduction=spec.reduction)
    return torch.nn.CrossEntropyLoss(reduction=spec.reduction)


def train(
    spec: MLPSpec,
    parameters: Parameters,
    inputs: Any,
    targets: Any,
    rate: float,
    order: list[Any],
    steps: int,
    schedule: Any = None,
    with_gauge: bool = False,
) -> tuple[Parameters, np.ndarray, np.ndarray]:
    """Return final parameters, the loss before each step, and the gauge's products."""
    net = network(spec, parameters)
    optimizer = optimizer_of(spec, net, rate)
    loss_fn = loss_of(spec)
    x = torch.as_tensor(inputs, dtype=torch.float64)
    t = torch.as_tensor(targets)
    t = t if t.dtype == torch.int64 else t.double()
    per_epoch = spec.steps_per_epoch(len(x))
    losses, gauges = [], []
    for step in range(steps):
        if schedule is not None:
            optimizer.param_groups[0]["lr"] = rate * schedule[step]
        epoch, batch = divmod(step, per_epoch)
        index = order[epoch][batch * spec.batch_size : (batch + 1) * spec.batch_size]
        before = [p.detach().clone() for p in net.parameters()]
        loss = loss_fn(net(x[index]), t[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if with_gauge:
            moved = [
                b - p.detach() for b, p in zip(before, net.parameters(), strict=True)
            ]
            gauges.append(_products(net, loss_fn, before, moved, x[index], t[index]))
    linears = [m for m in net if isinstance(m, torch.nn.Linear)]
    final: Parameters = [
        (
            m.weight.detach().numpy(),
            None if m.bias is None else m.bias.detach().numpy(),
        )
        for m in linears
    ]
    return final, np.array(losses), np.array(gauges)


def _products(
    net: torch.nn.Module,
    loss_fn: Any,
    before: list[torch.Tensor],
    moved: list[torch.Tensor],
    x: torch.Tensor,
    t: torch.Tensor,
) -> tuple[float, float, float]:
    names = [name for name, _ in net.named_parameters()]

    def output(*values: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(
            net, dict(zip(names, values, strict=True)), (x,)
        )

    leaves = [b.clone().requires_grad_() for b in before]
    slope = torch.autograd.grad(loss_fn(output(*leaves), t), leaves, create_graph=True)
    descent = sum((g * u).sum() for g, u in zip(slope, moved, strict=True))
    bend = torch.autograd.grad(
        descent, leaves, allow_unused=True, materialize_grads=True
    )
    curvature = sum((h * u).sum() for h, u in zip(bend, moved, strict=True))
    y, along = torch.func.jvp(output, tuple(before), tuple(moved))
    y = y.detach().requires_grad_()
    (by_output,) = torch.autograd.grad(loss_fn(y, t), y, create_graph=True)
    (second,) = torch.autograd.grad((by_output * along.detach()).sum(), y)
    return descent.item(), curvature.item(), (second * along).sum().item()


def example(
    spec: MLPSpec, seed: int, samples: int, density: float
) -> tuple[Any, Any, Parameters]:
    """Return inputs of which `density` are not zero, targets, and a start."""
    rng = np.random.default_rng(seed)
    first, last = spec.widths[0], spec.widths[-1]
    inputs = rng.normal(size=(samples, first)) * (
        rng.random((samples, first)) < density
    )
    classes = rng.integers(0, last, samples)
    targets = np.eye(last)[classes] if last > 1 else rng.normal(size=(samples, 1))
    parameters: Parameters = [
        (
            rng.normal(size=(o, i)) / np.sqrt(i),
            rng.normal(size=o) * 0.1 if spec.bias else None,
        )
        for i, o in zip(spec.widths[:-1], spec.widths[1:], strict=True)
    ]
    return inputs, targets, parameters


def orders(seed: int, samples: int, epochs: int) -> list[Any]:
    rng = np.random.default_rng(seed + 1)
    return [rng.permutation(samples) for _ in range(epochs)]
