"""Damage to files: what storage, transfers, other people's programs and attackers do to them."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Sequence
from random import Random

# Four letters mark a chunk, box, page or record in nearly every container; sizes and counts stand
# around them. ZIP's own marks are the exception.
_TAG = re.compile(rb"[A-Za-z][A-Za-z0-9 ]{3}|PK[\x01-\x08]{2}")
_NUM_TAGS = 24

_ODD_NUMBERS = (
    *(0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 192_000, 0x7FFF_FFFE),
    *(0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF, 1 << 40, (1 << 63) - 1, (1 << 64) - 1),
)
_MAX_GROWTH = 4
"""A mutated file is at most so many times longer than the longest seed, plus a few KiB."""


def mutate(rng: Random, seeds: Sequence[bytes], words: Sequence[bytes] = ()) -> bytes:
    """One of `seeds` with one to six kinds of damage; the same for the same state of `rng`.

    `words` are pieces of the format that are put in, or in place of something, now and then.
    """
    limit = _MAX_GROWTH * max(map(len, seeds)) + 4096
    data = rng.choice(seeds)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        damage = rng.choice(_DAMAGES if words else _DAMAGES[:-1])
        data = damage(rng, data, words if damage is _put_word else seeds)
    return data[:limit]


def _flip_bits(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    for _bit in range(rng.choice((1, 1, 4, 32)) if data else 0):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _randomise(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start, stop = _span(rng, data)
    return data[:start] + rng.randbytes(stop - start) + data[stop:]


def _blank(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start, stop = _span(rng, data)
    return data[:start] + rng.choice((b"\0", b"\xff")) * (stop - start) + data[stop:]


def _truncate(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _delete(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start, stop = _span(rng, data)
    return data[:start] + data[stop:]


def _repeat(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start, stop = _span(rng, data)
    return data[:stop] + data[start:stop] * rng.choice((1, 1, 2, 8, 100)) + data[stop:]


def _splice(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Starts as one file and goes on as another."""
    other = rng.choice(seeds)
    return data[: _position(rng, data)] + other[_position(rng, other) :]


def _nest(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """Puts a piece of the file into itself."""
    start, stop = _span(rng, data)
    position = min(_position(rng, data) + 8, len(data))
    return data[:position] + data[start:stop] + data[position:]


def _put_number(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """Writes an odd number near a tag: a size, a count, a rate, a number of channels."""
    position = _position(rng, data) + rng.choice((-8, -4, *range(4, 44, 2)))
    width = rng.choice((1, 2, 2, 4, 4, 4, 8))
    number = rng.choice(_ODD_NUMBERS) & (1 << 8 * width) - 1
    if not 0 <= position <= len(data) - width:
        return data
    order = rng.choice(("little", "big"))
    return data[:position] + number.to_bytes(width, order) + data[position + width :]


def _put_word(rng: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    start, stop = _span(rng, data)
    return data[:start] + rng.choice(words) + data[rng.choice((start, start, stop)) :]


_DAMAGES = (
    *(_flip_bits, _randomise, _blank, _truncate, _delete, _repeat, _splice, _nest),
    *(_put_number, _put_number, _put_number, _put_word),
)


def _position(rng: Random, data: bytes) -> int:
    """A place in the file, more often than not at a tag."""
    tags = [match.start() for match in _TAG.finditer(data)]
    if tags and rng.random() < 0.7:
        return rng.choice(tags[:_NUM_TAGS] + tags[-_NUM_TAGS:])
    return rng.randrange(len(data) + 1)


def _span(rng: Random, data: bytes) -> tuple[int, int]:
    start = _position(rng, data)
    if rng.random() < 0.5:
        return start, min(start + rng.choice((1, 2, 4, 8, 16, 256)), len(data))
    other = _position(rng, data)
    return min(start, other), max(start, other)


def seal_ogg(data: bytes) -> bytes:
    """The file with right checksums in its pages, without which libogg looks at none of them."""
    sealed = bytearray(data)
    for match in re.finditer(b"OggS", data):
        start = match.start()
        lengths_end = start + 27 + (data[start + 26] if start + 27 <= len(data) else 0)
        page_end = lengths_end + sum(data[start + 27 : lengths_end])
        if page_end <= len(data) and lengths_end > start + 27:
            sealed[start + 22 : start + 26] = bytes(4)
            checksum = _ogg_crc(bytes(sealed[start:page_end]))
            sealed[start + 22 : start + 26] = struct.pack("<I", checksum)
    return bytes(sealed)


def _ogg_crc(page: bytes) -> int:
    """CRC-32 with the polynomial of zlib's, but with the bits of each byte in the other order and
    without inverting start and end (RFC 3533)."""
    crc = zlib.crc32(page.translate(_REVERSED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int(f"{crc:032b}"[::-1], 2)


_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
