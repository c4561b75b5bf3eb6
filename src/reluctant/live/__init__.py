"""A training as it runs: attach, guard, budget, record, detach."""

from reluctant.live._attach import watch
from reluctant.live._run import RunResult, run_script
from reluctant.live._watch import Watch

__all__ = ["RunResult", "Watch", "run_script", "watch"]
