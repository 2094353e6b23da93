"""The comments in Ogg files (RFC 3533), of every song that is chained in one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stemsplit.audio.containers.ogg_pages import CHECKSUM_AT, HEADER_BYTES, seal_page
from stemsplit.audio.screening.headers import Headers
from stemsplit.audio.screening.masked_file import Patch
from stemsplit.audio.screening.vorbis import check_comments, comment_count_at

# The version, and among the flags that a stream begins here.
_FIRST_PAGE = re.compile(rb"OggS\0[\x02\x03\x06\x07]")
_CONTINUED = 1
_SERIAL = slice(14, 18)

# How packets with comments begin, by how the first packet of their stream does.
_PREFIXES = {
    b"\1vorbis": b"\3vorbis",
    b"OpusHead": b"OpusTags",
    b"\x80theora": b"\x81theora",
    b"OVP80": b"OVP80\2 ",
}
# In these it is the second packet, whatever it begins with.
_WITHOUT_PREFIX = (b"Speex   ", b"CELT    ")
_FLAC, _FLAC_COMMENT, _FLAC_BLOCK_BYTES = b"\x7fFLAC", 4, 4

_MAX_HEADER_PACKETS = 8
_MAX_PACKET_BYTES = 80 << 20

_Places = list[tuple[int, int, int]]
"""The pieces of a packet: where each is in the packet, and in the file, and where its page is."""


def check_ogg(headers: Headers) -> None:
    """Checks the comments of each stream."""
    for position in headers.find(_FIRST_PAGE, headers.start):
        first = b""
        for number, (content, places) in enumerate(_packets(headers, position)):
            if number == 0:
                first = content
            else:
                start = _comment_start(first, number, content)
                if start is not None:
                    _check_comment(headers, content, places, start)


def _comment_start(first: bytes, number: int, packet: bytes) -> int | None:
    """Where the comments begin in a stream's packet; None if there are none in it."""
    if first.startswith(_FLAC):
        return _FLAC_BLOCK_BYTES if packet and packet[0] & 0x7F == _FLAC_COMMENT else None
    if first.startswith(_WITHOUT_PREFIX):
        return 0 if number == 1 else None
    for beginning, prefix in _PREFIXES.items():
        if first.startswith(beginning) and packet.startswith(prefix):
            return len(prefix)
    return None


def _check_comment(headers: Headers, packet: bytes, places: _Places, start: int) -> None:
    content = packet[start:]
    count_at = start + comment_count_at(content)
    # No comments, and after them the bit that ends a Vorbis header.
    nothing = b"\0\0\0\0\1"[: max(0, len(packet) - count_at)]
    headers.tag(
        "The Vorbis comment",
        _packet_patches(headers, places, count_at, nothing),
        lambda left: check_comments(content, left),
    )


def _packets(headers: Headers, position: int) -> Iterator[tuple[bytes, _Places]]:
    """The first few packets of the stream whose first page is at `position`."""
    serial = headers.at(position, HEADER_BYTES)[_SERIAL]
    num_packets = 0
    content, places = bytearray(), _Places()
    while True:
        head = headers.at(position, HEADER_BYTES)
        if len(head) < HEADER_BYTES or head[:4] != b"OggS":
            return
        lengths = headers.at(position + HEADER_BYTES, head[-1])
        start = position + HEADER_BYTES + len(lengths)
        if head[_SERIAL] == serial and not head[5] & _CONTINUED:
            content, places = bytearray(), _Places()
        for begin, end, is_last in _pieces(start, lengths) if head[_SERIAL] == serial else ():
            places.append((len(content), begin, position))
            content += headers.at(begin, end - begin)
            if len(content) > _MAX_PACKET_BYTES:
                return
            if is_last:
                yield bytes(content), places
                content, places = bytearray(), _Places()
                num_packets += 1
                if num_packets == _MAX_HEADER_PACKETS:
                    return
        position = start + sum(lengths)


def _pieces(start: int, lengths: bytes) -> Iterator[tuple[int, int, bool]]:
    """What a page has of each packet: from where to where, and whether the packet ends there."""
    begin = end = start
    for length in lengths:
        end += length
        if length < 255:
            yield begin, end, True
            begin = end
    if begin < end:
        yield begin, end, False


def _packet_patches(headers: Headers, places: _Places, at: int, new: bytes) -> list[Patch]:
    """What puts `new` at a place in a packet, and right checksums into its pages."""
    patches: list[Patch] = []
    for index, (first, begin, page) in enumerate(places):
        stop = places[index + 1][0] if index + 1 < len(places) else at + len(new)
        piece = new[max(0, first - at) : max(0, stop - at)]
        if piece:
            patch = (begin + max(0, at - first), piece)
            patches += [patch, _checksum_patch(headers, page, patch)]
    return patches


def _checksum_patch(headers: Headers, position: int, patch: Patch) -> Patch:
    head = headers.at(position, HEADER_BYTES)
    lengths = headers.at(position + HEADER_BYTES, head[-1])
    page = bytearray(headers.at(position, HEADER_BYTES + len(lengths) + sum(lengths)))
    start = patch[0] - position
    page[start : start + len(patch[1])] = patch[1]
    seal_page(page)
    return position + CHECKSUM_AT, bytes(page[CHECKSUM_AT : CHECKSUM_AT + 4])
