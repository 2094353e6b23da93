"""Matroska and WebM (RFC 9559): tags, attachments, chapters, and what else costs time or memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from stemsplit.audio.screening.headers import (
    MAX_TEXT_BYTES,
    Allowance,
    HeaderClaimError,
    Headers,
    TagCostError,
)
from stemsplit.audio.screening.masked_file import Patch

_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_SEEK_HEAD, _SEEK, _SEEK_POSITION = 0x114D9B74, 0x4DBB, 0x53AC
_TRACKS, _TRACK = 0x1654AE6B, 0xAE
_CUES = 0x1C53BB6B
TAG, SIMPLE_TAG = 0x7373, 0x67C8
_TAGS = 0x1254C367
_ATTACHMENTS, _ATTACHED_FILE = 0x1941A469, 0x61A7
_CHAPTERS, _EDITION, _CHAPTER = 0x1043A770, 0x45B9, 0xB6

_TOP_LEVEL = (_SEEK_HEAD, _TRACKS, _CUES, _TAGS, _ATTACHMENTS, _CHAPTERS, _CLUSTER, 0x1549A966)
# ffmpeg looks for one of these if it has lost its way.
_ANY_TOP_LEVEL = re.compile(
    b"|".join(re.escape(number.to_bytes(4, "big")) for number in _TOP_LEVEL)
)
_NOBODY = b"\x1f\xff\xff\xf0"
"""A number that nothing has."""

_MAX_TRACKS = 500
_MAX_FILES = 500
_MAX_TRACKS_BYTES = 8 << 20
# Nobody seeks here, and entries in disorder take a time that grows with the square of their number.
_MAX_CUES_BYTES = 1 << 18
_MAX_DEPTH = 16
_MAX_SEEKS = 100


class Element(NamedTuple):
    """A piece of a file: its number, where it is, and where what it holds begins and ends."""

    number: int
    position: int
    start: int
    end: int
    is_endless: bool

    @property
    def hidden(self) -> list[Patch]:
        """What makes it one that readers pass over."""
        return [(self.position, _NOBODY)]


def check_matroska(headers: Headers) -> None:
    """Checks what ffmpeg reads before the first sound, and what the file's index refers to.

    Raises:
        HeaderClaimError: there are too many tracks.
    """
    segment = _find_segment(headers)
    if segment is None:
        return
    seen: set[int] = set()
    todo: list[int] = []
    for element in _top_level(headers, segment.start, segment.end):
        seen.add(element.position)
        todo += _check(headers, element, segment.start)
    while todo:
        position = todo.pop()
        if position in seen:
            continue
        seen.add(position)
        if len(seen) > _MAX_SEEKS:
            raise HeaderClaimError(f"has an index of more than {_MAX_SEEKS} places")
        target = _element(headers, position, segment.end)
        if target is not None:
            todo += _check(headers, target, segment.start)


def _find_segment(headers: Headers) -> Element | None:
    for element in elements(headers, headers.start, headers.size):
        if element.number == _SEGMENT:
            return element
    return None


def _top_level(headers: Headers, start: int, end: int) -> Iterator[Element]:
    """What there is up to the first cluster, that is, the first sound."""
    position = start
    while position < end:
        element = _element(headers, position, end)
        if element is None:
            found = next(headers.find(_ANY_TOP_LEVEL, position + 1), None)
            if found is None:
                return
            position = found
            continue
        if element.number == _CLUSTER:
            return
        yield element
        # What does not say how long it is ends where the next one begins.
        position = element.start if element.is_endless else element.end


def _check(headers: Headers, element: Element, origin: int) -> list[int]:
    """Checks an element of the top level; to which others it refers."""
    number, num_bytes = element.number, element.end - element.start

    def limit(name: str, check: Callable[[Allowance], None]) -> bool:
        return headers.tag(name, element.hidden, check)

    if number == _SEEK_HEAD:
        return [origin + position for position in _seeks(headers, element)]
    if number == _TAGS:
        if limit("The Matroska tag", lambda left: _count_tags(headers, element, left)):
            headers.matroska.append((element.start, element.end))
    elif number == _ATTACHMENTS:
        limit("The Matroska attachment", lambda left: _count_files(headers, element, left))
    elif number == _CHAPTERS:
        limit("The list of chapters", lambda left: _count_chapters(headers, element, left, 0))
    elif number == _CUES and num_bytes > _MAX_CUES_BYTES:
        headers.hide(element.hidden)
    elif number == _TRACKS:
        tracks = (child for child in _inside(headers, element) if child.number == _TRACK)
        if num_bytes > _MAX_TRACKS_BYTES or any(
            number == _MAX_TRACKS for number, _ in enumerate(tracks)
        ):
            raise HeaderClaimError(
                f"has more than {_MAX_TRACKS} tracks, or needs {num_bytes} bytes to describe them"
            )
    return []


def _seeks(headers: Headers, index: Element) -> Iterator[int]:
    """The places that an index names."""
    for seek in _inside(headers, index):
        for child in _inside(headers, seek) if seek.number == _SEEK else ():
            if child.number == _SEEK_POSITION:
                yield int.from_bytes(
                    headers.at(child.start, min(child.end - child.start, 8)), "big"
                )


def _count_tags(headers: Headers, tags: Element, left: Allowance) -> None:
    left.entry(tags.end - tags.start)
    if tags.end - tags.start > MAX_TEXT_BYTES:
        raise TagCostError(f"it has more than {MAX_TEXT_BYTES >> 20} MiB")
    for tag in _inside(headers, tags):
        left.entry(0)
        if tag.number == TAG:
            _count_simple_tags(headers, tag, left, 0)


def _count_simple_tags(headers: Headers, parent: Element, left: Allowance, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise TagCostError(f"it is nested more than {_MAX_DEPTH} deep")
    for child in _inside(headers, parent):
        if child.number == SIMPLE_TAG:
            left.entry(0)
            _count_simple_tags(headers, child, left, depth + 1)


def _count_files(headers: Headers, attachments: Element, left: Allowance) -> None:
    left.entry(attachments.end - attachments.start)
    num_files = 0
    for child in _inside(headers, attachments):
        left.entry(0)
        num_files += child.number == _ATTACHED_FILE
        if num_files > _MAX_FILES:
            raise TagCostError(f"there are more than {_MAX_FILES} files")


def _count_chapters(headers: Headers, parent: Element, left: Allowance, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise TagCostError(f"it is nested more than {_MAX_DEPTH} deep")
    for child in _inside(headers, parent):
        left.entry(child.end - child.start if depth == 0 else 0)
        if child.number in (_EDITION, _CHAPTER):
            _count_chapters(headers, child, left, depth + 1)


def _inside(headers: Headers, parent: Element) -> Iterator[Element]:
    return elements(headers, parent.start, parent.end)


def elements(headers: Headers, position: int, end: int) -> Iterator[Element]:
    """The elements that lie one after the other from there on."""
    while position < end:
        element = _element(headers, position, end)
        if element is None:
            return
        yield element
        position = element.end


def _element(headers: Headers, position: int, end: int) -> Element | None:
    """The element there, no longer than its parent; None if there is none."""
    head = headers.at(position, 12)
    num_id = _width(head[:1], 4)
    num_size = _width(head[num_id : num_id + 1], 8) if num_id else 0
    if not num_size or len(head) < num_id + num_size:
        return None
    size = int.from_bytes(head[num_id : num_id + num_size], "big") & (1 << 7 * num_size) - 1
    is_endless = size == (1 << 7 * num_size) - 1
    start = position + num_id + num_size
    stop = end if is_endless else min(start + size, end)
    return Element(int.from_bytes(head[:num_id], "big"), position, start, stop, is_endless)


def _width(first: bytes, most: int) -> int:
    """How many bytes a number has, by its first; 0 if it is none."""
    width = 9 - first[0].bit_length() if first else 0
    return width if width <= most else 0
