"""What a cue sheet says: commands, one on each line, of which it takes those that cut and name.

    PERFORMER "Artist"
    TITLE "Album"
    FILE "album.flac" WAVE
      TRACK 01 AUDIO
        TITLE "First"
        INDEX 00 00:00:00       the gap before the track, which belongs to the one before it
        INDEX 01 00:02:37       where it begins: minutes, seconds, frames of 1/75 s

A track is in the file that was named last before its INDEX 01, and goes on to that of the next
track in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from stemsplit.audio.stretch import FRAMES_PER_SECOND, Stretch
from stemsplit.errors import AudioReadError
from stemsplit.quoting import quoted

_MAX_FILES = 1000  # no more than numbers of three digits for tracks
_COMMAND = re.compile(r"\s*(\S+)[ \t]*(.*?)\s*")
_INDEX_1 = re.compile(r"0*1\s+(.*)")
_TIME = re.compile(r"0*(\d{1,5}):(\d{1,2}):(\d{1,2})")

_ALBUM_TAGS = {
    "TITLE": ("album",),
    "PERFORMER": ("albumartist", "artist"),
    "SONGWRITER": ("composer",),
    "REM GENRE": ("genre",),
    "REM DATE": ("date",),
    "REM DISCNUMBER": ("discnumber",),
    "REM TOTALDISCS": ("disctotal",),
    "REM COMPOSER": ("composer",),
}
_TRACK_TAGS = {
    **_ALBUM_TAGS,
    "TITLE": ("title",),
    "PERFORMER": ("artist",),
    "ISRC": ("isrc",),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class FileLine:
    """A file that the sheet names, and in which line."""

    name: str
    kind: str
    line: int


@dataclass(kw_only=True, slots=True)
class CueTrack:
    """A track of the sheet; `file` and `start` are those of its INDEX 01, in CD frames."""

    number: int
    line: int
    is_audio: bool
    file: FileLine | None = None
    start: int | None = None
    stop: int | None = None
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def stretch(self) -> Stretch | None:
        """What of the file it is; None if the sheet does not say, or says that it is nothing."""
        if self.start is None or (self.stop is not None and self.stop <= self.start):
            return None
        return Stretch(start=self.start, stop=self.stop)


@dataclass(kw_only=True, slots=True)
class CueSheet:
    """All of the sheet: its files and tracks in order, and the tags of the album."""

    files: list[FileLine] = field(default_factory=list)
    tracks: list[CueTrack] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)


def parse_cue(lines: Iterable[str]) -> CueSheet:
    """What the lines say. Lines that it does not know are passed over, as all players do.

    Raises:
        AudioReadError: there are no tracks in it, too many, or two of one number; the message
            follows the name of the sheet.
    """
    sheet = CueSheet()
    for number, line in enumerate(lines, start=1):
        match = _COMMAND.fullmatch(line)
        if match is not None:
            _take(sheet, number, match[1].upper(), match[2])
    if not sheet.tracks or not sheet.files:
        raise AudioReadError("names no tracks of any file.", hint="Check what is in it.")
    if len(sheet.files) > _MAX_FILES:
        raise AudioReadError(f"names {len(sheet.files)} files.", hint="Check what is in it.")
    _set_ends(sheet.tracks)
    return sheet


def _take(sheet: CueSheet, number: int, command: str, rest: str) -> None:
    track = sheet.tracks[-1] if sheet.tracks else None
    if command == "FILE":
        sheet.files.append(_file_line(rest, number))
    elif command == "TRACK":
        sheet.tracks.append(_new_track(sheet, rest, number))
    elif command == "INDEX" and track is not None:
        if (match := _INDEX_1.fullmatch(rest)) and track.start is None and sheet.files:
            track.file, track.start = sheet.files[-1], _frames(match[1])
    else:
        if command == "REM":
            word, rest = _split(rest)
            command = f"REM {word.upper()}"
        names, tags = (_ALBUM_TAGS, sheet.tags) if track is None else (_TRACK_TAGS, track.tags)
        for name in names.get(command, ()):
            if text := _unquoted(rest):
                tags.setdefault(name, text)


def _file_line(rest: str, number: int) -> FileLine:
    if rest.startswith('"') and rest.rfind('"') > 0:
        name, _, kind = rest[1:].rpartition('"')
        return FileLine(name=name, kind=kind.strip().upper(), line=number)
    name, _, kind = rest.rpartition(" ")
    return FileLine(name=name.strip() or rest, kind=kind.upper() if name else "", line=number)


def _new_track(sheet: CueSheet, rest: str, line: int) -> CueTrack:
    digits, mode = _split(rest)
    if not re.fullmatch("[0-9]{1,3}", digits):
        raise AudioReadError(f"has a track {quoted(digits)} in line {line}.", hint="Number it.")
    if any(track.number == int(digits) for track in sheet.tracks):
        raise AudioReadError(
            f"has a second track {int(digits)} in line {line}.",
            hint="Give each track a number of its own.",
        )
    is_audio = mode.upper() in ("AUDIO", "")
    return CueTrack(number=int(digits), line=line, is_audio=is_audio)


def _frames(time: str) -> int | None:
    match = _TIME.fullmatch(time)
    if match is None:
        return None
    minutes, seconds, frames = map(int, match.groups())
    if seconds >= 60 or frames >= FRAMES_PER_SECOND:
        return None
    return (minutes * 60 + seconds) * FRAMES_PER_SECOND + frames


def _set_ends(tracks: Sequence[CueTrack]) -> None:
    """Has each track end where the next one in its file begins."""
    starts: dict[str, int] = {}
    for track in reversed(tracks):
        if track.file is not None and track.start is not None:
            track.stop = starts.get(track.file.name)
            starts[track.file.name] = track.start


def _split(text: str) -> tuple[str, str]:
    """The first word, and the rest."""
    word, *rest = text.split(None, 1) or [""]
    return word, "".join(rest).strip()


def _unquoted(text: str) -> str:
    is_quoted = len(text) >= 2 and text[0] == text[-1] == '"'
    return (text[1:-1] if is_quoted else text).strip()
