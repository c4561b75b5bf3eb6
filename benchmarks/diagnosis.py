"""The corpus under peers, side by side: what they find, miss, and say of healthy runs.

Sets up an environment of its own under build/peers, which shares this one's torch, so
that what differs is the tool; a peer that cannot be installed is reported so. Each run
starts from the same seed. Runs come in a fixed order that mixes all kinds, so what
--minutes leaves is a sample, the same for all tools. Every tool is used as its own
introduction says, with default settings but for what is noted below the table.

    python benchmarks/diagnosis.py [--minutes 60] [--tools reluctant,torchdiag]

A peer has a cause right where any of its alerts is of a kind that may stand for it, by
the generous list `MEANS`; for the headline the first of those it ranks highest counts.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from corpus._figures import Share  # noqa: E402
from corpus._recipes import Recipe, recipes  # noqa: E402

HOME = ROOT / "build" / "peers"
WORKER = Path(__file__).with_name("_diagnosis_peers.py")
RESULTS = Path(__file__).parent / "results" / "diagnosis.json"
PACKAGES = {
    "torchmortem": "torchmortem==0.1.1",
    "torch-audit": "torch-audit==0.3.0",
    "torchdiag": "torchdiag==0.1.0",
    "neural-observatory": "neural-observatory==0.5.1",
    "NeuralDBG": "neuraldbg==1.3.2",
}
NEEDS = ["jinja2", "plotly", "psutil", "click<9", "rich"]

DEAD = "dead-unit dead-layer dead-output-unit born-dead-unit"
VANISH = "vanishing-gradient no-gradient scale-too-small"
EXPLODE = "exploding-gradient exploded-activation scale-too-large divergence"
IDLE = "parameter-not-in-optimizer frozen-parameter no-gradient step-without-backward"
NAN = "nonfinite-loss nonfinite-gradient nonfinite-data"
# what an alert, by a pattern of its words, may stand for: generous on purpose
MEANS: tuple[tuple[str, str], ...] = (
    (r"dead|TA105", DEAD),
    (r"saturat", "saturated-unit"),
    (r"vanish|stall|TA103|collaps\w* gradient", VANISH),
    (r"explo|TA102", EXPLODE),
    (r"update ratio too low", "step-too-small clipped-always"),
    (r"update ratio too high", "step-past-limit"),
    (r"diverg|spike", "divergence step-past-limit single-step-catastrophe"),
    (r"plateau", "underfit-plateau cannot-overfit-one-batch step-too-small"),
    (r"stagnant|no_grad|TA500", IDLE),
    (r"rank.collapse", "merged-units symmetric-init constant-predictor"),
    (r"noise", "noise-floor label-noise"),
    (r"nan|inf\b|inf_|TA100|TA305", NAN),
    (r"TA301", "unscaled-input nonfinite-data"),
    (r"TA302", "constant-feature"),
    (r"distribution_shift", "unshuffled skewed-input"),
)


def main() -> int:
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ask.add_argument(
        "--minutes", type=float, default=120, help="begin no run after that"
    )
    ask.add_argument("--tools", default=",".join(["reluctant", *PACKAGES]))
    ask.add_argument("--processes", type=int, default=2)
    given = ask.parse_args()
    python, missing = set_up([t for t in given.tools.split(",") if t in PACKAGES])
    tools = [t for t in given.tools.split(",") if t not in missing]
    runs = train_all(python, tools, given.minutes, given.processes)
    for line in [
        *table(runs, tools),
        *(f"{m}: could not be installed" for m in missing),
    ]:
        print(line)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(summary(runs, tools), indent=1) + "\n", "utf-8")
    return 0


def set_up(peers: Sequence[str]) -> tuple[Path, list[str]]:
    """The interpreter of the peers' environment, and which of them are not in it."""
    python = HOME / "bin" / "python"
    if not python.exists():
        venv.create(HOME, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet"]
    # behind its own packages stand ours: torch, and what reluctant needs
    (site,) = HOME.glob("lib/python*/site-packages")
    ours = [p for p in sys.path if p.endswith("site-packages")]
    (site / "zz-torch-of-this-run.pth").write_text("\n".join(ours) + "\n")
    subprocess.run([*install, *NEEDS], check=True)
    missing = [
        peer
        for peer in peers
        if subprocess.run(
            [*install, "--no-deps", PACKAGES[peer]], check=False
        ).returncode
    ]
    return python, missing


def train_all(
    python: Path, tools: Sequence[str], minutes: float, processes: int
) -> list[dict[str, Any]]:
    """Every chosen run under every tool."""
    folder = HOME / "runs"  # some peers leave files where they run
    folder.mkdir(exist_ok=True)
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    outputs = [folder / f"part-{part}.jsonl" for part in range(processes)]
    workers = []
    for part, output in enumerate(outputs):
        arguments = [",".join(tools), str(part), str(processes), str(minutes)]
        with output.open("w") as said, (folder / f"log-{part}.txt").open("w") as log:
            worker = subprocess.Popen(
                [str(python), str(WORKER), *arguments],
                cwd=folder,
                env=environment,
                stdout=said,
                stderr=log,
            )
        workers.append(worker)
    for worker in workers:
        if worker.wait():
            raise SystemExit(f"a worker failed: see {folder}/log-*.txt")
    texts = [output.read_text("utf-8") for output in outputs]
    lines = [line for text in texts for line in text.splitlines()]
    # libraries print there, too
    return [json.loads(line) for line in lines if line.startswith('{"tool"')]


def meaning(alert: str) -> frozenset[str]:
    """The causes that an alert may stand for."""
    return frozenset(
        cause
        for pattern, causes in MEANS
        if re.search(pattern, alert, re.IGNORECASE)
        for cause in causes.split()
    )


def figures(runs: Iterable[dict[str, Any]], tool: str) -> dict[str, Any]:
    """What is counted of one tool."""
    known: dict[str, Recipe] = {r.name: r for r in recipes()}
    mine = [run for run in runs if run["tool"] == tool]
    faulty = [run for run in mine if run["variant"] == "faulty"]
    well = [run for run in mine if run["variant"] != "faulty"]

    def is_right(run: dict[str, Any], alerts: Sequence[str]) -> bool:
        right = known[run["recipe"]].right
        if tool == "reluctant":
            return bool(right & set(alerts))
        return any(meaning(alert) & right for alert in alerts)

    def share(truths: Iterable[bool]) -> Share:
        told = list(truths)
        return Share(sum(told), len(told))

    seconds = sum(run["seconds"] for run in mine)
    return {
        "any alert on faulty": share(bool(r["alerts"]) for r in faulty),
        "true cause named": share(is_right(r, r["alerts"]) for r in faulty),
        "true cause first": share(is_right(r, r["alerts"][:1]) for r in faulty),
        "alert on healthy": share(bool(r["alerts"]) for r in well),
        "alerts a healthy run": sum(r["count"] for r in well) / max(len(well), 1),
        "broke": sum(bool(r["error"]) for r in mine),
        "CPU s a run": seconds / max(len(mine), 1),
    }


def table(runs: Sequence[dict[str, Any]], tools: Sequence[str]) -> list[str]:
    """One line a tool."""
    lines = []
    for tool in tools:
        row = figures(runs, tool)
        if not lines:
            lines.append(f"{'':20s}" + "".join(f"{name:27s}" for name in row))
        cells = (f"{v:.2f}" if isinstance(v, float) else str(v) for v in row.values())
        lines.append(f"{tool:20s}" + "".join(f"{cell:27s}" for cell in cells).rstrip())
    lines.append(
        "torch-audit looks every 50 steps, not every 1000, and its hardware rules "
        "(TA2xx) are left out;\ntorchdiag is asked after training, on 512 samples."
    )
    return lines


def summary(runs: Sequence[dict[str, Any]], tools: Sequence[str]) -> dict[str, Any]:
    """For the record: figures, and what was said of each run."""
    told = {
        tool: {
            name: {"count": v.count, "of": v.of} if isinstance(v, Share) else v
            for name, v in figures(runs, tool).items()
        }
        for tool in tools
    }
    errors = sorted({f"{r['tool']}: {r['error']}" for r in runs if r["error"]})
    return {"figures": told, "errors": errors}


if __name__ == "__main__":
    sys.exit(main())
