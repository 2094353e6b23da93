"""Which song a record is about."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from pathlib import Path

from stemsplit.audio.stretch import Stretch
from stemsplit.batch.song import AlbumTrack, Song
from stemsplit.engine.record import RecordedTrack, TrackRecord
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


def kinship(record: TrackRecord, song: Song, digest: Callable[[Path], str]) -> Kinship:
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
            if record.input_sha256 == digest(song.path):
                return Kinship.CONTENT
    if recorded is None:
        return Kinship.MOVED if song.track is None else Kinship.NONE
    is_gone = not os.path.lexists(recorded.given)
    is_moved = is_gone and is_same_track and recorded.given.name == song.given.name
    return Kinship.MOVED if is_moved else Kinship.NONE


def recorded_song(record: TrackRecord, subfolder: str = "") -> Song | None:
    """The song that was separated, as far as the record has one."""
    path, track = record.input.path, record.input.track
    if path is None:
        return None
    if track is None:
        return Song(path, subfolder)
    stretch = Stretch(start=track.start_frame, stop=track.stop_frame)
    album_track = AlbumTrack(
        sheet=track.sheet, number=track.number, name=track.name, stretch=stretch
    )
    return Song(path, subfolder, track=album_track)


def recorded_track(song: Song, sample_rate: int) -> RecordedTrack | None:
    """Which track of a cue sheet the song was, for a record."""
    track = song.track
    if track is None:
        return None
    start, stop = track.stretch.samples(sample_rate)
    return RecordedTrack(
        sheet=track.sheet.absolute(),
        number=track.number,
        name=track.name,
        start_frame=track.stretch.start,
        stop_frame=track.stretch.stop,
        start_sample=start,
        stop_sample=stop,
    )


def _number(song: Song) -> int | None:
    return None if song.track is None else song.track.number
