"""The Rust core. Private: use the names that `mmno_fast` exports."""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, Final, Self, final

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer

__all__ = [
    "Assembler",
    "Batch",
    "Batches",
    "CheckReport",
    "ClosedError",
    "Consumer",
    "DataError",
    "Epoch",
    "Feed",
    "InternalError",
    "Lease",
    "MmnoError",
    "Pixels",
    "Progress",
    "RejectLines",
    "Rows",
    "Samples",
    "ShardError",
    "SlotPool",
    "StateError",
    "Stats",
    "Table",
    "__version__",
    "build",
    "build_info",
    "catalogue",
    "check",
    "count_batches",
    "inspect_line",
    "limits",
    "plan_tokens",
    "probe_picture",
    "profiles",
    "read_pictures",
    "read_rejects",
    "samples_at",
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

class InternalError(MmnoError):
    """A fault of mmno_fast itself, whatever the input was: please report it."""

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
        """The number of findings that are kept."""
    def write_jsonl(self, path: str) -> None:
        """Write the findings that are kept, one JSON object a line."""
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> Any:
        """The findings as an Arrow stream; pass the report to pyarrow, do not call this."""

@final
class Rows:
    """Rows as Arrow: pass them to ``pyarrow.record_batch``."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[Any, Any]:
        """The rows as an Arrow array; for pyarrow."""

@final
class Batches:
    """Batches of one Arrow schema; pass it to pyarrow, polars or DuckDB."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

@final
class Pixels:
    """The pixels of one picture in a mapped file: read-only memory, by the buffer protocol."""

    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

@final
class Table:
    """An open data set: the one door through which it is read. Rows go by number, pictures by id, which is a number of the core's."""

    @staticmethod
    def open(
        location: str | PathLike[str] | Sequence[tuple[str, str]],
        roots: Sequence[str] | None = None,
        *,
        scan: str | None = None,
        rejects: Sequence[tuple[str, int]] = ...,
        threads: int = 1,
        chunk_bytes: int = ...,
        window: int = 1,
        progress: Progress | None = None,
    ) -> Table:
        """The finished data set in a folder; or, with `roots` and `scan` (JSON), JSONL with its pictures, scanned now."""
    def after_fork(self) -> Table:
        """The same data set, for a forked child."""
    @property
    def row_count(self) -> int:
        """How many rows there are."""
    @property
    def spec(self) -> str:
        """What becomes of pictures, as JSON."""
    @property
    def fingerprint(self) -> str | None:
        """The hash of the manifest, 64 hex digits; None for JSONL."""
    @property
    def manifest(self) -> str | None:
        """The text of ``manifest.json``; None for JSONL."""
    def identity(self) -> tuple[list[tuple[str, str]], list[tuple[str, int]]]:
        """(name, BLAKE3) of each source, and (source, line) of each rejected row, sorted."""
    def rejected(self) -> list[tuple[str, int, list[str]]]:
        """Of JSONL: (source, line, codes) of each rejected row; no codes where only the caller's list rejects it."""
    def rows(self, numbers: npt.NDArray[np.uint64] | None = None, names: Sequence[str] | None = None) -> Batches:
        """These rows, or all in order; some of their columns, or all."""
    def row(self, number: int) -> dict[str, Any]:
        """One row as plain values: all columns, except `pictures`."""
    def row_pictures(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Where the pictures of each row begin in the second array (and the end of the last); and their places in `picture_ids`."""
    def picture_ids(self) -> npt.NDArray[np.uint64]:
        """Every distinct picture that rows name, in the order in which they first do."""
    def pictures_of(self, row: int) -> list[int]:
        """The pictures of one row."""
    def pictures(self, pictures: npt.NDArray[np.uint64]) -> Batches:
        """What is known of these pictures: the columns of ``pictures.arrow``."""
    def picture(self, picture: int) -> dict[str, Any]:
        """What is known of one picture, as plain values: the columns of ``pictures.arrow``."""
    def hashes(self, pictures: npt.NDArray[np.uint64]) -> bytes:
        """BLAKE3 of the files of these pictures, 32 bytes each."""
    def pixels(self, picture: int) -> tuple[Pixels | npt.NDArray[np.uint8], tuple[int, ...]]:
        """The pixels of a picture as stored, and their shape: a view of the mapped shard, or an array of their own."""
    def file(self, picture: int) -> bytes:
        """The file that a picture came from, where it is kept."""

@final
class RejectLines:
    """The lines of a ``rejects.jsonl``, as bytes. The file must be a regular one."""

    def __new__(cls, path: str | PathLike[str]) -> RejectLines: ...
    def __iter__(self) -> RejectLines: ...
    def __next__(self) -> bytes: ...

def read_rejects(path: str) -> list[tuple[str, int]]:
    """(source, line) of each row in a ``rejects.jsonl``."""

@final
class Samples:
    """What an epoch goes through."""

    @staticmethod
    def all(count: int) -> Samples:
        """Rows 0 to count - 1."""
    @staticmethod
    def of_rows(rows: npt.NDArray[np.uint32]) -> Samples:
        """These rows."""
    @staticmethod
    def groups(starts: npt.NDArray[np.uint32], rows: npt.NDArray[np.uint32]) -> Samples:
        """Groups of rows: group i is ``rows[starts[i]:starts[i + 1]]``."""
    @staticmethod
    def of_pictures(pictures: npt.NDArray[np.uint64]) -> Samples:
        """Pictures by their numbers in the table."""
    def __len__(self) -> int: ...

@final
class Stats:
    """Counters of one loader."""

    def __new__(cls) -> Stats: ...
    def snapshot(self) -> dict[str, Any]:
        """`busy` (seconds by stage), `pictures`, `decoded`, `remembered`, `memory_bytes`, `skipped`, `slots`, `slot_bytes`."""

@final
class SlotPool:
    """Memory that batches are written into."""

    def __new__(cls, stats: Stats, given: Sequence[Any]) -> SlotPool: ...

@final
class Assembler:
    """Makes batches: what of, and how."""

    def __new__(cls, table: Table, samples: Samples, stats: Stats, *, output: str | None, skips: bool, memory_bytes: int) -> Assembler: ...

@final
class Feed:
    """Batches of one rank in one epoch, made ahead by threads. ``with`` ends them: it waits, unless something was raised."""

    def __new__(
        cls,
        assembler: Assembler,
        pool: SlotPool,
        *,
        shuffle: bool,
        seed: int,
        epoch: int,
        batch: int,
        rank: int,
        world: int,
        uneven: str,
        start: int,
        threads: int,
        batches_ahead: int,
        bytes_ahead: int,
    ) -> Feed: ...
    def next(self) -> Batch | None:
        """The next batch; None at the end."""
    def close(self) -> None:
        """End its threads, and wait for them."""
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: object) -> None: ...

@final
class Consumer:
    """Where a consumer is in its epochs, what it was handed, and how long it waited for it. `window`: seconds."""

    def __new__(cls, window: float, share: float) -> Consumer: ...
    @property
    def cursor(self) -> tuple[int, int, bool]:
        """The epoch of the next batch, its position, and whether a batch of this epoch was handed out since the cursor was set."""
    def go_to(self, epoch: int, position: int) -> None:
        """The next batch is there."""
    def check_process(self) -> None:
        """Refuse to be used in a forked child."""
    def begin(self) -> tuple[int, int]:
        """An iteration begins; at which epoch and position."""
    def snapshot(self) -> dict[str, Any]:
        """`batches`, `rows`, `pictures`, `bytes`; `elapsed` and `waited`, seconds."""

@final
class Epoch:
    """One iteration over one epoch: takes batches of `feed`, waits for them, hands them out, counts them, ends.

    `make`: a function and its arguments `output` and `labels`; called with a batch of the core, `output`, the epoch and `labels`.
    `arrive`: called with what that returned, when the batch has its turn. `collate`: called with the batch; what it returns is handed out.
    `tell`: called with the share of its time that the consumer waited, where that is too much. `ahead`: batches made before their turn.
    """

    def __new__(
        cls,
        feed: Feed,
        consumer: Consumer,
        make: tuple[Callable[..., Any], Any, Any],
        tell: Callable[[float], None],
        *,
        arrive: Callable[[Any], Any] | None = None,
        collate: Callable[[Any], Any] | None = None,
        ahead: int = 0,
    ) -> Epoch: ...
    def is_ready(self) -> bool:
        """Whether the next batch, or the end, could be had without waiting."""
    @property
    def ended(self) -> bool:
        """Whether it hands out nothing more."""
    def begin_again(self, feed: Feed, epoch: int) -> bool:
        """Begin again with `feed`, from the beginning of `epoch`. Whether it was done: not after a batch was handed out."""
    def close(self, *, superseded: bool = False) -> None:
        """Hand out nothing more, and end its threads. `superseded`: a newer iteration begins."""
    def __iter__(self) -> Self: ...
    def __next__(self) -> Any: ...

@final
class Batch:
    """A batch, as the core hands it over."""

    def lease(self) -> Lease | None:
        """Its memory, always the same object; None of a batch without pixels."""
    def without_pixels(self) -> Batch:
        """The same batch, which does not hold the memory."""
    @property
    def position(self) -> int:
        """Where all ranks are after it."""
    @property
    def row_count(self) -> int:
        """How many rows there are; 0 where pictures come alone."""
    @property
    def count(self) -> int:
        """How many pictures."""
    @property
    def rows(self) -> Rows | None:
        """Its rows as Arrow; None where pictures come alone."""
    @property
    def bytes(self) -> int:
        """Bytes of its pictures."""
    @property
    def row_numbers(self) -> npt.NDArray[np.uint64]:
        """Numbers of its rows."""
    @property
    def samples(self) -> npt.NDArray[np.uint64]:
        """Numbers of its samples."""
    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Where the pictures of each row begin in `index`, and the end."""
    @property
    def index(self) -> npt.NDArray[np.int64]:
        """The pictures of all rows."""
    @property
    def pictures(self) -> list[tuple[int, int, int, int]]:
        """(byte, height, width, channels as stored) of each picture."""
    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) where all pictures have the same."""
    @property
    def skipped(self) -> list[tuple[int | None, str, int, str, str]]:
        """(row number, source, line, code, message) of each row that was left out."""

@final
class Lease(Buffer):
    """The memory of one batch, used again when nobody holds it."""

    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

def count_batches(length: int, batch: int, rank: int, world: int, uneven: str, start: int) -> int:
    """How many batches a rank gets in an epoch, from a position on."""

def samples_at(length: int, seed: int, epoch: int, positions: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The samples at these positions of a shuffled epoch."""

def catalogue() -> list[dict[str, str]]:
    """Every code: `code`, `severity`, `when`, `hint`, `silenced_by`."""

def build_info() -> dict[str, str]:
    """How this build was made and what it runs on.

    Keys: version, profile, target, libjpeg_turbo, jpeg_simd (built with: avx2, neon or none), resample (here: vbmi, avx512, avx2 or
    portable).
    """

def limits(decode_limit: int | None = None) -> list[tuple[str, int, str, str]]:
    """Every limit: name, value, unit, what it bounds. `decode_limit`: pixels; None: as many as by default."""

def check(
    sources: Sequence[tuple[str, str]],
    roots: Sequence[str] | None,
    *,
    scan: str,
    decode: bool,
    all_findings: str | bytes | PathLike[Any] | None,
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
    scan: str,
    shard_bytes: int,
    shuffle_seed: int | None,
    update: bool,
    trust_previous: bool,
    threads: int,
    chunk_bytes: int,
    window: int,
    progress: Progress | None,
) -> str:
    """Build, go on with, or update a data set; the report as JSON."""

def verify(out: str, *, threads: int, progress: Progress | None) -> str:
    """Every fault of a data set: a JSON list of `{"path", "message"}`, and what was read."""

def inspect_line(line: bytes, *, scan: str) -> str:
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
