"""`build`: rows and pictures become shards, once."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from mmno_fast import _core
from mmno_fast.data.sources import AnyPath, Roots, Sources, checked_roots, exact_roots, named_sources
from mmno_fast.jobs.allowance import Allowance
from mmno_fast.jobs.progress import Counters
from mmno_fast.machine import CHUNK_BYTES, WINDOW_PER_THREAD, thread_count
from mmno_fast.report.base import Report
from mmno_fast.spec.scan import MAX_LINE_BYTES, Placeholders, ScanOptions

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mmno_fast.spec.image import ImageSpec

Engine: TypeAlias = Literal["core", "reference"]
SHOWN: Final = 5
"""Names of repaired shards that a report shows."""
SHARD_BYTES: Final = 256 * 2**20
"""Pixels of one shard at most, in bytes, counted at three channels, by default."""
_COUNTS: Final = (
    "lines",
    "rows",
    "rejected",
    "pictures",
    "distinct_pictures",
    "decoded",
    "shards",
    "bytes",
    "built",
    "kept",
    "linked",
    "copied",
    "stored_again",
    "removed",
    "unchanged",
)


@dataclass(frozen=True, repr=False)
class BuildReport(Report):
    """What a build made, kept and rejected."""

    path: Path
    """The data set's folder."""
    lines: int
    """Lines that hold something: `rows` + `rejected`."""
    rows: int
    """Rows accepted."""
    rejected: int
    """Rows rejected; each stands in ``rejects.jsonl``."""
    rejects: dict[str, int]
    """Rejected rows by code; a row with two codes counts under both."""
    examples: dict[str, str]
    """Of each code, the first row that it rejects before pictures are decoded: where the row stands, and what was found."""
    pictures: int
    """Pictures stored."""
    distinct_pictures: int
    """Pictures stored, by the hash of their files."""
    decoded: int
    """Pictures decoded by this very run."""
    shards: int
    """Shards of the data set."""
    bytes: int
    """Bytes of the data set."""
    built: int
    """Shards written by this run."""
    kept: int
    """Shards that were there already."""
    linked: int
    """Shards whose rows were written anew and whose pixel files were linked from an older one."""
    copied: int
    """Pictures copied from older shards."""
    stored_again: int
    """Pictures stored in a second shard, because a row has several."""
    removed: int
    """Shards removed, because nothing names them any more."""
    repaired: tuple[str, ...]
    """Shards, and files beside them, that were there and damaged. This run made them anew."""
    unchanged: bool
    """Whether the folder held this very data set already: every byte of it, or with `trust_previous` every length."""
    roots: tuple[dict[str, Any], ...]
    """Each root as `given`, the folder `used`, and how many levels it `descended`."""
    seconds: float
    """How long the build took."""

    @property
    def rejects_path(self) -> Path:
        """The file with every rejected row."""
        return self.path / "rejects.jsonl"

    def rejected_rows(self) -> Iterator[dict[str, Any]]:
        """Every rejected row: source, line, byte, codes, and text (or base64, or length)."""
        for line in _core.RejectLines(self.rejects_path):
            yield json.loads(line)

    def unallowed(self, allow: Iterable[str] = ()) -> dict[str, int]:
        """Rejected rows that no entry of `allow` accounts for, by code.

        Args:
            allow: ``CODE`` or ``CODE:GLOB``. A row is allowed when each of its codes is; with GLOB, only where it has pictures and
                all their names, as the row gives them, match (`*` matches `/` too).

        Returns:
            Code to rows; empty when all losses are allowed.

        Raises:
            ValueError: No such code, or one that rejects nothing.
        """
        allowance = Allowance.parse(allow)
        left: dict[str, int] = {}
        if self.rejected:
            for row in self.rejected_rows():
                for code in allowance.unallowed(row):
                    left[code] = left.get(code, 0) + 1
        return _in_catalogue_order(left)

    def to_dict(self) -> dict[str, Any]:
        """Everything that the report holds, as plain values; `to_json` gives it as text."""
        return {**asdict(self), "path": str(self.path), "roots": list(self.roots), "repaired": list(self.repaired)}

    def __rich__(self) -> RenderableType:
        from rich.console import Group  # rich is imported when something is shown
        from rich.text import Text

        from mmno_fast.report import looks
        from mmno_fast.report.visible import visible, visible_path

        rows = [
            ("rows", f"{self.rows:,} accepted, {self.rejected:,} rejected, of {looks.counted(self.lines, 'line')} that hold something"),
            ("pictures", f"{self.pictures:,} stored, {self.distinct_pictures:,} distinct; {self.decoded:,} decoded now"),
            ("shards", f"{self.shards:,}: {self.built:,} built, {self.kept:,} kept, {self.linked:,} with linked pixels"),
            ("bytes", looks.bytes_text(self.bytes)),
            ("roots", "; ".join(looks.root_text(root) for root in self.roots)),
        ]
        if self.copied:
            rows.append(("copied", f"{looks.counted(self.copied, 'picture')} from older shards, not decoded again"))
        if self.stored_again:
            rows.append(
                ("stored again", f"{looks.counted(self.stored_again, 'picture')} in a second shard, for rows with several pictures")
            )
        if self.removed:
            rows.append(("removed", looks.counted(self.removed, "shard that is no longer needed", "shards that are no longer needed")))
        if self.repaired:
            names = ", ".join(visible(name) for name in self.repaired[:SHOWN])
            more = f", and {len(self.repaired) - SHOWN:,} more" if len(self.repaired) > SHOWN else ""
            rows.append(("repaired", f"{names}{more}: damaged, and made anew"))
        if self.seconds:
            rows.append(("time", f"{self.seconds:.1f} s"))
        parts: list[RenderableType] = [looks.facts(rows)]
        if self.rejects:
            codes = [[Text(code, style="bold"), f"{count:,}"] for code, count in self.rejects.items()]
            parts.append(looks.listing([("rejected for", "left"), ("rows", "right")], codes))
        done = "unchanged: the data set is already what this command makes" if self.unchanged else "the data set is whole"
        parts.append(Text.assemble((done, "bold green"), f": {visible_path(self.path)}"))
        return Group(*parts)


def build(
    sources: Sources,
    images: Roots,
    out: AnyPath,
    image: ImageSpec,
    *,
    shard_bytes: int = SHARD_BYTES,
    shuffle_seed: int | None = None,
    update: bool = False,
    trust_previous: bool = False,
    placeholders: Placeholders = "required",
    strip_prefix: str | None = None,
    follow_links: bool = True,
    max_line_bytes: int = MAX_LINE_BYTES,
    threads: int | None = None,
    engine: Engine = "core",
    progress: _core.Progress | Counters | None = None,
) -> BuildReport:
    """Turn rows and their pictures into a folder of shards.

    A build that was killed goes on where it stopped when it is called again. Of a finished data set that has not changed, every
    byte is read and nothing is written; what is damaged is made anew.
    Neither threads, nor the time, nor where the folder lies change a byte.

    Args:
        sources: JSONL files: one path, several, or ``{name: path}``; a text may be ``name=path``.
        images: Folders that names of pictures are looked for in.
        out: The folder to make.
        image: What becomes of each picture: ``Resize(…)`` or ``Original(…)``.
        shard_bytes: Pixels of one shard at most [bytes, counted at three channels]. Default: 256 MiB.
        shuffle_seed: Store pictures in an order that follows from this number. Default: the order in which rows name them.
        update: Bring a finished data set up to date, decoding only what is new.
        trust_previous: Take over what was written earlier by its length alone. Default: every byte is hashed first, and what is damaged
            is made anew. The manifest says so where something was taken over unread.
        placeholders: ``"required"`` (default): one ``<image>`` per picture; ``"optional"``: none at all is fine too.
        strip_prefix: Cut from the front of names of pictures before they are looked for.
        follow_links: Whether links may lead out of a root. Default: yes.
        max_line_bytes: Longer lines are rejected unread. Default: 16 MiB.
        threads: How many to use. Default: all that this process may use. The reference engine always uses one.
        engine: ``"core"`` (default), or ``"reference"``: the same in plain Python, for comparison (extra ``reference``).
        progress: Counters to watch from another thread: a `Progress`, or a `jobs.progress.Counters` for the reference engine.

    Returns:
        The report. Rejected rows do not raise: see `BuildReport.unallowed`.

    Raises:
        ValueError: An argument that makes no sense, or a source that is one JSON array.
        FileNotFoundError: A source or folder that is not there.
        DataError: A source or picture that changed during the build.
        ShardError: A folder that holds something else, or another builder in it.

    >>> import tempfile
    >>> from mmno_fast import Resize
    >>> from mmno_fast.demo import draw
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     drawn = draw(f"{folder}/data", pictures=4, faults=False)
    ...     report = build(drawn.sources, drawn.images, f"{folder}/shards", Resize(448, fit="stretch"))
    >>> report.rows, report.rejected, report.distinct_pictures
    (28, 0, 4)
    """
    scan = ScanOptions(placeholders=placeholders, strip_prefix=strip_prefix, follow_links=follow_links, max_line_bytes=max_line_bytes)
    named = named_sources(sources)
    roots = checked_roots(images)
    workers = thread_count(threads)
    shared: dict[str, Any] = {"shard_bytes": shard_bytes, "shuffle_seed": shuffle_seed}
    if engine not in get_args(Engine):
        raise ValueError(f"engine: expected 'core' or 'reference', found {engine!r}")
    began = time.perf_counter()
    if engine == "reference":
        if update or trust_previous:
            raise ValueError("the reference engine builds from scratch only: leave out update (--update) and trust_previous")
        made = _build_by_reference(named, roots, os.fspath(out), image, progress, {"options": scan, **shared})
    else:
        text = _core.build(
            named,
            roots,
            os.fspath(out),
            scan=scan.to_json(image),
            update=update,
            threads=workers,
            chunk_bytes=CHUNK_BYTES,
            window=WINDOW_PER_THREAD * workers,
            progress=_of_core(progress),
            trust_previous=trust_previous,
            **shared,
        )
        made = json.loads(text)
    seconds = time.perf_counter() - began
    rejects = _in_catalogue_order(made["rejects"])
    counts = {name: made.get(name, 0) for name in _COUNTS}
    repaired = tuple(made.get("repaired", ()))
    used = tuple(exact_roots(made["roots"], roots))
    examples = made.get("examples", {})
    return BuildReport(path=Path(out), rejects=rejects, examples=examples, repaired=repaired, roots=used, seconds=seconds, **counts)


def _in_catalogue_order(rows: dict[str, int]) -> dict[str, int]:
    order = {entry["code"]: place for place, entry in enumerate(_core.catalogue())}
    return dict(sorted(rows.items(), key=lambda item: order.get(item[0], len(order))))


def _of_core(progress: _core.Progress | Counters | None) -> _core.Progress | None:
    if isinstance(progress, Counters):
        raise TypeError("progress: the core takes a mmno_fast.Progress, found the reference engine's Counters")
    return progress


def _build_by_reference(
    named: list[tuple[str, str]],
    roots: list[str],
    out: str,
    image: ImageSpec,
    progress: _core.Progress | Counters | None,
    shared: dict[str, Any],
) -> dict[str, Any]:
    if not (progress is None or isinstance(progress, Counters)):
        raise TypeError("progress: the reference engine takes a mmno_fast.jobs.progress.Counters")
    try:
        from mmno_fast import reference  # an extra: its packages are not there for everyone
    except ImportError as error:
        msg = f"the reference engine needs {error.name}: pip install 'mmno_fast[reference]'"
        raise ModuleNotFoundError(msg, name=error.name) from error
    made = dict(reference.build(named, roots, out, spec=image.to_dict(), progress=progress, **shared))
    made["roots"] = [
        {"given": given, "used": str(used), "descended": len(Path(used).relative_to(given).parts)}
        for given, used in zip(roots, made["roots"], strict=True)
    ]
    return made
