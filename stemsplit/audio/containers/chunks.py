"""The chunks that WAV, AIFF, CAF and W64 files are made of: a name, a size, and that many bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

_MAX_CHUNKS = 4096
"""More than any program writes; a file may be made of nothing but empty chunks."""

# Those that are looked for behind the sound, where one of them may be cut off.
_COMMON_NAMES = (
    *(b"list", b"id3 ", b"bext", b"ixml", b"axml", b"cue ", b"smpl", b"inst", b"fact", b"peak"),
    *(b"junk", b"pad ", b"fllr", b"_pmx", b"cart", b"data", b"mark", b"comt", b"info", b"free"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkStyle:
    """How a format writes its chunks. The size comes after the name, and may count both too."""

    order: Literal["little", "big"]
    name_bytes: int = 4
    size_bytes: int = 4
    alignment: int = 1
    counts_header: bool = False
    is_signed: bool = False
    """Whether a size may be below 0, which stands for what is not known."""

    @property
    def header_bytes(self) -> int:
        return self.name_bytes + self.size_bytes


RIFF = ChunkStyle(order="little", alignment=2)
RIFX = ChunkStyle(order="big", alignment=2)
AIFF = RIFX
CAF = ChunkStyle(order="big", size_bytes=8, is_signed=True)
W64 = ChunkStyle(
    order="little", name_bytes=16, size_bytes=8, alignment=8, counts_header=True, is_signed=True
)


@dataclass(frozen=True, slots=True)
class FileChunk:
    """Where a chunk's content starts, and the size that is stated for it, which may be wrong."""

    name: bytes
    start: int
    num_bytes: int
    style: ChunkStyle

    @property
    def position(self) -> int:
        """Where its header starts."""
        return self.start - self.style.header_bytes

    @property
    def end(self) -> int:
        """Where its content ends, if the stated size is right: maybe beyond the file."""
        return self.start + self.num_bytes

    @property
    def next(self) -> int:
        """Where the next one starts then."""
        return self.end + -self.num_bytes % self.style.alignment


def chunk_at(
    read_at: Callable[[int, int], bytes], position: int, style: ChunkStyle
) -> FileChunk | None:
    """The chunk whose header is there; None where there are too few bytes for one.

    `read_at(position, num_bytes)` gives the file's bytes from there, fewer at its end.
    """
    header = read_at(position, style.header_bytes)
    if len(header) < style.header_bytes:
        return None
    name, size = header[: style.name_bytes], header[style.name_bytes :]
    num_bytes = int.from_bytes(size, style.order, signed=style.is_signed)
    if style.counts_header:
        num_bytes -= style.header_bytes
    if not style.is_signed:
        num_bytes = max(num_bytes, 0)
    return FileChunk(name, position + style.header_bytes, num_bytes, style)


def walk_chunks(file: BinaryIO, style: ChunkStyle, start: int) -> Iterator[FileChunk]:
    """The chunks from byte `start` on, as far as their sizes lead within the file."""
    file_bytes = file.seek(0, 2)
    for _ in range(_MAX_CHUNKS):
        chunk = _chunk_at(file, style, start)
        if chunk is None:
            return
        yield chunk
        start = chunk.next
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
        is_cut = chunk.next > file_bytes + style.alignment
        if not _is_name(chunk.name) or chunk.num_bytes < 0:
            return None
        if is_cut and chunk.name[:4].lower() not in _COMMON_NAMES:
            return None
        chunks.append(chunk)
    reached = chunks[-1].next if chunks else start
    return chunks if reached > file_bytes - style.header_bytes else None


def _chunk_at(file: BinaryIO, style: ChunkStyle, start: int) -> FileChunk | None:
    def read_at(position: int, num_bytes: int) -> bytes:
        file.seek(position)
        return file.read(num_bytes)

    return chunk_at(read_at, start, style)


def _without_missing_padding(file: BinaryIO, style: ChunkStyle, start: int) -> int:
    """Where the chunk after one of an odd size starts: some programs forget the byte between."""
    here, before = _chunk_at(file, style, start), _chunk_at(file, style, start - 1)
    if before is not None and _is_name(before.name) and not (here and _is_name(here.name)):
        return start - 1
    return start


def _is_name(name: bytes) -> bool:
    return all(0x20 <= octet < 0x7F for octet in name[:4])
