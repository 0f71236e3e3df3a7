"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path
from typing import Annotated, Any, Final, get_type_hints

import typer

from mmno_fast import _core
from mmno_fast.data.sources import named_sources, refuse_overwriting
from mmno_fast.report.visible import visible_path
from mmno_fast.spec.image import Profile, profiles
from mmno_fast.spec.scan import ScanOptions

_BYTE_UNITS: Final = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SIZE: Final = re.compile(r"(\d+)(?:x(\d+))?")
_SETTINGS: Final = ("backend", "min_pixels", "max_pixels", "image_min_pixels", "image_max_pixels")
_BYTES: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


def parse_bytes(text: str | int) -> int:
    """A number of bytes, with or without a unit.

    >>> parse_bytes("256MiB"), parse_bytes("1.5 GB"), parse_bytes("4096")
    (268435456, 1500000000, 4096)
    """
    match = _BYTES.fullmatch(str(text).strip())  # typer hands a default over as it stands
    if not match or match[2].lower() not in _BYTE_UNITS:
        raise typer.BadParameter(f"expected a number of bytes, as in 4096, 256MiB or 1GB, found {text!r}")
    return int(float(match[1]) * _BYTE_UNITS[match[2].lower()])


def parse_size(text: str) -> tuple[int, int]:
    """(height, width) of ``448`` or ``448x336``.

    >>> parse_size("448"), parse_size("448x336")
    ((448, 448), (448, 336))
    """
    match = _SIZE.fullmatch(text.strip().lower())
    if not match:
        raise ValueError(f"--size: expected a number of pixels, or HEIGHTxWIDTH as in 448x336, found {text!r}")
    height = int(match[1])
    return height, int(match[2] or height)


def parse_profile(text: str, **common: Any) -> Profile:
    """The profile of ``hf/qwen3_vl`` or ``hf/qwen3_vl:max_pixels=1048576,backend=pillow``.

    >>> parse_profile("hf/qwen3_vl:max_pixels=1048576,backend=pillow")
    Profile('hf/qwen3_vl', backend='pillow', max_pixels=1048576)
    """
    name, _, said = text.strip().partition(":")
    settings: dict[str, Any] = {}
    for setting in filter(None, said.split(",")):
        key, _, value = setting.partition("=")
        if key not in _SETTINGS or not value:
            raise ValueError(f"--profile: expected NAME:KEY=VALUE,… with keys {', '.join(_SETTINGS)}, found {setting!r}")
        if key != "backend" and not value.isdecimal():
            raise ValueError(f"--profile: {key}: expected a number of pixels, found {value!r}")
        settings[key] = value if key == "backend" else int(value)
    return Profile(name, **settings, **common)


def complete_profiles(incomplete: str) -> list[str]:
    """Names of profiles that begin with `incomplete`, for tab completion."""
    return [name for name in profiles() if name.startswith(incomplete)]


def complete_codes(incomplete: str) -> list[str]:
    """Codes of level E that begin with `incomplete`, for tab completion."""
    return [entry["code"] for entry in _core.catalogue() if entry["severity"] == "E" and entry["code"].startswith(incomplete)]


def writable(path: Path | None) -> Path | None:
    """`path`, if its folder is there: told before the work, not after it."""
    if path is not None and not path.parent.is_dir():
        raise typer.BadParameter(f"{path.parent}: no such folder")
    return path


def keep_inputs(sources: list[Path], out: Path | None = None, **outputs: Path | None) -> None:
    """Refuse, before the work, to write a report over a source or into the folder of the data set `out`."""
    named = named_sources(texts(sources)) if sources else []
    refuse_overwriting({f"--{what.replace('_', '-')}": path for what, path in outputs.items()}, named)
    for what, path in outputs.items():
        if path is not None and out is not None and out.resolve() in path.resolve().parents:
            raise ValueError(f"--{what}: {visible_path(path)} lies in the data set; name a file elsewhere")


def texts(paths: list[Path] | None) -> list[str]:
    """Paths as the texts that they were: a source may be ``name=path``."""
    return [str(path) for path in paths or []]


ROWS = "Rows"
PICTURES = "Pictures"
OUTPUT = "Output"
RUN = "How to run"

Sources = Annotated[list[Path], typer.Argument(metavar="SOURCES", help="JSONL files; NAME=PATH gives one another name.")]
Images = Annotated[
    list[Path] | None,
    typer.Option("--images", metavar="DIR", help="Where pictures lie; may be said again.", show_default=False, rich_help_panel=PICTURES),
]
ProfileName = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="As a model's own processor: hf/qwen3_vl, llamafactory/qwen3_vl:image_max_pixels=262144, …",
        show_default=False,
        autocompletion=complete_profiles,
        rich_help_panel=PICTURES,
    ),
]
Shards = Annotated[Path, typer.Argument(metavar="SHARDS", help="The folder that holds manifest.json.")]
Threads = Annotated[int | None, typer.Option(min=1, metavar="N", help="How many to use.", show_default="every CPU", rich_help_panel=RUN)]
Json = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="FILE",
        help="Write the report as JSON; - is stdout.",
        show_default=False,
        callback=writable,
        rich_help_panel=OUTPUT,
    ),
]


def with_scan_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` an option for each field of `ScanOptions`, in the place of its parameter `scan`.

    A field that is on by default becomes the switch ``--no-NAME``.
    """
    signature = inspect.signature(command, eval_str=True)
    kinds = get_type_hints(ScanOptions)
    options = {each.name: _scan_option(each, kinds[each.name]) for each in fields(ScanOptions)}
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        parameters += options.values() if parameter.name == "scan" else [parameter]

    @functools.wraps(command)
    def run(**values: Any) -> None:
        chosen: dict[str, Any] = {}
        for name, option in options.items():
            value = values.pop(option.name)
            chosen[name] = value if option.name == name else not value  # the switch turns the option off
        command(scan=ScanOptions(**chosen), **values)

    # What typer reads of a command.
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _scan_option(field: Field[Any], kind: Any) -> inspect.Parameter:
    """The parameter of a command for one field of `ScanOptions`."""
    name = field.name
    default: Any = field.default
    look: dict[str, Any] = {"help": field.metadata["help"], "rich_help_panel": field.metadata["panel"]}
    if default is True:
        name, default = f"no_{name}", False
    elif default is None:
        look |= {"metavar": "TEXT", "show_default": False}
    elif field.metadata.get("unit") == "bytes":
        look |= {"metavar": "BYTES", "show_default": f"{default >> 20}MiB", "parser": parse_bytes}
    option = typer.Option(f"--{name.replace('_', '-')}", **look)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])
