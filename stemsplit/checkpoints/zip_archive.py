"""Zip files of strangers: opened so that their list of entries costs no more than it may."""

from __future__ import annotations

import zipfile
from typing import IO, cast

from stemsplit.errors import CheckpointError

MAX_DIRECTORY_BYTES = 4 << 20
"""Of a zip file: what says where its entries are, some hundred bytes for each of them."""


def open_archive(file: IO[bytes]) -> zipfile.ZipFile:
    """The archive, to be closed by the caller; each of its entries has a name of its own.

    Raises:
        CheckpointError: several entries have one name.
        zipfile.BadZipFile, OSError, ValueError, LookupError: it is damaged.
    """
    archive = zipfile.ZipFile(cast(IO[bytes], _InPieces(file)))
    if len(archive.namelist()) > len({entry.filename for entry in archive.infolist()}):
        raise CheckpointError("it is a zip file with several entries of one name.")
    return archive


class _InPieces:
    """A file for `zipfile`, which gives no piece of it that is larger than needed.

    zipfile takes the list of all entries at once, and makes of it ten times as much.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if size > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"its list of entries has {size} bytes")
        return self._file.read(MAX_DIRECTORY_BYTES if size < 0 else size)
