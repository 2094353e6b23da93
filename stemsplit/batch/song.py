"""An input."""

from __future__ import annotations

import functools
import hashlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stemsplit.audio.readable import check_readable
from stemsplit.errors import AudioReadError

if TYPE_CHECKING:
    from stemsplit.audio.source import Look


@dataclass(frozen=True, slots=True)
class Song:
    """An input file, and the folder that it was found in relative to the one that was given.

    `look`: what its header claims, if that could be read when it was found; it is not looked at
    again unless it changes. `problem`: why it is clear already that nothing can be read there. Also
    a folder that was given and holds no songs is a song with a problem, so that it fails like one,
    and stops no other.
    """

    path: Path
    subfolder: str = ""
    problem: AudioReadError | None = field(default=None, compare=False)
    look: Look | None = field(default=None, compare=False, repr=False)

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
    def root(self) -> str:
        """The name of the folder that was given, or that the song itself lies in if that was.

        Without the dots that would hide it, and whatever goes there.
        """
        folder = Path(os.path.abspath(self.path)).parent  # noqa: PTH100 - resolves ".."
        for _ in filter(None, self.subfolder.split("/")):
            folder = folder.parent
        return folder.name.lstrip(".")

    @property
    def place(self) -> str:
        """The song's path, without the links that lead to its folder: one for each song."""
        # The folder is text already, and an absolute one outlives a change of directory.
        folder = _without_links(os.path.abspath(self.path.parent))  # noqa: PTH100
        return os.path.join(folder, self.path.name)  # noqa: PTH118

    @property
    def id(self) -> str:
        """8 hexadecimal digits that stand for its place."""
        return hashlib.sha256(os.fsencode(self.place)).hexdigest()[:8]


@functools.lru_cache(maxsize=64)  # it asks the disk about each level
def _without_links(folder: str) -> str:
    return os.path.realpath(folder)
