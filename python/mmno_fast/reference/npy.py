"""NumPy files whose data starts at byte 4096."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

DATA_OFFSET = 4096
MAGIC = b"\x93NUMPY\x01\x00"


def npy_header(descr: str, shape: tuple[int, ...]) -> bytes:
    """The first 4096 bytes of a file.

    >>> header = npy_header("|u1", (3, 2, 2))
    >>> len(header), header[10:69]
    (4096, b"{'descr': '|u1', 'fortran_order': False, 'shape': (3, 2, 2)")
    """
    length = DATA_OFFSET - len(MAGIC) - 2
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).removesuffix("}") + ", }"
    return MAGIC + length.to_bytes(2, "little") + text.encode().ljust(length - 1) + b"\n"


class NpyWriter:
    """A file of bytes that grows picture by picture; it is made with the first one.

    `flat` files hold pictures of any size one behind the other, the others an array (n, H, W) or (n, H, W, 3).
    """

    def __init__(self, path: Path, *, flat: bool) -> None:
        self.path = path
        self.flat = flat
        self.count = 0
        self.bytes = 0
        self.item_shape: tuple[int, ...] = ()

    def append(self, pixels: npt.NDArray[np.uint8]) -> tuple[int, int]:
        """Add a picture; gives its index, and the offset of its bytes in the data."""
        if not self.count:
            self.item_shape = pixels.shape
            self.file = self.path.open("xb")
            self.file.seek(DATA_OFFSET)
        place = (self.count, self.bytes)
        self.file.write(np.ascontiguousarray(pixels).data)
        self.count += 1
        self.bytes += pixels.nbytes
        return place

    def close(self) -> None:
        """Write the header, now that the number of pictures is known."""
        if self.count:
            self.file.seek(0)
            shape = (self.bytes,) if self.flat else (self.count, *self.item_shape)
            self.file.write(npy_header("|u1", shape))
            self.file.close()


def write_npy(path: Path, array: npt.NDArray[Any]) -> None:
    """A whole array as a file."""
    path.write_bytes(npy_header(array.dtype.str, array.shape) + array.tobytes())
