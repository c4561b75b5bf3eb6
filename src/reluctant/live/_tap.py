"""Read a forward pass as it runs: every layer and activation, module or function.

On a sampled step a `TorchFunctionMode` stands around the outermost call of the watched
model. It sees `nn.ReLU`, `F.relu`, `torch.relu`, `x.relu()` and `clamp` alike, passes
every call on untouched, and reads the result. Nothing is registered on the user's
modules: what is pickled, copied or saved during training stays what it would have been.
"""

import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from reluctant.live._governor import clock
from reluctant.live._graph import Owner, owner_of

MOST_REPEATS = 4  # passes of one shared layer that are told apart within a step

_LAYERS = {
    F.linear: "linear", torch.addmm: "linear", torch.matmul: "linear",
    torch.mm: "linear", Tensor.matmul: "linear", Tensor.mm: "linear",
    Tensor.__matmul__: "linear", Tensor.__rmatmul__: "linear",
    F.bilinear: "bilinear", F.conv1d: "conv1d", F.conv2d: "conv2d",
    F.conv3d: "conv3d", F.conv_transpose1d: "conv_transpose1d",
    F.conv_transpose2d: "conv_transpose2d", F.conv_transpose3d: "conv_transpose3d",
    F.batch_norm: "batch_norm", F.layer_norm: "layer_norm", F.group_norm: "group_norm",
    F.instance_norm: "instance_norm", F.rms_norm: "rms_norm",
}  # fmt: skip
_ACTIVATIONS = {
    F.relu: "relu", torch.relu: "relu", Tensor.relu: "relu", torch.relu_: "relu",
    Tensor.relu_: "relu", F.relu6: "relu6", F.leaky_relu: "leaky_relu",
    F.prelu: "prelu", torch.prelu: "prelu", F.rrelu: "leaky_relu", F.elu: "elu",
    F.selu: "elu", F.celu: "elu", F.gelu: "gelu", F.silu: "silu", F.mish: "mish",
    F.softplus: "softplus", F.sigmoid: "sigmoid", torch.sigmoid: "sigmoid",
    Tensor.sigmoid: "sigmoid", Tensor.sigmoid_: "sigmoid", F.tanh: "tanh",
    torch.tanh: "tanh", Tensor.tanh: "tanh", Tensor.tanh_: "tanh",
    F.hardtanh: "hardtanh", F.hardsigmoid: "hardsigmoid", F.hardswish: "hardswish",
    F.threshold: "threshold", torch.clamp: "clamp", Tensor.clamp: "clamp",
    Tensor.clamp_: "clamp", torch.clamp_min: "clamp", Tensor.clamp_min: "clamp",
    Tensor.clip: "clamp", torch.clip: "clamp", torch.maximum: "clamp",
    F.logsigmoid: "log-sigmoid",
}  # fmt: skip
_RECURRENT = {
    torch.lstm: "LSTM", torch.gru: "GRU", torch.rnn_tanh: "RNN", torch.rnn_relu: "RNN",
}  # fmt: skip
_READERS = {*_LAYERS, *_RECURRENT, F.embedding}
_DROPOUTS = (F.dropout, F.dropout1d, F.dropout2d, F.dropout3d)
_CHANNELS = ("conv", "batch_norm", "group_norm", "instance_norm")
_DEFAULT_SLOPE = 0.01


class Pass(NamedTuple):
    """One layer or activation as it ran.

    Attributes:
        owner: The layer; an activation belongs to the layer that it follows.
        site: The owner's site, with `#2` and so on for repeated passes.
        tensor: The layer's output, or what the activation received; not detached.
        unit_axis: Never negative.
        activation: `""` for a layer.
        slope: Negative slope of a leaky activation.
        source: What a layer read, if no layer put it out: data.
    """

    owner: Owner
    site: str
    tensor: Tensor
    unit_axis: int
    activation: str = ""
    slope: float = 0.0
    source: Tensor | None = None


class Read(NamedTuple):
    """A layer or an embedding that read what no layer put out: data.

    Attributes:
        site: The layer's; `""` where it has no parameter on the graph.
        data: Numbers, or the tokens that an embedding looks up.
        output: With its graph.
        again: Runs the layer on other data; None for an embedding.
    """

    site: str
    data: Tensor
    output: Tensor
    again: Callable[[Tensor], Any] | None = None


class ForwardTap:
    """Armed for one step at a time; calls back for what runs within the model.

    Args:
        modules: The modules that count as the model.
        names: Parameter names by `id`.
        on_layer: Called with each layer's output.
        on_embedding: Called with what an embedding puts out.
        on_recurrent: Called with the kind of a recurrent layer, its inputs, and
            whether their first axis is the batch.
        on_read: Called with each layer that reads data, an embedding or not.
        on_activation: Called with each activation's input.
        on_output: Called with each outermost call's inputs and output.
        on_compiled: Called once if the model turns out to be compiled: then there is
            nothing to see, and looking would make it compile again.
        on_error: Called once if a look fails; no further look is taken.
        on_dropout: Called with what a dropout puts out, and the share it drops.
        on_padding_mask: Called with the key padding mask of an attention.
        on_attention: Called with what an attention reads, time first, and whether a
            mask tells it of places.
    """

    def __init__(
        self,
        modules: list[nn.Module],
        names: dict[int, str],
        *,
        on_layer: Callable[[Pass], None],
        on_activation: Callable[[Pass], None],
        on_output: Callable[[nn.Module, Any, Any], None],
        on_compiled: Callable[[str], None],
        on_error: Callable[[Exception], None],
        on_embedding: Callable[[Tensor], None] = lambda output: None,
        on_recurrent: Callable[..., None] = lambda kind, inputs, batch_first: None,
        on_dropout: Callable[[Tensor, float], None] = lambda output, share: None,
        on_read: Callable[[Read], None] | None = None,
        on_padding_mask: Callable[[Tensor], None] = lambda mask: None,
        on_attention: Callable[..., None] = lambda query, key, is_masked: None,
    ) -> None:
        self._modules = {id(m) for m in modules}
        self._roots = [weakref.ref(m) for m in modules[:1]]
        self.names = names
        self.on_layer, self.on_activation = on_layer, on_activation
        self.on_embedding, self.on_recurrent = on_embedding, on_recurrent
        self._on_output, self._on_compiled = on_output, on_compiled
        self._on_error, self.on_dropout = on_error, on_dropout
        self.on_read, self.on_padding_mask = on_read, on_padding_mask
        self.on_attention = on_attention
        self.forward_s = self._began = 0.0
        self.failed = False
        self._handles: list[RemovableHandle] = []
        self._depth = 0
        self._thread = 0
        self._done: set[int] = set()
        self._mode: _Mode | None = None
        self.wants_training: bool | None = None

    @property
    def armed(self) -> bool:
        """Whether the next forward pass is read."""
        return bool(self._handles)

    def arm(self) -> None:
        """Read the next forward pass. Does nothing for a compiled model."""
        if self._handles or self.failed:
            return
        self._done.clear()
        alive = [m for ref in self._roots if (m := ref()) is not None]
        if reason := compiled(alive):
            self._on_compiled(reason)
            return
        self._handles = [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, always_call=True),
        ]

    def disarm(self) -> None:
        """Take every hook away."""
        if self._depth:  # a pass is under way: `_leave` must still close the mode
            return
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def block(self) -> None:
        """Take no further look, for a reason that was already given."""
        self.failed = True
        self.disarm()

    def fail(self, error: Exception) -> None:
        """Take no further look, and say why, once."""
        if not self.failed:
            self.failed = True
            self._on_error(error)

    # A hook must return None: anything else would replace the user's inputs.
    def _enter(self, module: nn.Module, args: Any) -> None:
        me = threading.get_ident()
        if self._depth:
            if me == self._thread:
                self._depth += 1
            return
        if id(module) not in self._modules or not torch.is_grad_enabled():
            return
        if self.wants_training is not None and module.training != self.wants_training:
            return
        if id(module) in self._done:
            # a second pass in one step: its parts are no calls of their own either
            self._thread, self._depth = me, 1
            return
        if reason := compiled([module]):
            self._on_compiled(reason)
            return
        self._done.add(id(module))
        self._thread, self._depth = me, 1
        self._began = clock()
        self._mode = _Mode(self)
        self._mode.__enter__()  # type: ignore[no-untyped-call]

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        if not self._depth or threading.get_ident() != self._thread:
            return
        self._depth -= 1
        if self._depth == 0 and self._mode is not None:
            mode, self._mode = self._mode, None
            self.forward_s = clock() - self._began
            mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            if output is not None:
                self._on_output(module, args, output)


class _Mode(TorchFunctionMode):
    """Passes every torch function on, and looks at what layers and activations see."""

    def __init__(self, tap: ForwardTap) -> None:
        super().__init__()
        self._tap = tap
        self._counts: dict[tuple[str, bool], int] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        activation = _ACTIVATIONS.get(func)
        if activation:
            self._guarded(self._before_activation, activation, args, kwargs)
        output = func(*args, **kwargs)
        if func in _LAYERS:
            self._guarded(self._after_layer, func, output, args, kwargs)
        elif func is F.embedding and isinstance(output, Tensor):
            self._guarded(self._tap.on_embedding, output)
        elif func in _RECURRENT and _is_unpacked(args):
            ran = partial(self._tap.on_recurrent, batch_first=args[-1])
            self._guarded(ran, _RECURRENT[func], args[0])
        elif func in _DROPOUTS:
            self._guarded(self._after_dropout, output, args, kwargs)
        elif func is F.multi_head_attention_forward:
            mask = kwargs.get("key_padding_mask")
            if isinstance(mask, Tensor):
                self._guarded(self._tap.on_padding_mask, mask)
            is_masked = kwargs.get("attn_mask") is not None
            if len(args) > 1:
                attention = partial(self._tap.on_attention, is_masked=is_masked)
                self._guarded(attention, args[0], args[1])
        if self._tap.on_read is not None and func in _READERS:
            self._guarded(self._after_read, func, output, args, kwargs)
        return output

    def _guarded(self, look: Callable[..., None], *what: Any) -> None:
        if self._tap.failed:
            return
        try:
            look(*what)
        except Exception as error:  # the user's forward pass goes on, unlooked at
            self._tap.fail(error)

    def _after_dropout(self, output: Any, args: Any, kwargs: Any) -> None:
        share = args[1] if len(args) > 1 else kwargs.get("p", 0.5)
        is_on = args[2] if len(args) > 2 else kwargs.get("training", True)
        if is_on and isinstance(output, Tensor):
            self._tap.on_dropout(output, float(share))

    def _after_read(self, func: Any, output: Any, args: Any, kwargs: Any) -> None:
        place = 1 if func is torch.addmm else 0
        x = args[place] if len(args) > place else kwargs.get("input")
        first = output[0] if isinstance(output, tuple) else output
        is_data = isinstance(x, Tensor) and x.grad_fn is None and not x.requires_grad
        if not is_data or not isinstance(first, Tensor) or first.grad_fn is None:
            return
        owner = owner_of(first.grad_fn, self._tap.names)
        again = None
        if func is not F.embedding and len(args) > place:

            def again(other: Tensor) -> Any:
                return func(*args[:place], other, *args[place + 1 :], **kwargs)

        read = Read(owner.site if owner else "", x, first, again)
        if self._tap.on_read is not None:
            self._tap.on_read(read)

    def _after_layer(self, func: Any, output: Any, args: Any, kwargs: Any) -> None:
        operation = _LAYERS[func]
        if not isinstance(output, Tensor) or output.grad_fn is None:
            return
        owner = owner_of(output.grad_fn, self._tap.names)
        if owner is None:
            return
        site = self._site(owner.site, is_layer=True)
        if site:
            owner = owner._replace(operation=operation)
            axis = 1 if operation.startswith(_CHANNELS) else -1
            axis = axis % output.ndim if output.ndim else 0
            place = 1 if func is torch.addmm else 0
            x = args[place] if len(args) > place else kwargs.get("input")
            is_data = isinstance(x, Tensor) and x.grad_fn is None
            source = x if is_data and not x.requires_grad else None
            self._tap.on_layer(Pass(owner, site, output, axis, source=source))

    def _before_activation(self, kind: str, args: Any, kwargs: Any) -> None:
        x = args[0] if args else kwargs.get("input")
        if not isinstance(x, Tensor) or x.grad_fn is None or x.ndim == 0:
            return
        if kind == "clamp" and not _is_rectifier(args, kwargs):
            return
        owner = owner_of(x.grad_fn, self._tap.names)
        if owner is None:
            return
        site = self._site(owner.site, is_layer=False)
        if site:
            axis = owner.unit_axis if x.ndim > 1 else -1
            slope = 0.0
            if kind == "leaky_relu":
                given = args[1] if len(args) > 1 else kwargs.get("negative_slope")
                slope = float(given) if isinstance(given, float) else _DEFAULT_SLOPE
            self._tap.on_activation(Pass(owner, site, x, axis % x.ndim, kind, slope))

    def _site(self, site: str, *, is_layer: bool) -> str:
        """The site, numbered where a layer runs more than once; `""` for too many."""
        count = self._counts[site, is_layer] = self._counts.get((site, is_layer), 0) + 1
        if count > MOST_REPEATS:
            return ""
        return site if count == 1 else f"{site}#{count}"


def _is_unpacked(args: Any) -> bool:
    """Whether a recurrent layer got one padded tensor, not a packed sequence."""
    return len(args) == 9 and isinstance(args[-1], bool)


def _is_rectifier(args: Any, kwargs: Any) -> bool:
    """Whether a clamp or maximum cuts at 0 from below."""
    low = args[1] if len(args) > 1 else kwargs.get("min", kwargs.get("other"))
    if isinstance(low, Tensor):
        return low.numel() == 1 and not low.requires_grad and bool(low == 0)
    return isinstance(low, int | float) and low == 0


def compiled(modules: list[nn.Module]) -> str:
    """Why a forward pass cannot be read, or `""`."""
    for root in modules:
        if isinstance(root, torch.jit.ScriptModule):
            return "torch.jit"
        for module in root.modules():
            if (
                type(module).__name__ == "OptimizedModule"
                or getattr(module, "_compiled_call_impl", None) is not None
            ):
                return "torch.compile"
    return ""
