"""A file that stemsplit wrote, described in a record so that it is known again.

`sha256` and `bytes` know it as it was left. After a power cut it may be shorter, or empty, or as
long and full of zeros: a file system that was not told to (before 0.5), or a disk that does not do
what it says, keeps names without their contents. Such a file is still ours, and is made again
without asking. `prefixes` tell it from a file that its owner made shorter: short digests of its
first 1, 2, 4, 8, ... bytes, and what a musician exports differs from ours in its header.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

from stemsplit.engine.record import WrittenFile
from stemsplit.files import open_regular

_PIECE_BYTES = 1 << 20
_BLOCK_BYTES = 512
_DIGITS = 8


def describe(path: Path, *, stem: str, file: str) -> WrittenFile:
    """A file that is complete, and is to be called `file`."""
    prefixes = []
    digest, num_bytes = hashlib.sha256(), 0
    with path.open("rb") as opened:
        while num_more := _feed(digest, opened, (1 << num_bytes.bit_length()) - num_bytes):
            num_bytes += num_more
            if num_bytes.bit_count() == 1:
                prefixes.append(digest.hexdigest()[:_DIGITS])
    return WrittenFile(
        stem=stem,
        file=file,
        sha256=digest.hexdigest(),
        bytes=num_bytes,
        prefixes=" ".join(prefixes),
    )


def is_blank(path: Path) -> bool:
    """Whether there is a file with nothing in it, or nothing but zeros."""
    try:
        with open_regular(path) as file:
            while piece := file.read(_PIECE_BYTES):
                if piece.strip(b"\0"):
                    return False
    except (OSError, ValueError):
        return False
    return True


def is_cut_off(written: WrittenFile, path: Path) -> bool:
    """Whether the file is the beginning of what we left: at least the half of it agrees."""
    prefixes, whole = written.prefixes, written.bytes
    try:
        num_bytes = path.stat().st_size
        if prefixes is None or whole is None or num_bytes == 0:
            return False
        if num_bytes > (whole - 1) // _BLOCK_BYTES * _BLOCK_BYTES:
            return False  # disks lose whole blocks, at least the last one
        number = num_bytes.bit_length() - 1
        digest = hashlib.sha256()
        with open_regular(path) as file:
            _feed(digest, file, 1 << number)
        return prefixes.split()[number] == digest.hexdigest()[:_DIGITS]
    except (OSError, ValueError, IndexError):
        return False


def _feed(digest: hashlib._Hash, file: BinaryIO, num_bytes: int) -> int:
    """Hashes that many bytes of the file, or as many as there are; how many these were."""
    left = num_bytes
    while left and (piece := file.read(min(left, _PIECE_BYTES))):
        digest.update(piece)
        left -= len(piece)
    return num_bytes - left
