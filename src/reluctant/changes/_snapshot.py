"""All that a change may touch, kept, and put back byte for byte."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from reluctant.changes._patient import Patient

_Restore = Callable[[], Any]


class Snapshot:
    """Model, optimizer and loss as they are.

    Objects stay the ones that they were: what is put back is put back into them.
    """

    def __init__(self, patient: Patient) -> None:
        self._patient = patient
        self._parts = patient.model, patient.loss_fn, patient.optimizer
        self._restores: list[_Restore] = []
        self._seen: set[int] = set()
        loss_modules = (
            patient.loss_fn.modules() if isinstance(patient.loss_fn, nn.Module) else ()
        )
        for module in (*patient.model.modules(), *loss_modules):
            self._keep_module(module)
        self._keep_optimizer()

    @torch.no_grad()
    def restore(self) -> None:
        """Put everything back."""
        patient = self._patient
        patient.model, loss_fn, patient.optimizer = self._parts
        vars(patient)["loss_fn"] = loss_fn
        for restore in self._restores:
            restore()

    def _keep_module(self, module: nn.Module) -> None:
        own = vars(module)
        for value in list(own.values()):
            if isinstance(value, dict):
                self._restores.append(_kept_dict(value))
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            if tensor is not None:
                self._keep_tensor(tensor)
        # last: what was put on the module itself, such as a forward of its own
        self._restores.append(_kept_dict(own))

    def _keep_tensor(self, tensor: Tensor) -> None:
        if id(tensor) in self._seen:
            return
        self._seen.add(id(tensor))
        bits, gradient = tensor.detach().clone(), tensor.grad
        gradient_bits = None if gradient is None else gradient.detach().clone()
        requires = tensor.requires_grad

        def restore() -> None:
            tensor.data.copy_(bits)
            if tensor.is_leaf:
                tensor.requires_grad_(requires)
                tensor.grad = gradient
            if gradient is not None and gradient_bits is not None:
                gradient.detach().copy_(gradient_bits)

        self._restores.append(restore)

    def _keep_optimizer(self) -> None:
        optimizer = self._patient.optimizer
        kind, own = type(optimizer), vars(optimizer)
        for tensor in (p for g in optimizer.param_groups for p in g["params"]):
            self._keep_tensor(tensor)
        contents = [
            self._kept(value)
            for value in own.values()
            if isinstance(value, dict | list | Tensor)
        ]
        kept = _kept_dict(own)

        def restore() -> None:
            optimizer.__class__ = kind  # an optimizer is swapped in place
            kept()
            for content in contents:
                content()

        self._restores.append(restore)

    def _kept(self, value: Any) -> _Restore:
        """How to put back what a container holds, down to the bits of its tensors."""
        if isinstance(value, Tensor):
            bits = value.detach().clone()
            if any(id(value) == id(p) for p in self._patient.model.parameters()):
                return lambda: None  # put back with the model
            return lambda: value.detach().copy_(bits)
        if isinstance(value, dict):
            inner = [self._kept(v) for v in value.values() if _holds(v)]
            outer = _kept_dict(value)
            return lambda: (outer(), [restore() for restore in inner])
        if isinstance(value, list):
            items, inner = list(value), [self._kept(v) for v in value if _holds(v)]

            def restore() -> None:
                value[:] = items
                for one in inner:
                    one()

            return restore
        return lambda: None


def _holds(value: Any) -> bool:
    return isinstance(value, dict | list | Tensor)


def _kept_dict(value: dict[Any, Any]) -> _Restore:
    items = dict(value)

    def restore() -> None:
        value.clear()
        value.update(items)

    return restore
