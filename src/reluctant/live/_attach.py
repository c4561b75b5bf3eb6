"""`watch`: two lines around a training loop."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from torch import nn
from torch.optim import Optimizer

from reluctant.live._describe import named
from reluctant.live._watch import Watch
from reluctant.probes import PROBES, Probe
from reluctant.records import UsageError


def watch(
    model: nn.Module,
    optimizer: Optimizer | Sequence[Optimizer],
    *,
    budget: float = 0.01,
    record: Path | str | None = None,
    name: str | None = None,
    probes: Sequence[Probe] | None = None,
    treat: Literal["revive"] | None = None,
    census: Iterable[Any] | None = None,
) -> Watch:
    """Watch a training, which stays bit for bit what it would have been.

    Use it as a context manager around the loop, or keep what it returns and call
    `detach()` when done. Watching starts at once.

    Args:
        model: The network being trained. Neither wrapped nor modified.
        optimizer: Its optimizer, or several.
        budget: Share of the training's time that watching may take; with 1, when to
            look depends on the step alone, so that two runs are looked at alike.
        record: A new `.trace` file, or a folder to put one in. Nothing is written if
            left out.
        name: What to call the model in reports; its class if left out.
        probes: What to measure on sampled steps. All probes if left out.
        treat: `"revive"` gives first aid on the way: dead and merged units start over
            with the function kept, a step past its measured limit is cut. Then the
            training is not what it would have been; `acts` lists what was done, each
            with its `undo()`. Left out, nothing is ever changed.
        census: Batches, such as the training's DataLoader, to go over once when the
            watch ends: how many of all samples each unit fires on, counted on a copy of
            the model with dropout off. A batch is what the model takes, or a tuple that
            begins with it.

    Returns:
        A `Watch`: call its `loss(loss)` on each batch's loss; read its `diagnosis`.

    Raises:
        UsageError: If there is nothing to watch: no module, no parameters, no
            optimizer, or one that owns none of the model's parameters.
        OSError: If the record cannot be made.

    Example:
        >>> from torch import nn, optim
        >>> model = nn.Linear(2, 1)
        >>> with watch(model, optim.SGD(model.parameters(), lr=0.1)) as run:
        ...     pass
        >>> run.diagnosis.root is None
        True
    """
    if not isinstance(model, nn.Module):
        raise UsageError(
            f"model is {type(model).__name__}, but watch() reads a torch.nn.Module: "
            f"pass the network that is trained."
        )
    given: Sequence[object] = (
        optimizer if isinstance(optimizer, Sequence) else [optimizer]
    )
    optimizers = [o for o in given if isinstance(o, Optimizer)]
    if not given:
        raise UsageError(
            f"optimizer is {optimizers!r}, but watch() reads a torch.optim.Optimizer: "
            f"pass the one whose step() trains the model."
        )
    for candidate in given:
        if not isinstance(candidate, Optimizer):
            raise UsageError(
                f"optimizer is {type(candidate).__name__}, but watch() reads a "
                f"torch.optim.Optimizer: pass the one whose step() trains the model."
            )
    parameters = named(model)
    if not parameters:
        raise UsageError(
            f"{type(model).__name__} has no parameters, so there is nothing to train: "
            f"pass the network whose weights the optimizer moves."
        )
    ours = {id(p) for p in parameters.values()}
    groups = [g for o in optimizers for g in o.param_groups]
    held = [p for g in groups for p in g["params"]]
    if not any(id(p) in ours for p in held):
        raise UsageError(
            f"the optimizer holds {len(held)} tensors, none of which belongs to this "
            f"{type(model).__name__}: pass the optimizer made from its parameters()."
        )
    if not 0 < budget <= 1:
        raise UsageError(
            f"budget is {budget}, but it is a share of the training's time between 0 "
            f"and 1: 0.01 is one percent, 1 looks whatever it costs."
        )
    if treat not in (None, "revive"):
        raise UsageError(
            f"treat is {treat!r}, but the only first aid is 'revive': leave it out to "
            "change nothing."
        )
    name = name or type(model).__name__
    return Watch(
        parameters,
        optimizers,
        model=model,
        name=name,
        budget=budget,
        probes=[probe() for probe in PROBES] if probes is None else list(probes),
        sink=trace_path(Path(record), name) if record is not None else None,
        treat=treat is not None,
        census=False if census is None else census,
    )


def trace_path(record: Path, name: str) -> Path:
    """A new file for a trace: `record` itself, or one in it; never one that exists."""
    if record.suffix != ".trace":
        record = record / f"{name}.trace"
    record.parent.mkdir(parents=True, exist_ok=True)
    path, number = record, 1
    while path.exists():
        number += 1
        path = record.with_stem(f"{record.stem}-{number}")
    return path
