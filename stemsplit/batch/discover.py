"""From what was typed to the list of songs."""

from __future__ import annotations

import logging
import os
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stemsplit.audio.file_names import CUE_SHEET_SUFFIX, display_path, has_audio_name
from stemsplit.audio.source import look
from stemsplit.batch.cue_sheet import cuts_a_file
from stemsplit.batch.inputs import named_songs
from stemsplit.batch.journal import ReadingJournal, SuspectError
from stemsplit.batch.record_file import recorded_outputs
from stemsplit.batch.song import Song
from stemsplit.batch.template import RECORD_NAME
from stemsplit.errors import AudioReadError
from stemsplit.quoting import counted

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Discovery:
    """The songs, in order and without repetition, and what was passed over in the folders.

    `num_skipped` files are not audio, `num_ours` are outputs of earlier runs, the folders in
    `unreadable` may not be listed, the links in `dangling` lead to nothing, and the `sheets` cut
    files into tracks.
    """

    songs: tuple[Song, ...]
    num_skipped: int = 0
    num_ours: int = 0
    unreadable: tuple[Path, ...] = ()
    dangling: tuple[Path, ...] = ()
    sheets: tuple[Path, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What is odd about the lists that were named."""
        return [note for song in self.songs if song.track for note in song.track.notes]


def discover(inputs: Sequence[Path], journal: ReadingJournal | None = None) -> Discovery:
    """Every file that was named, and everything that is audio in the folders that were named.

    A named file is taken as it is, so that a bad one is reported, and so is a file in a folder
    whose name says that it is audio. Lists that were named stand for what they name. Hidden files,
    other files that are not audio by content, and the outputs of earlier runs are passed over. A
    file that the `journal` suspects is tried first.
    """
    songs: dict[str, Song] = {}
    seen: dict[Path, Song] = {}
    walks = []
    for given in inputs:
        if not os.path.isdir(given):  # noqa: PTH112 - Path.is_dir raises for names too long
            for song in named_songs(given):
                if song.place not in songs:
                    songs[song.place] = _seen(song, seen)
            continue
        walk = _Walk(given, journal)
        walks.append(walk)
        for song in walk.songs or [Song(given, problem=walk.problem)]:
            songs.setdefault(song.place, song)
    return Discovery(
        tuple(songs.values()),
        num_skipped=sum(walk.num_skipped for walk in walks),
        num_ours=sum(walk.num_ours for walk in walks),
        unreadable=tuple(folder for walk in walks for folder in walk.unreadable),
        dangling=tuple(link for walk in walks for link in walk.dangling),
        sheets=tuple(sheet for walk in walks for sheet in walk.sheets),
    )


def _seen(song: Song, seen: dict[Path, Song]) -> Song:
    """The song with what its header claims, or what is wrong with it.

    `seen`: files so far, of which one may hold many songs.
    """
    if song.problem is not None:
        return song
    if song.path not in seen:
        seen[song.path] = _looked_at(Song(song.path))
    return replace(song, look=seen[song.path].look, problem=seen[song.path].problem)


def _looked_at(song: Song) -> Song:
    try:
        return replace(song, look=look(song.path))
    except SuspectError:
        return song  # nobody knows yet
    except AudioReadError as error:
        return replace(song, problem=_without_frames(error))


class _Walk:
    """What a folder holds."""

    def __init__(self, root: Path, journal: ReadingJournal | None) -> None:
        self._root = root
        self._journal = journal
        self.songs: list[Song] = []
        self.num_skipped = 0
        self.num_ours = 0
        self.unreadable: list[Path] = []
        self.dangling: list[Path] = []
        self.sheets: list[Path] = []
        ours: set[Path] = set()
        for name, subfolders, files in os.walk(root, onerror=self._note_error):
            folder = Path(name)
            # A record lies at or above its outputs, so it is met before them.
            for file in files:
                if file.endswith(RECORD_NAME):
                    ours |= recorded_outputs(folder / file)
            subfolders[:] = _visible(subfolders)
            subfolder = folder.relative_to(root).as_posix()
            for file in _visible(files):
                self._add(folder / file, "" if subfolder == "." else subfolder, ours)

    @property
    def problem(self) -> AudioReadError:
        """Why there are no songs in the folder."""
        name = display_path(self._root)
        if self._root in self.unreadable:
            return AudioReadError(
                f"The folder {name} may not be read by this user.",
                hint="Change its permissions, or copy the songs to a folder of your own.",
            )
        ours = counted(self.num_ours, "output")
        outputs = f", only {ours} of stemsplit" if self.num_ours else ""
        return AudioReadError(
            f"The folder {name} holds no audio{outputs}.",
            hint="Name a folder with songs in it; hidden files are passed over.",
        )

    def _add(self, path: Path, subfolder: str, ours: Container[Path]) -> None:
        if path.absolute() in ours:
            self.num_ours += 1
        elif not os.path.exists(path):  # noqa: PTH110 - as above
            self.dangling.append(path)
        elif path.name.endswith(RECORD_NAME) or not os.path.isfile(path):  # noqa: PTH113 - as above
            return
        elif path.suffix.lower() == CUE_SHEET_SUFFIX and cuts_a_file(path):
            self.sheets.append(path)
        elif (song := self._song(path, subfolder)) is not None:
            self.songs.append(song)
        else:
            _log.info("%s is not audio", display_path(path))
            self.num_skipped += 1

    def _song(self, path: Path, subfolder: str) -> Song | None:
        # A damaged song: its owner wants to know.
        is_named_audio = has_audio_name(path.name)
        try:
            return Song(path, subfolder, look=look(path))
        except SuspectError:
            assert self._journal is not None  # or there were no suspects
            if not is_named_audio and not self._is_readable(path, self._journal):
                return None
        except AudioReadError as error:
            return Song(path, subfolder, _without_frames(error)) if is_named_audio else None
        return Song(path, subfolder)

    def _is_readable(self, path: Path, journal: ReadingJournal) -> bool:
        try:
            return journal.try_suspect(path)
        except AudioReadError:
            return True  # a song that fails

    def _note_error(self, error: OSError) -> None:
        self.unreadable.append(Path(error.filename))


def _without_frames(error: AudioReadError) -> AudioReadError:
    """The error without what it would keep in memory: songs are kept until the run ends."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _visible(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if not name.startswith("."))
