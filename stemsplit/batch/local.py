"""Runs jobs one after the other in this process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from stemsplit.batch.job import Job, JobResult, Session, run_job
from stemsplit.engine.load import load_ensemble
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.runtime import Runtime
from stemsplit.engine.separate import Progress
from stemsplit.errors import ModelError, StemsplitError
from stemsplit.hub.resolve import resolve

DEFAULT_MODEL = "htdemucs"
FALLBACK_MODEL = "spectral"

_log = logging.getLogger(__name__)


def open_session(
    model: str | None, options: SeparationOptions, runtime: Runtime, *, offline: bool, quiet: bool
) -> Session:
    """The loaded model with everything that the jobs of a run share.

    A model that was named is that model or an error. If none was named and the default can be
    neither found nor downloaded, the built-in one takes its place, and `Session.notes` says so.

    Raises:
        ModelError: the named model could not be had.
        UnknownStemError: `options` name a stem that the model does not have.
    """

    def load(name: str) -> Session:
        source = resolve(name, offline=offline, quiet=quiet)
        ensemble = load_ensemble(source, options, runtime.device)
        return Session(ensemble=ensemble, runtime=runtime, options=options)

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
) -> Iterator[JobResult]:
    """The result of each job, in order. A job that fails does not stop the others."""
    for job in jobs:
        on_start(job)
        try:
            yield run_job(job, session, on_progress=on_progress)
        except StemsplitError as error:
            _log.debug("%s failed", job.song.path, exc_info=True)
            yield JobResult(input=job.song.path, status="failed", error=str(error))
        except Exception as error:  # a defect of ours must not take the rest of the night with it
            _log.debug("%s failed unexpectedly", job.song.path, exc_info=True)
            message = f"unexpected {type(error).__name__}: {error} (run with --debug for details)"
            yield JobResult(input=job.song.path, status="failed", error=message)
