"""The traces that a path on the command line means."""

import difflib
from pathlib import Path

from reluctant.records import Trace, UsageError

_WHAT_A_RUN_IS = "A run is a folder that `reluctant run` wrote, or a .trace file"


def open_run(path: Path) -> list[Trace]:
    """Open all traces of a run folder, by file name, or the one that is given.

    Raises:
        UsageError: If there is nothing there, or nothing that is a run.
        TraceError: If a file is no trace, or another version wrote it.
        OSError: If something cannot be read.
    """
    if not path.exists():
        raise UsageError(f"{path} does not exist{_nearest(path)} {_WHAT_A_RUN_IS}.")
    if not path.is_dir():
        return [Trace.open(path)]
    files = sorted(f for f in path.glob("*.trace") if f.is_file())
    if not files:
        raise UsageError(f"{path} holds no .trace file{_inside(path)}")
    return [Trace.open(file) for file in files]


def _nearest(path: Path) -> str:
    """A neighbor with a similar name, as a question; a full stop if there is none."""
    if not path.parent.is_dir():
        return "."
    names = [entry.name for entry in path.parent.iterdir()]
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {path.parent / close[0]}?" if close else "."


def _inside(path: Path) -> str:
    """What to give instead of a folder that holds no trace."""
    runs = [entry for entry in path.iterdir() if any(entry.glob("*.trace"))]
    if not runs:
        return f". {_WHAT_A_RUN_IS}."
    latest = max(runs, key=lambda run: run.stat().st_mtime)
    held = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    return f", but {held}: give one of them, the latest is {latest}."
