"""How commands end: exit codes, and errors of one or two lines instead of tracebacks.

0: done; 1: findings, damage, or an error of the data or the system; 2: wrong use; 3: rows rejected for reasons that are not allowed;
70: a fault of mmno_fast itself; 130: Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import typer
from rich.text import Text
from typer.core import TyperGroup

from mmno_fast import _core
from mmno_fast.cli.consoles import stderr

FAILED: Final = 1
WRONG_USE: Final = 2
REJECTED: Final = 3
INTERNAL: Final = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED: Final = 130


class Stop(typer.TyperException):
    """Ends a command with a message and an exit code."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = code


class Group(TyperGroup):
    """Commands whose errors are told in a line or two."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; whatever it raises becomes a `Stop`, unless ``--traceback`` was said."""
        try:
            return super().invoke(ctx)
        except (typer.TyperException, typer.Exit, typer.Abort):
            raise
        except Exception as error:
            if ctx.params.get("traceback"):
                raise
            raise _explained(error) from error

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> Any:  # type: ignore[override]
        """Run with `args`; always ends the process with an exit code, as a script does."""
        extra["standalone_mode"] = False
        try:
            code = super().main(args, prog_name, **extra)
            sys.stdout.flush()  # now, and not when the interpreter ends and can only complain
        except BrokenPipeError:
            _let_stdout_go()
            code = FAILED
        except typer.TyperException as error:
            _tell(error)
            code = error.exit_code
        except typer.Abort:
            stderr().print(Text("interrupted"))
            code = INTERRUPTED
        sys.exit(code if isinstance(code, int) else 0)


def _explained(error: Exception) -> Stop:
    if isinstance(error, BrokenPipeError):
        _let_stdout_go()
        return Stop("", FAILED)
    if isinstance(error, _core.InternalError):
        return Stop(str(error), INTERNAL)
    if isinstance(error, _core.MmnoError):
        return Stop(str(error), WRONG_USE if getattr(error, "code", None) == "source.not_lines" else FAILED)
    if isinstance(error, (ValueError, FileNotFoundError, NotADirectoryError)):
        return Stop(_plain(error), WRONG_USE)
    if isinstance(error, (OSError, ImportError)):
        return Stop(_plain(error), FAILED)
    kind = type(error).__name__
    return Stop(f"{kind}: {error}\nthis is a bug in mmno_fast: please report it with what `mmno-fast --traceback …` prints", INTERNAL)


def _let_stdout_go() -> None:
    """Nobody reads it any more: what is left to flush has nowhere to go."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _plain(error: Exception) -> str:
    """The message without `[Errno 2]`."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror.lower()}" if error.filename else error.strerror.lower()
    return str(error)


def _in_our_words(message: str) -> str:
    """What typer says about wrong use, in lower case and without the names of its own parts.

    >>> _in_our_words("Invalid value for '--threads': Input should be greater than or equal to 1")
    "invalid value for '--threads': expected a number greater than or equal to 1"
    """
    text = message[:1].lower() + message[1:].rstrip(".")
    text = text.replace(": Value error, ", ": ").replace(": Input should be a valid ", ": expected a valid ")
    return text.replace(": Input should be ", ": expected a number ")


def _tell(error: typer.TyperException) -> None:
    message = error.format_message()
    if not message:  # the help was shown already, or there is nobody to tell
        return
    ctx = getattr(error, "ctx", None)
    console = stderr()
    text = message if isinstance(error, Stop) else _in_our_words(message)
    console.print(Text.assemble(("error: ", "bold red"), text), soft_wrap=True)
    if ctx is not None:
        console.print(Text(f"see: {ctx.command_path} --help"), soft_wrap=True)
