"""Tags of Matroska and WebM (RFC 9559, section 5.1.8; matroska.org, "Tagging").

ffmpeg reads them too, but of two titles, the album's and the song's, it keeps the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from stemsplit.audio.screening.headers import Headers
from stemsplit.audio.screening.matroska import SIMPLE_TAG, TAG, Element, elements
from stemsplit.audio.tags.song_tags import FIELDS
from stemsplit.audio.tags.tag_sources import Found, first_of

_TARGETS, _LEVEL = 0x63C0, 0x68CA
_NAME, _STRING = 0x45A3, 0x4487

# What a tag is about: a song; a disc; an album, which it also is if nothing is said.
_SONG, _DISC, _ALBUM = 30, 40, 50

_PLAIN = {name: names.plain for name, names in FIELDS.items()}
# What is said of the whole is true of the song under another name.
_OF_DISC = {"discnumber": ("part_number",), "tracktotal": ("total_parts",)}
_OF_ALBUM = {
    "album": ("title", "album"),
    "albumartist": ("artist", "album_artist"),
    "tracktotal": ("total_parts",),
    **{
        name: _PLAIN[name]
        for name in ("date", "genre", "composer", "comment", "copyright", "publisher")
    },
}


def matroska_tags(file: BinaryIO, places: Iterable[tuple[int, int]]) -> Found:
    """What the lists of tags say that begin and end at `places`."""
    headers = Headers(file)
    levels: dict[int, dict[str, list[str]]] = {}
    for start, end in places:
        for tag in elements(headers, start, end):
            if tag.number == TAG:
                texts = levels.setdefault(_level(headers, tag), {})
                for name, value in _simple_tags(headers, tag):
                    texts.setdefault(name.casefold(), []).append(value)
    text: dict[str, list[str]] = {}
    # ffmpeg and others write all they have without a level; then it is said of the song.
    for level, spellings in ((_SONG, _PLAIN), (0, _PLAIN), (_DISC, _OF_DISC), (_ALBUM, _OF_ALBUM)):
        for name, values in first_of(levels.get(level, {}), spellings).items():
            text.setdefault(name, values)
    return Found(text)


def _level(headers: Headers, tag: Element) -> int:
    for child in elements(headers, tag.start, tag.end):
        if child.number == _TARGETS:
            for part in elements(headers, child.start, child.end):
                if part.number == _LEVEL:
                    return int.from_bytes(_content(headers, part, 8), "big")
    return 0


def _simple_tags(headers: Headers, tag: Element) -> Iterator[tuple[str, str]]:
    for child in elements(headers, tag.start, tag.end):
        if child.number == SIMPLE_TAG:
            parts = {part.number: part for part in elements(headers, child.start, child.end)}
            if _NAME in parts and _STRING in parts:
                yield _text(headers, parts[_NAME]), _text(headers, parts[_STRING])


def _text(headers: Headers, element: Element) -> str:
    return _content(headers, element, element.end - element.start).decode("utf-8", "replace")


def _content(headers: Headers, element: Element, most: int) -> bytes:
    return headers.at(element.start, min(element.end - element.start, most)).rstrip(b"\0")
