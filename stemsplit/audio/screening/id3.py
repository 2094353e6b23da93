"""ID3v2 tags (id3.org: id3v2-00, id3v2.3.0, id3v2.4.0-structure), wherever they stand."""

from __future__ import annotations

import io
import re

from stemsplit.audio.screening.headers import MAX_ENTRIES, Allowance, Headers, TagCostError
from stemsplit.audio.screening.masked_file import Patch

HEADER_BYTES = 10
_UNSYNCHRONISED, _EXTENDED = 0x80, 0x40
_FOOTER = 0x10

# In version 2.3 the first bit, in 2.4 the second; ffmpeg goes by the second in both.
_COMPRESSED = 0x80 | 0x08
# zlib makes of a byte no more than 1032 (zlib.net/zlib_tech.html).
_MAX_GROWTH = 1032
_MAX_UNSYNCHRONISED_BYTES = 16 << 20

_PICTURES = (b"APIC", b"PIC")
# The other frames that ffmpeg or mutagen look into.
_NAMED = re.compile(rb"T[A-Z0-9]{2,3}|COMM?|USLT?|ULT|APIC|PIC|GEOB|PRIV|CHAP|CTOC")
_TEXTS = (b"T", b"COM")
_MAX_TEXT_BYTES = 1 << 20
# A text can be a list, which mutagen takes apart in a time that grows with the square of its
# length. Shorter ones cost nothing.
_LIST_BYTES = 256
_ENCODINGS = range(4)
_UTF16 = (1, 2)
# Before what is compressed there may be its length, a group and a method.
_MAX_PREFIX_BYTES = 8


def tag_bytes(head: bytes, magic: bytes = b"ID3") -> int:
    """How long the tag is that begins with `head`; 0 if none does."""
    if len(head) < HEADER_BYTES or not head.startswith(magic) or 0xFF in head[3:5]:
        return 0
    if any(byte & 0x80 for byte in head[6:10]):
        return 0
    size = _syncsafe(head[6:10])
    return size + HEADER_BYTES * (2 if head[5] & _FOOTER else 1)


def check_id3(headers: Headers, position: int, magic: bytes = b"ID3") -> int:
    """Checks the tag at `position`, if there is one; where it ends."""
    head = headers.at(position, HEADER_BYTES)
    num_bytes = tag_bytes(head, magic)
    if not num_bytes:
        return position
    start, end = position + HEADER_BYTES, min(position + num_bytes, headers.size)

    def check(left: Allowance) -> None:
        left.entry(end - start)
        _check_frames(headers, head, start, end, left)

    if headers.tag("The ID3 tag", _emptied(position, head), check):
        headers.id3.append((position, position + num_bytes))
    return position + num_bytes


def _emptied(position: int, head: bytes) -> list[Patch]:
    """What makes the tag one of the same length that holds nothing but padding."""
    # The footer is not part of the length, so it stays announced.
    flags = bytes([head[5] & _FOOTER])
    return [(position + 5, flags), (position + HEADER_BYTES, bytes(HEADER_BYTES))]


def _check_frames(headers: Headers, head: bytes, start: int, end: int, left: Allowance) -> None:
    version, flags = head[3], head[5]
    is_extended = bool(flags & _EXTENDED)
    _Frames(headers, version, left).walk(start, end, is_extended=is_extended)
    if flags & _UNSYNCHRONISED and version < 4:
        # Here mutagen undoes it for the whole tag, before it looks at any frame, and ffmpeg for
        # each frame: the tag must be harmless in both readings.
        if end - start > _MAX_UNSYNCHRONISED_BYTES:
            raise TagCostError(f"it is unsynchronised and has {end - start >> 20} MiB")
        plain = headers.at(start, end - start).replace(b"\xff\0", b"\xff")
        _Frames(Headers(io.BytesIO(plain)), version, left).walk(
            0, len(plain), is_extended=is_extended
        )


class _Frames:
    """All frames that a reader may come to.

    Sizes of version 2.4 have seven bits in a byte, but iTunes wrote eight, and readers guess which
    it is, for each frame anew. So both ways are followed.
    """

    def __init__(self, headers: Headers, version: int, left: Allowance) -> None:
        self._headers = headers
        self._version = version
        self._left = left

    def walk(self, start: int, end: int, *, is_extended: bool) -> None:
        """Checks them.

        Raises:
            TagCostError: they may cost more than there is room for.
        """
        todo = [start]
        if is_extended:
            sizes = _sizes(self._headers.at(start, 4))
            todo += [start + 4 + size for size in sizes] + [start + size for size in sizes]
        seen: set[int] = set()
        while todo:
            position = todo.pop()
            if position in seen or position >= end:
                continue
            seen.add(position)
            if len(seen) > MAX_ENTRIES:
                raise TagCostError(f"it has more than {MAX_ENTRIES} entries")
            todo += self._frame(position, end)

    def _frame(self, position: int, end: int) -> list[int]:
        """Checks a frame; where the next one may be."""
        num_name, num_header = (3, 6) if self._version == 2 else (4, 10)
        head = self._headers.at(position, num_header)
        if len(head) < num_header or not head[0]:  # padding
            return []
        name, body = head[:num_name], position + num_header
        sizes = [min(size, end - body) for size in _sizes(head[num_name : 2 * num_name])]
        self._left.entry(0, is_picture=name in _PICTURES)
        # Of two ways one is wrong, and leads into the middle of a text or a picture.
        if _NAMED.fullmatch(name):
            if num_header == 10 and head[9] & _COMPRESSED:
                self._check_growth(body, max(sizes))
            if name.startswith(_TEXTS):
                self._check_text(body, max(sizes))
        return [body + size for size in sizes]

    def _check_growth(self, position: int, num_bytes: int) -> None:
        start = self._headers.at(position, min(num_bytes, _MAX_PREFIX_BYTES + 2))
        if not any(map(_is_zlib, start, start[1:])):
            return
        try:
            self._left.entry(_MAX_GROWTH * num_bytes)
        except TagCostError:
            megabytes = _MAX_GROWTH * num_bytes / 1e6
            raise TagCostError(
                f"it has a compressed entry that may grow to {megabytes:.0f} MB"
            ) from None

    def _check_text(self, position: int, num_bytes: int) -> None:
        first = self._headers.at(position, 1)
        if num_bytes <= _LIST_BYTES or not first or first[0] not in _ENCODINGS:
            return
        if num_bytes > _MAX_TEXT_BYTES:
            raise TagCostError(f"it has a text of more than {_MAX_TEXT_BYTES >> 20} MiB")
        text = self._headers.at(position, num_bytes)
        separator = b"\0\0" if first[0] in _UTF16 else b"\0"
        self._left.entries(text.count(separator), 0)


def _is_zlib(first: int, second: int) -> bool:
    """Whether zlib's data may begin so (RFC 1950, section 2.2)."""
    return first & 0x0F == 8 and (first << 8 | second) % 31 == 0


def _sizes(size: bytes) -> list[int]:
    """What the bytes of a size may mean."""
    plain = int.from_bytes(size, "big")
    return sorted({plain, _syncsafe(size)}) if len(size) == 4 else [plain]


def _syncsafe(size: bytes) -> int:
    value = 0
    for byte in size:
        value = value << 7 | byte & 0x7F
    return value
