"""Runs jobs one after the other in this process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from stemsplit.batch.job import Job, JobResult, Session
from stemsplit.batch.lock import TrackBusyError
from stemsplit.batch.track import run_job
from stemsplit.engine.load import load_ensemble
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.runtime import Runtime
from stemsplit.engine.separate import Progress
from stemsplit.errors import ModelError, StemsplitError
from stemsplit.hub.resolve import resolve

DEFAULT_MODEL = "htdemucs"
FALLBACK_MODEL = "spectral"

_POLL_SECONDS = 0.5

_log = logging.getLogger(__name__)


def open_session(
    model: str | None,
    options: SeparationOptions,
    runtime: Runtime,
    *,
    offline: bool,
    quiet: bool,
    reason: str = "",
) -> Session:
    """The loaded model with everything that the jobs of a run share.

    A model that was named is that model or an error; so is one that was chosen, for a `reason` that
    becomes one of `Session.notes`. If none was, and the default can be neither found nor
    downloaded, the built-in one takes its place, and `Session.notes` says so.

    Raises:
        ModelError: the named model could not be had.
        UnknownStemError: `options` name a stem that the model does not have.
    """

    def load(name: str) -> Session:
        source = resolve(name, offline=offline, quiet=quiet)
        ensemble = load_ensemble(source, options, runtime)
        _log.info(
            "Model %s (%s), networks %s, on %s in %s, %d chunks at once",
            ensemble.name,
            ensemble.revision or ensemble.origin,
            ", ".join(member.signature for member in ensemble.members),
            runtime.device,
            ensemble.precision,
            runtime.batch_size,
        )
        return Session(ensemble=ensemble, runtime=runtime, options=options)

    if model is not None and reason:
        try:
            return replace(load(model), notes=(reason,))
        except ModelError as error:
            error.hint = f"{error.hint} {reason} Name another one with --model.".strip()
            raise
    if model is not None:
        return load(model)
    try:
        return load(DEFAULT_MODEL)
    except ModelError as error:
        note = (
            f"No model was named and {DEFAULT_MODEL} could not be had, so the built-in model "
            f"{FALLBACK_MODEL!r} was used: it needs no download and separates far less cleanly. "
            f"The reason: {error}"
        )
        return replace(load(FALLBACK_MODEL), notes=(note,))


def run_jobs(
    jobs: Sequence[Job],
    session: Session,
    *,
    on_start: Callable[[Job], None],
    on_progress: Callable[[Progress], None],
    on_busy: Callable[[Job], None],
) -> Iterator[JobResult]:
    """The result of each job. One that fails does not stop the others.

    Results come in the order of the jobs, but for tracks that another process is at work on
    (`on_busy`): these come last, once the other has finished them, or else done here.
    """
    waiting = []
    for job in jobs:
        result = _attempt(job, session, on_start, on_progress)
        if result is not None:
            yield result
        else:
            on_busy(job)
            waiting.append(job)
    while waiting:
        time.sleep(_POLL_SECONDS)
        for job in list(waiting):
            result = _attempt(job, session, on_start, on_progress)
            if result is not None:
                waiting.remove(job)
                yield result


def _attempt(
    job: Job,
    session: Session,
    on_start: Callable[[Job], None],
    on_progress: Callable[[Progress], None],
) -> JobResult | None:
    """What became of the job; None if another process is at work on the track."""
    try:
        return run_job(job, session, on_start=on_start, on_progress=on_progress)
    except TrackBusyError:
        return None
    except BrokenPipeError:  # nobody listens any more
        raise
    except StemsplitError as error:
        _log.debug("%s failed", job.song.path, exc_info=True)
        return JobResult(input=job.song.path, status="failed", error=str(error))
    except Exception as error:  # a defect of ours must not take the rest of the night with it
        _log.debug("%s failed unexpectedly", job.song.path, exc_info=True)
        message = f"unexpected {type(error).__name__}: {error} (run with --debug for details)"
        return JobResult(input=job.song.path, status="failed", error=message)
