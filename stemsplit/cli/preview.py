"""`stemsplit separate --preview`: the busiest seconds of a song, from one or several models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stemsplit.cli.printer.sink import Show
from stemsplit.cli.rounds import Round, run_rounds, settle_names
from stemsplit.errors import AudioReadError

if TYPE_CHECKING:
    from stemsplit.batch.job import Job
    from stemsplit.batch.journal import ReadingJournal
    from stemsplit.batch.results import JobResult
    from stemsplit.engine.excerpt import Excerpt
    from stemsplit.engine.session import Session


def run_preview(
    jobs: Sequence[Job],
    sessions: Iterable[Session],
    show: Show,
    journal: ReadingJournal,
) -> tuple[list[JobResult], set[Path]]:
    """What became of each song with each model, and where the records of these are.

    `sessions` is gone through once, so that no more than one model has to be in memory.
    """
    from stemsplit.batch.job import plan_record

    excerpts = [_busiest(job) for job in jobs]
    records: set[Path] = set()

    def rounds() -> Iterator[Round]:
        for session in sessions:
            named = settle_names(jobs, session, show)
            for job, excerpt in zip(named, excerpts, strict=True):
                records.add(plan_record(job, session))
                yield [replace(job, excerpt=excerpt)], session

    return run_rounds(rounds(), show, journal), records


def _busiest(job: Job) -> Excerpt:
    from stemsplit.report.busiest import busiest_range

    song, excerpt = job.song, job.excerpt
    try:
        start, end = busiest_range(song.path, stream=excerpt.stream, stretch=song.stretch)
    except AudioReadError:
        return excerpt  # the job itself will say why
    return replace(excerpt, start_seconds=start, end_seconds=end)
