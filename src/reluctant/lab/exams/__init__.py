"""Measurements that cost real work, on copies: one exam a file."""

from reluctant.lab.exams.step_gauge import Gauge, gauge
from reluctant.lab.exams.top_eigenvalue import TopEigenvalue, top_eigenvalue

__all__ = ["Gauge", "TopEigenvalue", "gauge", "top_eigenvalue"]
