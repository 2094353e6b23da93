"""`stemsplit bench`: how fast models are on this machine, each measured in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated

import typer

from stemsplit.audio.file_names import display_path
from stemsplit.cli import options as opt
from stemsplit.cli.bench_process import (
    SLACK_SECONDS,
    Settings,
    Target,
    TimeLimit,
    TooSlowError,
    run_worker,
)
from stemsplit.cli.bench_results import Measurement, store
from stemsplit.cli.completion import complete_devices, complete_models
from stemsplit.cli.numbers import number
from stemsplit.cli.printer.command_events import (
    BenchEnded,
    MeasurementFailed,
    Measuring,
    Talk,
)
from stemsplit.cli.printer.sink import Show, preparing, printing
from stemsplit.cli.usage_checks import check_device
from stemsplit.engine.note import Note
from stemsplit.errors import ModelError, StemsplitError, UsageError
from stemsplit.hub.catalog import load_catalog
from stemsplit.hub.expression import resolve_expression
from stemsplit.hub.presence import files_of

DEFAULT_BUDGET_SECONDS = 90.0

MEASURED = "What to measure"

Models = Annotated[
    list[str] | None,
    opt.option(
        "-m",
        "--model",
        "-n",
        "--name",
        group=MEASURED,
        metavar=opt.MODEL_VALUE,
        help="May be given several times.",
        show_default="htdemucs, if it is on this machine, and spectral",
        autocompletion=complete_models,
    ),
]
Devices = Annotated[
    list[str] | None,
    opt.option(
        "-d",
        "--device",
        group=MEASURED,
        metavar="auto|cpu|cuda[:N]|mps",
        help="May be given several times.",
        show_default="auto",
        autocompletion=complete_devices,
    ),
]
Seconds = Annotated[
    float | None,
    opt.option(
        "--seconds",
        group=MEASURED,
        parser=number("--seconds", 0.1),
        metavar="SECONDS",
        help="Music in each pass, rounded up to whole chunks, of which the first is finished "
        "whatever the budget.",
        show_default="what there is time for, 60 at most",
    ),
]
Budget = Annotated[
    float,
    opt.option(
        "--budget",
        group=MEASURED,
        parser=number("--budget", 1),
        metavar="SECONDS",
        help="Time for all measurements together. What is not done "
        f"{SLACK_SECONDS:.0f} seconds later is stopped.",
    ),
]


def bench(
    model: Models = None,
    device: Devices = None,
    precision: opt.Precision = opt.PrecisionName.auto,
    threads: opt.Threads = None,
    seconds: Seconds = None,
    budget: Budget = DEFAULT_BUDGET_SECONDS,
    offline: opt.Offline = False,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Measure how fast models are on this machine, and how much memory they take.

    The results are kept, and `stemsplit models list` shows them.
    """
    devices = [name.lower() for name in device or ["auto"]]
    for name in devices:
        check_device(name)
    settings = Settings(
        precision=precision.value, num_threads=threads, music_seconds=seconds, debug=debug
    )
    with printing(as_json=as_json, quiet=quiet) as show:
        targets = _fetched(model, show, offline=offline) if model else _defaults(show)
        cases = [(target, name) for target in targets for name in devices]
        if not _measure(cases, settings, time.time() + budget, show):
            raise typer.Exit(1)


def _measure(
    cases: Sequence[tuple[Target, str]], settings: Settings, until: float, show: Show
) -> bool:
    """Whether each model could be measured on its device; what was measured is kept."""
    measured = []
    try:
        for index, (target, device) in enumerate(cases):
            time_limit = TimeLimit.share(until, len(cases) - index)
            show(Measuring(target.model, device, time_limit.until - time.time()))
            result = _attempt(target, device, settings, time_limit)
            show(result)
            if isinstance(result, Measurement):
                measured.append(result)
    finally:  # what was measured before an interruption counts, too
        if measured:
            show(BenchEnded(measured))
            file = display_path(store(measured))
            show(Talk(f"Kept in {file}; `stemsplit models list` shows the speeds."))
    return len(measured) == len(cases)


def _fetched(references: Sequence[str], show: Show, *, offline: bool) -> list[Target]:
    """The models, downloaded if need be, which is not a part of what is measured.

    Raises:
        ModelError: one of them could not be had.
    """
    targets = []
    for reference in references:
        ensemble = resolve_expression(reference, offline=offline, on_stage=preparing(show))
        for file in (each for source in ensemble.models for each in files_of(source)):
            file.fetch()
        source, *others = ensemble.models
        if others:
            targets.append(Target(reference, ensemble.name))
            continue
        name = source.entry.name if source.entry else source.origin
        is_path = source.entry is None and not reference.startswith("hf://")
        targets.append(Target(source.origin if is_path else reference, name))
    return targets


def _defaults(show: Show) -> list[Target]:
    """The default model, if it is on this machine, and the built-in ones."""
    targets = []
    catalog = load_catalog()
    default = next(iter(catalog))
    for name in (default, *(name for name, entry in catalog.items() if entry.repo_id is None)):
        try:
            targets += _fetched([name], show, offline=True)
        except ModelError as error:
            show(Note(f"{name} is not measured: {error}"))
    return targets


def _attempt(
    target: Target, device: str, settings: Settings, time_limit: TimeLimit
) -> Measurement | MeasurementFailed:
    """One measurement. Only what is wrong with the command ends the others as well."""
    try:
        return run_worker(target, device, settings, time_limit)
    except (UsageError, ModelError):
        raise
    except TooSlowError as error:
        return MeasurementFailed(target.model, device, str(error), error.slower_than)
    except StemsplitError as error:
        return MeasurementFailed(target.model, device, str(error))
