"""One track done: locked, separated, written, recorded.

The order makes every moment safe to be killed in: the lock; what a killed run left is removed; the
outputs are completed under temporary names; the record is written, which knows both the new files
and those that they replace; the outputs get their names; what no longer belongs to them is removed.
"""

from __future__ import annotations

import functools
import logging
import time
from contextlib import closing
from dataclasses import replace

import torch

from stemsplit.audio.stretch import Stretch
from stemsplit.audio.tags.tag_reader import read_tags
from stemsplit.audio.tags.tagger import Tagger
from stemsplit.audio.write.choose_writer import new_writer
from stemsplit.audio.write.output_files import check_target, new_temporary, remove_temporaries
from stemsplit.audio.write.stem_mp4 import StemFileWriter
from stemsplit.audio.write.writer import StemWriter, WritePolicy, WriteReport
from stemsplit.batch.background import BackgroundCalls
from stemsplit.batch.earlier import earlier_outputs, is_settled, settle
from stemsplit.batch.events import Progressed, RunListener, Staged, Started
from stemsplit.batch.job import Job, TrackPlan
from stemsplit.batch.lock import has_lock_file, track_lock
from stemsplit.batch.new_record import new_record, with_files
from stemsplit.batch.record_file import read_record, write_record
from stemsplit.batch.redo import Redo
from stemsplit.batch.results import JobResult
from stemsplit.device.cancel import Check, never
from stemsplit.engine.chain import ChainSeparation
from stemsplit.engine.enrolment import Reference, enrolled
from stemsplit.engine.named_arrays import SeparatedBlock
from stemsplit.engine.record import TrackRecord
from stemsplit.engine.separation_plan import SeparationPlan
from stemsplit.engine.session import Session
from stemsplit.stages import Stage, unheard

_MAX_WAITING_BLOCKS = 2

_log = logging.getLogger(__name__)


def run_job(
    job: Job,
    session: Session,
    *,
    show: RunListener = unheard,
    check: Check = never,
) -> JobResult:
    """Separates one track and writes its stems and its record.

    A track that an earlier run finished with the same input, model and options is skipped. What a
    killed run left of the track is removed first. `show` is called with what happens, but for the
    end. `check` is called for each block: what it raises ends the work, and nothing is left of it.

    Raises:
        StemsplitError: the input cannot be read, or the outputs cannot be written.
        TrackBusyError: another process is at work on the track.
    """
    plan = TrackPlan.of(job, session)
    previous = read_record(plan.record_file)
    # A lock file may belong to a run that was killed, and then there is something to clean up.
    is_untouched = is_settled(previous) and not has_lock_file(plan.record_file)
    if is_untouched and plan.action(previous) == "skip":
        return _skipped(plan, previous)
    with track_lock(plan.record_file):
        folders = {plan.folder, *(path.parent for path in plan.outputs.values())}
        if num_parts := remove_temporaries(folders, plan.key):
            _log.info("Removed %d temporary files of a run that was killed", num_parts)
        previous = read_record(plan.record_file)
        if plan.action(previous) == "skip":
            # Another process was faster, or was killed just before the end.
            settle(plan.record_file)
            return _skipped(plan, previous)
        show(Started(job))
        plan = replace(plan, mixture=plan.mixture.watched(check))
        return _separate(plan, session, previous, show, check)


def _skipped(plan: TrackPlan, record: TrackRecord | None) -> JobResult:
    """The result for a track that an earlier run finished, with what that run found suspicious."""
    return JobResult(
        input=plan.job.song.input,
        status="skipped",
        outputs=plan.outputs,
        checks=None if record is None else record.checks,
    )


def _separate(
    plan: TrackPlan,
    session: Session,
    previous: TrackRecord | None,
    show: RunListener,
    check: Check,
) -> JobResult:
    started = time.monotonic()
    redo = Redo.of(plan, previous)

    def on_stage(stage: Stage) -> None:
        show(Staged(plan.job, stage))

    check_target(plan.record_file, may_replace=True)  # its name may be too long
    if plan.job.reference is not None:
        voice = Reference.of_file(plan.job.reference)
        session = replace(session, chain=enrolled(session.chain, voice))
    track = session.chain.scan(plan.mixture, sample_rate=plan.job.sample_rate, on_stage=on_stage)
    separation = ChainSeparation(
        track,
        session.chain,
        session.runtime,
        new_spool=lambda: new_temporary(plan.folder, plan.key),
        on_progress=lambda progress: show(Progressed(plan.job, progress)),
        on_stage=on_stage,
    )
    tagger = _tagger(plan) if plan.job.tags else None
    with _new_writer(plan, track, previous) as writer:
        _write(separation, writer)
        on_stage(Stage(kind="writing", name=track.mixture.name))
        report = writer.finish(tagger, check)
        plan.check_input()
        result = replace(
            _result(plan, separation, report, tagger),
            seconds=time.monotonic() - started,
            redone=previous is not None,
        )
        record = new_record(plan, result, track, session)
        _publish(writer, plan, with_files(record, plan, writer.temporaries, previous))
        settled = settle(plan.record_file)
    return replace(result, warnings=(*redo.words(settled), *result.warnings))


def _result(
    plan: TrackPlan, separation: ChainSeparation, report: WriteReport, tagger: Tagger | None
) -> JobResult:
    """What became of the track, but for how long it took."""
    track, checks = separation.song, separation.checks
    return JobResult(
        input=plan.job.song.input,
        status="done",
        outputs=plan.outputs,
        duration_seconds=track.num_samples / track.sample_rate,
        gain_db=report.gain_db,
        residual_db=checks.residual_db,
        warnings=(
            *separation.warnings,
            *checks.notes,
            *report.warnings,
            *(tagger.warnings if tagger else ()),
        ),
        checks=checks.for_record(),
    )


def _new_writer(
    plan: TrackPlan, track: SeparationPlan, previous: TrackRecord | None
) -> StemWriter | StemFileWriter:
    return new_writer(
        plan.outputs,
        encoding=plan.job.encoding,
        sample_rate=track.sample_rate,
        channels=track.channels,
        num_samples=track.num_samples,
        policy=WritePolicy(
            clip=plan.job.clip, may_replace=plan.replaceable(previous), key=plan.key
        ),
    )


def _write(separation: ChainSeparation, writer: StemWriter | StemFileWriter) -> None:
    """Separates the track into files that do not bear their final names yet."""
    # The next chunk need not wait for the disk, or for an encoder that knows its gain already.
    with (
        BackgroundCalls(max_waiting=_MAX_WAITING_BLOCKS) as background,
        closing(separation.blocks()) as blocks,
    ):
        for block in blocks:
            background(functools.partial(_write_block, block, writer))


def _write_block(block: SeparatedBlock, writer: StemWriter | StemFileWriter) -> None:
    for name, array in block.items():
        writer.write(name, torch.from_numpy(array))


def _publish(writer: StemWriter | StemFileWriter, plan: TrackPlan, record: TrackRecord) -> None:
    """Writes the record, then renames the outputs."""
    write_record(plan.record_file, record.to_json())
    try:
        writer.publish()
    except BaseException:
        # The new record knows the old outputs too; without any of ours there is nothing to know.
        if not earlier_outputs(record, plan.folder, [], own_set=""):
            plan.record_file.unlink(missing_ok=True)
        raise


def _tagger(plan: TrackPlan) -> Tagger:
    song = plan.job.song
    tags = read_tags(song.path)
    if song.track is not None:
        tags = tags.of_track(song.track.tags, is_whole=song.track.stretch == Stretch(start=0))
    return Tagger(tags, song.name, plan.job.encoding)
