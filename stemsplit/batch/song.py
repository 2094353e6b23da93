"""An input."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stemsplit.audio.file_names import component
from stemsplit.audio.readable import check_readable
from stemsplit.audio.stretch import Stretch
from stemsplit.errors import AudioReadError
from stemsplit.json_data import CACHE, JsonData

if TYPE_CHECKING:
    from stemsplit.audio.info import AudioInfo
    from stemsplit.audio.source import Look


@dataclass(frozen=True, kw_only=True, slots=True)
class AlbumTrack(JsonData):
    """The track `number` of a cue `sheet`, as a `stretch` of an audio file.

    `name`: as its outputs are called. `tags`: what the sheet says of it, with the keys of
    `stemsplit.audio.tags.song_tags`. `notes`: what is odd about the sheet; its first track has
    them.
    """

    sheet: Path
    number: int
    name: str
    stretch: Stretch
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    notes: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Song(JsonData):
    """An input file, and the folder that it was found in relative to the one that was given.

    `look`: what its header claims, if that could be read when it was found; it is not looked at
    again unless it changes, or the song was sent to another process. `problem`: why it is clear
    already that nothing can be read there. Also a folder that was given and holds no songs is a
    song with a problem, so that it fails like one, and stops no other. `track`: the song is only
    this part of the file.
    """

    path: Path
    subfolder: str = ""
    problem: AudioReadError | None = field(default=None, compare=False)
    look: Look | None = field(default=None, compare=False, repr=False, metadata=CACHE)
    track: AlbumTrack | None = None

    @classmethod
    def of_file(cls, path: Path) -> Song:
        """The file that was named, and what is wrong if there is none that may be read."""
        try:
            check_readable(path)
        except AudioReadError as error:
            return cls(path, problem=error)
        return cls(path)

    def failing(self, message: str, *, hint: str) -> Song:
        """The same with this problem."""
        return replace(self, problem=AudioReadError(message, hint=hint))

    @property
    def given(self) -> Path:
        """The file that was named or found: the sheet of a track."""
        return self.path if self.track is None else self.track.sheet

    @property
    def input(self) -> Path:
        """By what it is known to people, one for each song: of a track, sheet.cue/01 Title."""
        return self.path if self.track is None else self.track.sheet / component(self.track.name)

    @property
    def name(self) -> str:
        """Its own name, as in those of its outputs."""
        return self.path.stem if self.track is None else self.track.name

    @property
    def stretch(self) -> Stretch | None:
        """What of the file it is; None: all of it."""
        return None if self.track is None else self.track.stretch

    @property
    def info(self) -> AudioInfo | None:
        """What the header claims of the song, if that could be read."""
        if self.look is None:
            return None
        return self.look.info if self.stretch is None else self.stretch.of(self.look.info)

    @property
    def root(self) -> str:
        """The name of the folder that was given, or that the song itself lies in if that was.

        A sheet that was given counts as a folder. Without the dots that would hide it, and whatever
        goes there.
        """
        if self.track is not None:
            return self.track.sheet.stem.lstrip(".")
        folder = Path(os.path.abspath(self.path)).parent  # noqa: PTH100 - resolves ".."
        for _ in filter(None, self.subfolder.split("/")):
            folder = folder.parent
        return folder.name.lstrip(".")

    @property
    def place(self) -> str:
        """The song's path, without the links that lead to its folder: one for each song.

        A track's ends in its number.
        """
        # The folder is text already, and an absolute one outlives a change of directory.
        folder = _without_links(os.path.abspath(self.given.parent))  # noqa: PTH100
        place = os.path.join(folder, self.given.name)  # noqa: PTH118
        return place if self.track is None else f"{place}/{self.track.number}"

    @property
    def id(self) -> str:
        """8 hexadecimal digits that stand for its place."""
        return hashlib.sha256(os.fsencode(self.place)).hexdigest()[:8]


@functools.lru_cache(maxsize=64)  # it asks the disk about each level
def _without_links(folder: str) -> str:
    return os.path.realpath(folder)
