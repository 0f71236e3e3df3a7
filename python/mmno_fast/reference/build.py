"""The one function that runs the stages one after the other."""

from pathlib import Path
from typing import Any

from mmno_fast.reference.commit import commit
from mmno_fast.reference.pictures import quiet_pillow
from mmno_fast.reference.plan import plan
from mmno_fast.reference.resolve import Folders
from mmno_fast.reference.scan import Progress, scan
from mmno_fast.reference.shards import write_shard
from mmno_fast.reference.spec import whole_spec
from mmno_fast.spec.scan import ScanOptions


def build(
    sources: list[tuple[str, str]],
    roots: list[str],
    out: str,
    *,
    spec: dict[str, Any],
    options: ScanOptions | None = None,
    shard_bytes: int = 268_435_456,
    shuffle_seed: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write a data set of format 1.0 into a fresh folder, in one thread.

    Args:
        sources: (name, path) of each JSONL file, in order; names differ.
        roots: the folders below which pictures are looked for.
        out: a folder that is empty, or is not there yet.
        spec: the image spec of `docs/format.md`; members with a default may be left out.
        options: how lines are judged and pictures are found; None means the defaults.
        shard_bytes: how many bytes of pixels (counted at three channels), or of text, go into one shard.
        shuffle_seed: pictures in the order of a keyed hash instead of that of the rows.
        progress: called with the stage (`rows`, `pictures`, `units`), how much is done and how much there is.

    Returns:
        The report: counts (`rows`, `rejected`, `lines`, `pictures`, `distinct_pictures`, `decoded`, `shards`, `bytes`,
        `stored_again`, `built`, `kept`, `linked`, `copied`), `rejects` (rows by code), `unchanged`, and `roots` as
        they were used.

    Raises:
        ValueError: arguments that contradict each other, a source that is no JSON Lines, or input that changed
            while it was read.
        FileExistsError: `out` holds something.
        OSError: a source, a root or `out` cannot be used.

    Example:
        >>> spec = {"kind": "resize", "height": 448, "width": 448, "fit": "stretch"}
        >>> build([("train.jsonl", "data/train.jsonl")], ["data/images"], "shards", spec=spec)  # doctest: +SKIP
    """
    names = [name for name, _ in sources]
    if len(set(names)) < len(names):
        raise ValueError(f"sources: expected names that differ, found {names}; say name=path")
    spec = whole_spec(spec)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{out}: expected an empty folder; the reference engine only writes fresh ones")
    tell = progress or tell_nobody
    options = options or ScanOptions()
    recorded = {"shard_bytes": shard_bytes, "shuffle_seed": shuffle_seed, **options.recorded()}
    with quiet_pillow():
        folders = Folders(roots, follow_links=options.follow_links)
        found = scan(sources, folders, spec, options, tell)
        units = plan(found, spec, shard_bytes, shuffle_seed)
        shards = []
        for done, unit in enumerate(units):
            tell("units", done, len(units))
            shards.append(write_shard(unit, found.sources, folder, spec, options))
        tell("units", len(units), len(units))
    manifest = commit(found, shards, folder, spec, recorded)
    totals = manifest["totals"]
    return {
        **{key: totals[key] for key in ("rows", "rejected", "lines", "pictures", "distinct_pictures")},
        "decoded": totals["pictures"],
        "shards": len(shards),
        "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        "rejects": manifest["rejects"],
        "stored_again": sum(len(unit.pictures) - unit.run for unit in units),
        "built": len(shards),
        "kept": 0,
        "linked": 0,
        "copied": 0,
        "unchanged": False,
        "roots": folders.roots,
    }


def tell_nobody(_stage: str, _done: int, _total: int) -> None:
    """Progress that nobody asked for."""
