"""`open` and `Dataset`: rows, pictures and pixels of a folder of shards, or of JSONL with its pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mmno_fast import _core
from mmno_fast.data.contents import Contents, opened
from mmno_fast.data.opening import Opening, RawOpening, ShardsOpening
from mmno_fast.data.rows import RowNumbers, Rows
from mmno_fast.data.sources import AnyPath, Roots, Sources, checked_roots, named_sources, rejected_rows
from mmno_fast.escape import shown
from mmno_fast.spec.image import ImageSpec, Original, from_dict
from mmno_fast.spec.scan import MAX_LINE_BYTES, Placeholders, ScanOptions


def open(  # noqa: A001 - `mf.open` is the name that users expect
    path: Sources,
    images: Roots | None = None,
    *,
    image: ImageSpec | None = None,
    rejects: AnyPath | Iterable[tuple[str, int]] | None = None,
    placeholders: Placeholders = "required",
    strip_prefix: str | None = None,
    follow_links: bool = True,
    max_line_bytes: int = MAX_LINE_BYTES,
    threads: int | None = None,
    progress: _core.Progress | None = None,
) -> Dataset:
    """Open a folder of shards, or JSONL with its pictures.

    Of shards, the manifest and the index are read; everything else is checked and mapped into memory when it is first touched. JSONL is
    scanned: every line is parsed and judged, every picture hashed and probed; pixels are made when they are asked for. Both have the same
    rows in the same order where every picture decodes; with `rejects`, also where some do not.

    Args:
        path: The folder that holds ``manifest.json``; or, with `images`, JSONL files: one path, several, or ``{name: path}``.
        images: Folders that names of pictures are looked for in.
        image: What becomes of the pictures of JSONL. Default: ``Original()``, decoded at their own size.
        rejects: Rows of JSONL that a build has rejected: its ``rejects.jsonl``, or (source, line) of each.
        placeholders: As in `check`; so are the others.
        strip_prefix: Cut from the front of names of pictures before they are looked for.
        follow_links: Whether links may lead out of a root. Default: yes.
        max_line_bytes: Longer lines are rejected unread. Default: 16 MiB.
        threads: How many scan. Default: all that this process may use.
        progress: Counters to watch from another thread.

    Raises:
        FileNotFoundError: No such folder or file.
        ShardError: Not a data set, a damaged one, or one of a newer format.
        ValueError: Arguments that do not go together.

    >>> import tempfile
    >>> from mmno_fast import Resize, build
    >>> from mmno_fast.demo import draw
    >>> image = Resize(64, fit="stretch")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     drawn = draw(f"{folder}/data", pictures=4, faults=False)
    ...     report = build(drawn.sources, drawn.images, f"{folder}/shards", image)
    ...     with open(report.path) as dataset, open(drawn.sources, drawn.images, image=image) as raw:
    ...         row, same = dataset[-1], raw[-1]
    ...         sizes = [picture.pixels.shape[:2] for picture in dataset.pictures]
    >>> row["source"], row["variant"], row["images"][0].shape
    ('train_cot.jsonl', 'closed_cot', (64, 64, 3))
    >>> sizes
    [(64, 64), (64, 64), (64, 64), (64, 64)]
    >>> (row["images"][0] == same["images"][0]).all()
    np.True_
    """
    if images is not None:
        opening = RawOpening(
            sources=tuple(named_sources(path)),
            roots=tuple(checked_roots(images)),
            image=image or Original(),
            rejects=tuple(rejected_rows(rejects)),
            scan=ScanOptions(
                placeholders=placeholders, strip_prefix=strip_prefix, follow_links=follow_links, max_line_bytes=max_line_bytes
            ),
        )
        return Dataset(opening, opened(opening, threads, progress))
    if not isinstance(path, (str, os.PathLike)):
        raise ValueError("to open JSONL, name the folder of its pictures, too: open(sources, images=…)")  # noqa: TRY004 - the type is fine
    if image is not None or rejects is not None:
        raise ValueError("image and rejects go with JSONL and images=…; shards have their pixels and rows already")
    folder = Path(os.path.abspath(path))  # noqa: PTH100 - `Path.absolute` keeps `..`, `resolve` follows links
    if folder.is_file() and folder.suffix == ".jsonl":
        raise ValueError(f"{shown(folder)}: to open JSONL, name the folder of its pictures, too: open(sources, images=…)")
    shards = ShardsOpening(path=folder)
    return Dataset(shards, opened(shards))


class Dataset(Rows):
    """An open data set: `len`, ``[i]``, `take`, `where`, `split`, `rows`, `pictures`.

    Rows are numbered by (source in the order given, line) among the accepted ones. Safe to use from threads, after a fork, and in
    spawned processes: it pickles as how it was opened and its fingerprint, and opens again when it is first used there.
    """

    def __init__(self, opening: Opening, contents: Contents) -> None:
        self._opening = opening
        self._contents: Contents | None = contents
        self._closed = False

    # what it is ----------------------------------------------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """The folder of shards, absolute; of JSONL, a `ValueError`."""
        if isinstance(self._opening, RawOpening):
            raise ValueError("this data set was opened from JSONL: it has no folder of shards")  # noqa: TRY004 - the type is fine
        return self._opening.path

    @property
    def manifest(self) -> dict[str, Any]:
        """``manifest.json`` as a dict; of JSONL, a `ValueError`."""
        return self.open_contents().manifest

    @property
    def fingerprint(self) -> str:
        """Two data sets with the same one are the same: of shards `manifest_blake3`, to the last byte; of JSONL `rows_fingerprint`."""
        return self.open_contents().fingerprint

    @property
    def rejected(self) -> list[tuple[str, int, list[str]]]:
        """(source, line, codes) of each row of JSONL that is left out; `check` says more. Of shards, a `ValueError`: see rejects.jsonl."""
        return self.open_contents().rejected

    @property
    def spec(self) -> ImageSpec:
        """What becomes of the pictures.

        Raises:
            ValueError: A kind of spec that this version does not know.
        """
        return from_dict(self.open_contents().spec)

    @property
    def row_numbers(self) -> RowNumbers | None:
        """None: all rows, in order."""
        return None

    def __repr__(self) -> str:
        if isinstance(self._opening, RawOpening):
            what = ", ".join(repr(name) for name, _ in self._opening.sources)
        else:
            what = repr(str(self._opening.path))
        if self._closed:
            return f"Dataset({what}, closed)"
        contents = self.open_contents()
        spec = contents.spec
        size = f"{spec['height']}x{spec['width']} {spec['fit']}" if spec["kind"] == "resize" else spec["kind"]
        if isinstance(self._opening, RawOpening):
            return f"Dataset({what}, {contents.count:,} rows, {size})"
        totals = contents.manifest["totals"]
        return f"Dataset({what}, {totals['rows']:,} rows, {totals['distinct_pictures']:,} pictures, {size})"

    # life ----------------------------------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self) -> None:
        """Let go of the files. Arrays and tables that were handed out stay valid."""
        self._closed = True
        self._contents = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"opening": self._opening if self._closed else self.open_contents().opening, "closed": self._closed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._opening = state["opening"]
        self._closed = state["closed"]
        self._contents = None

    def open_contents(self) -> Contents:
        """The rows and pictures themselves. In another process, they are opened there.

        Raises:
            ClosedError: It was closed.
            ShardError: It is another data set than the one that was pickled.
        """
        if self._closed:
            raise _core.ClosedError(f"{self._opening.name}: the data set was closed; open it again")
        if self._contents is None:
            self._contents = opened(self._opening)
        return self._contents
