"""Every value comes back from the disk to the bit."""

import struct
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.logs import (
    FIRING,
    LOSS,
    Log,
    bits,
    doubles,
    facts,
    live,
    logs,
    setups,
    write,
)
from reluctant.records import Group, Layer, Loss, Setup, Trace

NAN_WITH_PAYLOAD = 0x7FF8_0000_DEAD_BEEF
NEGATIVE_NAN = 0xFFF8_0000_0000_0001


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("values") / "run.trace"


def double(word: int) -> float:
    return struct.unpack("<d", struct.pack("<Q", word))[0]


ODD = [
    double(NAN_WITH_PAYLOAD),
    double(NEGATIVE_NAN),
    float("inf"),
    float("-inf"),
    -0.0,
]
ODD += [0.0, 5e-324, 2.0**53 + 2, float(np.float32(0.1))]


def reopened(values: list, path: Path) -> list:
    """One reading a step; what the file gives back."""
    write(
        [(i, [("firing_rate", "fc1", value)]) for i, value in enumerate(values)], path
    )
    return [reading.value for reading in Trace.open(path)]


def test_odd_numbers(path: Path) -> None:
    assert [bits(v) for v in reopened(ODD, path)] == [bits(v) for v in ODD]


def test_odd_numbers_in_series(path: Path) -> None:
    write([(i, [("loss", "", value)]) for i, value in enumerate(ODD)], path)
    assert Trace.open(path).series(LOSS).values.tobytes() == np.array(ODD).tobytes()


def test_odd_numbers_in_an_array(path: Path) -> None:
    (value,) = reopened([np.array(ODD)], path)
    assert value.dtype == np.float64
    assert value.tobytes() == np.array(ODD).tobytes()


def test_odd_float32s_in_an_array(path: Path) -> None:
    words = np.array(
        [0x7FC0BEEF, 0xFFC00001, 0x7F800000, 0xFF800000, 1 << 31], np.uint32
    )
    (value,) = reopened([words.view(np.float32)], path)
    assert value.dtype == np.float32
    assert value.tobytes() == words.tobytes()


@given(value=doubles)
def test_any_double(path: Path, value: float) -> None:
    (back,) = reopened([value], path)
    assert bits(back) == bits(value)


@given(entries=st.lists(doubles, max_size=20))
def test_any_doubles_in_an_array(path: Path, entries: list[float]) -> None:
    array = np.array(entries, np.float64)
    (back,) = reopened([array], path)
    assert back.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "dtype",
    [
        "?",
        "i1",
        "i2",
        "i4",
        "i8",
        "u1",
        "u2",
        "u4",
        "f2",
        "f4",
        "f8",
        ">f4",
        ">f8",
        ">i4",
    ],
)
def test_every_dtype_is_kept_or_widened(path: Path, dtype: str) -> None:
    array = np.array([0, 1, 1, 0, 100]).astype(dtype)
    (back,) = reopened([array], path)
    assert np.can_cast(array.dtype, back.dtype, "safe")
    assert back.tolist() == array.tolist()


def test_extremes_of_whole_numbers(path: Path) -> None:
    for dtype in (
        np.int8,
        np.int16,
        np.int32,
        np.int64,
        np.uint8,
        np.uint16,
        np.uint32,
    ):
        limits = np.array([np.iinfo(dtype).min, np.iinfo(dtype).max], dtype)
        (back,) = reopened([limits], path)
        assert back.tolist() == limits.tolist()


def test_half_precision_extremes(path: Path) -> None:
    array = np.array([65504, 6e-8, np.inf, -np.inf, -0.0, np.nan], np.float16)
    (back,) = reopened([array], path)
    assert back.astype(np.float16).tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "number", [3, True, np.float32(0.5), np.int64(7), np.bool_(True)]
)
def test_numbers_that_are_no_floats(path: Path, number: float) -> None:
    assert reopened([number], path) == [float(number)]


def test_a_slice_that_is_not_contiguous(path: Path) -> None:
    (back,) = reopened([np.arange(10.0)[::-3]], path)
    assert back.tolist() == [9.0, 6.0, 3.0, 0.0]


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "?"])
def test_empty_array(path: Path, dtype: str) -> None:
    write([(0, [("firing_rate", "fc1", np.zeros(0, dtype))])], path)
    trace = Trace.open(path)
    assert trace.damage == ()
    assert trace.has(FIRING)
    assert trace.units(FIRING, "fc1").values.shape == (1, 0)


def test_an_array_reused_by_its_owner(path: Path) -> None:
    """The live trace keeps what was read, as the file does."""
    counts = np.array([1.0, 2.0])
    trace = Trace(sink=path)
    for step in range(3):
        trace.extend(step, [("firing_rate", "fc1", counts)])
        counts += 1
    trace.close()
    assert facts(trace) == facts(Trace.open(path))
    assert trace.units(FIRING, "fc1").values[:, 0].tolist() == [1.0, 2.0, 3.0]


@given(setup=setups)
def test_any_setup(path: Path, setup: Setup) -> None:
    write([(0, setup)], path)
    assert Trace.open(path).setup == setup


def test_a_full_setup(path: Path) -> None:
    setup = Setup(
        name="Net",
        layers=(Layer(site="ядро", activation="leaky_relu", slope=0.2, is_head=True),),
        groups=(
            Group(
                optimizer="Adam", options={"lr": 1e-3, "betas": (0.9, 0.999), "x": None}
            ),
        ),
        loss=Loss(kind="mse", reduction="mean", outputs=10),
        unreached=("fc3.weight",),
        batch=(1, 28, 28),
        hidden=("torch.compile",),
        versions={"torch": "2.4"},
        argv=("train.py", "--lr", "0.1"),
        started=1.5e9,
    )
    write([(0, setup)], path)
    back = Trace.open(path).setup
    assert back == setup
    assert msgspec.msgpack.encode(back) == msgspec.msgpack.encode(setup)


@given(log=logs())
def test_any_log(path: Path, log: Log) -> None:
    write(log, path)
    assert facts(Trace.open(path)) == facts(live(log))
