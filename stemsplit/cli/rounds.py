"""Runs of songs that are shown as they go on: those of `separate`, its previews and `demo`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from stemsplit.batch.events import Event, Finished
from stemsplit.batch.results import JobResult, PlannedTrack
from stemsplit.cli.printer.command_events import DryRun, NothingToRun, RunBegan, RunEnded
from stemsplit.cli.printer.sink import Show
from stemsplit.engine.note import Note

if TYPE_CHECKING:
    from stemsplit.batch.job import Job
    from stemsplit.batch.journal import ReadingJournal
    from stemsplit.batch.song import Song
    from stemsplit.engine.session import Session

Round = tuple[Sequence["Job"], "Session"]


def run_rounds(
    rounds: Iterable[Round], show: Show, journal: ReadingJournal | None = None
) -> list[JobResult]:
    """Does the jobs of runs that come one after the other and end as one; the results in order."""
    from stemsplit.batch.local import run_jobs

    results: list[JobResult] = []

    def hear(event: Event) -> None:
        if isinstance(event, Finished):
            results.append(event.result)
        show(event)

    try:
        for jobs, session in rounds:
            show(RunBegan({job.song.input: _duration(job.song) for job in jobs}))
            run_jobs(jobs, session, hear, journal)
    finally:
        show(RunEnded(results))
    return results


def end_without_songs(
    songs: Sequence[Song], output: Path, show: Show, *, dry_run: bool
) -> NoReturn:
    """Ends a run in which none of the songs can be read."""
    errors = {song.input: str(song.problem) for song in songs}
    if dry_run:
        planned = [
            PlannedTrack(input=path, folder=output, action="fail", error=error)
            for path, error in errors.items()
        ]
        show(DryRun(planned, 0.0))
    else:
        results = [
            JobResult(input=path, status="failed", error=error) for path, error in errors.items()
        ]
        show(NothingToRun(results))
    raise typer.Exit(1)


def settle_names(jobs: Sequence[Job], session: Session, show: Show) -> list[Job]:
    """The jobs under names of which no two are one.

    Raises:
        UsageError: the user has chosen names that are.
    """
    from stemsplit.batch.collisions import check_collisions, listed_paths
    from stemsplit.batch.job import plan_record
    from stemsplit.batch.naming import name_apart

    named = name_apart(jobs, session)
    check_collisions(named, session)
    records = [
        plan_record(new, session) for old, new in zip(jobs, named, strict=True) if new != old
    ]
    folders = [file.parent for file in records if not file.exists()]
    if folders:
        show(Note(f"Of songs that have one name, the stems go to {listed_paths(folders)}."))
    return named


def _duration(song: Song) -> float | None:
    """What the header says, in seconds, if it does; 0 where there is nothing to separate."""
    info = song.info
    if info is None:
        return 0.0  # the job itself will say why
    return None if info.num_samples is None else info.num_samples / info.sample_rate
