"""`python -m corpus`: train the whole corpus under watch, and count what was said.

Traces are kept, so that changed rules can be judged again in seconds (`--judge`).
"""

import argparse
import multiprocessing
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path

import msgspec

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch reads it

from corpus import _harm
from corpus._figures import Figures, difference, figures, table, wrong
from corpus._recipes import Recipe, recipes
from corpus._watched import Job, Said, examine, judge, train
from reluctant.records import Trace

HERE = Path(__file__).parent
TABLES = {"watch": HERE / "table.json", "check": HERE / "table_check.json"}
OUT = HERE.parent / "out" / "corpus"
# whatever it costs: when to look depends on the step, not on how busy the machine is
BUDGETS = {"watch": 1.0, "check": 30.0}


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if no figure fell, 1 if one did, 2 if a run failed."""
    ask = argparse.ArgumentParser(prog="python -m corpus", description=__doc__)
    ask.add_argument("--seeds", type=int, default=1, help="runs of each recipe")
    ask.add_argument(
        "--only", default="", help="recipes whose name or cause holds this"
    )
    ask.add_argument("--judge", action="store_true", help="do not train: read traces")
    ask.add_argument(
        "--record", action="store_true", help="write table.json, harm.json"
    )
    ask.add_argument("--check", action="store_true", help="before training: no step")
    ask.add_argument("--budget", type=float, help="share for watching, or s of a check")
    ask.add_argument("--out", type=Path, default=OUT, help="folder of the traces")
    ask.add_argument("--processes", type=int, default=2)
    given = ask.parse_args(arguments)
    mode = "check" if given.check else "watch"
    # a loop of its own is nothing that a check before training could see
    known = [r for r in recipes() if not (given.check and r.has_loop)]
    chosen = [r for r in known if re.search(given.only, f"{r.name} {r.cause}")]
    jobs = [
        Job(recipe, variant, seed)
        for seed in range(given.seeds)
        for recipe in sorted(chosen, key=lambda r: -r.steps)
        for variant in recipe.variants
    ]
    folder = given.out / {"watch": "traces", "check": "checked"}[mode]
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    if given.judge:
        failed = [
            f"{j.trace}: no trace" for j in jobs if not (folder / j.trace).exists()
        ]
        jobs = [job for job in jobs if (folder / job.trace).exists()]
        said, harm = _judge_all(jobs, folder), {}
    else:
        run = partial(
            examine if given.check else train,
            folder=folder,
            budget=given.budget or BUDGETS[mode],
        )
        said, failed, harm = _run_all(jobs, run, given.processes)
    now = figures(sorted(said, key=lambda s: (s.recipe, s.variant, s.seed)), chosen)
    print(*table(now), "", "wrong:", *wrong(now, chosen), sep="\n")
    if harm and not given.check:
        print(
            "",
            "repairs that hardly helped:",
            *_harm.unhelped(harm, given.seeds),
            sep="\n",
        )
    print(f"\n{len(said)} runs in {time.perf_counter() - began:.0f} s")
    if failed:
        print("failed:", *failed, sep="\n  ")
        return 2
    if given.record and not given.judge and not given.check:
        _harm.record(harm, given.seeds)
    if given.only:
        return 0
    if given.record:
        written = msgspec.json.format(msgspec.json.encode(now), indent=1)
        TABLES[mode].write_bytes(written)
        return 0
    return _compare(now, TABLES[mode], given.seeds, chosen)


def _compare(now: Figures, recorded: Path, seeds: int, known: list[Recipe]) -> int:
    """1 if a figure of the recorded table fell, over the seeds that both have."""
    if not recorded.exists():
        print("no table was recorded: --record")
        return 0
    before = msgspec.json.decode(recorded.read_bytes(), type=Figures)
    names = {r.name for r in known}
    same = [s for s in before.said if s.seed < seeds and s.recipe in names]
    if seeds > 1 + max((s.seed for s in same), default=0):
        print("the recorded table was made with fewer seeds")
        return 0
    before = figures(same, known)
    changed, fell = difference(before, now)
    print("against the recorded table:", *(changed or ["  no change"]), sep="\n")
    if fell:
        print("these figures fell:", *fell, sep="\n")
    return 1 if fell else 0


def _run_all(
    jobs: Sequence[Job],
    run: Callable[[Job], tuple[Said, float, float]],
    processes: int,
) -> tuple[list[Said], list[str], dict[Job, float]]:
    said: list[Said] = []
    failed: list[str] = []
    scores: dict[Job, float] = {}
    seconds: dict[str, float] = {}
    with ProcessPoolExecutor(
        processes, mp_context=multiprocessing.get_context("spawn")
    ) as pool:
        runs = {pool.submit(run, job): job for job in jobs}
        for number, done in enumerate(as_completed(runs), 1):
            job = runs[done]
            try:
                result, scores[job], taken = done.result()
            except Exception as error:
                failed.append(f"{job.trace}: {type(error).__name__}: {error}")
                continue
            said.append(result)
            seconds[job.trace] = taken
            if sys.stderr.isatty():
                print(f"\r{number}/{len(jobs)} ", end="", file=sys.stderr)
    slow = sorted(seconds, key=seconds.__getitem__)[:-6:-1]
    print("slowest:", ", ".join(f"{n} {seconds[n]:.1f} s" for n in slow), "\n")
    return said, failed, scores


def _judge_all(jobs: Sequence[Job], folder: Path) -> list[Said]:
    return [judge(job, Trace.open(folder / job.trace)) for job in jobs]


if __name__ == "__main__":
    sys.exit(main())
