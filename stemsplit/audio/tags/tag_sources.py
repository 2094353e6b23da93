"""What the parts of a file say about its music, in our names for it."""

from __future__ import annotations

import base64
import io
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import mutagen
from mutagen.apev2 import APENoHeaderError, APETextValue, APEv2
from mutagen.asf import ASFByteArrayAttribute, ASFTags
from mutagen.flac import Picture as FlacPicture
from mutagen.id3 import ID3, Frames, Frames_2_2, ParseID3v1
from mutagen.mp4 import MP4Tags

from stemsplit.audio.tags.song_tags import FIELDS, FRONT_COVER, Picture
from stemsplit.audio.tags.tag_text import decode_text

# A picture that is only a link has this in place of its type.
_LINK = "-->"

_ID3V1_BYTES = 128
_ID3V1_COMMENT = "ID3v1 Comment"

# Only these frames are taken apart, also under the shorter names of version 2.2. The last ones are
# the date in versions before 2.4.
_ID3_NAMES = {
    *(names.id3 for names in FIELDS.values() if names.id3),
    *("APIC", "TXXX", "TYER", "TDAT", "TIME"),
}
_ID3_FRAMES = {
    name: frame
    for name, frame in {**Frames, **Frames_2_2}.items()
    if name in _ID3_NAMES or frame.__base__.__name__ in _ID3_NAMES
}

_QUICKTIME = "com.apple.quicktime."
# RIFF has a text of that name for whoever supplied the recording.
_ISRC = re.compile(r"[A-Z]{2}-?[A-Z0-9]{3}-?[0-9]{2}-?[0-9]{5}", re.IGNORECASE)

_Text = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Found:
    """Texts by the keys of `FIELDS`, and pictures, as they are in the file."""

    text: Mapping[str, list[str]]
    pictures: tuple[Picture, ...] = ()


def native_tags(file: BinaryIO) -> Found | None:
    """The tags that belong to the format: of FLAC, Ogg, MP4, Windows Media."""
    file.seek(0)
    opened = mutagen.File(file)
    tags = None if opened is None else opened.tags
    if isinstance(tags, MP4Tags):
        covers = (Picture("", FRONT_COVER, bytes(cover)) for cover in tags.get("covr", []))
        return Found(_mp4(tags), tuple(covers))
    if isinstance(tags, ASFTags):
        return Found(_asf(tags), tuple(_asf_picture(v.value) for v in tags.get("WM/Picture", [])))
    # FLAC has pictures without a comment, and Vorbis comments have no public base class.
    return None if opened is None else Found(_vorbis(tags), tuple(_flac_pictures(opened)))


def id3v2_tags(file: BinaryIO, start: int, end: int) -> Found:
    """What the ID3v2 tag says that lies between `start` and `end`."""
    file.seek(start)
    content = io.BytesIO(file.read(end - start))
    tags = ID3(content, known_frames=_ID3_FRAMES, load_v1=False)
    pictures = (
        Picture(frame.mime, int(frame.type), frame.data)
        for frame in tags.getall("APIC")
        if frame.mime != _LINK
    )
    return Found(_id3(tags), tuple(pictures))


def id3v1_tags(file: BinaryIO) -> Found | None:
    """What the last 128 bytes say, with 30 letters for a text."""
    if file.seek(0, 2) < _ID3V1_BYTES:
        return None
    file.seek(-_ID3V1_BYTES, 2)
    frames = ParseID3v1(file.read())
    if frames is None:
        return None
    tags = ID3()
    for frame in frames.values():
        if getattr(frame, "desc", "") == _ID3V1_COMMENT:
            frame.desc = ""
        tags.add(frame)
    # In Latin-1 every byte is a letter, and so each text can become bytes again.
    return Found({name: [_guessed(text) for text in texts] for name, texts in _id3(tags).items()})


def ape_tags(file: BinaryIO) -> Found | None:
    """What the APEv2 tag says, which is at the end of the file."""
    file.seek(0)
    try:
        tags = APEv2(file)
    except APENoHeaderError:
        return None
    pictures = []
    if "Cover Art (Front)" in tags:
        # A file name comes first.
        data = tags["Cover Art (Front)"].value.split(b"\0", 1)[1]
        pictures.append(Picture("", FRONT_COVER, data))
    return Found(_ape(tags), tuple(pictures))


def container_tags(metadata: Iterable[Mapping[str, str]], pictures: Iterable[Picture]) -> Found:
    """What ffmpeg found; where two of `metadata` have a text, the first has the word.

    Bytes that are not UTF-8 are in them as Python's surrogate escapes.
    """
    plain: dict[str, list[str]] = {}
    for texts in metadata:
        for key, value in texts.items():
            name = key.casefold().removeprefix(_QUICKTIME)
            plain.setdefault(name, [decode_text(value.encode("utf-8", "surrogateescape"))])
    text = first_of(plain, {name: names.plain for name, names in FIELDS.items()})
    if not all(_ISRC.fullmatch(value) for value in text.get("isrc", [])):
        del text["isrc"]
    return Found(text, tuple(pictures))


def _guessed(text: str) -> str:
    try:
        return decode_text(text.encode("latin-1"))
    except UnicodeEncodeError:
        return text


def _id3(tags: ID3) -> _Text:
    free = {
        frame.desc.casefold(): [str(value) for value in frame.text] for frame in tags.getall("TXXX")
    }
    text = first_of(free, {name: names.plain for name, names in FIELDS.items()})
    for name, names in FIELDS.items():
        values: list[str] = []
        for frame in tags.getall(names.id3) if names.id3 else ():
            # Comments with a name are a program's own: iTunes keeps Sound Check there.
            if getattr(frame, "desc", ""):
                continue
            found = frame.genres if names.id3 == "TCON" else frame.text
            values += [found] if isinstance(found, str) else map(str, found)
        if values:
            text[name] = values
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
    spellings = {
        name: (*names.vorbis, *map(str.upper, names.plain)) for name, names in FIELDS.items()
    }
    return first_of(tags or {}, spellings)


def _ape(tags: APEv2) -> _Text:
    texts = {key: list(value) for key, value in tags.items() if isinstance(value, APETextValue)}
    folded = {key.casefold(): values for key, values in texts.items()}
    return first_of(
        folded,
        {name: (*map(str.casefold, names.ape), *names.plain) for name, names in FIELDS.items()},
    )


def first_of(tags: Any, spellings: Mapping[str, tuple[str, ...]]) -> _Text:
    """The values of each field, by the first of its spellings that is there."""
    text: _Text = {}
    for name, keys in spellings.items():
        found = [key for key in keys if key in tags]
        if found:
            text[name] = [str(value) for value in tags[found[0]]]
    return text


def _asf(tags: ASFTags) -> _Text:
    texts: _Text = {}
    for key, value in tags:
        if not isinstance(value, ASFByteArrayAttribute):
            texts.setdefault(key.casefold(), []).append(str(value))
    return first_of(
        texts, {name: (names.asf.casefold(), *names.plain) for name, names in FIELDS.items()}
    )


def _flac_pictures(file: Any) -> Iterator[Picture]:
    """FLAC has blocks of its own, and the Ogg formats keep such blocks in a comment."""
    blocks = [
        FlacPicture(base64.b64decode(text))
        for text in (file.tags or {}).get("METADATA_BLOCK_PICTURE", [])
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
