"""Trains a part of the corpus under one tool after the other, in an own environment.

Writes one JSON line a run: what the tool alerted to, worst first, in its own words. An
alert is what the tool itself ranks as a warning or worse.
"""

import argparse
import contextlib
import io
import json
import sys
import time
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from corpus._recipes import recipes
from corpus._watched import Job
from reluctant.lab import Training

Alerts = list[str]


class Tool:
    """One peer at one training: attached, told of each loss, asked at the end."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self.last = float("nan")
        self.step = 0
        training.optimizer.register_step_post_hook(self._after)

    def look(self, loss: Tensor) -> None:
        self.last = loss.item()

    def _after(self, *_: Any) -> None:
        self.step += 1
        self.after_step()

    def after_step(self) -> None: ...

    def alerts(self) -> Alerts:
        raise NotImplementedError


class Reluctant(Tool):
    def __init__(self, training: Training) -> None:
        import reluctant

        super().__init__(training)
        self.watch = reluctant.watch(training.model, training.optimizer)

    def look(self, loss: Tensor) -> None:
        self.watch.loss(loss)

    def alerts(self) -> Alerts:
        self.watch.detach()
        findings = self.watch.diagnosis.findings
        return [f.name for f in findings if f.severity.value != "note"]


class Torchmortem(Tool):
    def __init__(self, training: Training) -> None:
        from torchmortem import Autopsy

        super().__init__(training)
        self.autopsy = Autopsy(training.model, optimizer=training.optimizer)
        self.autopsy.attach()

    def after_step(self) -> None:
        self.autopsy.step(loss=self.last)

    def alerts(self) -> Alerts:
        self.autopsy.detach()
        report = self.autopsy.get_report()
        found = [f for f in report.findings if f.severity.name != "INFO"]
        found.sort(key=lambda f: -f.severity.value)
        return [f"{f.category}: {f.title.partition(' in ')[0]}" for f in found]


class NeuralObservatory(Tool):
    def __init__(self, training: Training) -> None:
        from neural_observatory import Observatory

        super().__init__(training)
        self.tool = Observatory(training.model)
        self.tool.watch()
        self.tool.step(step=0, epoch=0)

    def after_step(self) -> None:
        self.tool.step(step=self.step, epoch=0)

    def alerts(self) -> Alerts:
        self.tool.stop()
        found = [
            r
            for r in self.tool.report().results
            if r.status.value in ("warning", "critical")
        ]
        found.sort(key=lambda r: -r.severity)
        said = [f"{r.analyzer_name}: {' '.join(r.warnings)}" for r in found]
        return [s.lower()[:120] for s in said]


class NeuralDBG(Tool):
    def __init__(self, training: Training) -> None:
        from neuraldbg import NeuralDbg

        super().__init__(training)
        self.tool = NeuralDbg(training.model)
        self.tool.__enter__()

    def look(self, loss: Tensor) -> None:
        super().look(loss)
        self.tool.record_loss(self.last)

    def after_step(self) -> None:
        self.tool.step = self.step

    def alerts(self) -> Alerts:
        self.tool.__exit__(None, None, None)
        good = {"healthy", "normal", "stable"}
        events = sorted(self.tool.events, key=lambda e: -e.confidence)
        states = (getattr(e.to_state, "value", e.to_state) for e in events)
        return [str(s) for s in states if s not in good]


class TorchAudit(Tool):
    EVERY = 50  # its default of 1000 would see one step of most of these trainings

    def __init__(self, training: Training) -> None:
        from torch_audit import autopatch

        super().__init__(training)
        self.tool = autopatch(
            training.model, optimizer=training.optimizer, every_n_steps=self.EVERY
        )

    def alerts(self) -> Alerts:
        result = self.tool.finish(report=False)
        self.tool.unpatch()
        rank = {"INFO": 0, "WARN": 1, "ERROR": 2, "FATAL": 3}
        # TA2xx is about speed on hardware, not about learning
        found = [
            f
            for f in result.findings
            if rank[f.severity.value] and not f.rule_id.startswith("TA2")
        ]
        found.sort(key=lambda f: -rank[f.severity.value])
        return [f.rule_id for f in found]


class Torchdiag(Tool):
    SAMPLES = 512

    def alerts(self) -> Alerts:
        import torchdiag

        model, xs, seen = self.training.model, [], 0
        gradients = torchdiag.check_gradients(model)
        said = [s["status"].lower() for s in gradients.values() if s["status"] != "OK"]
        with self.training.own_randomness():
            while seen < self.SAMPLES:
                x, _ = self.training.next_batch()
                if not isinstance(x, Tensor):
                    return said
                xs.append(x)
                seen += len(x)
        dead = torchdiag.check_dead_neurons(model, torch.cat(xs))
        return ["dead" for layer in dead.values() if layer["dead_pct"] > 20] + said


TOOLS: dict[str, Callable[[Training], Tool]] = {
    "reluctant": Reluctant,
    "torchmortem": Torchmortem,
    "neural-observatory": NeuralObservatory,
    "NeuralDBG": NeuralDBG,
    "torch-audit": TorchAudit,
    "torchdiag": Torchdiag,
}


class Run:
    """What a loop of a recipe hands its losses to."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool

    def loss(self, loss: Tensor) -> Tensor:
        self.tool.look(loss)
        return loss

    def add(self, optimizer: Optimizer) -> None:
        if isinstance(self.tool, Reluctant):
            self.tool.watch.add(optimizer)


def one(name: str, job: Job) -> dict[str, Any]:
    """Train under one tool."""
    began = time.thread_time()
    try:
        training = job.recipe.build(job.variant, job.seed)
        with contextlib.redirect_stdout(io.StringIO()):
            tool = TOOLS[name](training)
            with training.own_randomness():
                job.recipe.loop(job.variant)(training, Run(tool), job.recipe.steps)
            alerts, error = tool.alerts(), ""
    except Exception as problem:  # a peer that breaks is reported, and the rest go on
        alerts, error = [], f"{type(problem).__name__}: {problem}"[:200]
    return {
        "tool": name,
        "recipe": job.recipe.name,
        "variant": job.variant,
        "alerts": list(dict.fromkeys(alerts)),
        "count": len(alerts),
        "error": error,
        "seconds": round(time.thread_time() - began, 2),
    }


def main() -> None:
    ask = argparse.ArgumentParser()
    ask.add_argument("tools", help="names, with commas")
    ask.add_argument("part", type=int, help="which share of the jobs")
    ask.add_argument("parts", type=int)
    ask.add_argument("minutes", type=float, help="begin no run after that")
    given = ask.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    out, sys.stdout = sys.stdout, sys.stderr
    jobs = [Job(recipe, v, 0) for recipe in recipes() for v in recipe.variants]
    # in an order that is always the same and mixes all kinds: a part is a sample
    jobs.sort(key=lambda job: zlib.crc32(job.trace.encode()))
    until = time.monotonic() + 60 * given.minutes
    for job in jobs[given.part :: given.parts]:
        if time.monotonic() > until:
            break
        for name in given.tools.split(","):
            print(json.dumps(one(name, job)), file=out, flush=True)


if __name__ == "__main__":
    main()
