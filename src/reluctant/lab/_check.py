"""Look a training over before it begins: exams on copies, then the ordinary rules."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from reluctant.diagnosis import diagnose
from reluctant.lab._check_exams import EXAMS, Findings, Patient
from reluctant.lab._generators import kept_generators
from reluctant.lab._recipe import LossFn, Training
from reluctant.lab.exams._batch import Copies
from reluctant.live._attach import trace_path
from reluctant.live._describe import describe, named
from reluctant.probes._update import Unmeasurable
from reluctant.records import Diagnosis, Note, Trace, UsageError
from reluctant.records.quantities import EXAM_S, GRAD_KEPT
from reluctant.rules import Rule

BUDGET_S = 10.0
# what the loop of a user's own would have to show; here the loop is ours
_OF_THE_LOOP = (GRAD_KEPT.name,)


def check(
    model: nn.Module,
    loss_fn: LossFn,
    optimizer: Optimizer,
    batches: Iterable[Any],
    *,
    budget: float = BUDGET_S,
    census: bool = False,
    record: Path | str | None = None,
    name: str | None = None,
) -> Diagnosis:
    """Look a training over before it begins, in seconds, on copies.

    Goes over the data, the units and the scale of the initial state, head and loss, the
    independence of samples, the size of the step, and tries to learn a few samples by
    heart. All of it becomes one trace, which the same rules judge as that of any run.
    Model, loss, optimizer, batches and every random state stay as they are, as bytes.

    Args:
        model: In the mode in which it is about to train.
        loss_fn: Called as `loss_fn(model(inputs), targets)`.
        optimizer: Owns the model's parameters.
        batches: Pairs `(inputs, targets)`; has to be iterable anew, as a DataLoader or
            a list is.
        budget: Seconds. An exam that there is no time left for is reported as blind.
        census: Whether the units are counted over all of the data, however long.
        record: A new `.trace` file, or a folder to put one in.
        name: What to call the model; its class if left out.

    Returns:
        What the rules say, with one line for each exam in its `exams`.

    Raises:
        UsageError: If an argument is no model, loss, optimizer, or collection of
            batches. What an exam cannot do is no error: the diagnosis says it.

    Example:
        >>> import torch
        >>> x = torch.randn(64, 2)
        >>> model = torch.nn.Linear(2, 1)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> batches = [(x, x.sum(1, keepdim=True))]
        >>> check(model, torch.nn.functional.mse_loss, sgd, batches).root is None
        True
    """
    training = Training(model, loss_fn, optimizer, batches)
    return check_training(
        training, budget=budget, census=census, record=record, name=name
    )


def check_training(
    training: Training,
    *,
    budget: float = BUDGET_S,
    census: bool = False,
    record: Path | str | None = None,
    name: str | None = None,
    rules: Iterable[Rule] | None = None,
    on_exam: Callable[[str], None] = lambda name: None,
) -> Diagnosis:
    """The same for a training in one piece, as a recipe gives it.

    Args:
        training: Stays where it is.
        budget: Seconds.
        census: Whether the units are counted over all of the data.
        record: A new `.trace` file, or a folder to put one in.
        name: What to call the model.
        rules: To ask; all if left out.
        on_exam: Given the name of each exam as it begins.
    """
    if not budget > 0:
        raise UsageError(f"budget is {budget}, but it is a number of seconds above 0.")
    name = name or type(training.model).__name__
    model, began = training.model, time.perf_counter()
    sink = trace_path(Path(record), name) if record is not None else None
    found = Findings(
        setup=describe(model, named(model), [training.optimizer], name=name)
    )
    with kept_generators(training.batches, training.loss_fn, training.model):
        patient = _admit(training)
        patient.until, patient.census = began + budget, census
        patient.budget, patient.name = budget, name
        for exam, examine in EXAMS.items():
            on_exam(exam)
            _take(exam, examine, patient, found)
    trace = _written(found, sink)
    trace.close()
    return diagnose(trace, rules)


def _admit(training: Training) -> Patient:
    """A copy to examine, or its data alone with the reason why there is no more."""
    try:
        copy = training.fork()
    except UsageError as error:
        return Patient(training, obstacle=str(error))
    if isinstance(copy.batches, DataLoader):
        # what is only a copy needs no processes of its own
        copy.batches.num_workers, copy.batches.timeout = 0, 0
    copy.batches = Copies(copy.batches)
    return Patient(copy)


def _take(
    exam: str,
    examine: Callable[[Patient, Findings], str],
    patient: Patient,
    found: Findings,
) -> None:
    """One exam; whatever it does, the others still take place."""
    start = time.perf_counter()
    try:
        if patient.obstacle and exam != "data":
            raise Unmeasurable(patient.obstacle)
        if start > patient.until and not (exam == "units" and patient.census):
            raise Unmeasurable(f"the budget of {patient.budget:g} s was spent")
        topic, text = "exam", examine(patient, found)
    except (Unmeasurable, UsageError) as error:
        topic, text = "exam-blind", str(error)
    except Exception as error:  # the user's model, loss and data run in here
        topic, text = "exam-blind", f"{type(error).__name__}: {error}"
    found.notes.append(Note(0, topic, exam, " ".join(text.split())[:400]))
    found.before.append((EXAM_S, exam, time.perf_counter() - start))


def _written(found: Findings, sink: Path | None) -> Trace:
    """All that was measured, as one trace: before the first step, the steps, after."""
    trace = Trace(sink=sink)
    seen = found.rehearsed
    trace.describe(0, found.setup if seen is None else seen.setup)
    trace.extend(0, [(q.name, site, value) for q, site, value in found.before])
    last = 0
    if seen is not None:
        rows: dict[int, list[Any]] = {}
        for reading in seen:
            if reading.quantity not in _OF_THE_LOOP:
                row = reading.quantity, reading.site, reading.value
                rows.setdefault(reading.step, []).append(row)
        for last in sorted(rows):
            trace.extend(last, rows[last])
        for note in seen.notes():
            if note.topic not in ("cost", "end"):
                trace.note(note)
    trace.extend(last, [(q.name, site, value) for q, site, value in found.after])
    for note in found.notes:
        trace.note(note)
    # what was hidden is known; and a record with a cost has an end
    spent = sum(value for q, _, value in found.before if q is EXAM_S)
    trace.note(Note(last, "cost", "", f"the check took {float(spent):.1f} s"))
    return trace
