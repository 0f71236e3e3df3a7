"""JAX: a batch's pictures as arrays of JAX. The only part of mmno_fast that imports jax.

`mmno_fast.Loader` is the loader; `arrays` makes what it hands out JAX's::

    with mf.Loader(dataset, batch_size=16, shuffle=True, output=mf.Output(dtype="bfloat16", layout="nhwc")) as loader:
        for batch in loader:
            step(arrays(batch))

For grain, a `Dataset` is a random access source already: it has a length, takes an index, pickles, and its ``repr`` names it.
"""

from __future__ import annotations

from typing import Any

import jax
import ml_dtypes
import numpy as np

from mmno_fast.loading.batch import Batch


def arrays(batch: Batch, device: Any = None) -> dict[str, Any]:
    """The numbers of a batch as JAX arrays.

    On the CPU, pictures of one size are not copied: the array is a view of the slot, and the slot is used again only when
    the array is gone. (XLA wants memory aligned to 64 bytes, and slots begin at a page.) bfloat16 is a real one. To another device, and
    pictures of different sizes, which begin anywhere in the slot, are copied.

    Args:
        batch: Of `mmno_fast.Loader`.
        device: Where to; default: JAX's default device.

    Returns:
        ``images``: (pictures, H, W, 3) or (pictures, 3, H, W), or a list where sizes differ; with patches instead ``pixel_values`` and
        ``image_grid_thw``. ``labels``, where there are some. Of rows ``image_offsets`` and ``image_index``. Whole numbers are int32, as JAX
        has them by default.

    >>> import tempfile
    >>> import mmno_fast as mf
    >>> from mmno_fast.demo import draw
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     drawn = draw(f"{folder}/data", pictures=4, faults=False)
    ...     report = mf.build(drawn.sources, drawn.images, f"{folder}/shards", mf.Resize(32, fit="stretch"))
    ...     with mf.Loader(mf.open(report.path), 8, shuffle=True, output=mf.Output(dtype="bfloat16")) as loader:
    ...         images = arrays(next(iter(loader)))["images"]
    >>> images.shape, images.dtype.name
    ((8, 32, 32, 3), 'bfloat16')
    """
    numbers = batch.numbers.view(ml_dtypes.bfloat16) if batch.dtype == "bfloat16" else batch.numbers
    views = batch.views(numbers)
    pictures = [_array(view, device) for view in views] if isinstance(views, list) else _array(views, device)
    made = {"pixel_values" if batch.has_patches else "images": pictures}
    small = {"image_grid_thw": batch.image_grid_thw} if batch.has_patches else {}
    if batch.has_labels:
        small["labels"] = batch.labels
    if batch.has_rows:
        small |= {"image_offsets": batch.image_offsets, "image_index": batch.image_index}
    return made | {name: jax.device_put(values.astype(np.int32), device) for name, values in small.items()}


def _array(view: np.ndarray[Any, Any], device: Any) -> Any:
    target = device or jax.devices()[0]
    aligned = view.ctypes.data % 64 == 0 and view.size
    if target.platform != "cpu" or not aligned:
        return jax.device_put(view, target)
    if view.dtype == ml_dtypes.bfloat16:  # NumPy's DLPack does not know it
        return jax.device_put(view, target, may_alias=True)
    return jax.dlpack.from_dlpack(view)
