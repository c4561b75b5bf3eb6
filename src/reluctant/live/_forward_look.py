"""What a sampled forward pass shows: layers, activations, and the signal back."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from reluctant.live._death_look import DeathLook
from reluctant.live._governor import clock
from reluctant.live._loaders import FirstBatch, first_batch
from reluctant.live._modes import with_modes
from reluctant.live._recorder import Recorder
from reluctant.live._tap import Pass
from reluctant.probes import (
    ActivationProbe,
    InputPass,
    InputProbe,
    LayerPass,
    LayerProbe,
    Probe,
    rms,
)
from reluctant.probes.image_echoes import image_echoes, is_image
from reluctant.records import Layer
from reluctant.records.quantities import (
    BATCH_SAMPLES,
    IMAGE_ECHOES,
    MODEL_TRAINING,
    SIGNAL_GRAD_RMS,
    SIGNAL_GRAD_SUBNORMAL,
)

_SMALLEST_NORMAL = 2.0**-14  # of float16; what is below loses digits, then all
_IMAGE_LOOKS = 6  # batches of images that are looked at
_MOST_OUTPUTS = 8  # tensors of the model's output that are kept until the loss is seen


class ForwardLook:
    """Listens to a `ForwardTap`.

    Attributes:
        layers: Every layer that was seen to run, by site, in forward order.
        outputs: What the model put out in this step, until the step ends.
        batch: Shape and type of the first input of the first pass that was seen.
        first: A few of its samples.

    Args:
        recorder: Where readings go.
        probes: Of these, the ones that read layers and activations.
        parameters: By name.
        death: Is told of layers and activations too.
    """

    def __init__(
        self,
        recorder: Recorder,
        probes: Sequence[Probe],
        parameters: dict[str, Tensor],
        death: DeathLook,
    ) -> None:
        self.layers: dict[str, Layer] = {}
        self.outputs: list[Tensor] = []
        self.inputs: Tensor | None = None  # of this step, until it ends
        self.batch: tuple[tuple[int, ...], str] | None = None
        self.first: FirstBatch | None = None
        self._recorder, self._parameters, self._death = recorder, parameters, death
        self._images = 0
        self._layer_probes = [p for p in probes if isinstance(p, LayerProbe)]
        self._input_probes = [p for p in probes if isinstance(p, InputProbe)]
        self._activation_probes = [p for p in probes if isinstance(p, ActivationProbe)]

    @property
    def _is_looking(self) -> bool:
        return self._recorder.now.deep and not self._recorder.now.in_gauge

    def on_layer(self, run: Pass) -> None:
        """One layer has run."""
        if not self._is_looking:
            return
        start = clock()
        owner, z = run.owner, run.tensor
        if run.site not in self.layers:
            self.layers[run.site] = Layer(
                site=run.site,
                operation=owner.operation,
                units=z.shape[run.unit_axis] if z.ndim else 0,
                weight=_pick(owner.parameters, self._parameters, bias=False),
                bias=_pick(owner.parameters, self._parameters, bias=True),
            )
        seen = LayerPass(run.site, z.detach(), run.unit_axis)
        for probe in self._layer_probes:
            self._recorder.measure(probe, seen)
        self._recorder.guard("death look", self._death.on_layer, run)
        if run.source is not None and owner.operation in ("conv2d", "batch_norm"):
            self._recorder.guard("images", self._look_at_images, run.source)
        if z.requires_grad:
            z.register_hook(partial(self._on_signal, run.site))
        self._recorder.governor.charge(clock() - start, deep=True)

    def on_activation(self, run: Pass) -> None:
        """One activation is about to run."""
        if not self._is_looking:
            return
        start = clock()
        layer = self.layers.get(run.site)
        if layer is not None and not layer.activation:
            self.layers[run.site] = msgspec.structs.replace(
                layer,
                activation=run.activation,
                slope=run.slope,
                bias=layer.bias
                or _pick(run.owner.parameters, self._parameters, bias=True),
            )
        seen = LayerPass(
            run.site, run.tensor.detach(), run.unit_axis, run.activation, run.slope
        )
        for probe in self._activation_probes:
            self._recorder.measure(probe, seen)
        self._recorder.guard("death look", self._death.on_activation, run)
        self._recorder.governor.charge(clock() - start, deep=True)

    def on_output(self, module: nn.Module, args: Any, output: Any) -> None:
        """The model has returned."""
        if not self._recorder.now.deep:
            return
        self.outputs += [t for t in tensors_in(output) if t.grad_fn is not None]
        modes = [m.training for m in with_modes(module)]
        if modes:
            share = sum(modes) / len(modes)
            self._recorder.add(MODEL_TRAINING, "", share)
        del self.outputs[:-_MOST_OUTPUTS]
        batch = next(iter(tensors_in(args)), None)
        if batch is None or batch.ndim == 0:
            return
        self.inputs = batch.detach()
        self._recorder.add(BATCH_SAMPLES, "", float(batch.shape[0]))
        for probe in self._input_probes:
            self._recorder.measure(probe, InputPass(batch.detach()))
        if self.batch is None:
            self._recorder.guard("loaders", self._keep_first, batch)
            dtype = str(batch.dtype).removeprefix("torch.")
            self.batch = tuple(batch.shape), dtype

    def _look_at_images(self, source: Tensor) -> None:
        if self._images < _IMAGE_LOOKS and is_image(source):
            self._images += 1
            with torch.no_grad():
                self._recorder.add(IMAGE_ECHOES, "", image_echoes(source.detach()))

    def _keep_first(self, batch: Tensor) -> None:
        self.first = first_batch(batch)

    def _on_signal(self, site: str, gradient: Tensor) -> None:
        """Tensor hook: must return None, or it would replace the gradient."""
        if self._is_looking:
            start = clock()
            self._recorder.guard(
                "signal gradient", self._measure_signal, site, gradient
            )
            self._recorder.governor.charge(clock() - start, deep=True)

    def _measure_signal(self, site: str, gradient: Tensor) -> None:
        with torch.no_grad():
            self._recorder.add(SIGNAL_GRAD_RMS, site, rms(gradient))
            if gradient.dtype == torch.float16:
                self._recorder.add(SIGNAL_GRAD_SUBNORMAL, site, _subnormal(gradient))


def _subnormal(gradient: Tensor) -> Tensor:
    """Share of the non-zero entries that float16 holds with less than its digits."""
    size = gradient.abs()
    live = (size > 0).sum()
    normal = (size >= _SMALLEST_NORMAL).sum()
    return 1 - normal / live.clamp(min=1) + 0 * size.amax()  # nan where it is none


def tensors_in(value: Any, depth: int = 4) -> list[Tensor]:
    """Every tensor in nested tuples, lists and mappings, first ones first."""
    if isinstance(value, Tensor):
        return [value]
    if depth == 0:
        return []
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return [t for v in value[:64] for t in tensors_in(v, depth - 1)]
    return []


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
