"""The pages of an Ogg file (RFC 3533)."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

HEADER_BYTES = 27
CHECKSUM_AT = 22
_SERIAL_AT = 14

_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


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
