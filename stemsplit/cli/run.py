"""Songs that are run while a reporter listens: what `separate`, its previews and `demo` share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from stemsplit.cli.printer.person import Reporter

if TYPE_CHECKING:
    from stemsplit.batch.job import Job
    from stemsplit.batch.journal import ReadingJournal
    from stemsplit.batch.results import JobResult
    from stemsplit.batch.song import Song
    from stemsplit.engine.session import Session

Round = tuple[Sequence["Job"], "Session"]


def run_with_reporter(
    jobs: Sequence[Job],
    session: Session,
    reporter: Reporter,
    journal: ReadingJournal | None = None,
) -> list[JobResult]:
    """Runs the jobs, telling `reporter` about each step; the results in order."""
    return run_rounds([(jobs, session)], reporter, journal)


def run_rounds(
    rounds: Iterable[Round], reporter: Reporter, journal: ReadingJournal | None = None
) -> list[JobResult]:
    """The same for several runs one after the other, which end as one."""
    from stemsplit.batch import events
    from stemsplit.batch.local import run_jobs

    results: list[JobResult] = []

    def show(event: events.Event) -> None:
        song = event.job.song.input
        match event:
            case events.Started():
                reporter.start(song)
            case events.Staged(stage=stage):
                reporter.song_stage(song, stage)
            case events.Progressed(progress=progress):
                reporter.progress(song, progress.share)
            case events.Busy():
                reporter.busy(song)
            case events.Finished(result=result):
                results.append(result)
                reporter.finish(result)

    try:
        for jobs, session in rounds:
            reporter.begin({job.song.input: _duration(job.song) for job in jobs})
            run_jobs(jobs, session, show, journal)
    finally:
        reporter.end(results)
    return results


def settle_names(jobs: Sequence[Job], session: Session, reporter: Reporter) -> list[Job]:
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
        reporter.note(f"Of songs that have one name, the stems go to {listed_paths(folders)}.")
    return named


def _duration(song: Song) -> float | None:
    """What the header says, in seconds, if it does; 0 where there is nothing to separate."""
    info = song.info
    if info is None:
        return 0.0  # the job itself will say why
    return None if info.num_samples is None else info.num_samples / info.sample_rate
