"""From JSON Lines and a folder of pictures to shards that any Arrow or NumPy program opens: checked, exact, fast.

Four jobs, each a function here and a command of ``mmno-fast``:

- `check` says what is wrong with the data, by file, line and byte;
- `build` turns rows and pictures, once, into shards, and `verify` proves that they are whole;
- `open` reads a folder of shards, or JSONL with its pictures, and `Loader` hands out batches of it;
- `read_picture` gives one picture as the shards would hold it.

Names are imported when they are first used, so ``import mmno_fast`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mmno_fast._core import (
        ClosedError,
        DataError,
        MmnoError,
        Progress,
        ShardError,
        StateError,
        __version__,
    )
    from mmno_fast.batch import Batch
    from mmno_fast.building import BuildReport, build
    from mmno_fast.checking import CheckReport, check
    from mmno_fast.dataset import Dataset, open  # noqa: A004 - `mf.open` is the name that users expect
    from mmno_fast.loader import Loader
    from mmno_fast.output import Output
    from mmno_fast.picture import Patches, TokenPlan, plan_tokens, read_picture
    from mmno_fast.pictures import LabelledPictures, Picture, Pictures
    from mmno_fast.rows import Selection
    from mmno_fast.specs import Encoded, ImageSpec, Original, Profile, Resize, profiles
    from mmno_fast.verifying import VerifyReport, verify
    from mmno_fast.waiting import LoaderStats

CLIP_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
"""What CLIP's image processor subtracts from red, green and blue, for pixels in 0..1."""
CLIP_STD: Final = (0.26862954, 0.26130258, 0.27577711)
"""What CLIP's image processor divides red, green and blue by, for pixels in 0..1."""

# name -> module it lives in
_LAZY: Final = {
    "Batch": "batch",
    "BuildReport": "building",
    "CheckReport": "checking",
    "ClosedError": "_core",
    "DataError": "_core",
    "Dataset": "dataset",
    "Encoded": "specs",
    "ImageSpec": "specs",
    "LabelledPictures": "pictures",
    "Loader": "loader",
    "LoaderStats": "waiting",
    "MmnoError": "_core",
    "Original": "specs",
    "Output": "output",
    "Patches": "picture",
    "Picture": "pictures",
    "Pictures": "pictures",
    "Profile": "specs",
    "Progress": "_core",
    "Resize": "specs",
    "Selection": "rows",
    "ShardError": "_core",
    "StateError": "_core",
    "TokenPlan": "picture",
    "VerifyReport": "verifying",
    "__version__": "_core",
    "build": "building",
    "check": "checking",
    "open": "dataset",
    "plan_tokens": "picture",
    "profiles": "specs",
    "read_picture": "picture",
    "verify": "verifying",
}

__all__ = [
    "CLIP_MEAN",
    "CLIP_STD",
    "Batch",
    "BuildReport",
    "CheckReport",
    "ClosedError",
    "DataError",
    "Dataset",
    "Encoded",
    "ImageSpec",
    "LabelledPictures",
    "Loader",
    "LoaderStats",
    "MmnoError",
    "Original",
    "Output",
    "Patches",
    "Picture",
    "Pictures",
    "Profile",
    "Progress",
    "Resize",
    "Selection",
    "ShardError",
    "StateError",
    "TokenPlan",
    "VerifyReport",
    "__version__",
    "build",
    "check",
    "open",
    "plan_tokens",
    "profiles",
    "read_picture",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Import `name` from where it lives, the first time that it is asked for (PEP 562)."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
