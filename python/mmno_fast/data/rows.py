"""Rows of a data set as a sequence: what `Dataset` and `Selection` have in common."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mmno_fast import _core
from mmno_fast.data.contents import Contents
from mmno_fast.data.opening import fingerprint_of_rows
from mmno_fast.data.pictures import Pictures
from mmno_fast.data.values import in_order_of_use, parsed, plain_row, widened

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa
    from pyarrow.compute import Expression

RowNumbers: TypeAlias = npt.NDArray[np.uint32]
Mask: TypeAlias = "Sequence[bool] | npt.NDArray[np.bool_] | pa.Array | pa.ChunkedArray"


class Rows:
    """Some rows of a data set, in the order of their numbers or another: `len`, ``[i]``, `take`, `where`, `split`, `rows`, `pictures`."""

    def open_contents(self) -> Contents:
        """What the rows are read from; opened again where it has to be."""
        raise NotImplementedError

    @property
    def row_numbers(self) -> RowNumbers | None:
        """The number of each row in its data set, uint32; None: all of them, in order."""
        raise NotImplementedError

    def __len__(self) -> int:
        numbers = self.row_numbers
        return self.open_contents().count if numbers is None else len(numbers)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Row `index` as a plain dict; negative numbers count from the end.

        Returns:
            ``row`` (its number in the data set), ``source``, ``line``, ``images`` (a list of uint8 (H, W, 3), the caller's own),
            ``image_names``, ``messages`` (a list of ``{"role", "content"}``), ``variant``, ``options`` (a list of ``{"letter", "text"}``
            or None), ``answer``, ``answer_text``, ``meta`` and ``extra`` (parsed, None where absent).

        Raises:
            IndexError: No such row.
        """
        try:
            place = operator.index(index)
        except TypeError:
            raise TypeError(f"expected a row number, found {type(index).__name__}; take(…) gives several rows") from None
        if not -len(self) <= place < len(self):
            raise IndexError(f"row {place} of {len(self):,}")
        place %= len(self)
        number = place if self.row_numbers is None else int(self.row_numbers[place])
        values, images = self.open_contents().row(number)
        return plain_row(number, values, images)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[index] for index in range(len(self)))

    def take(self, indices: Iterable[int]) -> list[dict[str, Any]]:
        """Several rows as ``[i]`` gives them, in the order asked for."""
        return [self[index] for index in indices]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of `rows`."""
        return self.open_contents().schema

    @property
    def rows(self) -> pa.Table:
        """Every row in order, as an Arrow table; column `pictures` counts in the data set's pictures.

        Made when first asked for, and kept. No text is copied where shards hold the rows in that order already (one source, say, whose
        rows of one picture stand together); else all text is copied once, into memory.
        """
        table = self.open_contents().rows
        return table if self.row_numbers is None else table.take(self.row_numbers)

    @property
    def pictures(self) -> Pictures:
        """Every distinct picture of these rows once, with its names and pixels; pixels are read when asked for."""
        contents = self.open_contents()
        numbers = self.row_numbers
        if numbers is None:
            return Pictures(contents, contents.picture_ids)
        offsets, values = contents.row_pictures
        used = np.zeros(len(contents.picture_ids), bool)
        for start, end in zip(offsets[numbers], offsets[numbers.astype(np.int64) + 1], strict=True):
            used[values[start:end]] = True
        return Pictures(contents, contents.picture_ids[used])

    @property
    def rows_fingerprint(self) -> str:
        """What identifies these rows and their order; pixels do not count. The same for shards and for the JSONL behind them."""
        whole = fingerprint_of_rows(self.open_contents().identity)
        if self.row_numbers is None:
            return whole
        return blake2b(whole.encode() + self.row_numbers.tobytes(), digest_size=16).hexdigest()

    def where(self, condition: Expression | Mask | None = None, *, variant: str | Iterable[str] | None = None) -> Selection:
        """The rows for which something is so; both conditions must hold where both are given.

        Args:
            condition: An Arrow expression over the columns of `rows`, as in ``pc.field("answer") == "A"``; or one truth value a row.
            variant: ``"open"``, ``"closed"``, ``"closed_cot"``, ``"chat"``, or several of them.

        Raises:
            ValueError: Another number of truth values than rows.
        """
        import pyarrow as pa  # imported when first used: it is large
        import pyarrow.compute as pc

        kept = np.ones(len(self), bool)
        if isinstance(condition, pc.Expression):
            numbered = self.rows.append_column("row number", pa.array(np.arange(len(self), dtype=np.int64)))
            found = numbered.filter(condition).column("row number").to_numpy()
            kept[:] = False
            kept[found] = True
        elif condition is not None:
            if isinstance(condition, pa.Array | pa.ChunkedArray):
                condition = pc.fill_null(condition, False)  # what is null is not so
            mask = np.asarray(condition)
            mask = mask if mask.size else mask.astype(bool)  # an empty list says nothing of its type
            if mask.dtype != bool or mask.shape != (len(self),):
                raise ValueError(f"where: expected {len(self):,} truth values, found {mask.dtype} {mask.shape}")
            kept &= mask
        if variant is not None:
            wanted = [variant] if isinstance(variant, str) else list(variant)
            unknown = set(wanted) - {"open", "closed", "closed_cot", "chat"}
            if unknown:
                raise ValueError(f"variant: expected open, closed, closed_cot or chat, found {', '.join(sorted(unknown))}")
            column = self.rows.column("variant").cast(pa.utf8())
            kept &= pc.is_in(column, pa.array(wanted)).to_numpy().astype(bool)
        return self._chosen(np.flatnonzero(kept))

    def split(self, fraction: float, *, by: Literal["picture", "row"] = "picture", seed: int = 0) -> tuple[Selection, Selection]:
        """Two parts, drawn by `seed`: the first with about `fraction` of the rows, the second with the others.

        Args:
            fraction: From 0 to 1.
            by: ``"picture"`` (default): no picture is on both sides, and neither are rows that hang together by several pictures;
                ``"row"``: each row for itself.
            seed: Other seeds, other parts.

        Raises:
            ValueError: A fraction beyond 0 to 1.
        """
        share: object = fraction
        if not isinstance(share, int | float | np.floating) or not 0 <= fraction <= 1:
            raise ValueError(f"split: expected a fraction from 0 to 1, found {fraction!r}")
        if not 0 <= operator.index(seed) < 2**64:
            raise ValueError(f"seed: expected a number from 0 to 2**64 - 1, found {seed!r}")
        if by not in {"picture", "row"}:
            raise ValueError(f'by: expected "picture" or "row", found {by!r}')
        rows = np.arange(len(self))
        groups = rows if by == "row" else self._hanging_together()
        members, _ = in_order_of_use(groups)  # however pictures are numbered, the same
        count = int(members.max(initial=-1)) + 1
        order = _core.samples_at(count, seed, 0, np.arange(count, dtype=np.uint64)).astype(np.int64)
        sizes = np.bincount(members, minlength=count)[order]
        before = np.cumsum(sizes) - sizes
        first = np.zeros(count, bool)
        first[order] = before + sizes / 2 < fraction * len(self)  # whichever side its middle falls on
        if fraction in {0, 1}:
            first[:] = fraction == 1
        return self._chosen(np.flatnonzero(first[members])), self._chosen(np.flatnonzero(~first[members]))

    def to_hf(self, *, channels: Literal["rgb", "stored"] = "rgb") -> datasets.Dataset:
        """These rows as a `datasets.Dataset` of Hugging Face; pixels stay where they are.

        Its table has the columns of `rows`, which are not copied, and of pictures no more than their numbers. A transform turns these into
        pixels when a row is looked at: of shards, views of the mapped files; of JSONL, decoded then. So it takes no memory or disk for
        pixels, whatever is selected, shuffled, split or sent to workers. (What `map` or `save_to_disk` writes are the numbers.)

        Args:
            channels: ``"rgb"`` (default): uint8 (H, W, 3), of gray pictures made when a row is looked at; ``"stored"``: uint8 (H, W) or
                (H, W, 3), always a read-only view of the mapped shard.

        Returns:
            Of each row ``source``, ``line``, ``image_names``, ``images`` (a list of arrays), ``messages``, ``variant``, ``options``,
            ``answer``, ``answer_text``, ``meta`` and ``extra`` (parsed). With the `Trainer`, say ``remove_unused_columns=False``: it
            removes columns before a transform sees them.

        >>> import tempfile
        >>> import mmno_fast as mf
        >>> from mmno_fast.demo import draw
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     drawn = draw(f"{folder}/data", pictures=4, faults=False)
        ...     report = mf.build(drawn.sources, drawn.images, f"{folder}/shards", mf.Resize(32, fit="stretch"))
        ...     row = mf.open(report.path).to_hf().shuffle(seed=1)[0]
        >>> row["images"][0].shape, row["messages"][-1]["role"]
        ((32, 32, 3), 'assistant')
        """
        from mmno_fast.hugging_face import dataset_of  # datasets is imported when first used: it is large, and no hard dependency

        if channels not in {"rgb", "stored"}:
            raise ValueError(f'channels: expected "rgb" or "stored", found {channels!r}')
        return dataset_of(self.rows, _Looked(self, channels))

    def _hanging_together(self) -> npt.NDArray[np.int64]:
        """Of each row a number that it shares with just those rows that it hangs together with by their pictures."""
        offsets, values = self._row_pictures()
        pictures = int(values.max(initial=-1)) + 1
        parent = list(range(pictures))

        def root(picture: int) -> int:
            while parent[picture] != picture:
                parent[picture] = parent[parent[picture]]
                picture = parent[picture]
            return picture

        for row in np.flatnonzero(np.diff(offsets) > 1):
            first, *others = values[offsets[row] : offsets[row + 1]].tolist()
            for other in others:
                parent[root(other)] = root(first)
        roots = np.array([root(picture) for picture in range(pictures)], np.int64)
        alone = pictures + np.arange(len(self), dtype=np.int64)  # rows without pictures
        has_some = np.diff(offsets) > 0
        alone[has_some] = roots[values[offsets[:-1][has_some]]]
        return alone

    def _row_pictures(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Where the pictures of each of these rows begin, and their numbers in the data set's pictures."""
        offsets, values = self.open_contents().row_pictures
        if self.row_numbers is None:
            return offsets, values
        numbers = self.row_numbers.astype(np.int64)
        lengths = offsets[numbers + 1] - offsets[numbers]
        own = np.concatenate([[0], np.cumsum(lengths)])
        return own, values[np.repeat(offsets[numbers] - own[:-1], lengths) + np.arange(own[-1])]

    def groups_by_picture(self) -> tuple[npt.NDArray[np.uint32], RowNumbers]:
        """Rows that have the same first picture together, in the order of each group's first row; rows without pictures are alone.

        Returns:
            Where each group begins (and the end of the last), and the row numbers; both uint32.
        """
        offsets, values = self._row_pictures()
        first = int(values.max(initial=-1)) + 1 + np.arange(len(self), dtype=np.int64)
        has_some = np.diff(offsets) > 0
        first[has_some] = values[offsets[:-1][has_some]]
        groups, _ = in_order_of_use(first)
        order = np.argsort(groups, kind="stable")
        numbers = np.arange(len(self), dtype=np.uint32) if self.row_numbers is None else self.row_numbers
        counts = np.bincount(groups)
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32), numbers[order]

    def _chosen(self, places: npt.NDArray[np.int64]) -> Selection:
        numbers = places.astype(np.uint32) if self.row_numbers is None else self.row_numbers[places]
        return Selection(self, numbers)


class Selection(Rows):
    """Some rows of a data set, by their numbers; made by `Rows.where` and `Rows.split`. A source for `Loader`, and picklable."""

    def __init__(self, parent: Rows, row_numbers: RowNumbers) -> None:
        self._dataset: Rows = parent._dataset if isinstance(parent, Selection) else parent  # noqa: SLF001 - the same class
        self._row_numbers = row_numbers

    def open_contents(self) -> Contents:
        """Those of the data set."""
        return self._dataset.open_contents()

    @property
    def row_numbers(self) -> RowNumbers:
        """The number of each row in its data set, uint32."""
        return self._row_numbers

    def __repr__(self) -> str:
        return f"<{len(self):,} rows of {self._dataset!r}>"


class _Looked:
    """What `Rows.to_hf` does when a row is looked at: numbers of pictures become pixels, JSON becomes values. It pickles as the rows do."""

    def __init__(self, rows: Rows, channels: Literal["rgb", "stored"]) -> None:
        self._rows = rows
        self._channels = channels

    def __call__(self, batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        looked = dict(batch)
        if "images" in batch:
            contents = self._rows.open_contents()
            ids = contents.picture_ids
            pixels = [[contents.pixels(int(ids[number])) for number in numbers] for numbers in batch["images"]]
            if self._channels == "rgb":
                pixels = [[each if each.ndim == 3 else widened(each) for each in own] for own in pixels]
            looked["images"] = pixels
        for name in ("meta", "extra"):
            if name in batch:
                looked[name] = [parsed(text, name) for text in batch[name]]
        return looked
