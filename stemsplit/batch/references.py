"""Which reference goes with which recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from stemsplit.audio.file_names import display_path, has_audio_name
from stemsplit.batch.job import Job
from stemsplit.engine.enrolment import Reference
from stemsplit.quoting import listed


def with_references(jobs: Sequence[Job], given: Path) -> list[Job]:
    """The jobs with their references: the file that was given, or one from the folder for each.

    That of a recording in a folder has its name, with any extension. A job fails where there is
    none, or where there are several.

    Raises:
        AudioReadError: there is no such file or folder, or nothing to hear in the file.
    """
    if not given.is_dir():
        Reference.of_file(given)  # found out before any model is fetched
        return [replace(job, reference=given) for job in jobs]
    by_name: dict[str, list[Path]] = {}
    for path in sorted(given.iterdir()):
        if has_audio_name(path.name):
            by_name.setdefault(path.stem, []).append(path)
    return [_with_one_of(by_name.get(job.song.name, []), job, given) for job in jobs]


def _with_one_of(found: Sequence[Path], job: Job, folder: Path) -> Job:
    if job.song.problem is not None:
        return job
    if len(found) == 1:
        return replace(job, reference=found[0])
    song, where = job.song, display_path(folder)
    if found:
        names = listed(path.name for path in found)
        problem = f"There are several references for {song.name} in {where}: {names}."
        return replace(job, song=song.failing(problem, hint="Leave one of them there."))
    problem = f"There is no reference for {song.name} in {where}."
    hint = f"Put a recording of the wanted voice there that is called {song.name}, such as .wav."
    return replace(job, song=song.failing(problem, hint=hint))
