"""Files of chunks that have a name and a size: RIFF and its kin, AIFF and its kin, CAF."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from stemsplit.audio.containers.chunks import (
    AIFF,
    CAF,
    RIFF,
    RIFX,
    W64,
    ChunkStyle,
    FileChunk,
    chunk_at,
)
from stemsplit.audio.screening.headers import (
    MAX_TEXT_BYTES,
    Allowance,
    HeaderClaimError,
    Headers,
    TagCostError,
)
from stemsplit.audio.screening.id3 import check_id3
from stemsplit.audio.screening.masked_file import Patch

_JUNK = b"JUNK"
"""A name that readers pass over."""

_MAX_CHUNKS = 4096
"""More than any program writes."""

_MAX_SIZE = 0x7FFF_FFFE

_ID3 = (b"id3 ", b"ID3 ")
_LISTS = (b"RIFF", b"LIST")
_RIFF_TEXTS = (b"bext", b"_PMX", b"iXML", b"strn")
_AIFF_TEXTS = (b"NAME", b"AUTH", b"ANNO", b"(c) ", b"COMT", b"DITI", b"DIAR")
_DSDIFF_LISTS = (b"DIIN", b"PROP")

# 925f94bc-525a-11d2-86dc-00c04f8edb8a, of Sony's Wave64.
_W64_INFO = bytes.fromhex("bc945f925a52d21186dc00c04f8edb8a")

# ffmpeg makes 24 bytes of each; this is a week of Apple Lossless.
_MAX_PACKET_LIST_BYTES = 16 << 20


# As ffmpeg walks from chunk to chunk: no size is below 0.
_DSDIFF = ChunkStyle(order="big", size_bytes=8, alignment=2)
_CAF = replace(CAF, is_signed=False)
_W64 = replace(W64, is_signed=False)
_W64_TEXT = ChunkStyle(order="little")


def check_wav(headers: Headers) -> None:
    """Checks LIST/INFO, ID3 and other texts of a WAV file (RIFF, RIFX, RF64, BW64)."""
    magic = headers.at(headers.start, 4)
    style = RIFX if magic == b"RIFX" else RIFF
    position, data_bytes = headers.start + 12, 0
    for _ in range(_MAX_CHUNKS):
        chunk = _chunk(headers, position, style)
        if chunk is None:
            break
        if chunk.name == b"LIST" and headers.at(chunk.start, 4) == b"INFO":
            _check_entries(headers, chunk, chunk.start + 4, style)
        elif chunk.name in _ID3:
            check_id3(headers, chunk.start)
        elif chunk.name in _RIFF_TEXTS:
            _check_size(headers, chunk, "A text")
        elif chunk.name == b"ds64":
            data_bytes = int.from_bytes(headers.at(chunk.start, 16)[8:], "little")
        elif chunk.name == b"data" and magic in (b"RF64", b"BW64"):
            chunk = replace(chunk, num_bytes=data_bytes)
        position = chunk.next
    _end_at(headers, position, style)


def check_avi(headers: Headers) -> None:
    """Checks LIST/INFO of an AVI file, as far as ffmpeg looks: lists in lists, up to the music."""
    position = headers.start
    for _ in range(_MAX_CHUNKS):
        chunk = _chunk(headers, position, RIFF)
        if chunk is None:
            break
        if chunk.name in _LISTS:
            kind = headers.at(chunk.start, 4)
            if kind == b"movi":
                return
            if kind != b"INFO":
                position = chunk.start + 4
                continue
            _check_entries(headers, chunk, chunk.start + 4, RIFF)
        elif chunk.name in _RIFF_TEXTS:
            _check_size(headers, chunk, "A text")
        position = chunk.next
    _end_at(headers, position, RIFF)


def check_aiff(headers: Headers) -> None:
    """Checks the texts and the ID3 chunk of AIFF, AIFC, 8SVX and other kinds of IFF."""
    _check_iff(headers, headers.start + 12, headers.size, AIFF)


def check_dsdiff(headers: Headers) -> None:
    """Checks the texts and the ID3 chunk of DSDIFF, whose sizes have 64 bits."""
    _check_iff(headers, headers.start + 16, headers.size, _DSDIFF)


def check_caf(headers: Headers) -> None:
    """Checks the texts of Apple's Core Audio Format, and its list of packets.

    Raises:
        HeaderClaimError: the list is longer than any song needs.
    """
    for chunk in _chunks(headers, headers.start + 8, headers.size, _CAF):
        num_present = min(chunk.end, headers.size) - chunk.start
        if chunk.name == b"info":
            _check_strings(headers, chunk)
        elif chunk.name == b"pakt" and num_present > _MAX_PACKET_LIST_BYTES:
            raise HeaderClaimError(f"has a list of packets of {num_present} bytes")


def check_w64(headers: Headers) -> None:
    """Checks the texts of Sony's Wave64, whose names are 16 bytes long."""
    for chunk in _chunks(headers, headers.start + 40, headers.size, _W64):
        if chunk.name == _W64_INFO:
            _check_entries(headers, chunk, chunk.start + 4, _W64_TEXT)


def _check_iff(headers: Headers, start: int, end: int, style: ChunkStyle) -> None:
    for chunk in _chunks(headers, start, end, style):
        if chunk.name in _ID3:
            check_id3(headers, chunk.start)
        elif chunk.name in _DSDIFF_LISTS and style is _DSDIFF:
            # A list of properties has four bytes before its chunks.
            inside = chunk.start + (4 if chunk.name == b"PROP" else 0)
            _check_iff(headers, inside, min(chunk.end, end), style)
        elif chunk.name in _AIFF_TEXTS:
            _check_size(headers, chunk, "A text")


def _check_entries(headers: Headers, chunk: FileChunk, position: int, style: ChunkStyle) -> None:
    """Checks the texts in a list, each of which has a name and a size of its own."""

    def check(left: Allowance) -> None:
        place = position
        while place < min(chunk.end, headers.size):
            entry = chunk_at(headers.at, place, style)
            if entry is None:
                return
            if entry.end > headers.size:
                raise TagCostError(f"an entry claims {entry.end - entry.start} bytes")
            left.entry(entry.end - entry.start)
            place = entry.next

    headers.tag("The list of texts", _hidden(chunk), check)


def _check_size(headers: Headers, chunk: FileChunk, name: str) -> None:
    def check(left: Allowance) -> None:
        if chunk.end > headers.size:
            raise TagCostError(f"it claims {chunk.end - chunk.start} bytes")
        left.entry(chunk.end - chunk.start)

    headers.tag(name, _hidden(chunk), check)


def _check_strings(headers: Headers, chunk: FileChunk) -> None:
    """Strings that end with a zero, a name and a value in turn, behind their number."""
    num_bytes = min(chunk.end, headers.size) - chunk.start
    content = headers.at(chunk.start, min(num_bytes, MAX_TEXT_BYTES))
    num_entries = min(int.from_bytes(content[:4], "big"), content[4:].count(b"\0"))

    def check(left: Allowance) -> None:
        if num_bytes > MAX_TEXT_BYTES:
            raise TagCostError(f"it has more than {MAX_TEXT_BYTES >> 20} MiB")
        left.entries(num_entries, num_bytes)

    headers.tag("The list of texts", _hidden(chunk), check)


def _chunks(headers: Headers, position: int, end: int, style: ChunkStyle) -> Iterator[FileChunk]:
    """The chunks between two places; readers, too, will come to no others."""
    for _ in range(_MAX_CHUNKS):
        chunk = _chunk(headers, position, style) if position < end else None
        if chunk is None:
            break
        yield chunk
        position = chunk.next
    if position < end:
        _end_at(headers, position, style)


def _chunk(headers: Headers, position: int, style: ChunkStyle) -> FileChunk | None:
    """The chunk there; None if it does not look like one."""
    chunk = chunk_at(headers.at, position, style)
    if chunk is None:
        return None
    # Four letters, or a GUID, which may be anything.
    name = chunk.name
    is_name = any(name) if len(name) > 4 else all(0x20 <= byte < 0x7F for byte in name)
    return chunk if is_name else None


def _hidden(chunk: FileChunk) -> list[Patch]:
    """What gives it a name that readers pass over."""
    return [(chunk.position, _JUNK.ljust(len(chunk.name), b"\0"))]


def _end_at(headers: Headers, position: int, style: ChunkStyle) -> None:
    """Has readers see one chunk that goes on to the end, however many there may be.

    Wherever it is that a size has led to, silence would be half a billion empty chunks of 4 GiB.
    """
    patches = []
    name = _JUNK.ljust(style.name_bytes, b"\0")
    while position + style.header_bytes < headers.size:
        size = min(headers.size - position, _MAX_SIZE)
        patches.append((position, name + size.to_bytes(style.size_bytes, style.order)))
        position += style.header_bytes + size
    headers.hide(patches)
