"""How commands end: exit codes, and errors of one or two lines instead of tracebacks.

0: done; 1: findings, damage, or an error of the data or the system; 2: wrong use; 3: rows rejected for reasons that are not allowed;
70: a fault of mmno_fast itself; 130: Ctrl-C.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import typer
from rich.text import Text
from typer.core import TyperGroup

from mmno_fast import _core
from mmno_fast.cli.consoles import StdoutError, flush, prepare, stderr
from mmno_fast.cli.interrupts import INTERRUPTED, work_is_over
from mmno_fast.report.visible import LINE_CHARS, visible, visible_path

FAILED: Final = 1
WRONG_USE: Final = 2
REJECTED: Final = 3
INTERNAL: Final = 70  # EX_SOFTWARE of sysexits.h


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
                stderr().print(Text(traceback.format_exc().rstrip()), soft_wrap=True)
                raise Stop("", FAILED) from error
            raise _explained(error) from error
        finally:
            work_is_over()

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> Any:  # type: ignore[override]
        """Run with `args`; always ends the process with an exit code, as a script does."""
        extra["standalone_mode"] = False
        prepare()
        try:
            code = super().main(args, prog_name, **extra)
            flush()
        except typer.TyperException as error:
            code = _tell(error)
        except (OSError, StdoutError) as error:  # of the help, the version and the last flush; a command's are explained above
            code = _tell(_explained(error))
        except typer.Abort:
            stderr().print(Text("interrupted"))
            code = INTERRUPTED
        with suppress(StdoutError):  # it was told; what is left in the buffer has nowhere to go
            flush()
        sys.exit(code if isinstance(code, int) else 0)


def _explained(error: Exception) -> Stop:
    said = visible(error, LINE_CHARS)
    if isinstance(error, StdoutError):
        cause = error.__cause__
        return Stop("" if isinstance(cause, BrokenPipeError) else f"stdout: {_plain(cause or error)}", FAILED)
    if isinstance(error, _core.InternalError):
        return Stop(said, INTERNAL)
    if isinstance(error, _core.MmnoError):
        return Stop(said, WRONG_USE if getattr(error, "code", None) == "source.not_lines" else FAILED)
    if isinstance(error, (ValueError, FileNotFoundError, NotADirectoryError)):
        return Stop(_plain(error), WRONG_USE)
    if isinstance(error, (OSError, ImportError, MemoryError)):
        return Stop(_plain(error) or "there is not enough memory; give the process more", FAILED)
    kind = type(error).__name__
    return Stop(f"{kind}: {said}\nthis is a bug in mmno_fast: please report it with what `mmno-fast --traceback …` prints", INTERNAL)


def _plain(error: BaseException) -> str:
    """The message without `[Errno 2]`."""
    if isinstance(error, OSError) and error.strerror:
        reason = visible(error.strerror.lower())
        return f"{visible_path(str(error.filename))}: {reason}" if error.filename else reason
    return visible(error, LINE_CHARS)


def _in_our_words(message: str) -> str:
    """What typer says about wrong use, in lower case and without the names of its own parts.

    >>> _in_our_words("Invalid value for '--threads': Input should be greater than or equal to 1")
    "invalid value for '--threads': expected a number greater than or equal to 1"
    """
    text = message[:1].lower() + message[1:].rstrip(".")
    text = text.replace(": Value error, ", ": ").replace(": Input should be a valid ", ": expected a valid ")
    return text.replace(": Input should be ", ": expected a number ")


def _tell(error: typer.TyperException) -> int:
    """Say `error` on stderr; its exit code."""
    message = error.format_message()
    if not message:  # the help was shown already, or there is nobody to tell
        return error.exit_code
    ctx = getattr(error, "ctx", None)
    console = stderr()
    text = message if isinstance(error, Stop) else visible(_in_our_words(message), LINE_CHARS)
    console.print(Text.assemble(("error: ", "bold red"), text), soft_wrap=True)
    if ctx is not None:
        console.print(Text(f"see: {ctx.command_path} --help"), soft_wrap=True)
    return error.exit_code
