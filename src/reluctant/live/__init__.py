"""A training as it runs: attach, guard, budget, record, detach."""

from reluctant.live._run import RunResult, run_script
from reluctant.live._watch import Watch, watch

__all__ = ["RunResult", "Watch", "run_script", "watch"]
