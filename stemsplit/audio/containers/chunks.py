"""The chunks that WAV, AIFF, CAF and W64 files are made of: a name, a size, and that many bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_MAX_CHUNKS = 4096
"""More than any program writes; a file may be made of nothing but empty chunks."""

# Those that are looked for behind the sound, where one of them may be cut off.
_COMMON_NAMES = (
    *(b"list", b"id3 ", b"bext", b"ixml", b"axml", b"cue ", b"smpl", b"inst", b"fact", b"peak"),
    *(b"junk", b"pad ", b"fllr", b"_pmx", b"cart", b"data", b"mark", b"comt", b"info", b"free"),
)


@dataclass(frozen=True, slots=True)
class ChunkStyle:
    """How a format writes its chunks. `header`: name and size, which may count the header too."""

    header: struct.Struct
    alignment: int = 1
    counts_header: bool = False


RIFF = ChunkStyle(struct.Struct("<4sI"), alignment=2)
RIFX = ChunkStyle(struct.Struct(">4sI"), alignment=2)
AIFF = RIFX
CAF = ChunkStyle(struct.Struct(">4sq"))
W64 = ChunkStyle(struct.Struct("<16sq"), alignment=8, counts_header=True)


@dataclass(frozen=True, slots=True)
class FileChunk:
    """Where a chunk's content starts, and the size that is stated for it, which may be wrong."""

    name: bytes
    start: int
    num_bytes: int

    def end(self, style: ChunkStyle) -> int:
        """Where the next chunk starts, if the stated size is right."""
        return self.start + self.num_bytes + -self.num_bytes % style.alignment


def walk_chunks(file: BinaryIO, style: ChunkStyle, start: int) -> Iterator[FileChunk]:
    """The chunks from byte `start` on, as far as their sizes lead within the file."""
    file_bytes = file.seek(0, 2)
    for _ in range(_MAX_CHUNKS):
        chunk = _chunk_at(file, style, start)
        if chunk is None:
            return
        yield chunk
        start = chunk.end(style)
        if not chunk.start <= start < file_bytes:
            return
        if chunk.num_bytes % 2 and style.alignment == 2:
            start = _without_missing_padding(file, style, start)


def read_chunk(file: BinaryIO, chunk: FileChunk, max_bytes: int) -> bytes:
    """The first `max_bytes` of a chunk, or less where it or the file ends before."""
    file.seek(chunk.start)
    return file.read(max(0, min(chunk.num_bytes, max_bytes)))


def chunks_to_the_end(file: BinaryIO, style: ChunkStyle, start: int) -> list[FileChunk] | None:
    """The chunks that fill the file from byte `start` to its end; None if something else does."""
    file_bytes = file.seek(0, 2)
    chunks = []
    for chunk in walk_chunks(file, style, start):
        # Sound looks like a name once in fifty times, but hardly ever leads to the file's end.
        is_cut = chunk.end(style) > file_bytes + style.alignment
        if not _is_name(chunk.name) or chunk.num_bytes < 0:
            return None
        if is_cut and chunk.name[:4].lower() not in _COMMON_NAMES:
            return None
        chunks.append(chunk)
    reached = chunks[-1].end(style) if chunks else start
    return chunks if reached > file_bytes - style.header.size else None


def _chunk_at(file: BinaryIO, style: ChunkStyle, start: int) -> FileChunk | None:
    file.seek(start)
    header = file.read(style.header.size)
    if len(header) < style.header.size:
        return None
    name, num_bytes = style.header.unpack(header)
    if style.counts_header:
        num_bytes -= style.header.size
    return FileChunk(name, start + style.header.size, num_bytes)


def _without_missing_padding(file: BinaryIO, style: ChunkStyle, start: int) -> int:
    """Where the chunk after one of an odd size starts: some programs forget the byte between."""
    here, before = _chunk_at(file, style, start), _chunk_at(file, style, start - 1)
    if before is not None and _is_name(before.name) and not (here and _is_name(here.name)):
        return start - 1
    return start


def _is_name(name: bytes) -> bool:
    return all(0x20 <= octet < 0x7F for octet in name[:4])
