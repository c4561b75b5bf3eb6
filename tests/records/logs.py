"""A log is what was recorded, as data; `facts` is all that a trace answers."""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from hypothesis import strategies as st

from reluctant.records import Layer, Module, Note, Parameter, Quantity, Setup, Trace

Row: TypeAlias = tuple[str, str, float | np.ndarray]
Entry: TypeAlias = tuple[int, "list[Row] | Note | Setup"]
Log: TypeAlias = Sequence[Entry]

LOSS = Quantity("loss", "loss", "run", "the loss")
GRAD_RMS = Quantity("grad_rms", "1", "param", "a number at each site")
FIRING = Quantity("firing_rate", "1", "unit", "an array at each site")
QUANTITIES = (LOSS, GRAD_RMS, FIRING)

SAMPLE: Log = [
    (0, Setup(name="Net", layers=(Layer(site="fc1", activation="relu", units=3),))),
    (0, [("loss", "", 2.302), ("grad_rms", "fc1.weight", 1e-3)]),
    (0, [("firing_rate", "fc1", np.array([0.5, 0.0, 1.0], np.float32))]),
    (1, [("loss", "", 2.2), ("grad_rms", "fc1.weight", 2e-3)]),
    (2, Note(2, "blind", "gauge", "needs a loss")),
    (2, [("loss", "", float("nan")), ("grad_rms", "fc2.weight", -0.0)]),
    (4, [("loss", "", 2.0), ("firing_rate", "fc1", np.array([0.25, 0.0, 0.75]))]),
]


def put(trace: Trace, entry: Entry) -> None:
    """Append one entry of a log."""
    step, what = entry
    if isinstance(what, Note):
        trace.note(what)
    elif isinstance(what, Setup):
        trace.describe(step, what)
    else:
        trace.extend(step, what)


def live(log: Log, sink: Path | None = None) -> Trace:
    """A trace that grew by the log."""
    trace = Trace(sink=sink)
    for entry in log:
        put(trace, entry)
    return trace


def write(log: Log, path: Path) -> list[int]:
    """Record the log; where in the file the header and each entry end."""
    trace = Trace(sink=path)
    ends = [path.stat().st_size]
    for entry in log:
        put(trace, entry)
        trace.flush()
        ends.append(path.stat().st_size)
    trace.close()
    return ends


def bits(value: float | np.ndarray) -> tuple[int, bytes]:
    """A value as it can be compared: nan is not equal to nan, its bytes are."""
    array = np.asarray(value, np.float64)
    return array.ndim, array.tobytes()


def facts(trace: Trace) -> dict[str, object]:
    """Everything that a trace answers, in a form that `==` compares to the bit."""
    answers: dict[str, object] = {
        "setup": trace.setup,
        "last step": trace.last_step,
        "notes": trace.notes(),
        "blind": trace.notes("blind"),
        "readings": [(r.step, r.quantity, r.site, bits(r.value)) for r in trace],
    }
    for quantity in QUANTITIES:
        answers[f"has {quantity.name}"] = trace.has(quantity)
        answers[f"sites of {quantity.name}"] = trace.sites(quantity)
        for site in [*trace.sites(quantity), "never seen"]:
            for ask in (trace.series, trace.units):
                where = f"{ask.__name__} of {quantity.name} at {site!r}"
                answers[where] = _answer(ask, quantity, site)
    return answers


def _answer(ask: Callable, quantity: Quantity, site: str) -> object:
    try:
        steps, values = ask(quantity, site)
    except TypeError as error:
        return str(error)
    return steps.tolist(), values.shape, values.tobytes()


# --- what hypothesis draws

doubles = st.integers(0, 2**64 - 1).map(
    lambda word: struct.unpack("<d", struct.pack("<Q", word))[0]
) | st.sampled_from([0.0, -0.0, 1.0, float("inf"), float("-inf"), float("nan")])
sites = st.sampled_from(
    ["", "fc1", "fc2.weight", "features.0", "слой.вес", "層🧠", "\0"]
)
arrays = st.lists(doubles, max_size=5).map(
    lambda entries: np.array(entries, np.float64)
)
rows = st.lists(
    st.tuples(st.sampled_from(["loss", "grad_rms"]), sites, doubles)
    | st.tuples(st.just("firing_rate"), sites, arrays | doubles),
    max_size=5,
)
setups = st.builds(
    Setup,
    name=st.text(max_size=5),
    modules=st.lists(
        st.builds(Module, name=sites, type=st.just("Linear")), max_size=2
    ).map(tuple),
    parameters=st.lists(
        st.builds(
            Parameter,
            name=sites,
            shape=st.just((3, 2)),
            group=st.none() | st.integers(0, 3),
            rms=st.floats(allow_nan=False),
        ),
        max_size=2,
    ).map(tuple),
    batch_size=st.integers(0, 2**40),
)
texts = st.text(max_size=8)
topics = st.sampled_from(["blind", "end"])


@st.composite
def logs(draw: st.DrawFn, max_size: int = 8) -> Log:
    """Entries in step order; several may share a step."""
    step, log = 0, []
    for gap in draw(st.lists(st.integers(0, 3), max_size=max_size)):
        step += gap
        kind = draw(st.integers(0, 5))
        if kind == 0:
            log.append((step, Note(step, draw(topics), draw(sites), draw(texts))))
        elif kind == 1:
            log.append((step, draw(setups)))
        else:
            log.append((step, draw(rows)))
    return log
