"""From JSON Lines and a folder of pictures to shards that any Arrow or NumPy program opens: checked, exact, fast.

Four jobs, each a function here and a command of ``mmno-fast``:

- `check` says what is wrong with the data, by file, line and byte;
- `build` turns rows and pictures, once, into shards, and `verify` proves that they are whole;
- `open` reads a folder of shards, or JSONL with its pictures, and `Loader` hands out batches of it;
- `read_picture` gives one picture as the shards would hold it.

A name is imported when it is first used, so ``import mmno_fast`` costs next to nothing. Type checkers read ``__init__.pyi``.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

_HOMES: Final = {
    "_core": ("ClosedError", "DataError", "InternalError", "MmnoError", "Progress", "ShardError", "StateError", "__version__"),
    "data.dataset": ("Dataset", "open"),
    "data.decode": ("Patches", "TokenPlan", "plan_tokens", "read_picture"),
    "data.pictures": ("LabelledPictures", "Picture", "Pictures"),
    "data.rows": ("Selection",),
    "jobs.build": ("BuildReport", "build"),
    "jobs.check": ("CheckReport", "check"),
    "jobs.verify": ("VerifyReport", "verify"),
    "loading.batch": ("Batch",),
    "loading.loader": ("Loader",),
    "loading.stats": ("LoaderStats",),
    "spec.image": ("Encoded", "ImageSpec", "Original", "Profile", "Resize", "profiles"),
    "spec.output": ("CLIP_MEAN", "CLIP_STD", "Output"),
}
"""Module -> the public names that it defines."""
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}
__all__ = list(_HOME_OF)


def __getattr__(name: str) -> Any:
    """Import `name` from where it lives, the first time that it is asked for (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(_HOME_OF)
