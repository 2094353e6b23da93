"""Tags of a file, from everything in it that has some."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stemsplit.audio.file_names import display_path
from stemsplit.audio.reading import being_read
from stemsplit.audio.screening import Screening, screen
from stemsplit.audio.tags.matroska_tags import matroska_tags
from stemsplit.audio.tags.song_tags import Picture, Tags, make_tags
from stemsplit.audio.tags.tag_sources import (
    Found,
    ape_tags,
    container_tags,
    id3v1_tags,
    id3v2_tags,
    native_tags,
)
from stemsplit.errors import StemsplitError

# Kinds in which the screening sees all texts: there are none where it saw none.
_SEEN = ("wav", "avi", "w64", "aiff", "caf")
_NATIVE = ("flac", "ogg", "mp4", "asf")
# Streams with tags before and behind them.
_STREAMS = ("other", "ape", "wavpack")


class _TagFile(io.BufferedReader):
    """A file whose `read` sets no more memory aside than there are bytes left.

    mutagen asks for as many as a damaged header says, and Python would set aside 4 GiB at once.
    """

    def __init__(self, raw: io.FileIO) -> None:
        super().__init__(raw)
        self._num_bytes = raw.seek(0, 2)

    def read(self, size: int | None = -1, /) -> bytes:
        num_left = max(self._num_bytes - self.tell(), 0)
        return super().read(num_left if size is None or size < 0 else min(size, num_left))


@dataclass(frozen=True, slots=True)
class _Song:
    path: Path
    screening: Screening
    file: _TagFile


def read_tags(path: Path) -> Tags:
    """The file's tags and pictures; a warning tells what is damaged, or out of all measure.

    Where several parts of the file have a field, the first of `_PRECEDENCE` has the word.
    """
    try:
        screening = screen(path)
        if screening.kind in _SEEN and not screening.num_entries:
            return Tags(warnings=screening.hidden)
        with being_read(path), _TagFile(screening.open(path)) as file:
            return _merged(_Song(path, screening, file))
    except (OSError, StemsplitError) as error:
        return Tags(warnings=(_unread(path, error, is_all=True),))


def _merged(song: _Song) -> Tags:
    text: dict[str, list[str]] = {}
    pictures: tuple[Picture, ...] = ()
    errors: list[Exception] = []
    for read in _PRECEDENCE:
        try:
            found = read(song)
        # Parsers trip over damaged tags in every way there is, and the music does not need them.
        except Exception as error:
            errors.append(error)
            continue
        if found is not None:
            for name, values in found.text.items():
                if any(values):
                    text.setdefault(name, values)
            pictures = pictures or found.pictures
    tags = make_tags(text, pictures)
    is_all = not tags.text and not tags.pictures
    # What is hidden may make the rest look damaged.
    warnings = song.screening.hidden or tuple(_unread(song.path, e, is_all=is_all) for e in errors)
    return replace(tags, warnings=(*warnings, *tags.warnings))


def _unread(path: Path, error: Exception, *, is_all: bool) -> str:
    what = "The tags" if is_all else "Some tags"
    so = ": the stems get no more than a title" if is_all else ""
    return f"{what} of {display_path(path)} could not be read ({type(error).__name__}){so}."


def _native(song: _Song) -> Found | None:
    if song.screening.kind == "matroska":
        return matroska_tags(song.file, song.screening.matroska)
    return native_tags(song.file) if song.screening.kind in _NATIVE else None


def _id3v2(song: _Song) -> Found | None:
    tags = song.screening.id3
    return id3v2_tags(song.file, *tags[0]) if tags else None


def _ape(song: _Song) -> Found | None:
    return ape_tags(song.file) if song.screening.kind in _STREAMS else None


def _container(song: _Song) -> Found | None:
    if song.screening.kind in (*_STREAMS, "flac", "ogg", "asf"):
        return None
    # Imported when it is needed: ffmpeg's libraries take a tenth of a second to load.
    from stemsplit.audio.decode.open_container import attached_pictures, open_container

    with open_container(song.path) as container:
        metadata = [container.metadata, *(_without_title(s) for s in container.streams.audio[:1])]
        return container_tags(metadata, list(attached_pictures(container)))


def _without_title(stream: Any) -> dict[str, str]:
    """What a stream says about itself; its title is "stereo" or the like."""
    return {key: value for key, value in stream.metadata.items() if key.casefold() != "title"}


def _id3v1(song: _Song) -> Found | None:
    return id3v1_tags(song.file) if song.screening.kind in _STREAMS else None


_PRECEDENCE: tuple[Callable[[_Song], Found | None], ...] = (
    _native,  # Vorbis comments, the lists of MP4, Matroska and Windows Media
    _id3v2,
    _ape,
    _container,  # what only ffmpeg reads: LIST/INFO, texts of AIFF, QuickTime and CAF, ...
    _id3v1,  # texts of 30 letters
)
