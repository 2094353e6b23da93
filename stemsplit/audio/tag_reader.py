"""Tags of any file that mutagen reads."""

from __future__ import annotations

import base64
import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mutagen
from mutagen.apev2 import APETextValue, APEv2
from mutagen.asf import ASFByteArrayAttribute, ASFTags
from mutagen.flac import Picture as FlacPicture
from mutagen.id3 import ID3
from mutagen.mp4 import MP4Tags

from stemsplit.audio.info import display_path
from stemsplit.audio.tags import FIELDS, FRONT_COVER, Picture, Tags, make_tags

# A picture that is only a link has this in place of its type.
_LINK = "-->"

_Text = dict[str, list[str]]


class _TagFile(io.BufferedReader):
    """A file whose `read` sets no more memory aside than there are bytes left.

    mutagen asks for as many as a damaged header says, and Python would set aside 4 GiB at once.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self._num_bytes = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        num_left = max(self._num_bytes - self.tell(), 0)
        return super().read(num_left if size is None or size < 0 else min(size, num_left))


def read_tags(path: Path) -> Tags:
    """The file's tags and pictures; none, with a warning, if they are damaged."""
    try:
        with _TagFile(path) as opened:
            file = mutagen.File(opened)
        if file is None:
            return Tags()
        return make_tags(_text(file.tags), list(_pictures(file)))
    # Parsers trip over damaged tags in every way there is, and the music does not need them.
    except Exception as error:
        return Tags(
            warnings=(
                f"The tags of {display_path(path)} could not be read "
                f"({type(error).__name__}): the stems get no more than a title.",
            )
        )


def _text(tags: Any) -> _Text:
    if isinstance(tags, ID3):
        return _id3(tags)
    if isinstance(tags, MP4Tags):
        return _mp4(tags)
    if isinstance(tags, ASFTags):
        return _asf(tags)
    if isinstance(tags, APEv2):
        return _ape(tags)
    # Vorbis comments have no public base class; files without tags have None.
    return {} if tags is None else _vorbis(tags)


def _id3(tags: ID3) -> _Text:
    text: _Text = {}
    for name, names in FIELDS.items():
        if not names.id3:
            continue
        for frame in tags.getall(names.id3):
            # Comments with a name are a program's own: iTunes keeps Sound Check there.
            if getattr(frame, "desc", ""):
                continue
            values = frame.genres if names.id3 == "TCON" else frame.text
            values = [values] if isinstance(values, str) else values
            text.setdefault(name, []).extend(str(value) for value in values)
    return text


def _mp4(tags: MP4Tags) -> _Text:
    text: _Text = {}
    for name, names in FIELDS.items():
        text[name] = [_mp4_text(value) for value in tags.get(names.mp4, [])]
    return text


def _mp4_text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, tuple):  # a number and a total; 0 stands for none
        return "/".join(str(number) if number else "" for number in value)
    return str(value) if value else ""


def _vorbis(tags: Any) -> _Text:
    return _first_of(tags, {name: names.vorbis for name, names in FIELDS.items()})


def _ape(tags: APEv2) -> _Text:
    texts = {key: list(value) for key, value in tags.items() if isinstance(value, APETextValue)}
    folded = {key.casefold(): values for key, values in texts.items()}
    return _first_of(
        folded,
        {name: tuple(key.casefold() for key in names.ape) for name, names in FIELDS.items()},
    )


def _first_of(tags: Any, spellings: dict[str, tuple[str, ...]]) -> _Text:
    text: _Text = {}
    for name, keys in spellings.items():
        found = [key for key in keys if key in tags]
        if found:
            text[name] = [str(value) for value in tags[found[0]]]
    return text


def _asf(tags: ASFTags) -> _Text:
    return {
        name: [
            str(value)
            for value in tags.get(names.asf, [])
            if not isinstance(value, ASFByteArrayAttribute)
        ]
        for name, names in FIELDS.items()
    }


def _pictures(file: Any) -> Iterator[Picture]:
    tags = file.tags
    if isinstance(tags, ID3):
        for frame in tags.getall("APIC"):
            if frame.mime != _LINK:
                yield Picture(frame.mime, int(frame.type), frame.data)
    elif isinstance(tags, MP4Tags):
        for cover in tags.get("covr", []):
            yield Picture("", FRONT_COVER, bytes(cover))
    elif isinstance(tags, ASFTags):
        for value in tags.get("WM/Picture", []):
            yield _asf_picture(value.value)
    elif isinstance(tags, APEv2):
        if "Cover Art (Front)" in tags:
            # A file name comes first.
            yield Picture("", FRONT_COVER, tags["Cover Art (Front)"].value.split(b"\0", 1)[1])
    else:
        # FLAC has blocks of its own, and the Ogg formats keep such blocks in a comment.
        blocks = [
            FlacPicture(base64.b64decode(text))
            for text in (tags or {}).get("METADATA_BLOCK_PICTURE", [])
        ]
        for block in [*getattr(file, "pictures", []), *blocks]:
            if block.mime != _LINK:
                yield Picture(block.mime, block.type, block.data)


def _asf_picture(value: bytes) -> Picture:
    """WM_PICTURE: kind, size, then type and description as UTF-16 with a zero at the end."""
    kind, size = struct.unpack_from("<BI", value)
    start = 5
    for _ in range(2):
        while value[start : start + 2] != b"\0\0":
            if start >= len(value):
                raise ValueError("the picture has no end of its description")
            start += 2
        start += 2
    return Picture("", kind, value[start : start + size])
