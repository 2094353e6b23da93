"""The boxes that an MP4 file is made of (ISO/IEC 14496-12, section 4.2)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

# The deepest that there is has six, and 4 bytes a frame make 15 MB for a day of AAC.
_MAX_DEPTH = 16
_MAX_MOOV_BYTES = 64 << 20
# Boxes that hold nothing but boxes.
_PARENTS = (b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl", b"udta")

_HEADER = struct.Struct(">I4s")


@dataclass(slots=True)
class Box:
    """A box: what it holds is other boxes or, for those that are not taken apart, bytes."""

    kind: bytes
    content: bytes = b""
    children: list[Box] = field(default_factory=list)

    def to_bytes(self) -> bytes:
        """The box with its header."""
        content = self.content + b"".join(child.to_bytes() for child in self.children)
        return _HEADER.pack(_HEADER.size + len(content), self.kind) + content

    def all(self, *kinds: bytes) -> Iterator[Box]:
        """All boxes that this path of kinds leads to."""
        if not kinds:
            yield self
            return
        for child in self.children:
            if child.kind == kinds[0]:
                yield from child.all(*kinds[1:])


def parse_boxes(data: bytes, *, depth: int = 0) -> list[Box]:
    """The boxes that `data` is made of, which lie in `depth` others.

    Raises:
        ValueError: it is not made of boxes, or they lie in each other without end.
    """
    if depth > _MAX_DEPTH:
        raise ValueError(f"boxes in boxes, {depth} deep")
    boxes = []
    position = 0
    while position < len(data):
        if len(data) - position < _HEADER.size:
            raise ValueError(f"{len(data) - position} stray bytes at the end of a box")
        size, kind = _HEADER.unpack_from(data, position)
        if not _HEADER.size <= size <= len(data) - position:
            raise ValueError(f"box {kind!r} claims {size} bytes")
        content = data[position + _HEADER.size : position + size]
        if kind in _PARENTS:
            boxes.append(Box(kind, children=parse_boxes(content, depth=depth + 1)))
        else:
            boxes.append(Box(kind, content))
        position += size
    return boxes


def read_moov(path: Path) -> Box:
    """The `moov` box of a file, which describes its tracks.

    Raises:
        ValueError: there is none, or a larger one than any song needs.
    """
    with path.open("rb") as file:
        start, size = _find_moov(file)
        if size > _MAX_MOOV_BYTES:
            raise ValueError(f"the moov box has {size} bytes")
        file.seek(start)
        (moov,) = parse_boxes(file.read(size))
    return moov


def replace_moov(path: Path, moov: Box) -> None:
    """Puts `moov` in the place of the file's own, which must be its last box.

    Only there it can change its size without moving the audio, to which it holds offsets.

    Raises:
        ValueError: there is no such box, or it is not the last one.
    """
    with path.open("r+b") as file:
        start, size = _find_moov(file)
        if start + size != file.seek(0, 2):
            raise ValueError(f"{path}: moov is not the last box")
        file.seek(start)
        file.write(moov.to_bytes())
        file.truncate()


@dataclass(frozen=True, slots=True)
class Media:
    """The sound of a track, `duration` units of `timescale` a second, and what is played of it.

    `edits`: (duration, start) of each piece; the durations are in units of `movie_timescale`, which
    is often coarser, and a start of -1 is silence.
    """

    timescale: int
    duration: int
    movie_timescale: int
    edits: tuple[tuple[int, int], ...]


def read_audio_media(path: Path) -> list[Media]:
    """The audio tracks of a file, in their order; an empty list if it is not to be understood."""
    try:
        moov = read_moov(path)
        movie_timescale, _ = _times(next(moov.all(b"mvhd")).content)
        tracks = [
            track
            for track in moov.all(b"trak")
            if next(track.all(b"mdia", b"hdlr")).content[8:12] == b"soun"
        ]
        headers = [next(track.all(b"mdia", b"mdhd")).content for track in tracks]
        return [
            Media(*_times(header), movie_timescale, _edits(track))
            for track, header in zip(tracks, headers, strict=True)
        ]
    except (ValueError, StopIteration, struct.error):
        return []


def _times(content: bytes) -> tuple[int, int]:
    """Timescale and duration of a header (sections 8.2.2 and 8.4.2); 64 bits in version 1."""
    form, start = (">IQ", 20) if content[:1] == b"\1" else (">II", 12)
    timescale, duration = struct.unpack_from(form, content, start)
    return timescale, duration


def _edits(track: Box) -> tuple[tuple[int, int], ...]:
    """Section 8.6.6."""
    content = next(track.all(b"edts", b"elst"), Box(b"elst")).content
    entry = struct.Struct(">Qq4x" if content[:1] == b"\1" else ">Ii4x")
    count = min(int.from_bytes(content[4:8], "big"), max(0, len(content) - 8) // entry.size)
    return tuple(entry.unpack_from(content, 8 + entry.size * number) for number in range(count))


def read_movie_timescale(path: Path) -> int:
    """How many units a second has in the file's edit lists; 0 if the file does not say.

    Unlike `read_moov` it reads a few bytes only, and takes any file.
    """
    try:
        with path.open("rb") as file:
            start, _ = _find_moov(file)
            file.seek(start + _HEADER.size)
            header = file.read(_HEADER.size + 24)
    except ValueError:
        return 0
    content = header[_HEADER.size :]
    if header[4 : _HEADER.size] != b"mvhd" or len(content) < 24:
        return 0
    # Section 8.2.2: version 1 has 64 bits for each of the two dates that come first.
    timescale_at = 20 if content[0] == 1 else 12
    return int.from_bytes(content[timescale_at : timescale_at + 4], "big")


def _find_moov(file: BinaryIO) -> tuple[int, int]:
    """Where the box starts, and its size."""
    start = 0
    file_bytes = file.seek(0, 2)
    while start + _HEADER.size <= file_bytes:
        file.seek(start)
        size, kind = _HEADER.unpack(file.read(_HEADER.size))
        if size == 1:  # mdat of more than 4 GiB
            size = int.from_bytes(file.read(8), "big")
        if kind == b"moov":
            return start, size
        if size < _HEADER.size:
            break
        start += size
    raise ValueError("the file has no moov box")
