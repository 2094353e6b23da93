"""Tags into finished files of every output format.

ID3 is written as version 2.3, and not 2.4: DJ players, car radios and Windows read 2.3 without
exception, and what it lacks is little (several artists share one field, with a slash between them).
"""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

from mutagen import MutagenError
from mutagen.aiff import AIFF
from mutagen.flac import FLAC
from mutagen.flac import Picture as FlacPicture
from mutagen.id3 import APIC, COMM, ID3, USLT, Frames
from mutagen.mp3 import MP3
from mutagen.mp4 import MP4, MP4Cover
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from stemsplit.audio.encode.encoders import Container
from stemsplit.audio.tags.song_tags import FIELDS, NUMBERED, Picture, Tags

_CLASSES: dict[Container, Any] = {
    "wav": WAVE,
    "aiff": AIFF,
    "flac": FLAC,
    "mp3": MP3,
    "ogg": OggVorbis,
    "opus": OggOpus,
    "m4a": MP4,
    "stem.mp4": MP4,
}

_MP4_COVERS = {"image/jpeg": MP4Cover.FORMAT_JPEG, "image/png": MP4Cover.FORMAT_PNG}

_UTF8 = 3
"""ID3's number for the encoding; it becomes UTF-16 in version 2.3."""

_DATE = re.compile(r"[0-9]{4}(-[0-9]{2}){0,2}")
_BEATS = re.compile(r"[0-9]{1,4}(\.[0-9]*)?")

# WAV and AIFF count their bytes with 32 bits.
_CHUNKED = ("wav", "aiff")
_CHUNK_LIMIT_BYTES = 0xFFFF_FFFF
# Far more than what a tag adds to its texts and pictures.
_OVERHEAD_BYTES = 1 << 20


def write_tags(path: Path, container: Container, tags: Tags) -> bool:
    """Adds the tags to a finished file; False if it is too large to hold any (4 GiB of WAV).

    The format is told by `container` and never by the name. Samples stay as they are, the same
    tags give the same bytes, and what the encoder left for players (gapless data) is kept.

    Raises:
        OSError: the disk is full, and the like.
    """
    if container in _CHUNKED and not _has_room(path, tags):
        return False
    try:
        file = _CLASSES[container](path)
        if file.tags is None:
            file.add_tags()
        if isinstance(file.tags, ID3):
            _fill_id3(file.tags, tags)
            file.save(v2_version=3, padding=_no_padding)
            return True
        if isinstance(file, MP4):
            _fill_mp4(file, tags)
        else:
            _fill_vorbis(file, tags)
        file.save(padding=_no_padding)
    except MutagenError as error:
        # mutagen wraps what the operating system said.
        if error.args and isinstance(error.args[0], OSError):
            raise error.args[0] from error
        raise
    return True


def _no_padding(info: object) -> int:
    del info  # nobody will edit the tags in place
    return 0


def _has_room(path: Path, tags: Tags) -> bool:
    with path.open("rb") as file:
        if file.read(4) == b"RF64":
            return False
    text = sum(4 * len(value) for values in tags.text.values() for value in values)
    pictures = sum(len(picture.data) for picture in tags.pictures)
    return path.stat().st_size + text + pictures + _OVERHEAD_BYTES <= _CHUNK_LIMIT_BYTES


def _fill_id3(id3: ID3, tags: Tags) -> None:
    for name, names in FIELDS.items():
        values = _id3_values(tags, name)
        if not values or not names.id3:
            continue
        if names.id3 == "COMM":
            id3.add(COMM(encoding=_UTF8, lang="eng", desc="", text=["\n".join(values)]))
        elif names.id3 == "USLT":
            id3.add(USLT(encoding=_UTF8, lang="eng", desc="", text="\n".join(values)))
        else:
            id3.add(Frames[names.id3](encoding=_UTF8, text=values))
    for index, picture in enumerate(tags.pictures):
        # Two pictures with the same description would be one.
        label = str(index + 1) if index else ""
        id3.add(APIC(mime=picture.mime, type=picture.kind, desc=label, data=picture.data))
    id3.update_to_v23()


def _id3_values(tags: Tags, name: str) -> list[str]:
    values = list(tags.text.get(name, ()))
    if name in NUMBERED:
        number, total = tags.number(name)
        return [f"{number}/{total}" if total else str(number)] if number or total else []
    if name == "date":
        dates = map(_DATE.search, values)
        return [date.group() for date in dates if date]
    return values


def _fill_vorbis(file: Any, tags: Tags) -> None:
    for name, names in FIELDS.items():
        if name in tags.text:
            file.tags[names.vorbis[0]] = list(tags.text[name])
    blocks = [_flac_picture(picture) for picture in tags.pictures]
    if isinstance(file, FLAC):
        for block in blocks:
            file.add_picture(block)
    elif blocks:
        file.tags["METADATA_BLOCK_PICTURE"] = [
            base64.b64encode(block.write()).decode("ascii") for block in blocks
        ]


def _flac_picture(picture: Picture) -> FlacPicture:
    block = FlacPicture()
    block.mime, block.type, block.data = picture.mime, picture.kind, picture.data
    return block


def _fill_mp4(file: MP4, tags: Tags) -> None:
    for name, names in FIELDS.items():
        values = tags.text.get(name, ())
        if name in NUMBERED:
            if any(tags.number(name)):
                file[names.mp4] = [tags.number(name)]
        elif not names.mp4 or not values:
            continue
        elif name == "bpm":
            beats = [round(float(value)) for value in values if _BEATS.fullmatch(value)]
            if beats:
                file[names.mp4] = beats[:1]
        elif names.mp4.startswith("----"):
            file[names.mp4] = [value.encode() for value in values]
        else:
            file[names.mp4] = list(values)
    covers = [
        MP4Cover(picture.data, _MP4_COVERS[picture.mime])
        for picture in tags.pictures
        if picture.mime in _MP4_COVERS
    ]
    if covers:
        file["covr"] = covers
