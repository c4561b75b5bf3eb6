"""How kernels are compiled, and the few machine instructions that they need."""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

__all__ = ["compiled", "emitted", "exp", "inlined", "set_flush_to_zero", "tanh"]

_Function = TypeVar("_Function", bound=Callable[..., Any])

# nnan and ninf stay out: a diverged network must still be seen to diverge.
_FASTMATH = {"reassoc", "contract", "nsz", "arcp"}

# numba's types describe neither functions that emit code nor those called from kernels.
emitted: Callable[[Callable[..., Any]], Any] = intrinsic
_untyped_njit: Any = njit
_in_kernels: Callable[[Callable[..., Any]], Any] = njit

_IS_X86 = platform.machine().lower() in {"x86_64", "amd64"}
_FLUSH_BITS = 0x8040  # flush-to-zero and denormals-are-zero


def inlined(function: _Function) -> _Function:
    """Compile `function` into its callers: for those that take many arrays.

    Handing over thirty arrays costs a hundred instructions a call.
    """
    return compiled(function, inline="always")


def compiled(function: _Function, *, inline: str = "never") -> _Function:
    """Compile `function` at first call, without the lock, cached between processes."""
    dispatcher: Any = _untyped_njit(
        cache=True,
        inline=inline,
        nogil=True,
        fastmath=_FASTMATH,
        error_model="numpy",
        boundscheck=False,
        # Kernels allocate nothing, and counting references to the arrays that they
        # hand on costs up to ten times what they do with them.
        _nrt=False,
    )(function)
    # The cache goes by the age of one file only, but a kernel has the code of others
    # in it: machine code from before an edit must not come back.
    cache_file = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if cache_file is not None:
        cache_file._source_stamp = (cache_file._source_stamp, _digest())
    return cast(_Function, dispatcher)


def _digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("_*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@emitted
def _swap_control(typingctx, value):  # type: ignore[no-untyped-def]
    """Write the vector unit's control word, and return what it was."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        word, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer])
        module = builder.module
        place = builder.alloca(word)
        address = builder.bitcast(place, pointer)
        builder.call(
            module.declare_intrinsic("llvm.x86.sse.stmxcsr", (), kind), [address]
        )
        old = builder.load(place)
        builder.store(args[0], place)
        builder.call(
            module.declare_intrinsic("llvm.x86.sse.ldmxcsr", (), kind), [address]
        )
        return old

    return types.uint32(types.uint32), codegen


if _IS_X86:

    @_in_kernels
    def set_flush_to_zero(on: bool, old: int) -> Any:
        """Flush denormals to zero in this thread, or put `old` back.

        The moments of a dying unit decay into denormals, which cost ten times as much.
        """
        before = _swap_control(np.uint32(old))
        if on:
            _swap_control(np.uint32(before | _FLUSH_BITS))
        return before

else:

    @_in_kernels
    def set_flush_to_zero(on: bool, old: int) -> Any:
        """Do nothing: this machine's control word is left as it is."""
        return np.uint32(old)


@emitted
def _power_of_two(typingctx, exponent):  # type: ignore[no-untyped-def]
    """Two to a whole number from -126 to 127, in float32."""

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        word = ir.IntType(32)
        biased = builder.add(args[0], ir.Constant(word, 127))
        bits = builder.shl(biased, ir.Constant(word, 23))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(types.int32), codegen


def exp(x: float) -> float:
    """Return e to the x, in the precision of x."""
    return math.exp(x)


def tanh(x: float) -> float:
    """Return the hyperbolic tangent of x, in the precision of x."""
    return math.tanh(x)


# Library functions are called one number at a time; these two polynomials are not.
# Coefficients: a minimax fit of exp on half a binade, the odd Taylor-like fit of tanh
# below 0.625; both within two units in the last place of float32.
@overload(exp)
def _exp(x):  # type: ignore[no-untyped-def]
    if x is not types.float32:
        return lambda x: math.exp(x)

    def exp32(x):  # type: ignore[no-untyped-def]
        # Written so that nan falls through both limits and stays nan.
        y = np.float32(88.0) if x > np.float32(88.0) else x
        y = np.float32(-87.0) if y < np.float32(-87.0) else y
        scaled = y * np.float32(1.44269504)
        half = np.float32(0.5) if scaled > np.float32(0.0) else np.float32(-0.5)
        n = np.int32(scaled + half)
        whole = np.float32(n)
        f = y - whole * np.float32(0.693359375)
        f = f + whole * np.float32(2.12194440e-4)
        p = np.float32(1.9875691500e-4)
        p = p * f + np.float32(1.3981999507e-3)
        p = p * f + np.float32(8.3334519073e-3)
        p = p * f + np.float32(4.1665795894e-2)
        p = p * f + np.float32(1.6666665459e-1)
        p = p * f + np.float32(5.0000001201e-1)
        p = p * f * f + f + np.float32(1.0)
        n = min(max(n, np.int32(-126)), np.int32(127))
        grown = p * _power_of_two(n)
        return np.float32(np.inf) if x > np.float32(88.72) else grown

    return exp32


@overload(tanh)
def _tanh(x):  # type: ignore[no-untyped-def]
    if x is not types.float32:
        return lambda x: math.tanh(x)

    def tanh32(x):  # type: ignore[no-untyped-def]
        s = x * x
        p = np.float32(-5.70498872745e-3)
        p = p * s + np.float32(2.06390887954e-2)
        p = p * s + np.float32(-5.37397155531e-2)
        p = p * s + np.float32(1.33314422036e-1)
        p = p * s + np.float32(-3.33332819422e-1)
        small = p * s * x + x
        size = abs(x)
        size = np.float32(20.0) if size > np.float32(20.0) else size
        large = np.float32(1.0) - np.float32(2.0) / (
            exp(np.float32(2.0) * size) + np.float32(1.0)  # type: ignore[arg-type]
        )
        large = -large if x < np.float32(0.0) else large
        return small if abs(x) < np.float32(0.625) else large

    return tanh32
