"""Runs jobs in this process, a few at a time."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

from stemsplit.audio.write.output_files import remove_folders
from stemsplit.batch.attempt import attempt, is_suspect
from stemsplit.batch.events import Busy, Finished, RunListener
from stemsplit.batch.job import Job, plan_outputs, plan_record
from stemsplit.batch.journal import ReadingJournal
from stemsplit.batch.results import JobResult
from stemsplit.batch.workers import Notify, Workers
from stemsplit.device.cancel import Cancellation
from stemsplit.device.hardware import cpu_memory, num_usable_cores
from stemsplit.engine.bag import Bag
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.session import Session
from stemsplit.stages import unheard

_POLL_SECONDS = 0.5

_SAMPLE_BYTES = 4
_MANY = 1000  # chunks, of a song that is longer than any batch


def run_jobs(
    jobs: Sequence[Job],
    session: Session,
    show: RunListener = unheard,
    journal: ReadingJournal | None = None,
) -> list[JobResult]:
    """The result of each job, once all are done. One that fails does not stop the others.

    `show` is called with everything that happens, in this thread. What it hears of tracks that are
    worked on side by side interleaves. On a GPU several are (`tracks_at_once`): their networks take
    turns at the device (`device.queue`), while everything else goes on beside it. They finish in
    the order of the jobs, but for songs that an earlier process may have died of (`journal`) and
    tracks that another process is at work on: these come last, once the other has finished them, or
    else done here.

    What `show` raises, or a KeyboardInterrupt, ends the run: all tracks are stopped, and nothing is
    left of the unfinished ones.
    """
    if journal is not None:
        jobs = sorted(jobs, key=partial(is_suspect, journal))
    missing_folders = _missing_folders(jobs, session)
    results: list[JobResult] = []

    def finish(job: Job, result: JobResult) -> None:
        results.append(result)
        show(Finished(job, result))

    waiting = []
    try:
        with closing(_attempt_all(jobs, session, show, journal)) as attempts:
            for job, result in attempts:
                if result is not None:
                    finish(job, result)
                else:
                    show(Busy(job))
                    waiting.append(job)
        while waiting:
            time.sleep(_POLL_SECONDS)
            for job in list(waiting):
                result = attempt(job, session, show, journal)
                if result is not None:
                    waiting.remove(job)
                    finish(job, result)
    finally:
        # A track removes its own folders if it fails, but cannot while there is another one's in.
        remove_folders(missing_folders)
    return results


def tracks_at_once(session: Session, num_cores: int, free_bytes: int | None) -> int:
    """How many tracks it takes to keep one device busy.

    On a CPU one: network and encoders use all cores by themselves, and two tracks were no faster
    (four songs of 40 s on two cores: 28.1 s to wav and 38.0 s to mp3 one by one, 29.4 and 38.4 s
    side by side). A GPU computes faster than a core decodes and encodes, so there each core gets a
    track, as long as half of the free memory holds what they have on the way.
    """
    if session.runtime.device.type == "cpu":
        return 1
    num_fitting = num_cores if free_bytes is None else free_bytes // 2 // _track_bytes(session)
    return max(2, min(num_cores, num_fitting))


def _track_bytes(session: Session) -> int:
    """Roughly what a track takes: chunks and estimates on their way, and as much for all else."""
    runtime = session.runtime

    def bytes_of(bag: Bag, options: SeparationOptions) -> int:
        return max(
            runtime.queue.num_in_flight
            * runtime.call_for(member.model, (), num_chunks=_MANY).batch_size
            * bag.policy(member.model, options).chunk_samples
            * bag.num_channels
            * (1 + sum(weight != 0 for weight in member.weights))
            * _SAMPLE_BYTES
            for member in bag.members
        )

    # A model of the chain comes after the other, but the parts of one are run side by side.
    return 2 * max(
        sum(bytes_of(bag, options) for bag in model.bags) for model, options in session.chain.stages
    )


def _attempt_all(
    jobs: Sequence[Job],
    session: Session,
    show: RunListener,
    journal: ReadingJournal | None,
) -> Generator[tuple[Job, JobResult | None], None, None]:
    """What became of the jobs, in their order; None if another process is at work on a track."""
    sessions = session.on_each_device()
    places = _places(sessions, len(jobs))
    if len(places) == 1:  # takes no threads
        for job in jobs:
            yield job, attempt(job, session, show, journal)
        return
    left: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(jobs)):
        left.put(number)
    results: dict[int, JobResult | None] = {}

    def work(on_device: Session, tell: Notify, cancellation: Cancellation) -> None:
        with suppress(queue.Empty):
            while True:
                number = left.get_nowait()
                told = partial(tell, show)
                result = attempt(jobs[number], on_device, told, journal, cancellation.check)
                tell(results.__setitem__, number, result)

    def wake() -> None:
        for on_device in sessions:
            on_device.runtime.queue.abandon()

    with Workers([partial(work, on_device) for on_device in places], wake=wake) as workers:
        next_number = 0
        for _ in workers:
            while next_number in results:
                yield jobs[next_number], results.pop(next_number)
                next_number += 1


def _places(sessions: Sequence[Session], num_jobs: int) -> list[Session]:
    """The session of each thread; the devices take turns, so that few jobs are shared out too."""
    num_cores, memory = num_usable_cores() // len(sessions), cpu_memory()
    share = None if memory is None else memory.free_bytes // len(sessions)
    rounds = max(tracks_at_once(each, num_cores, share) for each in sessions)
    return [session for _ in range(rounds) for session in sessions][:num_jobs]


def _missing_folders(jobs: Sequence[Job], session: Session) -> list[Path]:
    """Folders that are not there yet and may be made for the jobs, outermost first."""
    folders = {
        path.parent
        for job in jobs
        for path in (plan_record(job, session), *plan_outputs(job, session).values())
    }
    missing = {
        parent
        for folder in folders
        for parent in (folder, *folder.parents)
        if not os.path.exists(parent)  # noqa: PTH110 - a name that is too long raises nothing yet
    }
    return sorted(missing, key=lambda path: len(path.parts))
