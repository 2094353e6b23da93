"""PNG files whose pixels differ only in how opaque they are, so that a page can colour them.

They are used as masks: the page paints a stem's colour through them, in the dark and in the light.
Written here because numpy and zlib are all it takes. PNG specification, third edition (W3C 2025).
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_INDEXED, _FILTER_UP = 3, 2


def mask_png(levels: NDArray[np.uint8], *, num_levels: int) -> bytes:
    """A PNG of the opacities [height, width], each of 0 (clear) to num_levels - 1 (opaque)."""
    height, width = levels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, _INDEXED, 0, 0, 0)
    black = bytes(3 * num_levels)
    opacities = bytes(255 * level // (num_levels - 1) for level in range(num_levels))
    # Each row as its difference from the one above, after the number of that filter (section 9).
    above = np.vstack([np.zeros((1, width), np.uint8), levels[:-1]])
    rows = np.full((height, width + 1), _FILTER_UP, np.uint8)
    rows[:, 1:] = levels - above  # uint8 wraps around, as the specification wants
    plain = np.zeros_like(rows)
    plain[:, 1:] = levels
    packed = min((zlib.compress(image.tobytes(), 6) for image in (rows, plain)), key=len)
    return b"".join(
        [
            _SIGNATURE,
            _piece(b"IHDR", header),
            _piece(b"PLTE", black),
            _piece(b"tRNS", opacities),
            _piece(b"IDAT", packed),
            _piece(b"IEND", b""),
        ]
    )


def _piece(kind: bytes, content: bytes) -> bytes:
    """A chunk: its length, its kind, its content and their checksum (section 5.3)."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
