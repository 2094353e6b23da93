"""What a run would do, without doing it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence

import torch

from stemsplit.audio.write.output_files import check_target
from stemsplit.batch.job import Job, TrackPlan
from stemsplit.batch.record_file import read_record
from stemsplit.batch.redo import Redo
from stemsplit.batch.results import PlannedTrack
from stemsplit.device.runtime import Runtime
from stemsplit.engine.enrolment import Reference, enrolled, needs_reference
from stemsplit.engine.ensemble import Ensemble
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.ranges import choose_range
from stemsplit.engine.scan import scan
from stemsplit.engine.separate import separate_blocks
from stemsplit.engine.session import Session
from stemsplit.errors import StemsplitError

_RATE = 48_000


def plan_tracks(jobs: Sequence[Job], session: Session) -> Iterator[PlannedTrack]:
    """What would become of each job, as far as can be seen without decoding it."""
    for job in jobs:
        try:
            yield _planned(TrackPlan.of(job, session), session)
        except StemsplitError as error:
            yield PlannedTrack(
                input=job.song.input, folder=job.output_dir, action="fail", error=str(error)
            )


def _planned(plan: TrackPlan, session: Session) -> PlannedTrack:
    record = read_record(plan.record_file)
    action = plan.action(record)
    if action != "skip":
        check_target(plan.record_file, may_replace=True)
        may_replace = plan.replaceable(record)
        for path in plan.outputs.values():
            check_target(path, may_replace=may_replace(path))
    mixture = plan.mixture
    num_samples = mixture.info.num_samples if mixture.info else None
    if num_samples is not None:
        num_samples = len(choose_range(mixture, num_samples))
    return PlannedTrack(
        input=plan.job.song.input,
        folder=plan.folder,
        action=action,
        duration_seconds=None if num_samples is None else num_samples / mixture.sample_rate,
        passes=max(len(bag.grouping(mixture.channels).groups) for bag in session.model.bags),
        reason=Redo.of(plan, record).reason if action == "redo" else None,
    )


def estimate_seconds(planned: Sequence[PlannedTrack], session: Session) -> float:
    """Roughly how long the work would take: the measured time of a chunk, for each chunk.

    Decoding and writing are left out, and tracks of unknown length count as nothing.
    """
    todo = [track for track in planned if track.action in ("new", "redo")]
    if not todo:
        return 0.0
    seconds = 0.0
    chain = session.chain
    if needs_reference(chain):  # any voice takes as long as any other
        chain = enrolled(chain, Reference(samples=torch.randn(1, _RATE), sample_rate=_RATE))
    for model, options in chain.stages:
        hop_seconds = model.hop_seconds(options)
        num_hops = sum(
            track.passes * math.ceil((track.duration_seconds or 0.0) / hop_seconds)
            for track in todo
        )
        seconds += num_hops * _seconds_per_hop(model, session.runtime, options)
    return seconds


def _seconds_per_hop(model: Ensemble, runtime: Runtime, options: SeparationOptions) -> float:
    """How long all networks take for one of the longest chunks, filled with noise."""
    seconds = _time_noise(model, runtime, options)
    # What was quick was mostly warming up; what was slow needs no second look.
    return _time_noise(model, runtime, options) if seconds < 1 else seconds


def _time_noise(model: Ensemble, runtime: Runtime, options: SeparationOptions) -> float:
    num_samples = round(model.hop_seconds(options) * model.sample_rate)
    noise = torch.randn(2, num_samples, generator=torch.Generator().manual_seed(0))  # [C, T]
    mixture = Mixture.from_array(0.1 * noise, model.sample_rate)
    started = time.perf_counter()
    plan = scan(mixture, model, options)
    for _ in separate_blocks(plan, runtime, meters=plan.new_meters()):
        pass
    return time.perf_counter() - started
