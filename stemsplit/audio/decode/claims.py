"""How long a container says that it is, in seconds and in bytes, read from its own headers.

ffmpeg does not tell what it has read from what it has guessed, and of a cut-off file it gives what
is left.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stemsplit.audio.containers.chunks import CAF, RIFF, ChunkStyle, FileChunk, chunk_at
from stemsplit.audio.decode.linear import is_placeholder
from stemsplit.audio.screening.headers import HeaderClaimError, Headers
from stemsplit.audio.screening.matroska import Element, elements
from stemsplit.files import open_regular

# Beyond it a number of seconds is none.
_MAX_SECONDS = 10_000_000.0
_MAX_STEPS = 100_000
_ANYWHERE = 1 << 62


@dataclass(frozen=True, slots=True)
class Claim:
    """`seconds`: of the whole file; `audio_seconds`: of each audio stream, where that is said.

    `is_cut`: the file ends before it says that it does.
    """

    seconds: float | None = None
    audio_seconds: tuple[float | None, ...] = ()
    is_cut: bool = False


def read_claim(path: Path, name: str) -> Claim:
    """What a file claims that ffmpeg calls `name`; nothing for those that claim nothing."""
    reader = next((_READERS[part] for part in name.split(",") if part in _READERS), None)
    if reader is None:
        return Claim()
    with open_regular(path) as file:
        try:
            return reader(Headers(file))
        except HeaderClaimError:  # there is no end to its headers
            return Claim()


def _seconds(value: float) -> float | None:
    return value if math.isfinite(value) and 0 < value < _MAX_SECONDS else None


# Matroska: RFC 9559, section 5.1.2.
_SEGMENT, _INFO, _CLUSTER = 0x18538067, 0x1549A966, 0x1F43B675
_SCALE, _DURATION = 0x2AD7B1, 0x4489
_USUAL_SCALE = 1_000_000


def _matroska(headers: Headers) -> Claim:
    top = elements(headers, headers.start, _ANYWHERE)
    segment = next((element for element in top if element.number == _SEGMENT), None)
    if segment is None:
        return Claim()
    seconds = None
    for element in elements(headers, segment.start, segment.end):
        if element.number == _CLUSTER:
            break
        if element.number == _INFO:
            seconds = _matroska_duration(headers, element)
    is_cut = not segment.is_endless and segment.end > headers.size
    return Claim(seconds, is_cut=is_cut)


def _matroska_duration(headers: Headers, info: Element) -> float | None:
    scale, ticks = _USUAL_SCALE, 0.0
    for element in elements(headers, info.start, info.end):
        content = headers.at(element.start, min(element.end - element.start, 8))
        if element.number == _SCALE:
            scale = int.from_bytes(content, "big")
        elif element.number == _DURATION and len(content) in (4, 8):
            (ticks,) = struct.unpack(">f" if len(content) == 4 else ">d", content)
    return _seconds(ticks * scale / 1e9)


# Advanced Systems Format, revision 01.20.03, section 3.2.
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_TOP_BYTES, _ASF_HEADER_BYTES = 30, 24
_ASF_BROADCAST = 1


def _asf(headers: Headers) -> Claim:
    position = headers.start + _ASF_TOP_BYTES
    for _ in range(_MAX_STEPS):
        head = headers.at(position, _ASF_HEADER_BYTES + 68)
        size = int.from_bytes(head[16:24], "little")
        if len(head) < _ASF_HEADER_BYTES or size < _ASF_HEADER_BYTES:
            break
        if head[:16] == _ASF_PROPERTIES and len(head) == _ASF_HEADER_BYTES + 68:
            num_bytes, _, _, played, _, preroll, flags = struct.unpack_from("<QQQQQQI", head, 40)
            if flags & _ASF_BROADCAST:
                return Claim()
            return Claim(_seconds(played / 1e7 - preroll / 1e3), is_cut=num_bytes > headers.size)
        position += size
    return Claim()


def _chunks(
    headers: Headers, position: int, style: ChunkStyle, end: int = _ANYWHERE
) -> Iterator[FileChunk]:
    for _ in range(_MAX_STEPS):
        chunk = chunk_at(headers.at, position, style)
        if position >= end or chunk is None:
            return
        yield chunk
        position = chunk.next


def _avi(headers: Headers) -> Claim:
    """AVI, and its continuations beyond 1 GiB (OpenDML)."""
    is_cut = False
    audio: list[float | None] = []
    for number, riff in enumerate(_chunks(headers, headers.start, RIFF)):
        if riff.name != b"RIFF":
            break
        is_cut = riff.end > headers.size and not is_placeholder(riff.num_bytes)
        if number == 0:
            audio = list(_avi_streams(headers, riff.start + 4, riff.end))
    return Claim(audio_seconds=tuple(audio), is_cut=is_cut)


def _avi_streams(headers: Headers, position: int, end: int) -> Iterator[float | None]:
    """The length of each audio stream; lists are gone into without going deeper."""
    while chunk := next(_chunks(headers, position, RIFF, end), None):
        kind = headers.at(chunk.start, 4) if chunk.name == b"LIST" else b""
        if kind == b"movi":
            return
        if kind in (b"hdrl", b"strl"):
            position = chunk.start + 4
            continue
        if chunk.name == b"strh" and headers.at(chunk.start, 4) == b"auds":
            head = headers.at(chunk.start, 36)
            scale, rate, _, length = struct.unpack_from("<IIII", head.ljust(36, b"\0"), 20)
            yield None if is_placeholder(length) else _seconds(length * scale / max(1, rate))
        position = chunk.next


# Flash video: what comes before a tag's data, and after it.
_FLV_TAG_BYTES, _FLV_SIZE_BYTES = 11, 4
_FLV_DURATION = b"\x00\x08duration\x00"
_FLV_LOOKED_AT = 1 << 12


def _flv(headers: Headers) -> Claim:
    head = headers.at(headers.start, _FLV_LOOKED_AT)
    at = head.find(_FLV_DURATION)
    value = head[at + len(_FLV_DURATION) :][:8] if at >= 0 else b""
    seconds = _seconds(struct.unpack(">d", value)[0]) if len(value) == 8 else None
    # Each tag is followed by its size.
    end = headers.size - _FLV_SIZE_BYTES
    size = int.from_bytes(headers.at(end, _FLV_SIZE_BYTES), "big")
    last = headers.at(end - size, _FLV_TAG_BYTES)
    is_whole = size == int.from_bytes(last[1:4], "big") + _FLV_TAG_BYTES
    return Claim(seconds, is_cut=not is_whole)


def _mp4(headers: Headers) -> Claim:
    """Only of those that come in fragments; the others count all samples in advance."""
    position, has_fragments = headers.start, False
    for _ in range(_MAX_STEPS):
        head = headers.at(position, 16)
        if len(head) < 8:
            break
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if size < 8:  # 0 is up to the end
            return Claim()
        has_fragments |= head[4:8] == b"moof"
        position += size
    return Claim(is_cut=has_fragments and position > headers.size)


def _wav(headers: Headers) -> Claim:
    for chunk in _chunks(headers, headers.start + 12, RIFF):
        if chunk.name == b"data":
            return Claim(is_cut=chunk.end > headers.size and not is_placeholder(chunk.num_bytes))
    return Claim()


# Apple Core Audio Format 1.0.
_CAF_HEADER_BYTES = 8


def _caf(headers: Headers) -> Claim:
    end = headers.start + _CAF_HEADER_BYTES
    for chunk in _chunks(headers, end, CAF):
        if is_placeholder(chunk.num_bytes):
            break
        end = chunk.next
    return Claim(is_cut=end > headers.size)


_READERS: dict[str, Callable[[Headers], Claim]] = {
    "matroska": _matroska,
    "asf": _asf,
    "avi": _avi,
    "flv": _flv,
    "mov": _mp4,
    "wav": _wav,
    "caf": _caf,
}
