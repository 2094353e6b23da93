"""Songs of one name, such as a.flac and a.wav: each gets a place of its own.

With the default template their stems would meet in one folder. A song keeps the place where it is
finished or was begun, so that nothing finished is orphaned or done again: the record that lies
there knows its original. Others that would meet get names that tell them apart. So what a song is
called depends on the other songs of a run only until it has a record.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from stemsplit.audio.source import hash_file
from stemsplit.batch.collisions import Identifier
from stemsplit.batch.job import Job, plan_record
from stemsplit.batch.originals import Kinship, kinship, recorded_song
from stemsplit.batch.record_file import read_record
from stemsplit.batch.template import DEFAULT_TEMPLATE, finer_templates
from stemsplit.engine.session import Session


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
            found = kinship(record, job.song, self._digest)
            if found:
                yield _Claim(number, named, place, found)
            elif owner := recorded_song(record, job.song.subfolder):
                self._owners[place] = replace(job, song=owner)
            if found is Kinship.PATH:
                return

    def _place(self, job: Job) -> str:
        return self._identify(plan_record(job, self._session))
