"""`stemsplit separate`, which is also what `stemsplit INPUT...` runs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from stemsplit.audio.formats import Encoding
from stemsplit.batch.results import JobResult, PlannedTrack
from stemsplit.batch.template import DEFAULT_TEMPLATE, check_template
from stemsplit.cli import from_demucs
from stemsplit.cli import options as opt
from stemsplit.cli.formats import agreed, choose_sample_rate, parse_bitrate
from stemsplit.cli.pipes import STREAM, check_single, connected, deliver, is_stdout
from stemsplit.cli.printer.command_events import DryRun, NothingToRun, Remark, Waiting
from stemsplit.cli.printer.console import set_up_logging
from stemsplit.cli.printer.sink import Show, printing
from stemsplit.cli.process import importing, prepare_to_compute
from stemsplit.cli.report import PREVIEW_FOLDER, can_show, offer, write_pages
from stemsplit.cli.rounds import run_rounds, settle_names
from stemsplit.cli.usage_checks import (
    check_device,
    check_models,
    check_one_output,
    check_output,
    check_preview,
    hopeless,
    parse_batch_size,
)
from stemsplit.engine.excerpt import Excerpt
from stemsplit.engine.note import Note
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.plan import RunPlan
from stemsplit.engine.preference import Preference
from stemsplit.engine.steps import parse_step
from stemsplit.errors import UsageError
from stemsplit.hub.catalog import DEFAULT_MODEL
from stemsplit.quoting import counted, listed

if TYPE_CHECKING:
    from stemsplit.batch.discover import Discovery
    from stemsplit.batch.job import Job
    from stemsplit.batch.song import Song
    from stemsplit.engine.session import Session


def separate(
    ctx: typer.Context,
    inputs: opt.Inputs = None,
    models: opt.Models = None,
    quality: opt.Quality = None,
    licence: opt.Licence = None,
    stems: opt.Stems = None,
    two_stems: opt.TwoStems = None,
    complement: opt.Complement = opt.ComplementName.subtract,
    then: opt.Then = None,
    mix: opt.Mixes = None,
    residual: opt.Residual = False,
    sum_to_mix: opt.SumToMix = False,
    start: opt.Start = "0",
    end: opt.End = None,
    track: opt.Track = 1,
    output: opt.OutputDir = Path("separated"),
    template: opt.Template = DEFAULT_TEMPLATE,
    format_: opt.Format = None,
    bit_depth: opt.BitDepth = None,
    bitrate: opt.Bitrate = None,
    codec: opt.Codec = None,
    mp3: opt.Mp3 = False,
    mp3_bitrate: opt.Mp3Bitrate = None,
    flac: opt.Flac = False,
    int24: opt.Int24 = False,
    float32: opt.Float32 = False,
    no_tags: opt.NoTags = False,
    overwrite: opt.Overwrite = False,
    report: opt.Report = False,
    embed: opt.Embed = False,
    open_page: opt.OpenPage = None,
    sample_rate: opt.SampleRate = "source",
    clip: opt.Clip = None,
    dither: opt.Dither = False,
    lfe: opt.Lfe = None,
    device: opt.Device = "auto",
    precision: opt.Precision = opt.PrecisionName.auto,
    batch_size: opt.BatchSize = "auto",
    threads: opt.Threads = None,
    overlap: opt.Overlap = None,
    segment: opt.Segment = None,
    shifts: opt.Shifts = 0,
    seed: opt.Seed = 0,
    dry_run: opt.DryRun = False,
    preview: opt.Preview = False,
    jobs_: opt.Jobs = None,
    no_split: opt.NoSplit = False,
    mp3_preset: opt.Mp3Preset = None,
    clip_mode: opt.ClipMode = None,
    list_models: opt.ListModels = False,
    repo: opt.Repo = None,
    signature: opt.Signature = None,
    offline: opt.Offline = False,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    debug: opt.Debug = False,
) -> None:
    """Split songs into stems.

    Options that people know from demucs (--two-stems, --mp3, --other-method, -n, ...) work as well.
    """
    set_up_logging(verbose=verbose, debug=debug)
    if list_models:
        from_demucs.print_models(repo)
        return
    if not inputs:
        raise UsageError("No song was named.", hint="Example: stemsplit song.mp3")
    encoding = Encoding(
        container=agreed(  # type: ignore[arg-type]
            format=format_ and format_.value,
            flac="flac" if flac else None,
            mp3="mp3" if mp3 else None,
        )
        or "wav",
        subtype=agreed(  # type: ignore[arg-type]
            bit_depth=bit_depth and bit_depth.value,
            int24="24" if int24 else None,
            float32="32f" if float32 else None,
        ),
        codec=codec and codec.value,  # type: ignore[arg-type]
        bitrate=parse_bitrate(agreed(bitrate=bitrate, mp3_bitrate=mp3_bitrate)),
        dither=dither,
    )
    wanted = SeparationOptions(
        stems=None if stems is None else tuple(_names(stems)),
        two_stems=two_stems,
        complement=complement.canonical,  # type: ignore[arg-type]
        residual=residual,
        sum_to_mix=sum_to_mix,
        mixes=tuple(mix or ()),
        lfe=lfe,
        stem_file=encoding.container == "stem.mp4",
        shifts=shifts,
        seed=seed,
        overlap=overlap,
        segment_seconds=segment,
    )
    excerpt = Excerpt(
        start_seconds=opt.seconds("--start", start),
        end_seconds=None if end is None else opt.seconds("--end", end),
        audio_track=track,
    )
    output_rate = choose_sample_rate(sample_rate, encoding)
    template = check_template(from_demucs.template_of_ours(template))
    models = from_demucs.models_in(repo, models, signature)
    if preview:
        check_preview(dry_run=dry_run, start=start != "0", end=end is not None)
        output = output if output == STREAM else output / PREVIEW_FOLDER
    elif len(models) > 1:
        raise UsageError(
            f"--model was given {len(models)} times: {', '.join(models)}.",
            hint="Give one, or add --preview to compare them.",
        )
    with_pages = report or preview
    if (embed or open_page) and not with_pages:
        raise UsageError(
            f"{'--embed' if embed else '--open'} is about a page, and none was asked for.",
            hint="Add --report or --preview.",
        )
    clip_policy = from_demucs.clip_policy(clip and clip.value, clip_mode and clip_mode.value)
    check_device(device)
    check_output(output)
    preference = Preference(
        quality=None if quality is None else quality.value,
        permissive=licence is not None,
    )
    plan = RunPlan(
        preference=preference,
        options=wanted,
        then=tuple(map(parse_step, then or ())),
        offline=offline,
        devices=device.lower(),
        precision=precision.value,
        batch_size=parse_batch_size(batch_size),
    )
    to_stdout = is_stdout(output, prints=json or dry_run or with_pages)
    show = ctx.with_resource(
        printing(as_json=json, quiet=quiet, verbose=verbose, lists_files=not to_stdout)
    )
    for remark in from_demucs.useless_options(
        jobs=jobs_,
        no_split=no_split,
        mp3_preset=mp3_preset,
        clip_mode=clip_mode and clip_mode.value,
    ):
        show(Remark(remark))
    if problems := hopeless(inputs):
        _report_problems(problems, output, show, dry_run=dry_run)
    is_default = not models and preference == Preference()
    known = [DEFAULT_MODEL] if is_default else models
    check_models(known, plan)
    if to_stdout:
        check_one_output(inputs, known, wanted)
    show(Waiting("Loading PyTorch"))
    with importing():
        from stemsplit.batch.discover import discover
        from stemsplit.batch.job import Job, plan_outputs, plan_record
        from stemsplit.batch.journal import keep_journal
        from stemsplit.cli.preview import run_preview
        from stemsplit.engine.choice import choose_model
        from stemsplit.engine.session import open_session, runtimes_of

    prepare_to_compute(threads)
    runtimes = runtimes_of(plan)
    plans = [
        choose_model(replace(plan, model=name), runtimes[0].device) for name in models or (None,)
    ]
    inputs, output = ctx.with_resource(connected(inputs, output))
    if encoding.only_sample_rate and sample_rate == "source":
        rate = encoding.only_sample_rate
        show(Remark(f"The stems have a sample rate of {rate} Hz, the only one of {encoding}."))
    journal = ctx.with_resource(keep_journal(output, read_only=dry_run))
    if journal.suspects:
        show(Note(_suspicion(journal.suspects)))
    show(Waiting("Looking for songs"))
    found = discover(inputs, journal)
    _note_passed_over(found, show)
    if all(song.problem for song in found.songs):
        _report_problems(found.songs, output, show, dry_run=dry_run)  # needs no model

    def open_noted(plan: RunPlan) -> Session:
        session = open_session(plan, runtimes=runtimes, on_stage=show)
        for note in session.notes:
            show(note)
        return session

    jobs = [
        Job(
            song=song,
            output_dir=output,
            template=template,
            encoding=encoding,
            clip=clip_policy,
            sample_rate=output_rate,
            excerpt=excerpt,
            tags=not no_tags,
            overwrite=overwrite,
        )
        for song in found.songs
    ]
    if preview:
        results, records = run_preview(jobs, map(open_noted, plans), show, journal)
    else:
        session = open_noted(plans[0])
        jobs = settle_names(jobs, session, show)
        if to_stdout:
            check_single([name for job in jobs for name in plan_outputs(job, session)])
        if dry_run:
            _dry_run(jobs, session, show)
            return
        results = run_rounds([(jobs, session)], show, journal)
        records = {plan_record(job, session) for job in jobs}
        if to_stdout:
            deliver(results)
    failures = {r.input: r.error for r in results if r.error is not None}
    if with_pages:
        written = write_pages(output, show, embed=embed, wanted=records, failures=failures)
        offer(written, open_page=preview and can_show() if open_page is None else open_page)
    if failures:
        raise typer.Exit(1)


def _note_passed_over(found: Discovery, show: Show) -> None:
    from stemsplit.audio.file_names import display_path

    if found.num_skipped:
        files = counted(found.num_skipped, "file in the folders is", "files in the folders are")
        show(Remark(f"{files} not audio: passed over."))
    if found.num_ours:
        files = counted(found.num_ours, "file is an output", "files are outputs")
        show(Remark(f"{files} of earlier runs: passed over."))
    if found.sheets:
        what = "cuts a file into tracks, if you name it"
        if len(found.sheets) > 1:
            what = "cut files into tracks, if you name them"
        names = listed(map(display_path, found.sheets))
        show(Remark(f"{names} {what}: `stemsplit {shlex.quote(str(found.sheets[0]))}`."))
    for note in found.notes:
        show(Note(note))
    for folder in found.unreadable:
        show(Note(f"{folder} may not be read by this user: passed over."))
    for link in found.dangling:
        show(Note(f"{link} is a link to nothing: passed over."))


def _suspicion(suspects: Sequence[Path]) -> str:
    from stemsplit.audio.file_names import display_path

    names = listed(map(display_path, suspects))
    return f"An earlier run died while reading {names}: tried last, in a process of its own."


def _report_problems(songs: Sequence[Song], output: Path, show: Show, *, dry_run: bool) -> NoReturn:
    """Ends a run in which there is nothing to separate."""
    errors = {song.input: str(song.problem) for song in songs}
    if dry_run:
        planned = [
            PlannedTrack(input=path, folder=output, action="fail", error=error)
            for path, error in errors.items()
        ]
        show(DryRun(planned, 0.0))
    else:
        results = [
            JobResult(input=path, status="failed", error=error) for path, error in errors.items()
        ]
        show(NothingToRun(results))
    raise typer.Exit(1)


def _dry_run(jobs: Sequence[Job], session: Session, show: Show) -> None:
    from stemsplit.batch.dry_run import estimate_seconds, plan_tracks

    planned = list(plan_tracks(jobs, session))
    show(DryRun(planned, estimate_seconds(planned, session)))
    if any(track.action == "fail" for track in planned):
        raise typer.Exit(1)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
