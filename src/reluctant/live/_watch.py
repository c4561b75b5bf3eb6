"""The one place that touches a live training, and the one place that catches.

One class holds the order in which things happen in a training step; it is longer than
a file should be because that order is one thought.
"""

import math
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from reluctant.diagnosis import diagnose
from reluctant.live._describe import describe, named
from reluctant.live._governor import Governor, clock
from reluctant.live._graph import leaves, nonfinite_origin, owner_of, read_loss
from reluctant.live._recorder import Recorder
from reluctant.live._tap import ForwardTap, Pass
from reluctant.probes import (
    PROBES,
    ActivationProbe,
    GradientProbe,
    HeadPass,
    HeadProbe,
    LayerPass,
    LayerProbe,
    Measurement,
    Probe,
    UpdateProbe,
    rms,
)
from reluctant.probes.step_gauge import step_terms
from reluctant.records import Diagnosis, Layer, Loss, Trace, UsageError
from reluctant.records.quantities import (
    BATCH_SAMPLES,
    GRAD_KEPT,
    GRAD_REACHED,
    LEARNING_RATE,
    REACH_STEPS,
    SIGNAL_GRAD_RMS,
    STEP_CURVATURE,
    STEP_GAIN,
)

_GAUGE_PASSES = 8  # a gauge costs about as much as this many forward passes
_GAUGES_AT_FIRST = 8  # sampled steps that are all gauged; later ones now and then
_GAUGE_EVERY = 3
_MOST_OUTPUTS = 8  # tensors of the model's output that are kept until the loss is seen


class Watch:
    """A training under watch. Made by `watch`, which see.

    Attributes:
        trace: What was recorded so far.
        step: Optimizer steps taken so far.
    """

    def __init__(
        self,
        parameters: dict[str, Tensor],
        optimizers: Sequence[Optimizer],
        *,
        model: nn.Module | None,
        name: str,
        budget: float,
        probes: Sequence[Probe],
        sink: Path | None,
        argv: tuple[str, ...] = (),
        start_up_s: float = 0.5,
    ) -> None:
        self._model = weakref.ref(model) if model is not None else None
        self._parameters = parameters
        self._names = {id(p): n for n, p in parameters.items()}
        self._optimizers: list[weakref.ref[Optimizer]] = []
        self._handles: dict[int, list[RemovableHandle]] = {}
        self._lead: int | None = None
        self._others = 0  # steps of other optimizers since the lead's last
        self.step = 0
        self.trace = Trace(sink=sink)
        self._recorder = Recorder(self.trace)
        self._governor = Governor(budget, start_up_s=start_up_s)
        self._setup = describe(model, parameters, optimizers, name=name, argv=argv)
        self.trace.describe(0, self._setup)
        self._layer_probes = [p for p in probes if isinstance(p, LayerProbe)]
        self._activation_probes = [p for p in probes if isinstance(p, ActivationProbe)]
        self._head_probes = [p for p in probes if isinstance(p, HeadProbe)]
        self._gradient_probes = [p for p in probes if isinstance(p, GradientProbe)]
        self._update_probes = [p for p in probes if isinstance(p, UpdateProbe)]
        self._tap = ForwardTap(
            list(model.modules()) if model is not None else [],
            self._names,
            on_layer=self._on_layer,
            on_activation=self._on_activation,
            on_output=self._on_output,
            on_compiled=self._on_hidden,
            on_error=partial(self._go_blind, "forward pass"),
        )
        self._layers: dict[str, Layer] = {}
        self._reached: dict[str, tuple[Tensor, Tensor]] = {}
        self._reach_steps = 0
        self._before: dict[str, Tensor] = {}
        self._stale: list[tuple[Tensor, int, int]] = []
        self._outputs: list[Tensor] = []
        self._rates: list[float] = []
        self._gauge_s = 0.0
        self._backwards = self._last_backwards = 0
        self._in_gauge = self._in_step = self._is_looked_at = False
        self._head_sites: tuple[str, ...] = ()
        self._origin_noted = False
        self._deep_steps = self._judged_at = 0
        self._attached = True
        self._light, self._deep = self._governor.next_step(0)
        for optimizer in optimizers:
            self.add(optimizer)
        if self._deep:
            self._tap.arm()

    # --- what a user calls

    def loss(self, loss: Tensor) -> Tensor:
        """Note the loss of a batch, before its `backward()`, and hand it back.

        Called several times between two optimizer steps, the losses are added up, as
        their gradients are.
        """
        if self._attached:
            self._guard("loss", self._on_loss, loss)
        return loss

    @property
    def diagnosis(self) -> Diagnosis:
        """What the rules say of the trace so far."""
        self._guard("record", self._recorder.flush)
        return diagnose(self.trace)

    def detach(self) -> None:
        """Stop watching: every hook goes, the record is whole. Safe to call twice."""
        if not self._attached:
            return
        self._attached = False
        self._tap.disarm()
        for handles in self._handles.values():
            for handle in handles:
                handle.remove()
        self._handles.clear()
        self._before.clear()
        self._outputs.clear()
        self._guard("record", self._finish)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.end(f"the training stopped with {kind.__name__}: {error}")
        self.detach()

    # --- what `reluctant run` calls besides

    @property
    def model(self) -> nn.Module | None:
        """The model, while it is alive."""
        return self._model() if self._model else None

    @property
    def name(self) -> str:
        """What the user calls the model."""
        return self._setup.name

    @property
    def parameters(self) -> dict[str, Tensor]:
        """What is trained, by name."""
        return self._parameters

    @property
    def has_optimizer(self) -> bool:
        """Whether any optimizer was handed over."""
        return bool(self._handles)

    def add(self, optimizer: Optimizer) -> None:
        """Watch the steps of one more optimizer."""
        if id(optimizer) in self._handles:
            return
        me = weakref.ref(self)

        def before(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            if (watch := me()) is not None:
                watch._guard("step", watch._before_step, optimizer)

        def after(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            if (watch := me()) is not None:
                watch._guard("step", watch._after_step, optimizer)

        self._optimizers.append(weakref.ref(optimizer))
        weakref.finalize(optimizer, _gone, me, id(optimizer))
        self._handles[id(optimizer)] = [
            optimizer.register_step_pre_hook(before),
            optimizer.register_step_post_hook(after),
        ]
        if self.step or len(self._optimizers) > len(self._setup.groups):
            self._guard("setup", self._describe_groups)

    def count_backward_as_step(self) -> None:
        """Without an optimizer a step ends where the next backward begins."""
        if self._attached and not self._handles and self._backwards:
            self._guard("step", self._end_step)

    @property
    def is_between_samples(self) -> bool:
        """Whether a sampled step has just been written: a good time to judge."""
        return self._deep_steps != self._judged_at

    def charge(self, seconds: float) -> None:
        """Book time that was spent on this training's account."""
        self._judged_at = self._deep_steps
        self._governor.charge(seconds)

    def blame(self, who: str, error: Exception) -> None:
        """Note what failed around this training."""
        self._go_blind(who, error)

    def end(self, how: str) -> None:
        """Note how the training ended."""
        self._guard("record", self._recorder.note, self.step, "end", "", how)

    def hide(self, reason: str) -> None:
        """Note that something stands between us and the training."""
        self._guard("setup", self._on_hidden, reason)

    # --- forward

    def _on_layer(self, run: Pass) -> None:
        if self._in_gauge or not self._deep:
            return
        start = clock()
        owner, z = run.owner, run.tensor
        units = z.shape[run.unit_axis] if z.ndim else 0
        if run.site not in self._layers:
            self._layers[run.site] = Layer(
                site=run.site,
                operation=owner.operation,
                units=units,
                weight=_pick(owner.parameters, self._parameters, bias=False),
                bias=_pick(owner.parameters, self._parameters, bias=True),
            )
        seen = LayerPass(run.site, z.detach(), run.unit_axis)
        for probe in self._layer_probes:
            self._measure(probe, probe.read, seen)
        if z.requires_grad:
            z.register_hook(partial(self._on_signal, run.site))
        self._governor.charge(clock() - start, deep=True)

    def _on_activation(self, run: Pass) -> None:
        if self._in_gauge or not self._deep:
            return
        start = clock()
        layer = self._layers.get(run.site)
        if layer is not None and not layer.activation:
            self._layers[run.site] = msgspec.structs.replace(
                layer, activation=run.activation, slope=run.slope
            )
        seen = LayerPass(
            run.site, run.tensor.detach(), run.unit_axis, run.activation, run.slope
        )
        for probe in self._activation_probes:
            self._measure(probe, probe.read, seen)
        self._governor.charge(clock() - start, deep=True)

    def _on_signal(self, site: str, gradient: Tensor) -> None:
        """Tensor hook: must return None, or it would replace the gradient."""
        if self._in_gauge or not self._deep:
            return
        start = clock()
        try:
            with torch.no_grad():
                value = rms(gradient)
            self._recorder.add([Measurement(SIGNAL_GRAD_RMS, site, value)])
        except Exception as error:
            self._go_blind("signal gradient", error)
        self._governor.charge(clock() - start, deep=True)

    def _on_output(self, module: nn.Module, args: Any, output: Any) -> None:
        if not self._deep:
            return
        self._outputs += [t for t in _tensors(output) if t.grad_fn is not None]
        del self._outputs[:-_MOST_OUTPUTS]
        batch = next(iter(_tensors(args)), None)
        if batch is None or batch.ndim == 0:
            return
        samples = batch.new_full((), float(batch.shape[0]), dtype=torch.float32)
        self._recorder.add([Measurement(BATCH_SAMPLES, "", samples)])
        if self._setup.batch != tuple(batch.shape) and not self._setup.batch:
            self._setup = msgspec.structs.replace(
                self._setup,
                batch=tuple(batch.shape),
                batch_size=batch.shape[0],
                dtype=str(batch.dtype).removeprefix("torch."),
            )

    def _on_hidden(self, reason: str) -> None:
        if reason == "torch.compile" or reason == "torch.jit":
            # looking would make it compile again, and a compiled graph has no second
            # derivative
            self._tap.block()
            self._note_blind("gauge", f"cannot look into {reason}")
        if reason not in self._setup.hidden:
            hidden = (*self._setup.hidden, reason)
            self._setup = msgspec.structs.replace(self._setup, hidden=hidden)
            self.trace.describe(self.step, self._setup)

    # --- loss and backward

    def _on_loss(self, loss: Tensor) -> None:
        if not isinstance(loss, Tensor):
            given = type(loss).__name__
            self._note_blind("loss", f"is {given}, where a tensor was expected")
            return
        if loss.numel() != 1:
            shape = tuple(loss.shape)
            self._note_blind("loss", f"has shape {shape}, where a scalar was expected")
            return
        self._backwards += 1
        if not self._light:
            return
        start = clock()
        value = self._recorder.add_loss(loss.detach(), replace=self._in_step)
        if not math.isfinite(value) and not self._origin_noted:
            self._origin_noted = True
            site, text = nonfinite_origin(loss, self._names)
            self._recorder.note(self.step, "nonfinite", site, text)
        if self._deep and not self._is_looked_at and not self._in_step:
            self._is_looked_at = True
            model = self.model
            if model is not None:
                self._tap.wants_training = model.training
            self._look_at_loss(loss)
        self._governor.charge(clock() - start, deep=self._deep)

    def _look_at_loss(self, loss: Tensor) -> None:
        if loss.grad_fn is None:
            self._note_blind("loss", "has no graph: nothing depends on it")
            return
        self._guard("head", self._look_at_head, loss)
        self._guard("gauge", self._look_at_step, loss)
        if self._stale and loss.requires_grad:
            # only now: the gauge's own backward must not set it off
            loss.register_hook(partial(self._on_backward, self._stale))
            self._stale = []

    def _look_at_head(self, loss: Tensor) -> None:
        with torch.no_grad():
            found = read_loss(loss, self._outputs)
        seen = HeadPass(found.kind, found.outputs, found.targets, max(found.axis, 0))
        for probe in self._head_probes:
            self._measure(probe, probe.read, seen)
        outputs = found.outputs
        width = outputs.shape[found.axis] if outputs is not None and outputs.ndim else 0
        described = Loss(
            kind=found.kind, reduction=found.reduction, head=found.head, outputs=width
        )
        unreached = self._setup.unreached
        if self.step < 2:
            reached = leaves(loss.grad_fn)
            unreached = tuple(
                name
                for name, p in self._parameters.items()
                if p.requires_grad and id(p) not in reached
            )
        head = owner_of(found.producer, self._names)
        self._head_sites = (head.site,) if head else ()
        self._setup = msgspec.structs.replace(
            self._setup, loss=described, unreached=unreached
        )

    def _look_at_step(self, loss: Tensor) -> None:
        """The gauge: what the step gains on its own batch, what curvature takes."""
        optimizers = [o for ref in self._optimizers if (o := ref()) is not None]
        if self._last_backwards > 1:
            self._note_blind("step gauge", "gradients accumulate over several batches")
            return
        if len(optimizers) != 1:
            if len(optimizers) > 1:
                self._note_blind("step gauge", "several optimizers share the loss")
            return
        if self._recorder.is_blind("gauge"):
            return
        if self._deep_steps > _GAUGES_AT_FIRST and self._deep_steps % _GAUGE_EVERY:
            return
        known = self._gauge_s or _GAUGE_PASSES * (
            self._tap.forward_s or self._governor.step_s
        )
        if not self._governor.affords(known):
            return
        start = clock()
        self._in_gauge = True
        try:
            model = self.model
            terms = step_terms(
                loss,
                self._parameters.values(),
                optimizers,
                buffers=model.buffers() if model is not None else (),
            )
        finally:
            self._in_gauge = False
            self._gauge_s = clock() - start
        gain = torch.tensor(terms.gain, dtype=torch.float64)
        curvature = torch.tensor(terms.curvature, dtype=torch.float64)
        self._recorder.add(
            [
                Measurement(STEP_GAIN, "", gain),
                Measurement(STEP_CURVATURE, "", curvature),
            ]
        )

    def _on_backward(self, stale: list[tuple[Tensor, int, int]], _: Tensor) -> None:
        """Tensor hook on the loss: were the last step's gradients still there?"""
        if self._in_gauge:
            return
        try:
            kept = any(
                p.grad is not None
                and p.grad.data_ptr() == pointer
                and p.grad._version == version
                and bool((p.grad != 0).any())
                for p, pointer, version in stale
            )
            value = torch.tensor(float(kept))
            self._recorder.add([Measurement(GRAD_KEPT, "", value)])
        except Exception as error:
            self._go_blind("gradient hygiene", error)

    # --- the step

    def _before_step(self, optimizer: Optimizer) -> None:
        self._in_step = True
        if self._deep:
            with self._governor.timed(deep=True), torch.no_grad():
                for name, p in self._owned(optimizer):
                    self._before[name] = p.detach().clone()

    def _after_step(self, optimizer: Optimizer) -> None:
        self._in_step = False
        if self._lead is None or (self._others > 2 and id(optimizer) != self._lead):
            self._lead = id(optimizer)
        is_lead = id(optimizer) == self._lead
        self._others = 0 if is_lead else self._others + 1
        if self._deep:
            with self._governor.timed(deep=True), torch.no_grad():
                self._look_at_reach()
                self._guard("rates", self._look_at_rates)
                self._look_at_gradients(optimizer, is_lead)
        elif self._light:
            start = clock()
            self._look_at_reach()
            self._governor.charge(clock() - start, deep=False)
        if is_lead:
            self._end_step()

    def _owned(self, optimizer: Optimizer) -> list[tuple[str, Tensor]]:
        ours = self._names
        return [
            (ours[id(p)], p)
            for group in optimizer.param_groups
            for p in group["params"]
            if id(p) in ours
        ]

    def _look_at_reach(self) -> None:
        """Which units got a gradient at all: exact, and next to free."""
        self._reach_steps += 1
        for bias, reached in self._reached.values():
            if bias.grad is not None:
                reached.logical_or_(bias.grad)  # what is not 0 counts as true

    def _look_at_rates(self) -> None:
        rates = [
            float(group["lr"])
            for ref in self._optimizers
            if (optimizer := ref()) is not None
            for group in optimizer.param_groups
            if "lr" in group
        ]
        if rates != self._rates:
            self._rates = rates
            self._recorder.add(
                [
                    Measurement(
                        LEARNING_RATE,
                        f"group{i}",
                        torch.tensor(rate, dtype=torch.float64),
                    )
                    for i, rate in enumerate(rates)
                ]
            )

    def _look_at_gradients(self, optimizer: Optimizer, is_lead: bool) -> None:
        owned = dict(self._owned(optimizer))
        if is_lead:  # what no optimizer owns gets its gradients read here
            every = {
                n for o in self._optimizers if (x := o()) for n, _ in self._owned(x)
            }
            free = self._parameters.items()
            owned |= {n: p for n, p in free if n not in every and p.requires_grad}
        gradients = {n: p.grad.detach() for n, p in owned.items() if p.grad is not None}
        for probe in self._gradient_probes:
            self._measure(probe, probe.read, gradients)
        after = {n: p.detach() for n, p in owned.items() if n in self._before}
        before = {n: self._before.pop(n) for n in after}
        for update_probe in self._update_probes:
            self._measure(update_probe, update_probe.read, before, after)

    def _end_step(self) -> None:
        if self._deep:
            with self._governor.timed(deep=True), torch.no_grad():
                self._end_deep_step()
                self._recorder.end_step(self.step, now=True)
                self._outputs.clear()
                self._before.clear()
                self._is_looked_at = False
                self._tap.disarm()
        elif self._light:
            start = clock()
            self._recorder.end_step(self.step, now=False)
            self._governor.charge(clock() - start, deep=False)
        self._last_backwards, self._backwards = self._backwards, 0
        self.step += 1
        self._light, self._deep = self._governor.next_step(self.step)
        if self._deep:
            with self._governor.timed(deep=True), torch.no_grad():
                self._tap.arm()
                self._stale = self._gradients_left()

    def _gradients_left(self) -> list[tuple[Tensor, int, int]]:
        """A few gradients as the step left them; only of what an optimizer zeroes."""
        left = [
            (p, p.grad.data_ptr(), p.grad._version)
            for ref in self._optimizers
            if (optimizer := ref()) is not None and id(optimizer) == self._lead
            for _, p in self._owned(optimizer)
            if p.grad is not None and p.grad.layout == torch.strided
        ]
        return left[:1] + left[-2:]

    def _end_deep_step(self) -> None:
        self._deep_steps += 1
        if self._reached:
            self._emit_reach()
        for site, layer in self._layers.items():
            bias = self._parameters.get(layer.bias)
            if bias is None or bias.shape != (layer.units,):
                continue
            if site not in self._reached and layer.activation:
                reached = torch.zeros(layer.units, dtype=torch.bool, device=bias.device)
                self._reached[site] = (bias, reached)
        layers = tuple(
            msgspec.structs.replace(layer, is_head=layer.site in self._head_sites)
            for layer in self._layers.values()
        )
        setup = msgspec.structs.replace(self._setup, layers=layers)
        if setup != self._setup or setup != self.trace.setup:
            self._setup = setup
            self.trace.describe(self.step, setup)

    def _emit_reach(self) -> None:
        steps = torch.tensor(float(self._reach_steps))
        self._recorder.add([Measurement(REACH_STEPS, "", steps)])
        for site, (_, reached) in self._reached.items():
            value = reached.to(torch.float32)
            self._recorder.add([Measurement(GRAD_REACHED, site, value)])
            reached.zero_()
        self._reach_steps = 0

    # --- what may go wrong

    def _describe_groups(self) -> None:
        optimizers = [o for ref in self._optimizers if (o := ref()) is not None]
        now = describe(self.model, self._parameters, optimizers, name=self.name)
        self._setup = msgspec.structs.replace(
            self._setup, groups=now.groups, parameters=now.parameters
        )
        self.trace.describe(self.step, self._setup)

    def _measure(self, probe: Probe, read: Callable[..., Any], *seen: Any) -> None:
        """Take one probe's measurements; if it fails it goes blind, alone."""
        who = type(probe).__name__
        if self._recorder.is_blind(who):
            return
        try:
            with torch.no_grad():
                self._recorder.add(list(read(*seen)), check=True)
        except Exception as error:
            self._go_blind(who, error)

    def _guard(self, who: str, act: Callable[..., Any], *args: Any) -> None:
        """Whatever happens in here, the user's training goes on."""
        try:
            act(*args)
        except Exception as error:
            self._go_blind(who, error)

    def _go_blind(self, who: str, error: Exception) -> None:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        self._note_blind(who, f"went blind ({reason[:300]})")
        if isinstance(error, OSError):  # the disk is full or gone: go on in memory
            self._recorder.lose_the_disk()

    def _note_blind(self, who: str, reason: str) -> None:
        if not self._recorder.is_blind(who):
            self._recorder.go_blind(self.step, who, reason)

    def _finish(self) -> None:
        if self.step and self._reached and self._reach_steps:
            with torch.no_grad():
                self._emit_reach()
            self._recorder.end_step(self.step - 1, now=True)
        self._recorder.flush()
        if self.step == 0:
            self._note_blind("training", "took no optimizer step while it was watched")
        elif not self._recorder.saw_loss:
            self._note_blind("loss", "was never handed over: call run.loss(loss)")
        self._recorder.note(self.step, "cost", "", self._governor.report())
        self.trace.close()


def watch(
    model: nn.Module,
    optimizer: Optimizer | Sequence[Optimizer],
    *,
    budget: float = 0.01,
    record: Path | str | None = None,
    name: str | None = None,
    probes: Sequence[Probe] | None = None,
) -> Watch:
    """Watch a training, which stays bit for bit what it would have been.

    Use it as a context manager around the loop, or keep what it returns and call
    `detach()` when done. Watching starts at once.

    Args:
        model: The network being trained. Neither wrapped nor modified.
        optimizer: Its optimizer, or several.
        budget: Share of the training's time that watching may take.
        record: A new `.trace` file, or a folder to put one in. Nothing is written if
            left out.
        name: What to call the model in reports; its class if left out.
        probes: What to measure on sampled steps. All probes if left out.

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
    if not 0 < budget < 1:
        raise UsageError(
            f"budget is {budget}, but it is a share of the training's time between 0 "
            f"and 1: 0.01 is one percent."
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


def _gone(watch: "weakref.ref[Watch]", optimizer: int) -> None:
    """An optimizer was garbage-collected: with the last one the training is over."""
    me = watch()
    if me is None or optimizer not in me._handles:
        return
    del me._handles[optimizer]
    if not me._handles:
        me.detach()
        me._parameters.clear()  # they may be all that keeps a large model in memory


def _pick(names: Sequence[str], parameters: dict[str, Tensor], *, bias: bool) -> str:
    """The bias, or the weight, among an operation's own parameters."""
    for name in names:
        last = name.rpartition(".")[2]
        is_bias = last == "bias" or (
            "weight" not in name and parameters[name].ndim == 1 and len(names) > 1
        )
        if is_bias == bias:
            return name
    return ""


def _tensors(value: Any, depth: int = 4) -> list[Tensor]:
    """Every tensor in nested tuples, lists and mappings, first ones first."""
    if isinstance(value, Tensor):
        return [value]
    if depth == 0:
        return []
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return [t for v in value[:64] for t in _tensors(v, depth - 1)]
    return []
