"""Which song a record is about."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import Any

from stemsplit.audio.stretch import Stretch
from stemsplit.batch.song import AlbumTrack, Song
from stemsplit.errors import AudioReadError


class Kinship(IntEnum):
    """How sure it is that a record is about a song."""

    NONE = 0
    """It is about another one, whose stems must stay."""
    MOVED = 1
    """Its original had the same file name and is not there any more, or is not known."""
    CONTENT = 2
    """Its original had the same bytes."""
    FILE = 3
    """Its original is the same file, under another path."""
    PATH = 4
    """Its original is there where the song is."""


def kinship(record: Mapping[str, Any], song: Song, digest: Callable[[Path], str]) -> Kinship:
    """How the record is related to a song. `digest` is asked only where the path does not tell.

    Tracks of cue sheets are those of the same sheet with the same number, or the same part of the
    same sound.
    """
    recorded = recorded_song(record)
    is_same_track = recorded is None or _number(recorded) == _number(song)
    if recorded is not None and is_same_track:
        if recorded.given == song.given.absolute():
            return Kinship.PATH
        with suppress(OSError):
            if recorded.given.samefile(song.given):
                return Kinship.FILE
    if (None if recorded is None else recorded.stretch) == song.stretch:
        with suppress(AudioReadError):
            if _text(record, "fingerprint", "input_sha256") == digest(song.path):
                return Kinship.CONTENT
    if recorded is None:
        return Kinship.MOVED if song.track is None else Kinship.NONE
    is_gone = not os.path.lexists(recorded.given)
    is_moved = is_gone and is_same_track and recorded.given.name == song.given.name
    return Kinship.MOVED if is_moved else Kinship.NONE


def recorded_song(record: Mapping[str, Any], subfolder: str = "") -> Song | None:
    """The song that was separated, as far as the record has one."""
    values = record.get("input")
    path = _path(values, "path")
    if path is None:
        return None
    track = values.get("track") if isinstance(values, dict) else None
    return Song(path, subfolder, track=_track(track))


def describe_input(song: Song, sample_rate: int) -> dict[str, Any]:
    """Which song it was, for a record."""
    described: dict[str, Any] = {"path": str(song.path.absolute())}
    if song.track is not None:
        start, stop = song.track.stretch.samples(sample_rate)
        described["track"] = {
            "sheet": str(song.track.sheet.absolute()),
            "number": song.track.number,
            "name": song.track.name,
            "start_frame": song.track.stretch.start,
            "stop_frame": song.track.stretch.stop,
            "start_sample": start,
            "stop_sample": stop,
        }
    return described


def _track(values: object) -> AlbumTrack | None:
    sheet = _path(values, "sheet")
    if sheet is None or not isinstance(values, dict):
        return None
    number, name = values.get("number"), values.get("name")
    start, stop = values.get("start_frame"), values.get("stop_frame")
    if not isinstance(number, int) or not isinstance(name, str) or not isinstance(start, int):
        return None
    stretch = Stretch(start=start, stop=stop if isinstance(stop, int) else None)
    return AlbumTrack(sheet=sheet, number=number, name=name, stretch=stretch)


def _number(song: Song) -> int | None:
    return None if song.track is None else song.track.number


def _path(values: object, key: str) -> Path | None:
    text = values.get(key) if isinstance(values, dict) else None
    return Path(text) if isinstance(text, str) and text and "\0" not in text else None


def _text(record: Mapping[str, Any], part: str, key: str) -> str | None:
    values = record.get(part)
    text = values.get(key) if isinstance(values, dict) else None
    return text if isinstance(text, str) else None
