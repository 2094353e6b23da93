"""APEv2 tags at the end of a file (wiki.hydrogenaud.io: APEv2 specification)."""

from __future__ import annotations

from contextlib import suppress

from stemsplit.audio.screening.headers import Headers

_MAGIC = b"APETAGEX"
_FOOTER_BYTES = 32
_ID3V1_BYTES = 128
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
    headers.tag(
        "The APE tag",
        [(start, bytes(len(_MAGIC)))],
        lambda left: left.entries(num_entries, num_bytes),
    )
