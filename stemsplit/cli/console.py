"""How a run talks: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

if TYPE_CHECKING:
    from stemsplit.batch.job import JobResult


def say(message: str) -> None:
    """Prints rich markup on stderr."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(message)


def shown(path: Path) -> str:
    """A path that any terminal can print, with nothing in it read as markup."""
    from stemsplit.audio.info import display_path

    return escape(display_path(path))


def make_reporter(*, as_json: bool, quiet: bool) -> Reporter:
    """The reporter that fits what was asked for and what stderr is."""
    if as_json:
        return JsonReporter()
    if quiet:
        return Reporter()
    return TerminalReporter() if sys.stderr.isatty() else LineReporter()


class Reporter:
    """Says only what went wrong. `share` is how much of the current song is done, in [0, 1]."""

    def note(self, message: str) -> None:
        """Something that the user must not miss."""
        say(f"[bold yellow]Note:[/] {escape(message)}")

    def begin(self, durations: Sequence[float]) -> None:
        """Called once, with the length of every song in seconds (0: unknown)."""

    def start(self, path: Path) -> None:
        """Called when work on a song begins."""

    def progress(self, share: float) -> None:
        """Called whenever more of the current song is done."""

    def finish(self, result: JobResult) -> None:
        """Called once per song."""
        for warning in result.warnings:
            self.note(f"{result.input}: {warning}")
        if result.error is not None:
            say(f"[bold red]Failed:[/] {shown(result.input)}: {escape(result.error)}")

    def end(self, results: Sequence[JobResult]) -> None:
        """Called once, after the last song or when the run was interrupted."""


class LineReporter(Reporter):
    """Plain lines, for logs and pipes: one for each tenth of a song."""

    def __init__(self) -> None:
        self._tenths = 0
        self._path = Path()
        self._num_songs = 0
        self._num_started = 0

    def begin(self, durations: Sequence[float]) -> None:
        self._num_songs = len(durations)

    def start(self, path: Path) -> None:
        self._path = path
        self._tenths = 0
        self._num_started += 1
        say(f"{self._num_started} of {self._num_songs}: {shown(path)}")

    def progress(self, share: float) -> None:
        tenths = int(share * 10)
        if tenths > self._tenths:
            self._tenths = tenths
            say(f"  {tenths * 10} %")

    def finish(self, result: JobResult) -> None:
        super().finish(result)
        if result.status == "skipped":
            say("  already done: skipped (--overwrite separates it again)")

    def end(self, results: Sequence[JobResult]) -> None:
        print_results(results)


class TerminalReporter(Reporter):
    """One bar for the whole run, in seconds of music, so that its end is the run's end."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None)
        self._durations: list[float] = []
        self._num_started = 0

    def begin(self, durations: Sequence[float]) -> None:
        # A song of unknown length counts as an average one.
        known = [seconds for seconds in durations if seconds > 0]
        average = sum(known) / len(known) if known else 1.0
        self._durations = [seconds or average for seconds in durations]
        self._bar.update(self._task, total=sum(self._durations))
        self._bar.start()

    def start(self, path: Path) -> None:
        self._num_started += 1
        count = f"{self._num_started} of {len(self._durations)}: "
        label = (count if len(self._durations) > 1 else "") + shown(Path(path.name))
        self._bar.update(self._task, description=label)

    def progress(self, share: float) -> None:
        done = sum(self._durations[: self._num_started - 1])
        self._bar.update(
            self._task, completed=done + share * self._durations[self._num_started - 1]
        )

    def finish(self, result: JobResult) -> None:
        self.progress(1.0)
        super().finish(result)

    def end(self, results: Sequence[JobResult]) -> None:
        self._bar.stop()
        print_results(results)


class JsonReporter(Reporter):
    """JSON Lines on stdout: note, start, progress, done, skipped, failed and summary events."""

    def __init__(self) -> None:
        self._percent = -1
        self._path = Path()

    def note(self, message: str) -> None:
        super().note(message)
        self._emit("note", message=message)

    def start(self, path: Path) -> None:
        self._path = path
        self._percent = -1
        self._emit("start", input=str(path.absolute()))

    def progress(self, share: float) -> None:
        percent = int(share * 100)
        if percent > self._percent:
            self._percent = percent
            self._emit("progress", input=str(self._path.absolute()), share=round(share, 4))

    def finish(self, result: JobResult) -> None:
        self._emit(result.status, **result.as_json())

    def end(self, results: Sequence[JobResult]) -> None:
        counts = {
            status: sum(result.status == status for result in results)
            for status in ("done", "skipped", "failed")
        }
        self._emit("summary", **counts)

    def _emit(self, event: str, **values: Any) -> None:
        sys.stdout.write(json.dumps({"event": event, "time": time.time(), **values}) + "\n")
        sys.stdout.flush()


def print_results(results: Sequence[JobResult]) -> None:
    """The closing table on stdout: where everything is, how long it is, how fast it went."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("stem", "file"):
        table.add_column(heading, overflow="fold")
    for heading in ("length", "x real time"):
        table.add_column(heading, justify="right")
    for result in results:
        if result.status == "failed":
            continue
        speed = f"{result.realtime_factor:.1f}" if result.status == "done" else "skipped"
        for name, path in result.outputs.items():
            length = clock(result.duration_seconds) if result.status == "done" else ""
            table.add_row(escape(name), shown(path.absolute()), length, speed)
    # A pipe gets whole lines: a path that was folded is no path.
    console = Console(width=None if sys.stdout.isatty() else 10_000, highlight=False)
    if table.row_count:
        console.print(table)
    for result in results:
        for line in _sound_lines(result):
            say(f"{shown(Path(result.input.name))}: {line}")
    failed = [result for result in results if result.status == "failed"]
    if failed and len(results) > 1:
        say(f"{len(failed)} of {len(results)} songs failed.")


def _sound_lines(result: JobResult) -> list[str]:
    """What happened to the level, in words."""
    lines = []
    if result.gain_db:
        lines.append(f"all stems were lowered by {-result.gain_db:.2f} dB so that none clips.")
    if result.residual_db is not None:
        lines.append(f"the stems leave over {result.residual_db:.1f} dB of the mixture.")
    return lines


def clock(seconds: float) -> str:
    """Minutes and seconds, as on a player."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
