"""`stemsplit bench`: how fast models are on this machine, each measured in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from stemsplit.audio.file_names import display_path
from stemsplit.cli.bench_measure import Request
from stemsplit.cli.bench_process import SLACK_SECONDS, in_its_time, run_measurement
from stemsplit.cli.bench_results import Measurement, store
from stemsplit.cli.options.declare import like, option, takes
from stemsplit.cli.options.measured import MEASURED
from stemsplit.cli.options.running import DeviceOptions, MessageOptions, NetworkOptions
from stemsplit.cli.options.wanted import ModelOptions
from stemsplit.cli.printer.command_events import BenchEnded, Measuring, Talk
from stemsplit.cli.printer.sink import Show, preparing, printing
from stemsplit.engine.note import Note
from stemsplit.errors import ModelError
from stemsplit.hub.catalog import DEFAULT_MODEL, FALLBACK_MODEL
from stemsplit.hub.expression import resolve_expression

DEFAULT_BUDGET_SECONDS = 90.0


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchOptions:
    """What is measured, and for how long."""

    models: tuple[str, ...] = like(
        ModelOptions,
        "models",
        (),
        panel=MEASURED,
        help="May be given several times.",
        show_default="htdemucs, if it is on this machine, and spectral",
    )
    devices: tuple[str, ...] = like(
        DeviceOptions,
        "device",
        (),
        panel=MEASURED,
        help="May be given several times.",
        show_default="auto",
    )
    seconds: float | None = option(
        None,
        panel=MEASURED,
        least=0.1,
        metavar="SECONDS",
        help="Music in each pass, rounded up to whole chunks, of which the first is finished "
        "whatever the budget.",
        show_default="what there is time for, 60 at most",
    )
    budget: float = option(
        DEFAULT_BUDGET_SECONDS,
        panel=MEASURED,
        least=1,
        metavar="SECONDS",
        help="Time for all measurements together. What is not done "
        f"{SLACK_SECONDS:.0f} seconds later is stopped.",
    )


@takes(without={"device", "batch_size", "verbose"})
def bench(
    asked: BenchOptions,
    device: DeviceOptions,
    network: NetworkOptions,
    messages: MessageOptions,
) -> None:
    """Measure how fast models are on this machine, and how much memory they take.

    The results are kept, and `stemsplit models list` shows them.
    """
    with printing(as_json=messages.json, quiet=messages.quiet) as show:
        requests = [
            Request(
                reference=reference,
                model=name,
                device=each,
                precision=device.precision,
                num_threads=device.threads,
                music_seconds=asked.seconds,
                folder=str(Path.cwd()),
                debug=messages.debug,
            )
            for reference, name in _models(asked.models, show, offline=network.offline)
            for each in asked.devices or ("auto",)
        ]
        until = time.time() + asked.budget  # to fetch a model takes nothing of it
        if not _measure(requests, until, show):
            raise typer.Exit(1)


def _measure(requests: Sequence[Request], until: float, show: Show) -> bool:
    """Whether each model could be measured on its device; what was measured is kept."""
    measured = []
    try:
        for index, request in enumerate(requests):
            request = in_its_time(request, until, len(requests) - index)
            show(Measuring(request.model, request.device, request.until - request.launched))
            result = run_measurement(request)
            show(result)
            if isinstance(result, Measurement):
                measured.append(result)
    finally:  # what was measured before an interruption counts, too
        if measured:
            show(BenchEnded(measured))
            file = display_path(store(measured))
            show(Talk(f"Kept in {file}; `stemsplit models list` shows the speeds."))
    return len(measured) == len(requests)


def _models(references: Sequence[str], show: Show, *, offline: bool) -> Iterator[tuple[str, str]]:
    """What loads each model, and what it is called in the results; all are on this machine then.

    Without references: the default model, if it is on this machine, and the built-in ones.

    Raises:
        ModelError: one of the references could not be had.
    """
    if references:
        yield from [_fetched(reference, show, offline=offline) for reference in references]
        return
    for name in (DEFAULT_MODEL, FALLBACK_MODEL):
        try:
            yield _fetched(name, show, offline=True)
        except ModelError as error:
            show(Note(f"{name} is not measured: {error}"))


def _fetched(reference: str, show: Show, *, offline: bool) -> tuple[str, str]:
    """The same of one model, downloaded if need be, which is not a part of what is measured."""
    ensemble = resolve_expression(reference, offline=offline, on_stage=preparing(show))
    for file in (each for source in ensemble.models for each in source.files):
        file.fetch()
    source, *others = ensemble.models
    if others:
        return reference, ensemble.name
    if source.entry is not None:
        return reference, source.entry.name
    return reference if reference.startswith("hf://") else source.origin, source.origin
