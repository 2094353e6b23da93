"""Vorbis comments (xiph.org: vorbis/doc/v-comment.html), and the FLAC blocks that hold them."""

from __future__ import annotations

from stemsplit.audio.screening.headers import (
    MAX_ENTRIES,
    MAX_TEXT_BYTES,
    Allowance,
    Headers,
    TagCostError,
)

_PICTURES = (b"METADATA_BLOCK_PICTURE", b"COVERART=")
_MAGIC = b"fLaC"
_STREAMINFO, _PADDING, _SEEKTABLE, _COMMENT, _PICTURE = 0, 1, 3, 4, 6
_LAST = 0x80
# Nobody seeks here, and a table in disorder takes a time that grows with the square of its length.
_MAX_SEEKTABLE_BYTES = 1 << 16


def check_comments(content: bytes, left: Allowance) -> None:
    """Checks a block of comments, from the length of the vendor's name on.

    Raises:
        TagCostError: they hold more than there is room for.
    """
    position = comment_count_at(content)
    num_comments = int.from_bytes(content[position : position + 4], "little")
    if num_comments > MAX_ENTRIES:
        raise TagCostError(f"it has {num_comments} entries, more than {MAX_ENTRIES}")
    position += 4
    text_bytes = 0
    for _ in range(num_comments):
        num_bytes = int.from_bytes(content[position : position + 4], "little")
        position += 4
        num_present = max(0, min(num_bytes, len(content) - position))
        is_picture = content[position : position + 23].upper().startswith(_PICTURES)
        left.entry(num_present, is_picture=is_picture)
        text_bytes += 0 if is_picture else num_present
        if text_bytes > MAX_TEXT_BYTES:
            raise TagCostError(f"it has more than {MAX_TEXT_BYTES >> 20} MiB of text")
        position += num_bytes


def comment_count_at(content: bytes) -> int:
    """Where the number of comments stands."""
    return 4 + int.from_bytes(content[:4], "little")


def check_flac(headers: Headers) -> None:
    """Checks the metadata blocks of a FLAC file (RFC 9639, section 8)."""
    position = headers.start + len(_MAGIC)
    while True:
        head = headers.at(position, 4)
        if len(head) < 4:
            return
        num_bytes = int.from_bytes(head[1:], "big")
        _check_block(headers, position, head[0], num_bytes)
        position += 4 + num_bytes
        if head[0] & _LAST:
            return


def _check_block(headers: Headers, position: int, first: int, num_bytes: int) -> None:
    kind, start = first & ~_LAST, position + 4
    hide = [(position, bytes([first & _LAST | _PADDING]))]
    if kind == _COMMENT:
        content = headers.at(start, num_bytes)
        headers.tag("The Vorbis comment", hide, lambda left: check_comments(content, left))
    elif kind == _PICTURE:
        headers.tag("A picture", hide, lambda left: left.entry(num_bytes, is_picture=True))
    elif kind == _SEEKTABLE and num_bytes > _MAX_SEEKTABLE_BYTES:
        headers.hide(hide)
