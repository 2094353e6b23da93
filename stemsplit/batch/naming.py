"""Songs of one name, such as a.flac and a.wav: each gets a place of its own.

With the default template their stems would meet in one folder. A song keeps the place where it is
finished or was begun, so that nothing finished is orphaned or done again: the record that lies
there knows its original. Others that would meet get names that tell them apart. So what a song is
called depends on the other songs of a run only until it has a record.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

from stemsplit.audio.source import hash_file
from stemsplit.batch.collisions import Identifier
from stemsplit.batch.discover import Song
from stemsplit.batch.job import Job, Session, plan_record
from stemsplit.batch.record import read_record
from stemsplit.batch.template import DEFAULT_TEMPLATE, finer_templates
from stemsplit.errors import AudioReadError


class Kinship(IntEnum):
    """How sure it is that a record is about a song."""

    NONE = 0
    """It is about another one, whose stems must stay."""
    MOVED = 1
    """Its original had the same file name, and is not there any more."""
    CONTENT = 2
    """Its original had the same bytes."""
    FILE = 3
    """Its original is the same file, under another path."""
    PATH = 4
    """Its original is there where the song is."""


def kinship(record: Mapping[str, Any], song: Path, digest: Callable[[Path], str]) -> Kinship:
    """How the record is related to a song. `digest` is asked only where the path does not tell."""
    recorded = _text(record, "input", "path")
    if recorded is not None:
        if Path(recorded) == song.absolute():
            return Kinship.PATH
        # A record may hold any text: ValueError is for a NUL in it.
        with suppress(OSError, ValueError):
            if os.path.samefile(recorded, song):  # noqa: PTH121 - Path raises the same
                return Kinship.FILE
    with suppress(AudioReadError):
        if _text(record, "fingerprint", "input_sha256") == digest(song):
            return Kinship.CONTENT
    is_gone = recorded is None or not _exists(recorded)
    if is_gone and (recorded is None or Path(recorded).name == song.name):
        return Kinship.MOVED
    return Kinship.NONE


def name_apart(jobs: Sequence[Job], session: Session) -> list[Job]:
    """The jobs in their order; of those that would meet by the default template, finer ones."""
    todo = {
        number: job
        for number, job in enumerate(jobs)
        if job.template == DEFAULT_TEMPLATE and job.song.problem is None
    }
    namer = _Namer(session)
    named = namer.recorded(todo)
    named |= namer.fresh({number: job for number, job in todo.items() if number not in named})
    return [named.get(number, job) for number, job in enumerate(jobs)]


@dataclass(frozen=True, slots=True)
class _Claim:
    """That the record at `place` may be about job `number`, if it is named as `job` is."""

    number: int
    job: Job
    place: str
    kinship: Kinship


class _Namer:
    """Gives places to jobs, one after the other: those with records first."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._identify = Identifier()
        self._digest = functools.cache(hash_file)
        self._occupied: set[str] = set()
        self._owners: dict[str, Job] = {}
        """The song that a record is about, as if it were in the run, by its place."""

    def recorded(self, jobs: Mapping[int, Job]) -> dict[int, Job]:
        """The jobs that have records, under the names that they have there."""
        claims = [claim for number, job in jobs.items() for claim in self._claims(number, job)]
        sure = [claim for claim in claims if claim.kinship > Kinship.MOVED]
        named: dict[int, Job] = {}
        places: set[str] = set()

        def settle(claim: _Claim) -> None:
            if claim.number not in named and claim.place not in places:
                named[claim.number] = claim.job
                places.add(claim.place)

        for claim in sorted(sure, key=lambda claim: -claim.kinship):
            settle(claim)
        moved = [
            claim
            for claim in claims
            if claim.kinship is Kinship.MOVED and claim.number not in named
        ]
        rivals = Counter(claim.place for claim in moved)
        for claim in moved:
            if rivals[claim.place] == 1:
                settle(claim)
        return named

    def fresh(self, jobs: Mapping[int, Job]) -> dict[int, Job]:
        """The other jobs, under names that no record and no other job has."""
        groups: dict[str, list[int]] = {}
        for number, job in jobs.items():
            groups.setdefault(self._place(job), []).append(number)
        named: dict[int, Job] = {}
        # Whoever meets nobody is first, and keeps the plain name.
        for place, numbers in sorted(groups.items(), key=lambda group: len(group[1])):
            owner = [self._owners[place]] if place in self._owners else []
            for template in finer_templates(DEFAULT_TEMPLATE):
                finer = [
                    replace(job, template=template) for job in [jobs[n] for n in numbers] + owner
                ]
                places = [self._place(job) for job in finer]
                own_places = set(places[: len(numbers)])
                if len(set(places)) == len(places) and not own_places & self._occupied:
                    named.update(zip(numbers, finer, strict=False))
                    self._occupied |= own_places
                    break
        return named

    def _claims(self, number: int, job: Job) -> Iterator[_Claim]:
        for template in finer_templates(job.template):
            named = replace(job, template=template)
            file = plan_record(named, self._session)
            record = read_record(file)
            if record is None:
                continue
            place = self._identify(file)
            self._occupied.add(place)
            found = kinship(record, job.song.path, self._digest)
            if found:
                yield _Claim(number, named, place, found)
            elif (original := _text(record, "input", "path")) and "\0" not in original:
                owner = Song(Path(original), job.song.subfolder)
                self._owners[place] = replace(job, song=owner)
            if found is Kinship.PATH:
                return

    def _place(self, job: Job) -> str:
        return self._identify(plan_record(job, self._session))


def _text(record: Mapping[str, Any], part: str, key: str) -> str | None:
    values = record.get(part)
    text = values.get(key) if isinstance(values, dict) else None
    return text if isinstance(text, str) else None


def _exists(path: str) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:
        return False
