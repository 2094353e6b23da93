"""APEv2 tags at the end of a file (wiki.hydrogenaud.io: APEv2 specification)."""

from __future__ import annotations

from contextlib import suppress

from stemsplit.audio.screening.headers import Allowance, Headers, TagCostError

_MAGIC = b"APETAGEX"
_FOOTER_BYTES = 32
_ID3V1_BYTES = 128
# Of an item, its size and flags come first, then its key.
_ITEM_BYTES, _MAX_KEY_BYTES = 8, 256
# Lyrics3v2 ends with its length in six digits and this mark.
_LYRICS_MARK = b"LYRICS200"
_LYRICS_TAIL_BYTES = 6 + len(_LYRICS_MARK)


def check_ape(headers: Headers) -> None:
    """Checks the tags at all places where readers look for one."""
    ends = {headers.size, headers.size - _ID3V1_BYTES, headers.start + _FOOTER_BYTES}
    for end in (headers.size, headers.size - _ID3V1_BYTES):
        tail = headers.at(max(0, end - _LYRICS_TAIL_BYTES), _LYRICS_TAIL_BYTES)
        if tail.endswith(_LYRICS_MARK):
            with suppress(ValueError):
                ends.add(end - _LYRICS_TAIL_BYTES - int(tail[:6]))
    for start in sorted(end - _FOOTER_BYTES for end in ends):
        if start >= 0 and headers.at(start, len(_MAGIC)) == _MAGIC:
            _check_footer(headers, start)


def _check_footer(headers: Headers, start: int) -> None:
    head = headers.at(start, _FOOTER_BYTES)
    num_bytes, num_entries = (int.from_bytes(head[n : n + 4], "little") for n in (12, 16))

    def check(left: Allowance) -> None:
        left.entries(num_entries, num_bytes)
        _check_items(headers, start + _FOOTER_BYTES - num_bytes, start, num_entries)

    headers.tag("The APE tag", [(start, bytes(len(_MAGIC)))], check)


def _check_items(headers: Headers, position: int, end: int, num_entries: int) -> None:
    """ffmpeg sets memory aside for what an item is said to have, whatever the tag has."""
    for _ in range(num_entries):
        head = headers.at(position, min(_ITEM_BYTES + _MAX_KEY_BYTES, max(0, end - position)))
        size = int.from_bytes(head[:4], "little")
        key = head.find(b"\0", _ITEM_BYTES)
        if key < 0:
            return
        position += key + 1 + size
        if position > end:
            raise TagCostError(f"an entry claims {size} bytes")
