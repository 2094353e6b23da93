"""Cue sheets: the songs that a .cue cuts the audio file beside it into."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from stemsplit.audio.addresses import as_address
from stemsplit.audio.file_names import display_path, has_audio_name
from stemsplit.audio.readable import elsewhere
from stemsplit.audio.stretch import FRAMES_PER_SECOND, Stretch
from stemsplit.batch.cue_text import CueSheet, CueTrack, FileLine, parse_cue
from stemsplit.batch.list_text import find_named, read_lines
from stemsplit.batch.song import AlbumTrack, Song
from stemsplit.errors import AudioReadError
from stemsplit.quoting import shortened

_MAX_BYTES = 1 << 20
_MAX_NAME_BYTES = 120
_DISC_IMAGES = ("BINARY", "MOTOROLA")
_GAP_FRAMES = 5 * FRAMES_PER_SECOND
"""Longer than the two seconds before the first track of a disc, which nobody misses."""


def sheet_songs(path: Path) -> Iterator[Song]:
    """The tracks of the sheet in its order; what cannot be cut out is a song that fails."""
    try:
        sheet = _read(path)
    except AudioReadError as error:
        yield Song(path, problem=error)
        return
    if sheet is None:
        yield Song.of_file(path)  # named like a sheet, but no text: perhaps it is a song
        return
    files = _Files(path, sheet)
    notes = _notes(path, sheet)
    told: set[str] = set()
    for track in filter(lambda track: track.is_audio, sheet.tracks):
        file = track.file or sheet.files[0]
        song = files.song(file)
        if song.problem is None:
            if file.name not in told:
                told.add(file.name)
                notes += files.notes(file)
            yield _track_song(path, sheet, track, song, notes)
            notes = []
        elif file.name not in told:  # once, and not for each of its tracks
            told.add(file.name)
            yield song


def cuts_a_file(path: Path) -> bool:
    """Whether this is a sheet with several tracks in one file that is there."""
    try:
        sheet = _read(path)
    except AudioReadError:
        return False
    if sheet is None:
        return False
    names = [track.file.name for track in sheet.tracks if track.file is not None]
    shared = {file.name: file for file in sheet.files if names.count(file.name) > 1}
    return any(_Files(path, sheet).song(file).problem is None for file in shared.values())


def _read(path: Path) -> CueSheet | None:
    """What the sheet says; None if it is no text."""
    lines = read_lines(path, _MAX_BYTES)
    if lines is None:
        return None
    try:
        return parse_cue(lines)
    except AudioReadError as error:
        raise AudioReadError(f"{display_path(path)} {error.message}", hint=error.hint) from None


def _notes(path: Path, sheet: CueSheet) -> list[str]:
    """What of the disc is in no song."""
    data = [f"{track.number:02d}" for track in sheet.tracks if not track.is_audio]
    notes = []
    if data:
        tracks = f"Track {data[0]}" if len(data) == 1 else f"{len(data)} tracks"
        notes.append(f"{tracks} of {display_path(path)}: data, no audio, and passed over.")
    first = sheet.tracks[0]
    if first.is_audio and first.file is not None and (first.start or 0) > _GAP_FRAMES:
        seconds = (first.start or 0) / FRAMES_PER_SECOND
        notes.append(
            f"The first {seconds:.2f} s of {shortened(first.file.name)} are in no track of "
            f"{display_path(path)}: passed over."
        )
    return notes


class _Files:
    """The files that a sheet names, each looked for once."""

    def __init__(self, path: Path, sheet: CueSheet) -> None:
        self._path = path
        self._is_only_one = len({file.name for file in sheet.files}) == 1
        self._songs: dict[str, Song] = {}
        self._audio_files = functools.cache(_audio_files)

    def song(self, file: FileLine) -> Song:
        """The file, or what is wrong with it."""
        if file.name not in self._songs:
            self._songs[file.name] = self._found(file)
        return self._songs[file.name]

    def notes(self, file: FileLine) -> list[str]:
        """That another file was taken, if it was."""
        taken = self.song(file).path
        if taken.name == find_named(file.name, self._path.parent).name:
            return []
        return [
            f"{display_path(self._path)} is about {shortened(file.name)}, which is not there; "
            f"{display_path(taken)} is taken for it."
        ]

    def _found(self, file: FileLine) -> Song:
        named = find_named(file.name, self._path.parent)
        if not os.path.lexists(named):
            # It was packed, or renamed with the sheet, after that was written.
            stems = [named.stem, self._path.stem] if self._is_only_one else [named.stem]
            for stem in stems:
                others = [each for each in self._audio_files(named.parent) if each.stem == stem]
                if len(others) == 1:
                    return Song.of_file(others[0])
        song = Song.of_file(named)
        if song.problem is None and file.kind in _DISC_IMAGES and not has_audio_name(named.name):
            song = song.failing(
                f"{display_path(named)} is the image of a disc, and no audio file.",
                hint="Convert it to wav or flac with another program, under the same name.",
            )
        if song.problem is None:
            return song
        address = None if os.path.lexists(named) else as_address(file.name)
        problem = elsewhere(shortened(address)) if address else song.problem
        where = f"Line {file.line} of {display_path(self._path)} names it."
        return song.failing(f"{problem.message} {where}", hint=problem.hint)


def _audio_files(folder: Path) -> list[Path]:
    """The files there whose names say that they are audio."""
    try:
        return sorted(path for path in folder.iterdir() if has_audio_name(path.name))
    except OSError:
        return []


def _track_song(
    path: Path, sheet: CueSheet, track: CueTrack, file: Song, notes: Sequence[str]
) -> Song:
    song = replace(file, track=_track(path, sheet, track, notes))
    if track.stretch is not None:
        return song
    where = f"Track {track.number:02d} of {display_path(path)} (line {track.line})"
    if track.start is None:
        return song.failing(f"{where} has no INDEX 01 with a time.", hint="Such as 03:25:74.")
    return song.failing(f"{where} ends before it begins.", hint="Put its INDEX 01 right.")


def _track(path: Path, sheet: CueSheet, track: CueTrack, notes: Sequence[str]) -> AlbumTrack:
    tags = {**sheet.tags, "tracknumber": str(track.number), **track.tags}
    tags["tracktotal"] = str(sum(each.is_audio for each in sheet.tracks))
    return AlbumTrack(
        sheet=path,
        number=track.number,
        name=_name(track.number, track.tags.get("title", "")),
        stretch=track.stretch or Stretch(start=0),
        tags={name: (text,) for name, text in tags.items()},
        notes=tuple(notes),
    )


def _name(number: int, title: str) -> str:
    """The name of its outputs: one line, and short enough for any system."""
    text = "".join(letter if letter.isprintable() else " " for letter in title[:1000])
    start = " ".join(text.split()).encode(errors="replace")[:_MAX_NAME_BYTES]
    text = start.decode(errors="ignore").strip()
    return f"{number:02d} {text}" if text else f"Track {number:02d}"
