from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from reluctant.cli import main
from reluctant.records import Evidence, Finding, Setup, Severity, Trace
from reluctant.records.quantities import LOSS, STEP_GAIN
from reluctant.rules import Rule


@dataclass(frozen=True)
class RisingLoss(Rule):
    """The last loss is above the first."""

    code = "TST101"
    severity = Severity.WARNING
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        values = trace.series(LOSS).values
        if values[-1] > values[0]:
            number = Evidence(
                quantity="loss", site="", step=1, value=values[-1], limit=values[0]
            )
            yield self.finding("the loss rises", evidence=(number,), since_step=1)


@dataclass(frozen=True)
class SmallLoss(Rule):
    """The last loss is below 1."""

    code = "TST201"
    severity = Severity.NOTE
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        if trace.series(LOSS).values[-1] < 1:
            yield self.finding("the loss is small", evidence=(), since_step=0)


@dataclass(frozen=True)
class UphillStep(Rule):
    """Steps go uphill."""

    code = "OTH101"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (STEP_GAIN,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        yield from ()


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def reluctant(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """The command, with three rules of its own, in this process."""
    for module in ("_selection", "explain", "rules"):
        monkeypatch.setattr(
            f"reluctant.cli.{module}.RULES", (UphillStep, RisingLoss, SmallLoss)
        )
    for module in ("explain", "rules"):
        monkeypatch.setattr(f"reluctant.cli.{module}.ENSEMBLE_RULES", ())

    def call(*arguments: object) -> Outcome:
        code = main([str(argument) for argument in arguments])
        return Outcome(code, *capsys.readouterr())

    return call


Record = Callable[..., Path]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Write a trace with these losses into a run folder; the path of the file."""

    def write(*losses: float, file: str = "run/Net.trace") -> Path:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        trace = Trace(setup=Setup(name=path.stem), sink=path)
        for step, loss in enumerate(losses):
            trace.extend(step, [("loss", "", loss)])
        trace.close()
        return path

    return write
