"""Measurements that cost real work, on copies: one exam a file."""

from reluctant.lab.exams.step_gauge import Gauge, gauge

__all__ = ["Gauge", "gauge"]
