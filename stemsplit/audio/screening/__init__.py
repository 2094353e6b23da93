"""What a file may cost, decided before a library opens it.

Every library trusts the headers of a file: ffmpeg sets gigabytes aside because four bytes say so,
mutagen inflates what is compressed, both look each tag up among all others, and covers are decoded
to learn their size. `screen` goes through the headers alone, with limits that no song of anybody
comes near, and says how to read the file: tags that are beyond them are masked, byte by byte, as
something that readers pass over, so that the music can still be had; headers without which there is
no music are an error.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stemsplit.audio.file_names import display_path
from stemsplit.audio.screening.ape import check_ape
from stemsplit.audio.screening.headers import HeaderClaimError, Headers
from stemsplit.audio.screening.id3 import check_id3
from stemsplit.audio.screening.kinds import HEAD_BYTES, identify
from stemsplit.audio.screening.masked_file import MaskedFile, Patch
from stemsplit.errors import AudioReadError
from stemsplit.files import open_regular

__all__ = ["MaskedFile", "Screening", "screen"]

_MAX_REMEMBERED = 256
_MAGIC_BYTES = 4


@dataclass(frozen=True, slots=True)
class Screening:
    """How to read a file: as a `kind`, by one of `demuxers`, with `patches` in place of its bytes.

    `magic` are its first bytes. `hidden` are warnings: which tags are not seen then, and why.
    `id3`, `matroska`: where the tags of these kinds begin and end. `num_entries`: how many entries
    all tags have that were looked into.
    """

    magic: bytes
    kind: str
    demuxers: str
    patches: tuple[Patch, ...] = ()
    hidden: tuple[str, ...] = ()
    id3: tuple[tuple[int, int], ...] = ()
    matroska: tuple[tuple[int, int], ...] = ()
    num_entries: int = 0

    def open(self, path: Path) -> MaskedFile:
        """The file, to be read so."""
        return MaskedFile(path, self.patches)


def screen(path: Path) -> Screening:
    """How the file may be read. It is looked at once, as long as it stays as it is.

    Raises:
        AudioReadError: it claims what cannot be.
        OSError: it cannot be opened.
    """
    status = path.stat()
    return _screen(os.fspath(path), status.st_size, status.st_mtime_ns)


@functools.lru_cache(_MAX_REMEMBERED)
def _screen(path: str, num_bytes: int, modified_ns: int) -> Screening:
    del num_bytes, modified_ns  # another state of the file is another file
    with open_regular(path) as file:
        try:
            return _look(path, file)
        except HeaderClaimError as error:
            raise AudioReadError(
                f"{display_path(path)} {error}.",
                hint="It is damaged, or made to do harm: download or convert it again.",
            ) from None


def _look(path: str, file: BinaryIO) -> Screening:
    headers = Headers(file)
    # Any number of ID3 tags may come before what the file is.
    while (after := check_id3(headers, headers.start)) > headers.start:
        headers.start = after
    kind = identify(headers.at(headers.start, HEAD_BYTES))
    if kind.check is not None:
        kind.check(headers)
    check_ape(headers)
    return Screening(
        magic=headers.at(0, _MAGIC_BYTES),
        kind=kind.name,
        demuxers=kind.demuxers,
        patches=tuple(headers.patches),
        hidden=tuple(
            f"{name} of {display_path(path)} was left out: {reason}."
            for name, reason in headers.hidden
        ),
        id3=tuple(headers.id3),
        matroska=tuple(headers.matroska),
        num_entries=headers.num_entries,
    )
