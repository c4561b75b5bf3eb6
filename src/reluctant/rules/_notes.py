"""Facts in the trace that are no numbers."""

from reluctant.records import Trace


def fed_nonfinite(trace: Trace) -> bool:
    """Whether the user's own batch held what is no number: no step is to blame."""
    return any(n.site in ("input", "target") for n in trace.notes("nonfinite"))
