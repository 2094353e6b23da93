"""What `stemsplit separate` does once PyTorch is loaded: songs are found, separated and shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import typer

from stemsplit.batch.discover import discover
from stemsplit.batch.dry_run import estimate_seconds, plan_tracks
from stemsplit.batch.job import Job, plan_outputs, plan_record
from stemsplit.batch.journal import keep_journal
from stemsplit.batch.references import with_references
from stemsplit.batch.song import Song
from stemsplit.cli.options.asked import SeparateOptions
from stemsplit.cli.pipes import STREAM, check_single, connected, deliver
from stemsplit.cli.preview import run_preview
from stemsplit.cli.printer.command_events import DryRun, Waiting
from stemsplit.cli.printer.sink import Show
from stemsplit.cli.process import prepare_to_compute
from stemsplit.cli.remarks import note_band, note_passed_over, note_rate, note_suspects
from stemsplit.cli.report import can_show, offer, write_pages
from stemsplit.cli.rounds import end_without_songs, run_rounds, settle_names
from stemsplit.device.runtime import Runtime
from stemsplit.engine.choice import choose_model
from stemsplit.engine.plan import RunPlan
from stemsplit.engine.session import Session, open_session, runtimes_of


def separate_songs(
    ctx: typer.Context, asked: SeparateOptions, plans: Sequence[RunPlan], show: Show
) -> None:
    """Does what is asked, by each plan if it is a preview, else by the one."""
    prepare_to_compute(asked.device.threads)
    runtimes = runtimes_of(plans[0])
    plans = [choose_model(plan, runtimes[0].device) for plan in plans]
    inputs, folder = ctx.with_resource(connected(asked.inputs, asked.folder))
    note_rate(asked.files, show)
    journal = ctx.with_resource(keep_journal(folder, read_only=asked.dry_run))
    note_suspects(journal.suspects, show)
    show(Waiting("Looking for songs"))
    found = discover(inputs, journal)
    note_passed_over(found, show)
    if all(song.problem for song in found.songs):  # needs no model
        end_without_songs(found.songs, folder, show, dry_run=asked.dry_run)
    jobs = [_job(song, folder, asked) for song in found.songs]
    if asked.reference is not None:
        jobs = with_references(jobs, asked.reference)
    sessions = _opened(plans, runtimes, show)
    to_stdout = asked.folder == STREAM
    if asked.preview:
        results, records = run_preview(jobs, sessions, show, journal)
    else:
        session = next(sessions)
        jobs = settle_names(jobs, session, show)
        if to_stdout:
            check_single([name for job in jobs for name in plan_outputs(job, session)])
        if asked.dry_run:
            _dry_run(jobs, session, show)
            return
        results = run_rounds([(jobs, session)], show, journal)
        records = {plan_record(job, session) for job in jobs}
    if to_stdout:
        deliver(results)
    failures = {result.input: result.error for result in results if result.error is not None}
    if asked.with_pages:
        pages = asked.pages
        written = write_pages(folder, show, embed=pages.embed, wanted=records, failures=failures)
        is_wanted = asked.preview and can_show() if pages.open_page is None else pages.open_page
        offer(written, open_page=is_wanted)
    if failures:
        raise typer.Exit(1)


def _job(song: Song, folder: Path, asked: SeparateOptions) -> Job:
    files = asked.files
    return Job(
        song=song,
        output_dir=folder,
        template=files.template,
        encoding=files.encoding(),
        clip=files.clip_policy(),
        sample_rate=files.output_rate(),
        excerpt=asked.excerpt,
        tags=not files.no_tags,
        overwrite=files.overwrite,
    )


def _opened(plans: Sequence[RunPlan], runtimes: Sequence[Runtime], show: Show) -> Iterator[Session]:
    """The models of each plan, loaded when it is their turn."""
    for plan in plans:
        session = open_session(plan, runtimes=runtimes, on_stage=show)
        for note in session.notes:
            show(note)
        note_band(session.model, show)
        yield session


def _dry_run(jobs: Sequence[Job], session: Session, show: Show) -> None:
    planned = list(plan_tracks(jobs, session))
    show(DryRun(planned, estimate_seconds(planned, session)))
    if any(track.action == "fail" for track in planned):
        raise typer.Exit(1)
