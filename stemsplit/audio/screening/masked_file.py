"""A file some of whose bytes read as others."""

from __future__ import annotations

import bisect
import io
import os
from collections.abc import Iterator, Sequence

Patch = tuple[int, bytes]
"""A position in a file, and the bytes that are read there in place of its own."""


class MaskedFile(io.FileIO):
    """A file, read as if the patches had been written into it. The file itself stays as it is."""

    def __init__(self, path: str | os.PathLike[str], patches: Sequence[Patch] = ()) -> None:
        super().__init__(os.fspath(path))
        self._patches = sorted(patches)
        self._longest = max((len(content) for _, content in patches), default=0)

    def read(self, size: int | None = -1, /) -> bytes:
        position = self.tell() if self._patches else 0
        return self._masked(position, super().read(size))

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        position = self.tell() if self._patches else 0
        num_read = super().readinto(buffer)
        for start, content in self._within(position, num_read):
            buffer[start : start + len(content)] = content
        return num_read

    def _masked(self, position: int, data: bytes) -> bytes:
        found = list(self._within(position, len(data)))
        if not found:
            return data
        changed = bytearray(data)
        for start, content in found:
            changed[start : start + len(content)] = content
        return bytes(changed)

    def _within(self, position: int, num_bytes: int) -> Iterator[Patch]:
        """The pieces of patches that lie in what was read, counted from its start."""
        number = bisect.bisect_left(self._patches, (position - self._longest, b""))
        while number < len(self._patches) and self._patches[number][0] < position + num_bytes:
            start, content = self._patches[number]
            first, last = max(start, position), min(start + len(content), position + num_bytes)
            if first < last:
                yield first - position, content[first - start : last - start]
            number += 1
