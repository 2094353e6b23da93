"""Files of chunks that have a name and a size: RIFF and its kin, AIFF and its kin, CAF."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from stemsplit.audio.screening.headers import (
    MAX_TEXT_BYTES,
    Allowance,
    HeaderClaimError,
    Headers,
    TagCostError,
)
from stemsplit.audio.screening.id3 import check_id3
from stemsplit.audio.screening.masked_file import Patch

_Order = Literal["little", "big"]

_ID3 = (b"id3 ", b"ID3 ")
_RIFF_TEXTS = (b"bext", b"_PMX", b"iXML", b"strn")
_AIFF_TEXTS = (b"NAME", b"AUTH", b"ANNO", b"(c) ", b"COMT", b"DITI", b"DIAR")
_DSDIFF_LISTS = (b"DIIN", b"PROP")

# 925f94bc-525a-11d2-86dc-00c04f8edb8a, of Sony's Wave64.
_W64_INFO = bytes.fromhex("bc945f925a52d21186dc00c04f8edb8a")

# ffmpeg makes 24 bytes of each; this is a week of Apple Lossless.
_MAX_PACKET_LIST_BYTES = 16 << 20


class _Chunk(NamedTuple):
    name: bytes
    position: int
    start: int
    end: int
    """Where it claims to end, which may be beyond the file."""

    @property
    def next(self) -> int:
        """Where the next one begins: at an even distance."""
        return self.end + (self.end - self.start) % 2

    @property
    def hidden(self) -> list[Patch]:
        """What gives it a name that readers pass over."""
        return [(self.position, b"JUNK")]


def check_wav(headers: Headers) -> None:
    """Checks LIST/INFO, ID3 and other texts of a WAV file (RIFF, RIFX, RF64, BW64)."""
    magic = headers.at(headers.start, 4)
    order: _Order = "big" if magic == b"RIFX" else "little"
    position, data_bytes = headers.start + 12, 0
    while len(head := headers.at(position, 8)) == 8:
        chunk = _chunk(position, head, order)
        if chunk.name == b"LIST" and headers.at(chunk.start, 4) == b"INFO":
            _check_info(headers, chunk, order)
        elif chunk.name in _ID3:
            check_id3(headers, chunk.start)
        elif chunk.name in _RIFF_TEXTS:
            _check_size(headers, chunk, "A text")
        elif chunk.name == b"ds64":
            data_bytes = int.from_bytes(headers.at(chunk.start, 16)[8:], "little")
        elif chunk.name == b"data" and magic in (b"RF64", b"BW64"):
            chunk = chunk._replace(end=chunk.start + data_bytes)
        position = chunk.next


def check_avi(headers: Headers) -> None:
    """Checks LIST/INFO of an AVI file, as far as ffmpeg looks: lists in lists, up to the music."""
    position = headers.start
    while head := headers.at(position, 12):
        chunk = _chunk(position, head[:8], "little")
        if head[:4] in (b"RIFF", b"LIST"):
            if head[8:] == b"movi":
                return
            if head[8:] != b"INFO":
                position += 12
                continue
            _check_info(headers, chunk, "little")
        elif chunk.name in _RIFF_TEXTS:
            _check_size(headers, chunk, "A text")
        position = chunk.next


def check_aiff(headers: Headers) -> None:
    """Checks the texts and the ID3 chunk of AIFF, AIFC, 8SVX and other kinds of IFF."""
    _check_iff(headers, headers.start + 12, headers.size, size_bytes=4)


def check_dsdiff(headers: Headers) -> None:
    """Checks the texts and the ID3 chunk of DSDIFF, whose sizes have 64 bits."""
    _check_iff(headers, headers.start + 16, headers.size, size_bytes=8)


def check_caf(headers: Headers) -> None:
    """Checks the texts of Apple's Core Audio Format, and its list of packets.

    Raises:
        HeaderClaimError: the list is longer than any song needs.
    """
    for chunk in _chunks(headers, headers.start + 8, headers.size, "big", size_bytes=8):
        num_present = min(chunk.end, headers.size) - chunk.start
        if chunk.name == b"info":
            _check_strings(headers, chunk)
        elif chunk.name == b"pakt" and num_present > _MAX_PACKET_LIST_BYTES:
            raise HeaderClaimError(f"has a list of packets of {num_present} bytes")


def check_w64(headers: Headers) -> None:
    """Checks the texts of Sony's Wave64, whose names are 16 bytes long."""
    position = headers.start + 40
    while len(head := headers.at(position, 28)) == 28:
        size = int.from_bytes(head[16:24], "little")
        if head[:16] == _W64_INFO:
            num_entries = int.from_bytes(head[24:], "little")
            _check_list(headers, [(position, bytes(16))], num_entries, size)
        # The size includes the header, and chunks begin at multiples of eight bytes.
        position += max(size + 7 & ~7, 24)


def _check_iff(headers: Headers, start: int, end: int, *, size_bytes: int) -> None:
    for chunk in _chunks(headers, start, end, "big", size_bytes=size_bytes):
        if chunk.name in _ID3:
            check_id3(headers, chunk.start)
        elif chunk.name in _DSDIFF_LISTS and size_bytes == 8:
            # A list of properties has four bytes before its chunks.
            inside = chunk.start + (4 if chunk.name == b"PROP" else 0)
            _check_iff(headers, inside, min(chunk.end, end), size_bytes=size_bytes)
        elif chunk.name in _AIFF_TEXTS:
            _check_size(headers, chunk, "A text")


def _check_info(headers: Headers, chunk: _Chunk, order: _Order) -> None:
    def check(left: Allowance) -> None:
        for entry in _chunks(headers, chunk.start + 4, min(chunk.end, headers.size), order):
            if entry.end > headers.size:
                raise TagCostError(f"an entry claims {entry.end - entry.start} bytes")
            left.entry(entry.end - entry.start)

    headers.tag("The INFO list", chunk.hidden, check)


def _check_size(headers: Headers, chunk: _Chunk, name: str) -> None:
    def check(left: Allowance) -> None:
        if chunk.end > headers.size:
            raise TagCostError(f"it claims {chunk.end - chunk.start} bytes")
        left.entry(chunk.end - chunk.start)

    headers.tag(name, chunk.hidden, check)


def _check_strings(headers: Headers, chunk: _Chunk) -> None:
    """Strings that end with a zero, a name and a value in turn, behind their number."""
    num_bytes = min(chunk.end, headers.size) - chunk.start
    content = headers.at(chunk.start, min(num_bytes, MAX_TEXT_BYTES))
    num_entries = min(int.from_bytes(content[:4], "big"), content[4:].count(b"\0"))
    _check_list(headers, chunk.hidden, num_entries, num_bytes)


def _check_list(
    headers: Headers, hidden: Sequence[Patch], num_entries: int, num_bytes: int
) -> None:
    def check(left: Allowance) -> None:
        if num_bytes > MAX_TEXT_BYTES:
            raise TagCostError(f"it has more than {MAX_TEXT_BYTES >> 20} MiB")
        left.entries(num_entries, num_bytes)

    headers.tag("The list of texts", hidden, check)


def _chunks(
    headers: Headers, position: int, end: int, order: _Order, *, size_bytes: int = 4
) -> Iterator[_Chunk]:
    while position < end:
        head = headers.at(position, 4 + size_bytes)
        if len(head) < 4 + size_bytes:
            return
        chunk = _chunk(position, head, order)
        yield chunk
        position = chunk.next


def _chunk(position: int, head: bytes, order: _Order) -> _Chunk:
    start = position + len(head)
    return _Chunk(head[:4], position, start, start + int.from_bytes(head[4:], order))
