"""A job whose result says what went wrong, so that it stops no other."""

from __future__ import annotations

import logging

from stemsplit import quoting
from stemsplit.audio.reading import being_read
from stemsplit.batch.events import RunListener
from stemsplit.batch.job import Job
from stemsplit.batch.journal import ReadingJournal
from stemsplit.batch.lock import TrackBusyError
from stemsplit.batch.results import JobResult
from stemsplit.batch.track import run_job
from stemsplit.device.cancel import Check, never
from stemsplit.engine.session import Session
from stemsplit.errors import StemsplitError, one_line
from stemsplit.stages import unheard

_log = logging.getLogger(__name__)


def is_suspect(journal: ReadingJournal, job: Job) -> bool:
    """Whether an earlier process may have died of the job's song."""
    return journal.is_suspect(job.song.path)


def attempt(
    job: Job,
    session: Session,
    show: RunListener = unheard,
    journal: ReadingJournal | None = None,
    check: Check = never,
) -> JobResult | None:
    """What became of the job; None if another process is at work on the track."""
    try:
        if journal is not None and is_suspect(journal, job):
            journal.try_suspect(job.song.path, check)
        with being_read(job.song.path):
            return run_job(job, session, show=show, check=check)
    except TrackBusyError:
        return None
    except StemsplitError as error:
        _log.debug("%s failed", job.song.input, exc_info=True)
        return JobResult(input=job.song.input, status="failed", error=str(error))
    except Exception as error:  # a defect of ours must not take the rest of the night with it
        _log.debug("%s failed unexpectedly", job.song.input, exc_info=True)
        said = one_line(quoting.reason(error))
        message = f"unexpected {type(error).__name__}: {said} (`debug` shows where)"
        return JobResult(input=job.song.input, status="failed", error=message)
