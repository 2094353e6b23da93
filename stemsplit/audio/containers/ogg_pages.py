"""The pages of an Ogg file (RFC 3533)."""

from __future__ import annotations

import functools
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stemsplit.files import open_regular

HEADER_BYTES = 27
CHECKSUM_AT = 22
_SERIAL_AT = 14
_MAGIC = b"OggS"
_FIRST, _LAST = 2, 4
_READ_BYTES = 1 << 20
_MAX_PAGE_BYTES = HEADER_BYTES + 255 + 255 * 255
_MAX_REMEMBERED = 64

_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


@dataclass(frozen=True, slots=True)
class Page:
    """A whole page with a right checksum. `granule`: the time at its end, in the codec's units."""

    position: int
    num_bytes: int
    flags: int
    granule: int
    serial: int


def has_holes(path: Path) -> bool:
    """Whether there is something between the pages of the file that is no whole page."""
    return _survey(path).has_holes


def ends_marked(path: Path) -> bool:
    """Whether the streams at the end of the file have a last page that says so."""
    return _survey(path).ends_marked


@dataclass(frozen=True, slots=True)
class _Survey:
    has_holes: bool
    ends_marked: bool


def _survey(path: Path) -> _Survey:
    status = path.stat()
    return _survey_once(os.fspath(path), status.st_size, status.st_mtime_ns)


@functools.lru_cache(_MAX_REMEMBERED)
def _survey_once(path: str, num_bytes: int, modified_ns: int) -> _Survey:
    del num_bytes, modified_ns  # another state of the file is another file
    holes = False
    last: Page | None = None
    unfinished: set[int] = set()
    with open_regular(path) as file:
        for page in pages(file):
            if page.flags & _FIRST and not (last and last.flags & _FIRST):
                unfinished.clear()  # other streams begin
            if page.flags & _LAST:
                unfinished.discard(page.serial)
            elif page.flags & _FIRST:
                unfinished.add(page.serial)
            holes |= last is not None and page.position > last.position + last.num_bytes
            last = page
    return _Survey(holes, not unfinished)


def pages(file: BinaryIO) -> Iterator[Page]:
    """The whole pages of a file, whatever lies between them."""
    file.seek(0)
    start, data, at = 0, b"", 0
    is_more = True
    while is_more or at < len(data):
        if is_more and len(data) - at < _MAX_PAGE_BYTES:
            piece = file.read(_READ_BYTES)
            is_more = bool(piece)
            start, data, at = start + at, data[at:] + piece, 0
            continue
        page = _page(data, at)
        if page is not None:
            yield Page(start + at, *page)
            at += page[0]
            continue
        found = data.find(_MAGIC, at + 1)
        at = found if found >= 0 else max(at + 1, len(data) - len(_MAGIC) + 1)


def _page(data: bytes, at: int) -> tuple[int, int, int, int] | None:
    """Size, flags, granule position and serial number of the page there, if there is one."""
    if data[at : at + 5] != _MAGIC + b"\0" or len(data) - at < HEADER_BYTES:
        return None
    flags, granule, serial = struct.unpack_from("<BqI", data, at + 5)
    lengths = data[at + HEADER_BYTES : at + HEADER_BYTES + data[at + HEADER_BYTES - 1]]
    num_bytes = HEADER_BYTES + len(lengths) + sum(lengths)
    page = bytearray(data[at : at + num_bytes])
    checksum = page[CHECKSUM_AT : CHECKSUM_AT + 4]
    page[CHECKSUM_AT : CHECKSUM_AT + 4] = bytes(4)
    if len(page) < num_bytes or checksum != struct.pack("<I", _checksum(page)):
        return None
    return num_bytes, flags, granule, serial


def set_serial_number(path: Path, serial: int) -> None:
    """Gives every page of a file with one stream that serial number, in place."""
    with path.open("r+b") as file:
        while header := file.read(HEADER_BYTES):
            if len(header) < HEADER_BYTES or header[:4] != b"OggS":
                raise OSError(f"no Ogg page at byte {file.tell() - len(header)}")
            lengths = file.read(header[-1])
            page = bytearray(header + lengths + file.read(sum(lengths)))
            struct.pack_into("<I", page, _SERIAL_AT, serial)
            seal_page(page)
            file.seek(-len(page), 1)
            file.write(page)


def seal_page(page: bytearray) -> None:
    """Gives a page the checksum of what it has become."""
    struct.pack_into("<I", page, CHECKSUM_AT, 0)
    struct.pack_into("<I", page, CHECKSUM_AT, _checksum(page))


def _checksum(page: bytearray) -> int:
    """Ogg's CRC: zlib's polynomial, but the bits of bytes and result in the other order.

    And it starts from 0 and stays as it is, where zlib inverts before and after.
    """
    crc = zlib.crc32(page.translate(_REVERSED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int.from_bytes(crc.to_bytes(4, "little").translate(_REVERSED), "big")
