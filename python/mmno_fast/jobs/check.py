"""`check`: what is wrong with the data, by source, line and byte."""

from __future__ import annotations

import json
import os
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mmno_fast import _core
from mmno_fast.data.sources import AnyPath, Roots, Sources, checked_roots, exact_roots, named_sources, refuse_overwriting
from mmno_fast.machine import CHUNK_BYTES, WINDOW_PER_THREAD, thread_count
from mmno_fast.report.base import Report
from mmno_fast.spec.image import ImageSpec, Original
from mmno_fast.spec.scan import MAX_LINE_BYTES, Placeholders, ScanOptions

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import RenderableType


class CheckReport(Report):
    """What `check` found. Prints as a table; `findings` has the first 10,000 of each code and source."""

    def __init__(self, core: _core.CheckReport, sources: dict[str, str], roots: list[str], seconds: float) -> None:
        self._core = core
        self._roots = roots
        self.sources = sources
        """Name to path of each source."""
        self.seconds = seconds
        """How long the check took."""

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Totals: sources, lines, rows, rejected, variants, pictures, formats, modes, sizes, gray, roots, missing folders, counts.

        `findings`: how many there are (`all`), and how many are kept (`kept`).
        """
        summary = json.loads(self._core.summary)
        return {**summary, "roots": exact_roots(summary["roots"], self._roots)}

    @property
    def counts(self) -> dict[str, dict[str, Any]]:
        """`severity` and `count` of each code that was found, in the catalogue's order."""
        found = self.summary["counts"]
        return {code: found[code] for code in self.catalogue if code in found}

    @cached_property
    def catalogue(self) -> dict[str, dict[str, str]]:
        """Every code there is, with `severity`, `when`, `hint` and `silenced_by`."""
        return {entry["code"]: entry for entry in _core.catalogue()}

    @property
    def errors(self) -> int:
        """Findings that reject their row."""
        return self._total("E")

    @property
    def warnings(self) -> int:
        """Findings that somebody should look at."""
        return self._total("W")

    @property
    def ok(self) -> bool:
        """Whether no row is rejected; warnings do not count."""
        return self.errors == 0

    def _total(self, severity: str) -> int:
        return sum(count["count"] for count in self.counts.values() if count["severity"] == severity)

    @cached_property
    def findings(self) -> pa.Table:
        """The findings that are kept: code, severity, source (utf8), line, byte (uint64), pointer, message, hint (utf8).

        Of each code and source these are the first 10,000; `counts` counts all. Only `hint` is copied.
        """
        import pyarrow as pa  # imported when first used: it is large

        table = pa.table(self._core)
        codes = _encoded(table)
        hints = pa.array([self.catalogue[code]["hint"] for code in codes.dictionary.to_pylist()], pa.utf8())
        return table.append_column("hint", hints.take(codes.indices))

    def first_findings(self, count: int) -> dict[str, list[dict[str, Any]]]:
        """The first `count` findings of each code, in the catalogue's order, as plain dicts."""
        import numpy as np  # imported when first used, as pyarrow is

        codes = _encoded(self.findings)
        place = {code: index for index, code in enumerate(codes.dictionary.to_pylist())}
        indices = codes.indices.to_numpy()
        first = {code: np.flatnonzero(indices == place[code])[:count] for code in self.counts if code in place}
        return {code: self.findings.take(rows).to_pylist() for code, rows in first.items()}

    def write_jsonl(self, path: AnyPath) -> None:
        """Write the findings that are kept to `path`, one JSON object a line. For all of them see `all_findings` of `check`.

        Raises:
            ValueError: `path` is one of the sources.
        """
        refuse_overwriting({"write_jsonl": path}, self.sources.items())
        self._core.write_jsonl(os.fspath(path))

    def to_dict(self) -> dict[str, Any]:
        """Everything that the report holds, as plain values; `to_json` gives it as text."""
        return {"ok": self.ok, "errors": self.errors, "warnings": self.warnings, **self.summary}

    def __rich__(self) -> RenderableType:
        from mmno_fast.report.check import SHOWN_FINDINGS, check_table  # rich is imported when something is shown

        first = self.first_findings(SHOWN_FINDINGS)
        codes = [{**self.catalogue[code], **count, "first": first.get(code, [])} for code, count in self.counts.items()]
        return check_table(self.summary, codes, self.sources)


def check(
    sources: Sources,
    images: Roots | None = None,
    *,
    image: ImageSpec | None = None,
    decode: bool = True,
    placeholders: Placeholders = "required",
    strip_prefix: str | None = None,
    follow_links: bool = True,
    max_line_bytes: int = MAX_LINE_BYTES,
    all_findings: AnyPath | None = None,
    threads: int | None = None,
    progress: _core.Progress | None = None,
) -> CheckReport:
    """Say what is wrong with rows and pictures. Changes nothing.

    Args:
        sources: JSONL files: one path, several, or ``{name: path}``; a text may be ``name=path``.
        images: Folders that names of pictures are looked for in. None: rows alone are checked.
        image: What the pictures are meant for; its `decode_limit` and `sixteen_bit` count. Default: ``Original()``.
        decode: Whether to decode each distinct picture, so that clean means clean. Default: yes.
        placeholders: ``"required"`` (default): one ``<image>`` per picture; ``"optional"``: none at all is fine too.
        strip_prefix: Cut from the front of names of pictures before they are looked for.
        follow_links: Whether links may lead out of a root. Default: yes.
        max_line_bytes: Longer lines are rejected unread. Default: 16 MiB.
        all_findings: A file that gets every finding while the check runs, one JSON object a line. The report keeps the first 10,000 of
            each code and source. Default: none.
        threads: How many to use. Default: all that this process may use.
        progress: Counters to watch from another thread.

    Returns:
        The report. Findings do not raise.

    Raises:
        ValueError: An argument that makes no sense.
        FileNotFoundError: A source or folder that is not there.

    >>> import tempfile
    >>> from mmno_fast.demo import draw
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     drawn = draw(folder, pictures=4)
    ...     report = check(drawn.sources, drawn.images)
    >>> report.ok, report.errors, report.counts["cot.final"]
    (False, 11, {'count': 1, 'severity': 'E'})
    """
    scan = ScanOptions(placeholders=placeholders, strip_prefix=strip_prefix, follow_links=follow_links, max_line_bytes=max_line_bytes)
    named = named_sources(sources)
    roots = None if images is None else checked_roots(images)
    workers = thread_count(threads)
    refuse_overwriting({"all_findings": all_findings}, named)
    began = time.perf_counter()
    core = _core.check(
        named,
        roots,
        scan=scan.to_json(image or Original()),
        decode=decode,
        all_findings=None if all_findings is None else os.fspath(all_findings),
        threads=workers,
        chunk_bytes=CHUNK_BYTES,
        window=WINDOW_PER_THREAD * workers,
        progress=progress,
    )
    return CheckReport(core, dict(named), roots or [], time.perf_counter() - began)


def _encoded(findings: pa.Table) -> Any:
    """The codes of `findings` as one dictionary array: a few bytes each, however long the names are."""
    return findings.column("code").dictionary_encode().combine_chunks()
