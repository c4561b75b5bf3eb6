"""Loops over rows of a weight matrix, written once as vector instructions.

Training at minibatch 1 is bound by the level-two cache, so what counts is that a row
is read once, in order, and that sums stay in registers. A compiler finds neither
from a Python loop whose width is only known at run time. So these few loops are
emitted here as LLVM vectors, once for every number of vectors up to `MAX_BLOCKS`,
chosen at run time; LLVM maps them to whatever the machine has.

Every function works on the rows `idx[io:io + n]` of a matrix in a flat array: row i
starts at `base + i * stride`, and `blocks` vectors of `LANES` numbers are taken from
it. Updates walk the list backwards: a sample's rows are more than the first-level
cache holds, and those that the forward pass read last are still in it. Offsets are
unsigned: signed ones would make every access test for Python's wrap-around.

One file over the usual length, because the loops are variations on one another and
are read side by side.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils

from reluctant.lab.engines._emit import Emitter
from reluctant.lab.engines._machine import emitted

__all__ = [
    "rows_adam",
    "rows_dot",
    "rows_momentum",
    "rows_sgd",
    "rows_sum",
    "rows_sum_adam",
    "rows_sum_linear",
    "rows_sum_momentum",
]

_U = types.uintp


@emitted
def rows_sum(typingctx, z, zo, w, base, stride, idx, io, val, vo, vs, n, blocks):  # type: ignore[no-untyped-def]
    """Add `val[vo + k * vs] * w[row k]`, summed over k, to `z[zo:]`."""
    sig = types.void(z, _U, w, _U, _U, idx, _U, val, _U, _U, _U, _U)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        e = Emitter(context, builder, w.dtype)
        zo, base, stride, io = (args[i] for i in (1, 3, 4, 6))
        vo, vs, n = (args[i] for i in (8, 9, 10))
        zp, wp = e.pointer(z, args[0]), e.pointer(w, args[2])
        ip, vp = e.pointer(idx, args[5]), e.pointer(val, args[7])

        def emit(blocks: int) -> None:
            # Two or four sums side by side where one row has too few vectors to
            # hide the latency of an addition.
            ways = 4 if blocks == 1 else 2 if blocks < 4 else 1
            sums = [[e.variable() for _ in range(blocks)] for _ in range(ways)]
            for way in range(ways):
                for b, column in enumerate(e.columns(zo, blocks)):
                    start = e.number(0.0) if way else e.load(zp, column)
                    builder.store(start, sums[way][b])

            def add(k: Any, way: int) -> None:
                _, start = e.row(ip, io, k, base, stride)
                x = e.splat(e.scalar(vp, builder.add(vo, builder.mul(k, vs))))
                for b, column in enumerate(e.columns(start, blocks)):
                    total = builder.load(sums[way][b])
                    builder.store(e.madd(x, e.load(wp, column), total), sums[way][b])

            rounds = builder.udiv(n, e.constant(ways))
            with cgutils.for_range(builder, rounds) as loop:
                k = builder.mul(loop.index, e.constant(ways))
                for way in range(ways):
                    add(builder.add(k, e.constant(way)), way)
            if ways > 1:
                done = builder.mul(rounds, e.constant(ways))
                with cgutils.for_range(builder, builder.sub(n, done)) as loop:
                    add(builder.add(done, loop.index), 0)
            for b, column in enumerate(e.columns(zo, blocks)):
                total = builder.load(sums[0][b])
                for way in range(1, ways):
                    total = builder.fadd(total, builder.load(sums[way][b]))
                e.store(total, zp, column)

        e.for_blocks(args[11], emit)
        return context.get_dummy_value()

    return sig, codegen


@emitted
def rows_dot(typingctx, out, oo, os, w, base, stride, idx, io, n, d, do, blocks):  # type: ignore[no-untyped-def]
    """Add the dot product of row k with `d[do:]` to `out[oo + k * os]`."""
    sig = types.void(out, _U, _U, w, _U, _U, idx, _U, _U, d, _U, _U)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        e = Emitter(context, builder, w.dtype)
        oo, os, base, stride, io, n = (args[i] for i in (1, 2, 4, 5, 7, 8))
        op, wp = e.pointer(out, args[0]), e.pointer(w, args[3])
        ip, dp = e.pointer(idx, args[6]), e.pointer(d, args[9])

        def emit(blocks: int) -> None:
            held = [e.load(dp, column) for column in e.columns(args[10], blocks)]
            with cgutils.for_range(builder, n) as loop:
                k = loop.index
                _, start = e.row(ip, io, k, base, stride)
                total = e.number(0.0)
                for b, column in enumerate(e.columns(start, blocks)):
                    total = e.madd(held[b], e.load(wp, column), total)
                place = e.at(op, builder.add(oo, builder.mul(k, os)))
                old = builder.load(place)
                builder.store(builder.fadd(old, e.total(total)), place)

        e.for_blocks(args[11], emit)
        return context.get_dummy_value()

    return sig, codegen


@emitted
def rows_sgd(typingctx, w, base, stride, idx, io, val, vo, n, d, do, scale, blocks):  # type: ignore[no-untyped-def]
    """Add `scale * val[vo + k] * d[do:]` to row k."""
    sig = types.void(w, _U, _U, idx, _U, val, _U, _U, d, _U, w.dtype, _U)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        e = Emitter(context, builder, w.dtype)
        base, stride, io, vo, n, scale = (args[i] for i in (1, 2, 4, 6, 7, 10))
        wp, ip = e.pointer(w, args[0]), e.pointer(idx, args[3])
        vp, dp = e.pointer(val, args[5]), e.pointer(d, args[8])

        def emit(blocks: int) -> None:
            held = [e.load(dp, column) for column in e.columns(args[9], blocks)]
            with cgutils.for_range(builder, n) as loop:
                k = e.from_end(n, loop.index)
                _, start = e.row(ip, io, k, base, stride)
                x = builder.fmul(e.scalar(vp, builder.add(vo, k)), scale)
                x = e.splat(x)
                for b, column in enumerate(e.columns(start, blocks)):
                    e.store(e.madd(x, held[b], e.load(wp, column)), wp, column)

        e.for_blocks(args[11], emit)
        return context.get_dummy_value()

    return sig, codegen


@emitted
def rows_sum_linear(  # type: ignore[no-untyped-def]
    typingctx, z, zo, w, v, base, stride, idx, io, val, vo, n, coef, blocks
):
    """As `rows_sum`, after making up for the steps that row k has missed.

    `coef[4 * k:]` holds a, b, c, d: `w` becomes `a w + b v` and `v` `c w + d v`.
    """
    sig = types.void(z, _U, w, v, _U, _U, idx, _U, val, _U, _U, coef, _U)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        e = Emitter(context, builder, w.dtype)
        zo, base, stride, io, vo, n = (args[i] for i in (1, 4, 5, 7, 9, 10))
        zp, wp, mp = (e.pointer(t, args[i]) for t, i in ((z, 0), (w, 2), (v, 3)))
        ip, vp, cp = (
            e.pointer(t, args[i]) for t, i in ((idx, 6), (val, 8), (coef, 11))
        )

        def emit(blocks: int) -> None:
            sums = [e.variable() for _ in range(blocks)]
            for b, column in enumerate(e.columns(zo, blocks)):
                builder.store(e.load(zp, column), sums[b])
            with cgutils.for_range(builder, n) as loop:
                k = loop.index
                _, start = e.row(ip, io, k, base, stride)
                x = e.splat(e.scalar(vp, builder.add(vo, k)))
                at = builder.mul(k, e.constant(4))
                mix = [
                    e.splat(e.scalar(cp, builder.add(at, e.constant(c))))
                    for c in range(4)
                ]
                for b, column in enumerate(e.columns(start, blocks)):
                    old, speed = e.load(wp, column), e.load(mp, column)
                    new = e.madd(mix[1], speed, builder.fmul(mix[0], old))
                    speed = e.madd(mix[3], speed, builder.fmul(mix[2], old))
                    e.store(new, wp, column)
                    e.store(speed, mp, column)
                    builder.store(e.madd(x, new, builder.load(sums[b])), sums[b])
            for b, column in enumerate(e.columns(zo, blocks)):
                e.store(builder.load(sums[b]), zp, column)

        e.for_blocks(args[12], emit)
        return context.get_dummy_value()

    return sig, codegen


@emitted
def rows_sum_momentum(  # type: ignore[no-untyped-def]
    typingctx, z, zo, w, v, base, stride, idx, io, val, vo, n, coef, blocks
):
    """As `rows_sum`, after `w` of row k moved by `coef[k] v`; v stays as it is."""
    sig = types.void(z, _U, w, v, _U, _U, idx, _U, val, _U, _U, coef, _U)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        e = Emitter(context, builder, w.dtype)
        zo, base, stride, io, vo, n = (args[i] for i in (1, 4, 5, 7, 9, 10))
        zp, wp, mp = (e.pointer(t, args[i]) for t, i in ((z, 0), (w, 2), (v, 3)))
        ip, vp, cp = (
            e.pointer(t, args[i]) for t, i in ((idx, 6), (val, 8), (coef, 11))
        )

        def emit(blocks: int) -> None:
            sums = [e.variable() for _ in range(blocks)]
            for b, column in enumerate(e.columns(zo, blocks)):
                builder.store(e.load(zp, column), sums[b])
            with cgutils.for_range(builder, n) as loop:
                k = loop.index
                _, start = e.row(ip, io, k, base, stride)
                x = e.splat(e.scalar(vp, builder.add(vo, k)))
                way = e.splat(e.scalar(cp, k))
                for b, column in enumerate(e.columns(start, blocks)):
                    new = e.madd(way, e.load(mp, column), e.load(wp, column))
                    e.store(new, wp, column)
                    builder.store(e.madd(x, new, builder.load(sums[b])), sums[b])
            for b, column in enumerate(e.columns(zo, blocks)):
                e.store(builder.load(sums[b]), zp, column)

        e.for_blocks(args[12], emit)
        return context.get_dummy_value()

    return sig, codegen


@emitted
def rows_momentum(  # type: ignore[no-untyped-def]
    typingctx, w, v, base, stride, idx, io, val, vo, n, g, go, gs, fade, rule, blocks
):
    """Give row k the gradient `val[vo + k] * g[go + i * gs:]`, i its number.

    `fade[k]` is what is kept of v; `rule` is (weight decay, rate on v, rate on the
    gradient).
    """
    sig = types.void(w, v, _U, _U, idx, _U, val, _U, _U, g, _U, _U, fade, rule, _U)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        e = Emitter(context, builder, w.dtype)
        base, stride, io, vo, n, go, gs = (args[i] for i in (2, 3, 5, 7, 8, 10, 11))
        wp, mp, ip = (e.pointer(t, args[i]) for t, i in ((w, 0), (v, 1), (idx, 4)))
        vp, gp, fp = (e.pointer(t, args[i]) for t, i in ((val, 6), (g, 9), (fade, 12)))
        rp = e.pointer(rule, args[13])

        def emit(blocks: int) -> None:
            decay, on_v, on_g = (e.splat(e.scalar(rp, e.constant(c))) for c in range(3))
            with cgutils.for_range(builder, n) as loop:
                k = e.from_end(n, loop.index)
                i, start = e.row(ip, io, k, base, stride)
                x = e.splat(e.scalar(vp, builder.add(vo, k)))
                keep = e.splat(e.scalar(fp, k))
                source = builder.add(go, builder.mul(i, gs))
                for column, place in zip(
                    e.columns(start, blocks), e.columns(source, blocks), strict=True
                ):
                    old = e.load(wp, column)
                    slope = e.madd(x, e.load(gp, place), builder.fmul(decay, old))
                    speed = e.madd(keep, e.load(mp, column), slope)
                    e.store(speed, mp, column)
                    new = builder.fsub(old, builder.fmul(on_v, speed))
                    e.store(builder.fsub(new, builder.fmul(on_g, slope)), wp, column)

        e.for_blocks(args[14], emit)
        return context.get_dummy_value()

    return sig, codegen


@emitted
def rows_sum_adam(  # type: ignore[no-untyped-def]
    typingctx, z, zo, w, m, r, base, stride, idx, io, val, vo, n, coef, blocks
):
    """As `rows_sum`, after making up for the steps of Adam that row k has missed.

    `coef[6 * k:]` holds P, e and A0 to A3: with q = e r, `w` becomes
    P w - m r (A0 + q (A1 + q (A2 + q A3))); see `_schedule.py`.
    """
    sig = types.void(z, _U, w, m, r, _U, _U, idx, _U, val, _U, _U, coef, _U)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        e = Emitter(context, builder, w.dtype)
        zo, base, stride, io, vo, n = (args[i] for i in (1, 5, 6, 8, 10, 11))
        zp, wp, mp, rp = (
            e.pointer(t, args[i]) for t, i in ((z, 0), (w, 2), (m, 3), (r, 4))
        )
        ip, vp, cp = (
            e.pointer(t, args[i]) for t, i in ((idx, 7), (val, 9), (coef, 12))
        )

        def emit(blocks: int) -> None:
            sums = [e.variable() for _ in range(blocks)]
            for b, column in enumerate(e.columns(zo, blocks)):
                builder.store(e.load(zp, column), sums[b])
            with cgutils.for_range(builder, n) as loop:
                k = loop.index
                _, start = e.row(ip, io, k, base, stride)
                x = e.splat(e.scalar(vp, builder.add(vo, k)))
                at = builder.mul(k, e.constant(6))
                keep, eps, a0, a1, a2, a3 = (
                    e.splat(e.scalar(cp, builder.add(at, e.constant(c))))
                    for c in range(6)
                )
                for b, column in enumerate(e.columns(start, blocks)):
                    inverse = e.load(rp, column)
                    q = builder.fmul(eps, inverse)
                    series = e.madd(q, e.madd(q, e.madd(q, a3, a2), a1), a0)
                    moved = builder.fmul(e.load(mp, column), inverse)
                    new = builder.fmul(keep, e.load(wp, column))
                    new = builder.fsub(new, builder.fmul(moved, series))
                    e.store(new, wp, column)
                    builder.store(e.madd(x, new, builder.load(sums[b])), sums[b])
            for b, column in enumerate(e.columns(zo, blocks)):
                e.store(builder.load(sums[b]), zp, column)

        e.for_blocks(args[13], emit)
        return context.get_dummy_value()

    return sig, codegen


@emitted
def rows_adam(  # type: ignore[no-untyped-def]
    typingctx,
    w,
    m,
    v,
    r,
    base,
    stride,
    idx,
    io,
    val,
    vo,
    n,
    g,
    go,
    gs,
    fade,
    rule,
    blocks,
):
    """Give row k the gradient `val[vo + k] * g[go + i * gs:]` by Adam, i its number.

    `fade[2 * k:]` holds the decay of m and of v since they were last written; `rule`
    is (1 - beta1, 1 - beta2, eps', rate', keep, coupled weight decay), where eps' and
    rate' have the bias corrections in them and keep multiplies `w` first.
    """
    sig = types.void(
        w, m, v, r, _U, _U, idx, _U, val, _U, _U, g, _U, _U, fade, rule, _U
    )

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        e = Emitter(context, builder, w.dtype)
        base, stride, io, vo, n, go, gs = (args[i] for i in (4, 5, 7, 9, 10, 12, 13))
        wp, mp, sp, rp = (e.pointer(w, args[i]) for i in range(4))
        ip, vp, gp = (e.pointer(t, args[i]) for t, i in ((idx, 6), (val, 8), (g, 11)))
        fp, up = e.pointer(fade, args[14]), e.pointer(rule, args[15])

        def emit(blocks: int) -> None:
            new_m, new_v, eps, rate, keep, decay = (
                e.splat(e.scalar(up, e.constant(c))) for c in range(6)
            )
            with cgutils.for_range(builder, n) as loop:
                k = e.from_end(n, loop.index)
                i, start = e.row(ip, io, k, base, stride)
                x = e.splat(e.scalar(vp, builder.add(vo, k)))
                at = builder.mul(k, e.constant(2))
                fade_m = e.splat(e.scalar(fp, at))
                fade_v = e.splat(e.scalar(fp, builder.add(at, e.constant(1))))
                source = builder.add(go, builder.mul(i, gs))
                for column, place in zip(
                    e.columns(start, blocks), e.columns(source, blocks), strict=True
                ):
                    old = e.load(wp, column)
                    slope = e.madd(x, e.load(gp, place), builder.fmul(decay, old))
                    first = builder.fmul(fade_m, e.load(mp, column))
                    first = e.madd(new_m, slope, first)
                    square = builder.fmul(new_v, builder.fmul(slope, slope))
                    square = e.madd(fade_v, e.load(sp, column), square)
                    inverse = e.inverse(builder.fadd(e.sqrt(square), eps))
                    e.store(first, mp, column)
                    e.store(square, sp, column)
                    e.store(inverse, rp, column)
                    step = builder.fmul(rate, builder.fmul(first, inverse))
                    e.store(builder.fsub(builder.fmul(keep, old), step), wp, column)

        e.for_blocks(args[16], emit)
        return context.get_dummy_value()

    return sig, codegen
