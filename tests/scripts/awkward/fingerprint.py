"""Imported by the scripts beside it, as scripts import their neighbors."""

import zlib

import torch


def fingerprint(*things):
    """A number that changes with any bit of the weights, buffers, moments, or of the
    random state."""
    check = zlib.crc32(torch.get_rng_state().numpy().tobytes())
    for thing in things:
        for tensor in _tensors(
            thing.state_dict() if hasattr(thing, "state_dict") else thing
        ):
            data = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
            check = zlib.crc32(data.numpy().tobytes(), check)
    return f"{check:08x}"


def _tensors(thing):
    if isinstance(thing, torch.Tensor):
        yield thing
    elif isinstance(thing, dict):
        for value in thing.values():
            yield from _tensors(value)
    elif isinstance(thing, list | tuple):
        for value in thing:
            yield from _tensors(value)


def data(samples=160, features=8, classes=3):
    """A small problem that can be learned; drawn from a generator of its own."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(samples, features, generator=generator)
    y = (x @ torch.randn(features, classes, generator=generator)).argmax(1)
    return x, y
