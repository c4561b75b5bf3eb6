"""Measurements that cost real work, on copies: one exam a file."""

from reluctant.lab.exams.batch_leak import BatchLeak, batch_leak
from reluctant.lab.exams.data_pass import DataPass, data_pass
from reluctant.lab.exams.loss_replication import loss_replication
from reluctant.lab.exams.one_batch_overfit import OneBatchOverfit, one_batch_overfit
from reluctant.lab.exams.rehearsal import Rehearsal, rehearsal
from reluctant.lab.exams.step_gauge import Gauge, gauge
from reluctant.lab.exams.top_eigenvalue import TopEigenvalue, top_eigenvalue
from reluctant.lab.exams.unit_census import UnitCensus, unit_census

__all__ = [
    "BatchLeak",
    "DataPass",
    "Gauge",
    "OneBatchOverfit",
    "Rehearsal",
    "TopEigenvalue",
    "UnitCensus",
    "batch_leak",
    "data_pass",
    "gauge",
    "loss_replication",
    "one_batch_overfit",
    "rehearsal",
    "top_eigenvalue",
    "unit_census",
]
