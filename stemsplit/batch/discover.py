"""From what was typed to the list of songs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stemsplit.audio.source import probe
from stemsplit.batch.record import recorded_outputs
from stemsplit.batch.template import RECORD_NAME
from stemsplit.errors import AudioReadError


@dataclass(frozen=True, slots=True)
class Song:
    """An input file, and the folder that it was found in relative to the one that was given."""

    path: Path
    subfolder: str = ""


@dataclass(frozen=True, slots=True)
class Discovery:
    """The songs, in order and without repetition, and how many other files were passed over."""

    songs: tuple[Song, ...]
    num_skipped: int


def discover(inputs: Sequence[Path]) -> Discovery:
    """Every file that was named, and everything that is audio in the folders that were named.

    A named file is taken as it is, so that a bad one is reported. In a folder, hidden files, files
    that are not audio by content, and the outputs of earlier runs are passed over.

    Raises:
        AudioReadError: a folder was named that holds no audio at all.
    """
    songs: dict[Path, Song] = {}
    num_skipped = 0
    for given in inputs:
        if not given.is_dir():
            songs.setdefault(given.absolute(), Song(given))
            continue
        found = 0
        for path in _walk(given):
            if not _is_audio(path):
                num_skipped += 1
                continue
            found += 1
            subfolder = path.parent.relative_to(given).as_posix()
            songs.setdefault(path.absolute(), Song(path, "" if subfolder == "." else subfolder))
        if not found:
            raise AudioReadError(
                f"The folder {given} holds no audio.",
                hint="Name a folder with songs in it; hidden files are passed over.",
            )
    return Discovery(tuple(songs.values()), num_skipped)


def _walk(root: Path) -> Iterator[Path]:
    ours: set[Path] = set()
    for folder, subfolders, files in os.walk(root):
        for name in files:
            if name.endswith(RECORD_NAME):
                ours.update(recorded_outputs(Path(folder, name)))
        subfolders[:] = _visible(subfolders)
        for name in _visible(files):
            path = Path(folder, name)
            if path.is_file() and path.absolute() not in ours:
                yield path


def _visible(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if not name.startswith("."))


def _is_audio(path: Path) -> bool:
    try:
        probe(path)
    except AudioReadError:
        return False
    return True
