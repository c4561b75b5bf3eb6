"""A training under watch: what happens when, and that it leaves no mark."""

import math
import weakref
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from reluctant.diagnosis import diagnose
from reluctant.live._census import census as count_units
from reluctant.live._death_look import DeathLook
from reluctant.live._describe import describe, named
from reluctant.live._evaluations import EvaluationLook
from reluctant.live._first_aid import Act, FirstAid
from reluctant.live._forward_look import ForwardLook, tensors_in
from reluctant.live._future_look import FutureLook
from reluctant.live._governor import Governor, clock
from reluctant.live._held_out import HeldOut
from reluctant.live._loaders import batches_an_epoch, largest_loader, more_data
from reluctant.live._loss_look import GaugeLook, HeadLook, HygieneLook
from reluctant.live._models import unlisted
from reluctant.live._origin import nonfinite_origin
from reluctant.live._padding_look import PaddingLook
from reluctant.live._poles import PoleLook, suspects_between
from reluctant.live._position_look import PositionLook
from reluctant.live._recorder import Recorder
from reluctant.live._sample_look import SampleLook
from reluctant.live._scaler_look import ScalerLook
from reluctant.live._sequence_look import SequenceLook
from reluctant.live._step_look import ReachLook, StepLook
from reluctant.live._tap import ForwardTap, Pass, Read
from reluctant.probes import Probe
from reluctant.records import Diagnosis, Trace
from reluctant.records.quantities import BATCH_MARK, DATA_BATCHES, STEP_LOSSES

_SAME = 6  # sampled steps on one batch, after which one asks for more data
_SETTLED = 3  # sampled steps after which the script's loaders are looked for
_LEAD_LOST = 2  # steps of other optimizers in a row after which the lead has changed


class Watch:
    """A training under watch. Made by `watch`, which see.

    The order of one step: the loss is handed over, its backward begins, the optimizer
    is about to step, it has stepped. Of several optimizers the first one leads: a step
    of the trace ends with its step.

    Attributes:
        trace: What was recorded so far.
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
        thorough: bool = False,
        treat: bool = False,
        census: Iterable[Any] | bool = False,
    ) -> None:
        self.trace = Trace(sink=sink)
        self._governor = Governor(budget, thorough=thorough)
        self._recorder = recorder = Recorder(self.trace, self._governor)
        self._now = recorder.now
        self._model = weakref.ref(model) if model is not None else None
        self._parameters = parameters
        self._names = {id(p): n for n, p in parameters.items()}
        self._setup = describe(model, parameters, optimizers, name=name, argv=argv)
        self.trace.describe(0, self._setup)
        self._death = DeathLook(recorder, parameters, self._names, self._alive)
        self._forward = ForwardLook(recorder, probes, parameters, self._death)
        self._head = HeadLook(recorder, probes, parameters)
        self._gauge, self._hygiene = GaugeLook(recorder), HygieneLook(recorder)
        self._sequence = SequenceLook(recorder)
        self._poles, self._scaler = PoleLook(recorder), ScalerLook(recorder)
        self._stepping = StepLook(recorder, probes, parameters)
        self._reach = ReachLook(recorder, parameters)
        self._held_out = HeldOut(recorder)
        self._samples, self._future = SampleLook(recorder), FutureLook(recorder)
        self._padding, self._places = PaddingLook(recorder), PositionLook(recorder)
        modules = list(model.modules()) if model is not None else []
        self._evaluations = EvaluationLook(recorder, modules)
        self._tap = ForwardTap(
            modules,
            self._names,
            on_layer=self._on_layer,
            on_embedding=partial(self._samples.on_first, ""),
            on_recurrent=self._on_recurrent,
            on_read=self._on_read,
            on_activation=self._forward.on_activation,
            on_output=self._on_output,
            on_compiled=self._on_hidden,
            on_error=partial(recorder.go_blind, "forward pass"),
            on_dropout=self._death.on_dropout,
            on_padding_mask=self._padding.on_mask,
            on_attention=self._places.on_attention,
        )
        self._began_at = _fingerprint(parameters)
        self._optimizers: dict[int, weakref.ref[Optimizer]] = {}
        self._handles: dict[int, list[RemovableHandle]] = {}
        self._was_hooked = bool(optimizers)
        self._lead = 0
        self._others = 0  # steps of other optimizers since the lead's last
        self._backwards = self._last_backwards = 0
        self._is_looked_at = self._is_origin_noted = False
        self._sampled = self._judged_at = 0
        self._is_more_known = False
        self._is_attached = True
        for optimizer in optimizers:
            self._hook(optimizer)
        self._census = census
        self._census_model: nn.Module | None = None  # kept alive only for the census
        self._aid: FirstAid | None = None
        if treat and model is not None:
            note = partial(recorder.note, "act", "")
            self._aid = FirstAid(model, lambda: self.diagnosis, note)
        self._begin_step()

    # --- what a user calls

    @property
    def step(self) -> int:
        """Optimizer steps taken so far."""
        return self._now.step

    def loss(self, loss: Tensor) -> Tensor:
        """Note the loss of a batch, before its `backward()`, and hand it back.

        Called several times between two optimizer steps, the losses are added up, as
        their gradients are. Under `torch.no_grad()` it is the loss of an evaluation.
        """
        if self._is_attached:
            self._recorder.guard("loss", self._on_loss, loss)
        return loss

    @property
    def acts(self) -> tuple[Act, ...]:
        """What first aid has done, each with its `undo()`; none unless asked for."""
        return tuple(self._aid.acts) if self._aid is not None else ()

    @property
    def diagnosis(self) -> Diagnosis:
        """What the rules say of the trace so far."""
        self._recorder.guard("record", self._recorder.flush)
        return diagnose(self.trace)

    def detach(self) -> None:
        """Stop watching: every hook goes, the record is whole. Safe to call twice."""
        if not self._is_attached:
            return
        self._is_attached = False
        if self._aid is not None:
            self._aid.detach()
        self._tap.disarm()
        for handles in self._handles.values():
            for handle in handles:
                handle.remove()
        self._handles.clear()
        self._stepping.forget()
        self._forward.outputs.clear()
        self._samples.forget()
        self._future.forget()
        self._padding.forget()
        self._places.forget()
        self._recorder.guard("record", self._finish)

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
        """What is trained, by name; empty once the training is over."""
        return self._parameters

    @property
    def has_optimizer(self) -> bool:
        """Whether any optimizer is alive."""
        return bool(self._handles)

    def add(self, optimizer: Optimizer) -> None:
        """Watch the steps of one more optimizer."""
        if id(optimizer) not in self._handles:
            self._hook(optimizer)
            self._recorder.guard("setup", self._describe_groups)

    def count_backward_as_step(self) -> None:
        """Without an optimizer a step ends where the next backward begins."""
        if self._is_attached and not self._handles and self._backwards:
            self._recorder.guard("step", self._end_step)

    @property
    def has_news(self) -> bool:
        """Whether a sampled step was written since time was last charged."""
        return self._sampled != self._judged_at

    def charge(self, seconds: float) -> None:
        """Book time that was spent on judging this training."""
        self._judged_at = self._sampled
        self._governor.charge(seconds)

    def blame(self, who: str, error: Exception) -> None:
        """Note what failed around this training."""
        self._recorder.go_blind(who, error)

    def held_out(self, loss: Tensor, where: tuple[object, str]) -> None:
        """Note a loss that was computed without gradients, and where."""
        if self._is_attached:
            self._recorder.guard(
                "evaluation", self._held_out.add, loss, self.model, where
            )

    def on_quiet_call(self, module: nn.Module, args: Any) -> bool:
        """Note a call without gradients; whether more of them are of interest."""
        if self._is_attached:
            self._recorder.guard("evaluation", self._evaluations.on_call, module, args)
        return not self._evaluations.is_full and self._is_attached

    @property
    def is_between_steps(self) -> bool:
        """Whether no loss was handed over since the last step."""
        return not self._backwards

    def share_the_training(self) -> None:
        """Another network is trained in turn with this one."""
        self._recorder.guard("evaluation", self._evaluations.lose)

    def end(self, how: str) -> None:
        """Note how the training ended."""
        self._recorder.guard("record", self._recorder.note, "end", "", how)

    def hide(self, reason: str) -> None:
        """Note that something stands between us and the training."""
        self._recorder.guard("setup", self._on_hidden, reason)

    # --- one step

    def _begin_step(self) -> None:
        now = self._now
        now.light, now.deep = self._governor.next_step(now.step)
        now.light = now.light or self._gauge.is_in_burst
        self._is_looked_at = False
        if now.deep:
            with self._governor.timed(deep=True):
                self._tap.arm()

    def _on_loss(self, loss: Tensor) -> None:
        if reason := _unusable(loss):
            self._recorder.note_blind("loss", reason)
            return
        if not torch.is_grad_enabled():
            self._held_out.add(loss, self.model)
            return
        self._held_out.emit()
        self._end_evaluation()
        if not self._now.in_step and self._scaler.skipped(self._backwards):
            self._end_step()
        self._backwards += 1
        if not self._now.light:
            return
        start = clock()
        if self._now.deep:  # as the first step always is
            self._recorder.guard("setup", self._meet_latecomers)
        value = self._recorder.add_loss(loss.detach())
        if not math.isfinite(value) and not self._is_origin_noted:
            self._is_origin_noted = True
            origin = nonfinite_origin(loss, self._names)
            self._recorder.note("nonfinite", origin.site, origin.text)
            if origin.site in self._parameters:
                self._recorder.note("backward", *suspects_between(loss, self._names))
        kind: bool | None = self._now.deep
        if not self._is_looked_at and not self._now.in_step:
            self._is_looked_at = True
            if self._now.deep:
                self._look_at_loss(loss)
            elif self._gauge.is_in_burst:
                self._look_at_gauge(loss)
                kind = None
        self._governor.charge(clock() - start, deep=kind)

    def _end_evaluation(self) -> None:
        if len(self._handles) > 1:  # several parts that are trained in turn
            self._evaluations.lose()
        self._evaluations.emit()

    def _on_layer(self, run: Pass) -> None:
        self._forward.on_layer(run)
        self._samples.on_first(run.site, run.tensor)

    def _on_recurrent(self, kind: str, inputs: Tensor, *, batch_first: bool) -> None:
        self._samples.on_recurrent(kind, inputs, batch_first=batch_first)
        self._future.on_recurrent(inputs)

    def _on_read(self, read: Read) -> None:
        self._future.on_read(read)
        self._padding.on_read(read.data)
        self._places.on_read(read.data)

    def _on_output(self, module: nn.Module, args: Any, output: Any) -> None:
        self._forward.on_output(module, args, output)
        self._evaluations.on_training(module)
        inputs = tensors_in(args)
        self._samples.on_inputs(inputs)
        self._future.on_inputs(inputs)
        self._recorder.guard("padding", self._padding.look, inputs)
        self._recorder.guard("places", self._places.look, inputs)

    def _look_at_loss(self, loss: Tensor) -> None:
        model = self.model
        if model is not None:
            self._tap.wants_training = model.training
        if loss.grad_fn is None:
            self._recorder.note_blind("loss", "has no graph: nothing depends on it")
            if all(loss is not p for p in self._parameters.values()):
                self._recorder.note("detached", "", "the loss has no graph")
            return
        guard = self._recorder.guard
        outputs = self._forward.outputs
        self._head.inputs = self._forward.inputs
        guard("head", self._head.look, loss, outputs, self._names, self._unlisted)
        if model is not None and not self._samples.is_done:
            guard("samples", self._samples.look, outputs, model, self._tap.forward_s)
        if model is not None and not self._future.is_done:
            passed = loss, outputs, model, self._tap.forward_s
            guard("future", self._future.look, *passed)
        guard("death look", self._death.look)
        self._look_at_gauge(loss)
        # only now: the gauge's own backward must not set them off
        self._hygiene.attend(loss)
        if not self._is_origin_noted:
            guard("backward pass", self._poles.attend, loss, self._names)
            guard("sequence", self._sequence.attend, loss, self._names)

    def _look_at_gauge(self, loss: Tensor) -> None:
        shape, _ = self._forward.batch or ((), "")
        look = partial(
            self._gauge.look,
            forward_s=self._tap.forward_s,
            samples=shape[0] if shape else 0,
            accumulates=self._last_backwards > 1,
        )
        known = self._parameters, self._alive(), self.model
        self._recorder.guard("step gauge", look, loss, *known)

    def _before_step(self, optimizer: Optimizer) -> None:
        self._now.in_step = True
        if self._now.deep:
            with self._governor.timed(deep=True), torch.no_grad():
                self._stepping.before(self._owned(optimizer))

    def _after_step(self, optimizer: Optimizer) -> None:
        self._now.in_step = False
        leads = id(optimizer) == self._lead
        if not self._lead or (self._others > _LEAD_LOST and not leads):
            self._lead, leads = id(optimizer), True
        self._others = 0 if leads else self._others + 1
        if self._now.deep:
            with self._governor.timed(deep=True), torch.no_grad():
                self._reach.look()
                self._recorder.guard("rates", self._stepping.rates, self._alive())
                owned = self._owned(optimizer)
                self._stepping.after({**owned, **(self._unowned() if leads else {})})
        elif self._now.light:
            start = clock()
            self._reach.look()
            self._governor.charge(clock() - start, deep=False)
        if leads:
            self._end_step()
            if self._now.deep:
                self._hygiene.remember(list(self._owned(optimizer).values()))

    def _end_step(self) -> None:
        now = self._now
        if now.deep:
            with self._governor.timed(deep=True), torch.no_grad():
                self._sampled += 1
                self._recorder.add(STEP_LOSSES, "", float(self._backwards))
                self._reach.emit()
                if self._sampled == _SETTLED:
                    self._recorder.guard("loaders", self._find_loader)
                if self._sampled == 2 * _SAME:  # the data may be gone at the end
                    self._recorder.guard("loaders", self._note_more_data)
                self._recorder.guard("death look", self._measure_deaths)
                self._reach.follow(self._forward.layers.values(), self._head.site)
                self._describe_layers()
                self._recorder.guard("backward pass", self._poles.emit)
                self._recorder.guard("sequence", self._sequence.emit)
                self._recorder.end_step()
                self._forward.outputs.clear()
                self._samples.forget()
                self._future.forget()
                self._padding.forget()
                self._places.forget()
                self._stepping.forget()
                self._death.forget()
                self._tap.disarm()
        elif now.light:
            start = clock()
            self._recorder.end_step()
            self._governor.charge(clock() - start, deep=False)
        self._last_backwards, self._backwards = self._backwards, 0
        now.step += 1
        if self._aid is not None and now.deep:
            # between two steps: nothing is armed, and no graph is looked at
            lead = self._optimizers.get(self._lead)
            optimizer = lead() if lead is not None else None
            if optimizer is not None:
                self._recorder.guard("first aid", self._aid.look, now.step, optimizer)
        self._begin_step()

    def _finish(self) -> None:
        now = self._now
        if now.step:
            now.step, now.deep = now.step - 1, True
            self._recorder.guard("census", self._count_units)
            self._recorder.guard("evaluation", self._held_out.emit)
            self._recorder.guard("evaluation", self._end_evaluation)
            with torch.no_grad():
                self._reach.emit()
                self._recorder.guard("death look", partial(self._measure_deaths, True))
            self._recorder.end_step()
            now.step += 1
        self._recorder.flush()
        if not self._is_more_known:
            self._recorder.guard("loaders", self._note_more_data)
        self._recorder.guard("weights", self._note_broken_weights)
        if now.step == 0:
            reason = "took no optimizer step while it was watched"
            self._recorder.note_blind("training", reason)
            stood_still = _fingerprint(self._parameters) == self._began_at
            if self._backwards and self._was_hooked and stood_still:
                self._recorder.add(STEP_LOSSES, "", float(self._backwards))
                text = f"{self._backwards} losses were seen, and no optimizer step"
                self._recorder.note("no-step", "", text)
                now.deep = True
                self._recorder.end_step()
                self._recorder.flush()
        elif not self._was_hooked and _fingerprint(self._parameters) != self._began_at:
            text = "the weights change without a torch optimizer"
            self._recorder.note("by-hand", "", text)
        if now.step and not self._recorder.saw_loss:
            reason = "was never handed over: call run.loss(loss)"
            self._recorder.note_blind("loss", reason)
        self._recorder.note("cost", "", self._governor.report())
        self.trace.close()

    def _measure_deaths(self, is_last: bool = False) -> None:
        """Whether units that are silent now could wake, as far as it is worth it."""
        step = self._now.step
        if is_last or self._death.is_due(step):
            silent = self._reach.silent(self._forward.layers.values())
            self._death.measure(silent, step, is_last=is_last)

    def _find_loader(self) -> None:
        """How many batches an epoch has, so that a step can be told as one of them."""
        shape, _ = self._forward.batch or ((), "")
        size = shape[0] if shape else 0
        if size and (count := batches_an_epoch(size)):
            self._recorder.add(DATA_BATCHES, "", float(count))
        if self._census is True:  # they may be gone when the training has ended
            self._census = largest_loader(size) or True
            self._census_model = self.model

    def _count_units(self) -> None:
        """Go over all of the data once more, if that was asked for."""
        if self._census is False:
            return
        model = self.model
        if model is None or self._census is True:
            what = "the model was gone" if model is None else "there was no DataLoader"
            self._recorder.note_blind("census", f"was not taken: {what}")
            return
        count_units(model, self._census, self._recorder.add)
        self._census, self._census_model = False, None

    def _note_more_data(self) -> None:
        """Where the same batch came again and again: is there more?"""
        marks = self.trace.series(BATCH_MARK).values[-_SAME:]
        shape, _ = self._forward.batch or ((), "")
        is_same = len(marks) == _SAME and bool((marks == marks[0]).all())
        first = self._forward.first
        if is_same and shape and (reason := more_data(shape[0], first)):
            self._recorder.note("data", "", reason)
            self._is_more_known = True

    def _note_broken_weights(self) -> None:
        """Where the last step broke the weights, and no loss was seen after it."""
        if self._is_origin_noted or not self._now.step:
            return
        broken = [
            name
            for name, p in self._parameters.items()
            if p.is_floating_point() and not bool(p.detach().isfinite().all())
        ]
        for name in broken[-1:]:
            rest = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
            self._recorder.note("nonfinite", name, f"held nan or inf at the end{rest}")

    # --- what is trained, and by whom

    def _hook(self, optimizer: Optimizer) -> None:
        me = weakref.ref(self)

        def before(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            if (watch := me()) is not None:
                watch._recorder.guard("step", watch._before_step, optimizer)

        def after(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            if (watch := me()) is not None:
                watch._recorder.guard("step", watch._after_step, optimizer)

        self._optimizers[id(optimizer)] = weakref.ref(optimizer)
        weakref.finalize(optimizer, _gone, me, id(optimizer))
        self._handles[id(optimizer)] = [
            optimizer.register_step_pre_hook(before),
            optimizer.register_step_post_hook(after),
        ]

    def _alive(self) -> list[Optimizer]:
        return [o for ref in self._optimizers.values() if (o := ref()) is not None]

    def _owned(self, optimizer: Optimizer) -> dict[str, Tensor]:
        """The model's parameters that an optimizer owns, by name."""
        held = (p for group in optimizer.param_groups for p in group["params"])
        return {self._names[id(p)]: p for p in held if id(p) in self._names}

    def _unowned(self) -> dict[str, Tensor]:
        """Parameters that should train but that no optimizer owns, by name."""
        owned = {n for o in self._alive() for n in self._owned(o)}
        free = self._parameters.items()
        return {n: p for n, p in free if n not in owned and p.requires_grad}

    def _meet_latecomers(self) -> None:
        """Take in what came into the model after its optimizer had been made."""
        model = self.model
        now = named(model) if model is not None else self._parameters
        if {id(p) for p in now.values()} == {id(p) for p in self._parameters.values()}:
            return
        self._parameters.clear()  # others hold it, too
        self._parameters.update(now)
        self._names.clear()
        self._names.update({id(p): n for n, p in now.items()})
        self._describe_groups()

    def _unlisted(self) -> dict[str, Tensor]:
        """What the model keeps where neither it nor an optimizer knows of it."""
        model = self.model
        if model is None:
            return {}
        groups = [g for o in self._alive() for g in o.param_groups]
        held = {id(p) for g in groups for p in g["params"]}
        return {n: p for n, p in unlisted(model).items() if id(p) not in held}

    def _describe_groups(self) -> None:
        now = describe(self.model, self._parameters, self._alive(), name=self.name)
        before = {(p.name, p.shape): p.std for p in self._setup.parameters}
        self._setup = msgspec.structs.replace(
            self._setup,
            groups=now.groups,
            parameters=tuple(  # with the scale at which they began
                msgspec.structs.replace(p, std=before.get((p.name, p.shape), p.std))
                for p in now.parameters
            ),
            modules=now.modules,
        )
        self.trace.describe(self.step, self._setup)

    def _describe_layers(self) -> None:
        """What one more sampled step has shown of the training."""
        shape, dtype = self._forward.batch or ((), "")
        setup = msgspec.structs.replace(
            self._setup,
            layers=tuple(
                msgspec.structs.replace(
                    layer,
                    is_head=layer.site == self._head.site,
                    fed_by=self._death.sources(layer.site),
                )
                for layer in self._forward.layers.values()
            ),
            loss=self._head.loss,
            unreached=self._head.unreached,
            unlisted=self._head.unlisted,
            strangers=self._head.strangers,
            operations=self._head.operations,
            batch=shape,
            batch_size=shape[0] if shape else 0,
            dtype=dtype,
        )
        if setup != self._setup:
            self._setup = setup
            self.trace.describe(self.step, setup)

    def _on_hidden(self, reason: str) -> None:
        if reason in ("torch.compile", "torch.jit"):
            # looking would make it compile again, and a compiled graph has no second
            # derivative
            self._tap.block()
            self._recorder.note_blind("step gauge", f"cannot look into {reason}")
        if reason not in self._setup.hidden:
            hidden = (*self._setup.hidden, reason)
            self._setup = msgspec.structs.replace(self._setup, hidden=hidden)
            self.trace.describe(self.step, self._setup)


def _fingerprint(parameters: Mapping[str, Tensor]) -> tuple[float, ...]:
    """A few entries, by which to tell later whether anything has moved."""
    few = list(parameters.values())[:4]
    return tuple(
        x
        for p in few
        if p.layout == torch.strided and not isinstance(p, UninitializedParameter)
        for x in p.detach().reshape(-1)[:4].tolist()
    )


def _unusable(loss: object) -> str:
    """Why something cannot be the loss of a step, or `""`."""
    if not isinstance(loss, Tensor):
        return f"is {type(loss).__name__}, where a tensor was expected"
    if loss.numel() != 1:
        return f"has shape {tuple(loss.shape)}, where a scalar was expected"
    return ""


def _gone(watch: "weakref.ref[Watch]", optimizer: int) -> None:
    """An optimizer was garbage-collected: with the last one the training is over."""
    me = watch()
    if me is None or optimizer not in me._handles:
        return
    del me._handles[optimizer], me._optimizers[optimizer]
    if not me._handles:
        me.detach()
        me._parameters.clear()  # they may be all that keeps a large model in memory
