"""Make the numerical ground hard: one thread, deterministic kernels, no warnings."""

import sys

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden",
        action="store_true",
        help="rewrite printed output instead of testing",
    )


@pytest.fixture(autouse=True)
def _hard_ground() -> None:
    if "torch" in sys.modules:  # the torch-free tests stay torch-free
        import torch

        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
