"""`read_picture`: one picture as the shards would hold it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mmno_fast import _core

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mmno_fast.specs import ImageSpec


def read_picture(source: bytes | str | os.PathLike[str], image: ImageSpec) -> npt.NDArray[np.uint8]:
    """Decode one picture, and resize it as `image` says: the pixels that Pillow gives, bit for bit.

    Args:
        source: A path, or the bytes of a file.
        image: ``Resize(…)`` or ``Original(…)``.

    Returns:
        uint8 (H, W, 3), red, green, blue; new memory.

    Raises:
        FileNotFoundError: No such file.
        DataError: The picture cannot be used; `code` is the finding that `check` would report.

    >>> import io
    >>> from PIL import Image
    >>> from mmno_fast import Resize
    >>> file = io.BytesIO()
    >>> Image.new("L", (30, 20), 7).save(file, "PNG")
    >>> pixels = read_picture(file.getvalue(), Resize(8, fit="stretch"))
    >>> pixels.shape, pixels.dtype, int(pixels.max())
    ((8, 8, 3), dtype('uint8'), 7)
    """
    return _core.read_picture(source, image.to_json())
