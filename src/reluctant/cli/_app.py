"""The commands together, and the one place where an error becomes a line and a code."""

import os
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from reluctant.cli._output import FAILED, say
from reluctant.cli.case import case
from reluctant.cli.check import check
from reluctant.cli.claims import claims
from reluctant.cli.diagnose import diagnose
from reluctant.cli.explain import explain
from reluctant.cli.map import map_
from reluctant.cli.rules import rules
from reluctant.cli.run import run
from reluctant.cli.treat import treat
from reluctant.records import ReluctantError

_Misuse: type[Exception] = typer.BadParameter.__mro__[1]  # of all that typer raises
_TRACEBACK = "RELUCTANT_TRACEBACK"

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)
_passed_on = {"allow_interspersed_args": False}  # what follows SCRIPT is the script's
app.command(context_settings=_passed_on)(run)
app.command()(check)
app.command()(diagnose)
app.command()(case)
app.command()(claims)
app.command()(treat)
app.command(name="map")(map_)
app.command()(explain)
app.command()(rules)


@app.callback(invoke_without_command=True)
def _reluctant(
    context: typer.Context,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.")
    ] = False,
) -> None:
    """Find out why a neural network will not learn.

    Exit codes: 0 clear, 1 findings of severity warning or error, 2 misuse or failure.
    Findings go to stdout, everything else to stderr.
    """
    if show_version:
        say(f"reluctant {_version()}\n", sys.stdout)
        raise typer.Exit
    if context.invoked_subcommand is None:
        say(f"{context.get_help()}\n", sys.stderr)
        raise typer.Exit(FAILED)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Those of this process if left out.

    Returns:
        The exit code. Whatever is wrong with the arguments, a path or a file is told
        in one line on stderr. Only a fault of our own leaves the broad `except`: it
        must not exit with 1, which means that something was found.
    """
    try:
        code = app(
            None if arguments is None else list(arguments),
            prog_name="reluctant",
            standalone_mode=False,
        )
    except _Misuse as error:
        return _fail(_with_way_out(error))
    except ReluctantError as error:
        return _fail(str(error))
    except OSError as error:
        path = f"{error.filename}: " if error.filename else ""
        return _fail(f"{path}{error.strerror or error}.")
    except typer.Abort:
        return 130  # as a shell reports Ctrl-C
    except Exception as error:
        if os.environ.get(_TRACEBACK):
            traceback.print_exc()
        return _fail(
            f"reluctant itself failed with {type(error).__name__}: {error}. This is a "
            f"fault of ours; {_TRACEBACK}=1 in the environment shows where."
        )
    return int(code or 0)


def _fail(message: str) -> int:
    say(f"error: {' '.join(message.split())}\n", sys.stderr)
    return FAILED


def _with_way_out(error: BaseException) -> str:
    """The complaint of the argument parser, and where to look."""
    message = getattr(error, "format_message", lambda: str(error))()
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "reluctant"
    stop = "" if message.endswith((".", "?")) else "."
    return f"{message}{stop} `{command} --help` shows what can be given."


def _version() -> str:
    try:
        return version("reluctant")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "(not installed)"
