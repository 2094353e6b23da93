"""The record of a track that was just separated."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from stemsplit.batch.earlier import earlier_outputs
from stemsplit.batch.fingerprint import set_of
from stemsplit.batch.job import TrackPlan
from stemsplit.batch.originals import recorded_track
from stemsplit.batch.results import JobResult
from stemsplit.batch.written_files import describe
from stemsplit.engine.record import (
    Measured,
    RecordedInput,
    RecordedStep,
    TrackRecord,
    origin_of,
)
from stemsplit.engine.separation_plan import SeparationPlan
from stemsplit.engine.session import Session


def new_record(
    plan: TrackPlan, result: JobResult, track: SeparationPlan, session: Session
) -> TrackRecord:
    """The record of what was done, but for the files."""
    chain, mixture = session.chain, track.mixture
    return TrackRecord(
        model=origin_of(chain.model),
        then=tuple(
            RecordedStep(parent=step.parent, children=step.children, model=origin_of(step.model))
            for step in chain.steps
        ),
        device=str(session.runtime.device),
        precision=chain.precision,
        input=RecordedInput(
            path=plan.job.song.path.absolute(),
            track=recorded_track(plan.job.song, mixture.sample_rate),
            sample_rate=mixture.sample_rate,
            num_channels=mixture.num_channels,
            num_samples=track.source_samples,
            reference=None if plan.job.reference is None else plan.job.reference.absolute(),
        ),
        sample_rate=track.sample_rate,
        num_samples=track.num_samples,
        gain_db=result.gain_db,
        residual_db=result.residual_db,
        checks=result.checks,
        warnings=(*map(str, session.notes), *result.warnings),
        fingerprint=plan.wanted,
        measured=Measured(seconds=round(result.seconds, 3)),
    )


def with_files(
    record: TrackRecord,
    plan: TrackPlan,
    temporaries: Mapping[str, Path],
    previous: TrackRecord | None,
) -> TrackRecord:
    """The record with its outputs, which have temporary names yet, and what earlier runs left.

    `previous`: the record that it replaces.
    """
    outputs = tuple(
        describe(temporary, stem=name, file=os.path.relpath(plan.outputs[name], plan.folder))
        for name, temporary in temporaries.items()
    )
    times = {
        output.file: temporary.stat().st_mtime_ns
        for output, temporary in zip(outputs, temporaries.values(), strict=True)
    }
    return replace(
        record,
        outputs=outputs,
        earlier=earlier_outputs(previous, plan.folder, outputs, set_of(plan.wanted)),
        measured=replace(record.measured, modified_ns=times),
    )
