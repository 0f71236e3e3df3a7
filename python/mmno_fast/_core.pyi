"""The Rust core. Private: use the names that `mmno_fast` exports."""

from collections.abc import Sequence
from os import PathLike
from typing import Any, Final, final

import numpy.typing as npt

__all__ = [
    "CheckReport",
    "ClosedError",
    "DataError",
    "MmnoError",
    "Progress",
    "ShardError",
    "StateError",
    "__version__",
    "build",
    "build_info",
    "catalogue",
    "check",
    "inspect_line",
    "plan_tokens",
    "probe_picture",
    "profiles",
    "read_pictures",
    "verify",
]
__version__: Final[str]

class MmnoError(Exception):
    """Something that mmno_fast cannot do; `code`, `path`, `line` and `byte` say where, or are None."""

    code: str | None
    path: str | None
    line: int | None
    byte: int | None

class DataError(MmnoError):
    """The input cannot be used, or changed while it was read."""

class ShardError(MmnoError):
    """A folder of shards is damaged, foreign, of a newer format, or in another builder's hands."""

class StateError(MmnoError):
    """A loader's state belongs to other data."""

class ClosedError(MmnoError):
    """The object was closed."""

@final
class Progress:
    """How far a job is: counters that any thread may read while the job runs in another."""

    def __new__(cls) -> Progress: ...
    def snapshot(self) -> dict[str, int | str]:
        """`stage`, `done`, `total` (0: unknown), `rows`, `pictures`, `bytes`, `rejects`, `decoded`."""

@final
class CheckReport:
    """What a check found."""

    @property
    def summary(self) -> str:
        """Totals and counts as JSON."""
    @property
    def length(self) -> int:
        """The number of findings."""
    def write_jsonl(self, path: str) -> None:
        """Write every finding, one JSON object a line."""
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> Any:
        """The findings as an Arrow stream; pass the report to pyarrow, do not call this."""

def catalogue() -> list[dict[str, str]]:
    """Every code: `code`, `severity`, `when`, `hint`, `silenced_by`."""

def build_info() -> dict[str, str]:
    """How this build was made and what it runs on.

    Keys: version, profile, target, libjpeg_turbo, jpeg_simd (built with: avx2, neon or none), resample (here: vbmi, avx512, avx2 or
    portable).
    """

def check(
    sources: Sequence[tuple[str, str]],
    roots: Sequence[str] | None,
    *,
    spec: str,
    decode: bool,
    placeholders: str,
    strip_prefix: str | None,
    follow_links: bool,
    max_line_bytes: int,
    threads: int,
    chunk_bytes: int,
    window: int,
    progress: Progress | None,
) -> CheckReport: ...
def build(
    sources: Sequence[tuple[str, str]],
    roots: Sequence[str],
    out: str,
    *,
    spec: str,
    shard_bytes: int,
    shuffle_seed: int | None,
    update: bool,
    placeholders: str,
    strip_prefix: str | None,
    follow_links: bool,
    max_line_bytes: int,
    threads: int,
    chunk_bytes: int,
    window: int,
    progress: Progress | None,
) -> str:
    """Build, go on with, or update a data set; the report as JSON."""

def verify(out: str, *, threads: int, progress: Progress | None) -> str:
    """Every fault of a data set: a JSON list of `{"path", "message"}`, and what was read."""

def inspect_line(line: bytes, *, placeholders: str) -> str:
    """What one line holds and what is wrong with it, as JSON: for tests and for looking at one row."""

def probe_picture(data: bytes) -> dict[str, Any]:
    """Format, mode, size, orientation, hash, from the header alone."""

def read_pictures(
    sources: Sequence[bytes | str | PathLike[str]],
    spec: str,
    output: str | None = None,
    stored: bool = False,
    threads: int = 1,
) -> list[tuple[npt.NDArray[Any], tuple[int, int]]]:
    """Pictures with their height and width: uint8 (H, W, 3), or (H, W) where `stored` and without colour, or as `output` says.

    16-bit floats come as uint16.
    """

def profiles() -> str:
    """Every profile, as a JSON list."""

def plan_tokens(spec: str, pictures: Sequence[tuple[int, int] | bytes | str | PathLike[str]]) -> list[tuple[int, int, int, int, int] | str]:
    """Of each picture (height, width, grid height, grid width, tokens), or why it is refused."""
