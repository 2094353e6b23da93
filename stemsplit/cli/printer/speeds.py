"""The table of `stemsplit bench`."""

from __future__ import annotations

import os
from pathlib import Path

from stemsplit.cli.bench_results import Measurement, shown_speed
from stemsplit.cli.printer.command_events import BenchEnded
from stemsplit.cli.printer.console import escaped, say
from stemsplit.cli.printer.tables import print_table

_GIB = 1 << 30


def print_measurements(ended: BenchEnded) -> None:
    """The table on stdout, and on stderr what its columns mean."""
    measured = ended.measurements
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
