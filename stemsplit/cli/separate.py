"""`stemsplit separate`, which is also what `stemsplit INPUT...` runs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stemsplit.cli import options as opt
from stemsplit.cli.console import Reporter, make_reporter
from stemsplit.errors import StemsplitError, UsageError

if TYPE_CHECKING:
    from stemsplit.batch.discover import Song
    from stemsplit.batch.job import Job, JobResult, Session
    from stemsplit.engine.runtime import Runtime


def separate(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT...", help="Songs, and folders of songs.")
    ],
    model: opt.Model = None,
    output: opt.OutputDir = Path("separated"),
    template: Annotated[
        str,
        typer.Option("--template", "--filename", help="Where each stem goes below the output."),
    ] = "{model}/{dir}/{track}/{stem}.{ext}",
    stems: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only these stems, e.g. vocals,drums.")
    ] = None,
    two_stems: Annotated[
        str | None, typer.Option(metavar="STEM", help="STEM and no_STEM, e.g. for karaoke.")
    ] = None,
    complement: Annotated[
        opt.ComplementName,
        typer.Option(
            "--complement",
            "--other-method",
            help="no_STEM is the mixture minus STEM (subtract), the sum of the other stems (sum), "
            "or not written (none).",
        ),
    ] = opt.ComplementName.subtract,
    residual: Annotated[
        bool, typer.Option("--residual", help="Also write the mixture minus all stems.")
    ] = False,
    format_: Annotated[opt.Format, typer.Option("--format", help="Kind of file.")] = (
        opt.Format.wav
    ),
    bit_depth: Annotated[
        opt.BitDepth, typer.Option(help="Bits per sample; 32f is floating point (wav only).")
    ] = opt.BitDepth.int24,
    flac: Annotated[bool, typer.Option("--flac", hidden=True)] = False,
    int24: Annotated[bool, typer.Option("--int24", hidden=True)] = False,
    float32: Annotated[bool, typer.Option("--float32", hidden=True)] = False,
    sample_rate: Annotated[
        str, typer.Option(metavar="source|model|HZ", help="Sample rate of the stems.")
    ] = "source",
    clip: Annotated[
        opt.Clip,
        typer.Option(
            help="If a stem would clip: one gain for all stems (common), cut the peaks (clamp), "
            "or cut and warn (none). Floating point is never touched."
        ),
    ] = opt.Clip.common,
    device: opt.Device = "auto",
    precision: opt.Precision = opt.PrecisionName.auto,
    batch_size: opt.BatchSize = "auto",
    threads: opt.Threads = None,
    overlap: Annotated[
        float | None, typer.Option(help="Share of a chunk in [0, 1); default: the model's, 0.25.")
    ] = None,
    segment: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Chunk length; default: the model's.")
    ] = None,
    shifts: Annotated[
        int, typer.Option(help="Random time shifts to average over; 0: none, as fast as it gets.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="For the random shifts.")] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace outputs that are already there.")
    ] = False,
    offline: opt.Offline = False,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    debug: opt.Debug = False,
) -> None:
    """Split songs into stems."""
    from stemsplit.audio.encode import Encoding
    from stemsplit.batch.discover import discover
    from stemsplit.batch.job import Job, check_collisions
    from stemsplit.batch.local import open_session
    from stemsplit.batch.template import check_template
    from stemsplit.engine.options import SeparationOptions

    set_up_logging(verbose=verbose, debug=debug)
    wanted = SeparationOptions(
        stems=None if stems is None else tuple(_names(stems)),
        two_stems=two_stems,
        complement=complement.canonical,  # type: ignore[arg-type]
        residual=residual,
        shifts=shifts,
        seed=seed,
        overlap=overlap,
        segment_seconds=segment,
        sample_rate=_sample_rate(sample_rate),
    )
    encoding = Encoding(
        container="flac" if flac else format_.value,
        subtype="32f" if float32 else "24" if int24 else bit_depth.value,
    )
    check_template(template)
    runtime = make_runtime(device, precision, batch_size, threads)
    reporter = make_reporter(as_json=json, quiet=quiet)
    found = discover(inputs)
    if found.num_skipped and not quiet:
        reporter.note(f"{found.num_skipped} files in the folders are not audio: passed over.")
    session = open_session(model, wanted, runtime, offline=offline, quiet=quiet or json)
    for note in session.notes:
        reporter.note(note)
    jobs = [
        Job(
            song=song,
            output_dir=output,
            template=template,
            encoding=encoding,
            clip=clip.value,
            overwrite=overwrite,
        )
        for song in found.songs
    ]
    check_collisions(jobs, session)
    results = run_with_reporter(jobs, session, reporter)
    if any(result.status == "failed" for result in results):
        raise typer.Exit(1)


def run_with_reporter(jobs: Sequence[Job], session: Session, reporter: Reporter) -> list[JobResult]:
    """Runs the jobs, telling `reporter` about each step; the results in order."""
    from stemsplit.batch.local import run_jobs

    results: list[JobResult] = []
    reporter.begin([_duration(job.song) for job in jobs])
    try:
        for result in run_jobs(
            jobs,
            session,
            on_start=lambda job: reporter.start(job.song.path),
            on_progress=lambda progress: reporter.progress(progress.share),
        ):
            results.append(result)
            reporter.finish(result)
    finally:
        reporter.end(results)
    return results


def make_runtime(
    device: str, precision: opt.PrecisionName, batch_size: str, threads: int | None
) -> Runtime:
    """The runtime that the shared options ask for; sets torch's thread count if one is given."""
    import torch

    from stemsplit.engine.runtime import choose_runtime

    if batch_size != "auto" and not batch_size.isdecimal():
        raise UsageError(f"--batch-size must be auto or a number, got {batch_size!r}.")
    if threads is not None:
        torch.set_num_threads(threads)
    return choose_runtime(
        device=device,
        precision=precision.value,
        batch_size=None if batch_size == "auto" else int(batch_size),
    )


def set_up_logging(*, verbose: bool, debug: bool) -> None:
    """Sends stemsplit's own log messages to stderr."""
    level = logging.DEBUG if debug else logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    logging.getLogger("stemsplit").setLevel(level)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _sample_rate(text: str) -> int | Literal["source", "model"]:
    if text.isdecimal():
        return int(text)
    if text == "source":
        return "source"
    if text == "model":
        return "model"
    raise UsageError(
        f"--sample-rate {text!r} is no rate.", hint="Use source, model or a number of Hz."
    )


def _duration(song: Song) -> float:
    """What the header says, in seconds; 0 if it cannot be read: the job itself will say why."""
    from stemsplit.audio.source import probe

    try:
        info = probe(song.path)
    except StemsplitError:
        return 0.0
    return (info.num_samples or 0) / info.sample_rate
