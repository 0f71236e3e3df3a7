"""The command line: ``mmno-fast check | build | verify | info | demo``. One file per command; each is a few lines over the Python call."""

from __future__ import annotations

from typing import Annotated

import typer

from mmno_fast import _core
from mmno_fast.cli.build import EXAMPLES as BUILD_EXAMPLES
from mmno_fast.cli.build import build
from mmno_fast.cli.check import EXAMPLES as CHECK_EXAMPLES
from mmno_fast.cli.check import check
from mmno_fast.cli.demo import EXAMPLES as DEMO_EXAMPLES
from mmno_fast.cli.demo import demo
from mmno_fast.cli.exits import Group
from mmno_fast.cli.info import EXAMPLES as INFO_EXAMPLES
from mmno_fast.cli.info import info
from mmno_fast.cli.interrupts import answer_at_once
from mmno_fast.cli.verify import EXAMPLES as VERIFY_EXAMPLES
from mmno_fast.cli.verify import verify

app = typer.Typer(
    name="mmno-fast",
    cls=Group,
    help="From JSON Lines and a folder of pictures to shards that any Arrow or NumPy program opens: checked, exact, fast.",
    epilog="Start with: mmno-fast demo",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(epilog=CHECK_EXAMPLES)(check)
app.command(epilog=BUILD_EXAMPLES)(build)
app.command(epilog=VERIFY_EXAMPLES)(verify)
app.command(epilog=INFO_EXAMPLES)(info)
app.command(epilog=DEMO_EXAMPLES)(demo)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"mmno-fast {_core.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")] = False,
    traceback: Annotated[bool, typer.Option("--traceback", hidden=True, help="Show where in the program an error arose.")] = False,
) -> None:
    """Nothing to do before a command; `Group` reads the flag."""


def main() -> None:
    """What the script ``mmno-fast`` runs."""
    answer_at_once()
    app(prog_name="mmno-fast")
