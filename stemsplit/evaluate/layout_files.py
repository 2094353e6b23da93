"""What the layouts of data sets share: tracks that were found, and files by their names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stemsplit.evaluate.dataset import Track

AUDIO_NAME = re.compile(
    r"\.(aac|aiff?|ape|caf|flac|m4a|mp[23]|og[ag]|opus|w64|wave?|wma|wv)$", re.I
)
_DIVISIONS = ("test", "train", "validation", "omitted")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A track that was found, and the part of the data set it is in (None: undivided).

    `read` gives the track, None where something is missing. It raises AudioReadError where files
    contradict each other.
    """

    division: str | None
    place: Path
    read: Callable[[], Track | None]


def named(files: Iterable[Path], name: str) -> Path | None:
    """The first audio file called `name`, whatever its format."""
    found = (path for path in files if path.stem.lower() == name and AUDIO_NAME.search(path.name))
    return next(found, None)


def division_of(root: Path, place: Path) -> str | None:
    """The part of a data set that a track is in: the name of the folder below the root, or of it.

    Only if it is a name that data sets are divided by.
    """
    names = (*place.relative_to(root).parts[:-1][:1], root.resolve().name if place != root else "")
    return next((name.lower() for name in names if name.lower() in _DIVISIONS), None)


def name_of(root: Path, folder: Path) -> str:
    """The way to a track's folder, without the part of the data set."""
    parts = folder.relative_to(root).parts
    divided = len(parts) > 1 and parts[0].lower() in _DIVISIONS
    return "/".join(parts[divided:]) or folder.name


def walk(root: Path) -> Iterator[Path]:
    """The folder and all folders in it, without hidden ones, in order."""
    for name, subfolders, _ in os.walk(root):
        subfolders[:] = sorted(each for each in subfolders if not each.startswith("."))
        yield Path(name)


def files_in(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_file()]


def folders_in(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()]


def _visible(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
