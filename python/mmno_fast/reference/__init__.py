"""The reference engine: the pipeline that a careful Python programmer writes, one stage after the other.

It follows `docs/rows.md` and `docs/format.md` with pysimdjson, Pillow, numpy, pyarrow and blake3 alone, and decodes
each picture of a unit once. The tests hold the core against it, and the benchmarks measure from it. It needs the
extra `reference`:

    pip install "mmno_fast[reference]"

    lines -> rows -> rules -> (check) -> resolve -> pictures -> (scan) -> plan -> shards (npy, arrow) -> commit
"""

from mmno_fast.reference.build import build
from mmno_fast.reference.check import inspect_line

__all__ = ["build", "inspect_line"]
