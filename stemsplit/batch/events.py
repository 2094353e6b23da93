"""What happens to the jobs of a run, as it happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what an event is can be known without torch
    from stemsplit.batch.job import Job
    from stemsplit.batch.results import JobResult
    from stemsplit.engine.separate import Progress
    from stemsplit.stages import Stage


@dataclass(frozen=True, slots=True)
class Started:
    """Work on a track begins. One that an earlier run finished never starts."""

    job: Job


@dataclass(frozen=True, slots=True)
class Staged:
    """What comes before a track's first chunk or after its last has come so far."""

    job: Job
    stage: Stage


@dataclass(frozen=True, slots=True)
class Progressed:
    """More of a track's chunks are done."""

    job: Job
    progress: Progress


@dataclass(frozen=True, slots=True)
class Busy:
    """Another process is at work on the track, which is looked at again later."""

    job: Job


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a job: each has one of these, and it is the last."""

    job: Job
    result: JobResult


Event = Started | Staged | Progressed | Busy | Finished

RunListener = Callable[[Event], None]
