"""Break off what does not end, in this process."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

BUILD_TIMEOUT = 300.0  # seconds that a recipe may take to build one training


class NotEndedError(TimeoutError):
    """Raised in what has taken too long."""


@contextmanager
def time_limit(seconds: float, what: str) -> Iterator[None]:
    """Raise NotEndedError in the block once it has taken so long.

    An alarm of the system breaks off Python code, `time.sleep` included, but not a
    single long call into compiled code. Where there is no alarm (Windows, a thread
    that is not the main one, an alarm of the user's own) nothing is broken off.

    Args:
        seconds: Of wall time.
        what: Named by the error.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not (is_main and hasattr(signal, "setitimer")) or any(
        signal.getitimer(signal.ITIMER_REAL)
    ):
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise NotEndedError(f"{what} has not ended in {seconds:.3g} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
