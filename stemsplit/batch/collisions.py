"""Two files of one name, found before any work starts."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from stemsplit.audio.file_names import display_path
from stemsplit.batch.job import Job, plan_outputs, plan_record
from stemsplit.batch.template import finer_templates
from stemsplit.engine.session import Session
from stemsplit.errors import UsageError

_MOST_GROUPS = 12
_MOST_FILES = 6


def check_collisions(jobs: Sequence[Job], session: Session) -> None:
    """Finds songs that would write the same file, and outputs that would replace an input.

    Names count as equal if any common file system would take them for the same file.

    Raises:
        UsageError: there are some; the message names them, and a template that keeps them apart.
    """
    jobs = [job for job in jobs if job.song.problem is None]
    names = _Names(jobs, session)
    if names.of_inputs:
        what = "is to be written, and is an input"
        if len(names.of_inputs) > 1:
            what = "are to be written, and are inputs"
        raise UsageError(
            f"{listed_paths(names.of_inputs)} {what}.",
            hint="Choose another `folder` or `template`: an input is never replaced.",
        )
    if names.of_one_song is not None:
        first, second = map(display_path, names.of_one_song)
        raise UsageError(
            f"{first} and {second} would be the same file on some disks.",
            hint="Give the outputs names that differ in more than upper and lower case.",
        )
    if names.of_several_songs:
        raise UsageError(_describe(names.of_several_songs), hint=_way_out(jobs, session))


class _Names:
    """The names that are taken more than once, and by whom."""

    def __init__(self, jobs: Sequence[Job], session: Session) -> None:
        self.of_inputs: list[Path] = []
        self.of_one_song: tuple[Path, Path] | None = None
        self.of_several_songs: dict[tuple[Path, ...], Path] = {}
        """Songs that would write the same files, and the first of these."""
        identify = Identifier()
        files = {file for job in jobs for file in (job.song.path, job.song.given)}
        inputs = {identify(path) for file in files for path in _both_names(file)}
        writers: dict[str, list[tuple[Job, Path]]] = {}
        for job in jobs:
            for path in (*plan_outputs(job, session).values(), plan_record(job, session)):
                writers.setdefault(identify(path), []).append((job, path))
        for name, uses in writers.items():
            if name in inputs:
                self.of_inputs.append(uses[0][1])
            if len(uses) > 1:
                self._add(uses)
        for name in writers.keys() & _folders_of(writers):
            inside = [
                use for other, uses in writers.items() for use in uses if _lies_in(other, name)
            ]
            self._add([*writers[name], *inside])

    def _add(self, uses: Sequence[tuple[Job, Path]]) -> None:
        """Notes that these files are one, or one of them would be a folder of the others."""
        songs = tuple(dict.fromkeys(job.song.input for job, _ in uses))
        if len(songs) > 1:
            self.of_several_songs.setdefault(songs, uses[0][1])
        else:
            self.of_one_song = (uses[0][1], uses[1][1])

    @property
    def are_free(self) -> bool:
        return not (self.of_inputs or self.of_one_song or self.of_several_songs)


def _both_names(path: Path) -> tuple[Path, Path]:
    """The path, and the file that it leads to if it is a link."""
    return path, Path(os.path.realpath(path))


def _folders_of(names: Mapping[str, object]) -> set[str]:
    """All folders, up to the root, that the files of those names lie in."""
    folders: set[str] = set()
    for name in names:
        folder = os.path.dirname(name)  # noqa: PTH120 - a path per name and level takes long
        while folder not in folders:
            folders.add(folder)
            folder = os.path.dirname(folder)  # noqa: PTH120
    return folders


def _lies_in(name: str, folder: str) -> bool:
    return name.startswith(folder + os.sep)


def _describe(meetings: Mapping[tuple[Path, ...], Path]) -> str:
    """Which songs meet, in a sentence; only the first of very many."""
    meetings = _largest(meetings)
    if len(meetings) == 1:
        ((songs, path),) = meetings.items()
        both = "both" if len(songs) == 2 else "all"
        return f"{listed_paths(songs)} would {both} write {display_path(path)}."
    groups = [listed_paths(songs) for songs in list(meetings)[:_MOST_GROUPS]]
    num_more = len(meetings) - len(groups)
    more = f"; and {num_more} more groups" if num_more else ""
    return (
        f"{len(meetings)} groups of songs would each write the same files: "
        f"{'; '.join(groups)}{more}."
    )


def _largest(meetings: Mapping[tuple[Path, ...], Path]) -> dict[tuple[Path, ...], Path]:
    """Those whose songs do not all meet at another file with still more songs."""
    kept: dict[tuple[Path, ...], Path] = {}
    kept_with: dict[Path, set[tuple[Path, ...]]] = {}
    for songs in sorted(meetings, key=len, reverse=True):
        if not set.intersection(*(kept_with.get(song, set()) for song in songs)):
            kept[songs] = meetings[songs]
            for song in songs:
                kept_with.setdefault(song, set()).add(songs)
    return kept


def listed_paths(paths: Sequence[Path]) -> str:
    """ "a, b and c"; of many paths the first, and how many more there are."""
    names = [display_path(path) for path in paths[:_MOST_FILES]]
    if len(paths) > _MOST_FILES:
        return f"{', '.join(names)} and {len(paths) - _MOST_FILES} more"
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _way_out(jobs: Sequence[Job], session: Session) -> str:
    """What to do about songs that meet."""
    template = jobs[0].template
    if all(job.template == template for job in jobs):
        for finer in finer_templates(template):
            if _Names([replace(job, template=finer) for job in jobs], session).are_free:
                return f"Use `template={finer!r}`."
    return "Separate them into different folders with `folder`, or rename some."


class Identifier:
    """Turns paths into names that are equal if they may mean the same file."""

    def __init__(self) -> None:
        self._folders: dict[Path, str] = {}

    def __call__(self, path: Path) -> str:
        folder = self._folders.get(path.parent)
        if folder is None:  # once per folder: it asks the disk about each level
            folder = self._folders[path.parent] = os.path.realpath(path.parent)
        name = os.path.join(folder, path.name)  # noqa: PTH118 - the folder is text already
        # Windows and macOS ignore case, macOS also the spelling of accents.
        return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
