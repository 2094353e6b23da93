"""Windows Media (ASF specification, revision 01.20.03): descriptions and the like."""

from __future__ import annotations

from stemsplit.audio.screening.headers import Headers

_MUSIC = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_EXTENSION = bytes.fromhex("b503bf5f2ea9cf118ee300c00c205365")
# What holds entries: where their number stands, and in how many bytes.
_COUNTS = {
    bytes.fromhex("40a4d0d207e3d21197f000a0c95ea850"): ("The Windows Media tag", 0, 2),
    bytes.fromhex("eacbf8c5af5b48778467aa8c44fa4cca"): ("The Windows Media tag", 0, 2),
    bytes.fromhex("941c23449894d149a1411d134e457054"): ("The Windows Media tag", 0, 2),
    bytes.fromhex("01cd87f451a9cf118ee600c00c205365"): ("The list of markers", 16, 4),
}

_HEADER_BYTES = 24
# In the object of all headers, and in the one that extends it, before what is inside of them.
_TOP_BYTES, _EXTENSION_BYTES = 30, 46


def check_asf(headers: Headers) -> None:
    """Checks all that the header says about the music.

    ffmpeg takes the objects inside of the extension for some that follow it, mutagen does not: both
    ways are gone, up to the music.
    """
    seen: set[int] = set()
    todo = [headers.start + _TOP_BYTES]
    while todo:
        position = todo.pop()
        head = headers.at(position, _HEADER_BYTES)
        size = int.from_bytes(head[16:], "little")
        if position in seen or len(head) < _HEADER_BYTES or size < _HEADER_BYTES:
            continue
        seen.add(position)
        name = head[:16]
        if name == _MUSIC:
            continue
        todo.append(position + size)
        if name == _EXTENSION:
            todo.append(position + _EXTENSION_BYTES)
        elif name in _COUNTS:
            _check_object(headers, name, position, size)


def _check_object(headers: Headers, name: bytes, position: int, size: int) -> None:
    what, count_at, count_bytes = _COUNTS[name]
    count = headers.at(position + _HEADER_BYTES + count_at, count_bytes)
    num_entries = int.from_bytes(count, "little")
    headers.tag(
        what,
        [(position, bytes(len(name)))],  # a name that nobody knows
        lambda left: left.entries(num_entries, min(size, headers.size - position)),
    )
