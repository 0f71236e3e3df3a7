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
    from mmno_fast.data.dataset import Dataset, open  # noqa: A004 - `mf.open` is the name that users expect
    from mmno_fast.data.decode import Patches, TokenPlan, plan_tokens, read_picture
    from mmno_fast.data.pictures import LabelledPictures, Picture, Pictures
    from mmno_fast.data.rows import Selection
    from mmno_fast.jobs.build import BuildReport, build
    from mmno_fast.jobs.check import CheckReport, check
    from mmno_fast.jobs.verify import VerifyReport, verify
    from mmno_fast.loading.batch import Batch
    from mmno_fast.loading.loader import Loader
    from mmno_fast.loading.stats import LoaderStats
    from mmno_fast.spec.image import Encoded, ImageSpec, Original, Profile, Resize, profiles
    from mmno_fast.spec.output import Output

CLIP_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
"""What CLIP's image processor subtracts from red, green and blue, for pixels in 0..1."""
CLIP_STD: Final = (0.26862954, 0.26130258, 0.27577711)
"""What CLIP's image processor divides red, green and blue by, for pixels in 0..1."""

# name -> module it lives in
_LAZY: Final = {
    "Batch": "loading.batch",
    "BuildReport": "jobs.build",
    "CheckReport": "jobs.check",
    "ClosedError": "_core",
    "DataError": "_core",
    "Dataset": "data.dataset",
    "Encoded": "spec.image",
    "ImageSpec": "spec.image",
    "LabelledPictures": "data.pictures",
    "Loader": "loading.loader",
    "LoaderStats": "loading.stats",
    "MmnoError": "_core",
    "Original": "spec.image",
    "Output": "spec.output",
    "Patches": "data.decode",
    "Picture": "data.pictures",
    "Pictures": "data.pictures",
    "Profile": "spec.image",
    "Progress": "_core",
    "Resize": "spec.image",
    "Selection": "data.rows",
    "ShardError": "_core",
    "StateError": "_core",
    "TokenPlan": "data.decode",
    "VerifyReport": "jobs.verify",
    "__version__": "_core",
    "build": "jobs.build",
    "check": "jobs.check",
    "open": "data.dataset",
    "plan_tokens": "data.decode",
    "profiles": "spec.image",
    "read_picture": "data.decode",
    "verify": "jobs.verify",
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
