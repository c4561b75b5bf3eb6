"""The command line: one command a file. torch is imported only by those that train."""

from reluctant.cli._app import main

__all__ = ["main"]
