"""What the vector loops are emitted with: one element type, loads, products, sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils

__all__ = ["LANES", "MAX_BLOCKS", "Emitter"]

LANES = 16 if llvm.get_host_cpu_features().get("avx512f", False) else 8
"""Numbers in one vector; rows are padded to a multiple of it."""

MAX_BLOCKS = 8
"""Vectors of one row that are held in registers at once."""

_I64 = ir.IntType(64)
_untyped: Any = cgutils
_Value = Any  # llvmlite ships no types


class Emitter:
    """A builder with one element type: loads, stores and multiplies of vectors."""

    def __init__(self, context: Any, builder: Any, element: Any) -> None:
        self.context = context
        self.builder = builder
        self.element = context.get_value_type(element)
        self.vector = ir.VectorType(self.element, LANES)
        self.align = 4 if element.bitwidth == 32 else 8

    def constant(self, number: int) -> _Value:
        return ir.Constant(_I64, number)

    def pointer(self, array_type: Any, array: _Value) -> _Value:
        return self.context.make_array(array_type)(
            self.context, self.builder, array
        ).data

    def at(self, pointer: _Value, index: _Value) -> _Value:
        return self.builder.gep(pointer, [index], inbounds=True)

    def scalar(self, pointer: _Value, index: _Value) -> _Value:
        return self.builder.load(self.at(pointer, index))

    def load(self, pointer: _Value, index: _Value) -> _Value:
        address = self.builder.bitcast(
            self.at(pointer, index), self.vector.as_pointer()
        )
        return self.builder.load(address, align=self.align)

    def store(self, value: _Value, pointer: _Value, index: _Value) -> None:
        address = self.builder.bitcast(
            self.at(pointer, index), self.vector.as_pointer()
        )
        self.builder.store(value, address, align=self.align)

    def splat(self, scalar: _Value) -> _Value:
        lane = ir.Constant(ir.IntType(32), 0)
        one = self.builder.insert_element(
            ir.Constant(self.vector, ir.Undefined), scalar, lane
        )
        mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return self.builder.shuffle_vector(
            one, ir.Constant(self.vector, ir.Undefined), mask
        )

    def number(self, value: float) -> _Value:
        return ir.Constant(self.vector, [value] * LANES)

    def intrinsic(self, name: str, result: Any, arguments: list[Any]) -> _Value:
        kind = "f32" if self.align == 4 else "f64"
        module = self.builder.module
        full = f"llvm.{name}.v{LANES}{kind}"
        if full in module.globals:
            return module.globals[full]
        return ir.Function(module, ir.FunctionType(result, arguments), full)

    def madd(self, a: _Value, b: _Value, c: _Value) -> _Value:
        function = self.intrinsic("fmuladd", self.vector, [self.vector] * 3)
        return self.builder.call(function, [a, b, c])

    def sqrt(self, a: _Value) -> _Value:
        function = self.intrinsic("sqrt", self.vector, [self.vector])
        return self.builder.call(function, [a])

    def inverse(self, a: _Value) -> _Value:
        return self.builder.fdiv(self.number(1.0), a)

    def total(self, a: _Value) -> _Value:
        arguments = [self.element, self.vector]
        function = self.intrinsic("vector.reduce.fadd", self.element, arguments)
        zero = ir.Constant(self.element, 0.0)
        return self.builder.call(function, [zero, a], fastmath=("reassoc",))

    def variable(self) -> _Value:
        """Reserve a vector that changes as the code runs; it ends up in a register."""
        return _untyped.alloca_once(self.builder, self.vector)

    def from_end(self, n: _Value, k: _Value) -> _Value:
        return self.builder.sub(self.builder.sub(n, self.constant(1)), k)

    def columns(self, start: _Value, blocks: int) -> list[_Value]:
        return [
            self.builder.add(start, self.constant(b * LANES)) for b in range(blocks)
        ]

    def row(
        self, idx: _Value, io: _Value, k: _Value, base: _Value, stride: _Value
    ) -> Any:
        b = self.builder
        i = b.zext(self.scalar(idx, b.add(io, k)), _I64)
        return i, b.add(base, b.mul(i, stride))

    def for_blocks(self, blocks: _Value, emit: Callable[[int], None]) -> None:
        """Emit `emit(1)` to `emit(MAX_BLOCKS)`, and a switch between them."""
        builder = self.builder
        after = builder.append_basic_block("after")
        choice = builder.switch(blocks, after)
        for count in range(1, MAX_BLOCKS + 1):
            case = builder.append_basic_block(f"blocks{count}")
            choice.add_case(self.constant(count), case)
            builder.position_at_end(case)
            emit(count)
            builder.branch(after)
        builder.position_at_end(after)
