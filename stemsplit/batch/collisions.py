"""Two files of one name, found before any work starts."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from stemsplit.audio.info import display_path
from stemsplit.batch.job import Job, Session, plan_outputs, plan_record
from stemsplit.errors import UsageError


def check_collisions(jobs: Sequence[Job], session: Session) -> None:
    """Finds songs that would write the same file, and outputs that would replace an input.

    Names count as equal if any common file system would take them for the same file.

    Raises:
        UsageError: there are some; the message names them.
    """
    identify = _Identifier()
    inputs = {identify(path): job for job in jobs for path in _both_names(job.song.path)}
    writers: dict[str, tuple[Job, Path]] = {}
    for job in jobs:
        for path in (*plan_outputs(job, session).values(), plan_record(job, session)):
            name = identify(path)
            if name in inputs:
                raise UsageError(
                    f"{display_path(path)} is to be written, and is an input.",
                    hint="Choose another `folder` or `template`: an input is never replaced.",
                )
            if name in writers:
                raise _collision(*writers[name], job, path)
            writers[name] = (job, path)


def _both_names(path: Path) -> tuple[Path, Path]:
    """The path, and the file that it leads to if it is a link."""
    return path, Path(os.path.realpath(path))


def _collision(first_job: Job, first: Path, job: Job, path: Path) -> UsageError:
    if first_job is job:
        return UsageError(
            f"{display_path(first)} and {display_path(path)} would be the same file on some disks.",
            hint="Give the outputs names that differ in more than upper and lower case.",
        )
    return UsageError(
        f"{display_path(first_job.song.path)} and {display_path(job.song.path)} would both write "
        f"{display_path(path)}.",
        hint="Separate them into different folders with `folder`, or rename one.",
    )


class _Identifier:
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
