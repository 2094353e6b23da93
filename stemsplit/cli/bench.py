"""`stemsplit bench`: how fast models are on this machine, each measured in a process of its own.

With `--json`, one object per line, with `schema` (1), `event` and `time` as in the events of
`stemsplit separate`:

    note      message
    measured  the fields of `bench_results.Measurement`
    failed    model device error slower_than

`slower_than`: x real time, where one chunk took longer than there was time for; else null.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from stemsplit.cli import options as opt
from stemsplit.cli.bench_process import (
    SLACK_SECONDS,
    Settings,
    Target,
    TimeLimit,
    TooSlowError,
    run_worker,
)
from stemsplit.cli.bench_results import Measurement, shown_speed, store
from stemsplit.cli.completion import complete_devices, complete_models
from stemsplit.cli.numbers import number
from stemsplit.cli.printer.console import escaped, plain, say, shown
from stemsplit.cli.printer.json_lines import emit
from stemsplit.cli.printer.person import Reporter, make_reporter
from stemsplit.cli.printer.progress_line import stages_shown
from stemsplit.cli.printer.tables import print_table
from stemsplit.cli.usage_checks import check_device
from stemsplit.errors import ModelError, StemsplitError, UsageError
from stemsplit.hub.catalog import load_catalog
from stemsplit.hub.expression import resolve_expression
from stemsplit.hub.presence import files_of
from stemsplit.quoting import counted

DEFAULT_BUDGET_SECONDS = 90.0

_GIB = 1 << 30

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
    reporter = make_reporter(as_json=as_json, quiet=True)
    quiet = quiet or as_json
    devices = [name.lower() for name in device or ["auto"]]
    for name in devices:
        check_device(name)
    targets = _fetched(model, offline=offline, quiet=quiet) if model else _defaults(reporter)
    settings = Settings(
        precision=precision.value, num_threads=threads, music_seconds=seconds, debug=debug
    )
    cases = [(target, name) for target in targets for name in devices]
    results: list[Measurement | Failure] = []
    until = time.time() + budget
    try:
        for index, (target, name) in enumerate(cases):
            time_limit = TimeLimit.share(until, len(cases) - index)
            if not quiet:
                about = counted(round(time_limit.until - time.time()), "second")
                say(f"{escaped(target.model)} on {escaped(name)}: about {about}")
            results.append(_attempt(target, name, settings, time_limit))
            _report(results[-1], as_json=as_json)
    finally:  # what was measured before an interruption counts, too
        measured = [result for result in results if isinstance(result, Measurement)]
        if measured:
            _conclude(measured, as_json=as_json, quiet=quiet)
    if len(measured) < len(results):
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class Failure:
    """A measurement that did not come about. `slower_than`: x real time, if so much is known."""

    model: str
    device: str
    error: str
    slower_than: float | None = None


def _fetched(references: Sequence[str], *, offline: bool, quiet: bool) -> list[Target]:
    """The models, downloaded if need be, which is not a part of what is measured.

    Raises:
        ModelError: one of them could not be had.
    """
    targets = []
    for reference in references:
        with stages_shown(quiet=quiet) as on_stage:
            ensemble = resolve_expression(reference, offline=offline, on_stage=on_stage)
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


def _defaults(reporter: Reporter) -> list[Target]:
    """The default model, if it is on this machine, and the built-in ones."""
    targets = []
    catalog = load_catalog()
    default = next(iter(catalog))
    for name in (default, *(name for name, entry in catalog.items() if entry.repo_id is None)):
        try:
            targets += _fetched([name], offline=True, quiet=True)
        except ModelError as error:
            reporter.note(f"{name} is not measured: {error}")
    return targets


def _attempt(
    target: Target, device: str, settings: Settings, time_limit: TimeLimit
) -> Measurement | Failure:
    """One measurement. Only what is wrong with the command ends the others as well."""
    try:
        return run_worker(target, device, settings, time_limit)
    except (UsageError, ModelError):
        raise
    except TooSlowError as error:
        return Failure(target.model, device, str(error), error.slower_than)
    except StemsplitError as error:
        return Failure(target.model, device, str(error))


def _report(result: Measurement | Failure, *, as_json: bool) -> None:
    if isinstance(result, Failure):
        say(f"[bold red]Failed:[/] {plain(result.error)}")
    if as_json:
        emit("failed" if isinstance(result, Failure) else "measured", **asdict(result))


def _conclude(measured: Sequence[Measurement], *, as_json: bool, quiet: bool) -> None:
    """Prints the table, if it is wanted, and keeps the results."""
    if not as_json:
        print_measurements(measured)
    file = store(measured)
    if not quiet:
        say(f"Kept in {shown(file)}; `stemsplit models list` shows the speeds.")


def print_measurements(measured: Sequence[Measurement]) -> None:
    """The table on stdout, and on stderr what its columns mean."""
    header = ["model", "device", "precision", "speed", "ready", "first stems", "memory GiB"]
    on_gpu = any(each.device_peak_bytes is not None for each in measured)
    rows = [_cells(each) for each in measured]
    if on_gpu:
        header.append("on GPU GiB")
    else:
        rows = [row[:-1] for row in rows]
    print_table(header, rows, right=header[3:], spare=("ready", "first stems", "precision"))
    machine = {f"{each.device}: {each.device_name}" for each in measured}
    say(f"{escaped('; '.join(sorted(machine)))}; torch {measured[0].torch_version}")
    say("speed: x real time; ready, first stems: seconds from the start of the program")


def _cells(measurement: Measurement) -> list[str]:
    ready = measurement.import_seconds + measurement.load_seconds
    return [
        _short_name(measurement.model),
        _device(measurement),
        measurement.precision,
        shown_speed(measurement.realtime_factor),
        f"{ready:.1f} s",
        f"{ready + measurement.first_chunk_seconds:.1f} s",
        _memory(measurement.peak_bytes),
        _memory(measurement.device_peak_bytes),
    ]


def _short_name(model: str) -> str:
    """A name in the catalogue as it is, a path without its folders, owner/repo@ and 8 digits."""
    if os.path.isabs(model):  # noqa: PTH117 - a path of this system
        return Path(model).name
    name, at, commit = model.partition("@")
    return f"{name}{at}{commit[:8]}"


def _device(measurement: Measurement) -> str:
    if measurement.device != "cpu":
        return measurement.device
    threads = "thread" if measurement.num_threads == 1 else "threads"
    return f"cpu ({measurement.num_threads} {threads})"


def _memory(num_bytes: int | None) -> str:
    return "-" if num_bytes is None else f"{num_bytes / _GIB:.2f}"
