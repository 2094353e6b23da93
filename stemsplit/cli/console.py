"""How a run talks: results on stdout, everything else on stderr."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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

from stemsplit.errors import one_line

if TYPE_CHECKING:
    from stemsplit.batch.job import JobResult
    from stemsplit.batch.preview import Preview


def say(message: str) -> None:
    """Prints one line of rich markup on stderr."""
    _stderr().print(one_line(message))


def _stderr() -> Console:
    # Without emoji: a song called :guitar: keeps its name.
    return Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def shown(path: Path) -> str:
    """A path that any terminal can print, with nothing in it read as markup."""
    from stemsplit.audio.info import display_path

    return escape(display_path(path))


def make_reporter(*, as_json: bool, quiet: bool, lists_files: bool = True) -> Reporter:
    """The reporter that fits what was asked for and what stderr is.

    `lists_files`: at the end it prints a table of the outputs on stdout.
    """
    if as_json:
        from stemsplit.cli.json_lines import JsonReporter

        return JsonReporter()
    if quiet:
        return Reporter()
    reporter = TerminalReporter if sys.stderr.isatty() else LineReporter
    return reporter(lists_files=lists_files)


@dataclass(frozen=True, slots=True)
class Totals:
    """How many songs ended in which way; those `redone` are among those `done`."""

    done: int
    redone: int
    skipped: int
    failed: int

    @classmethod
    def of(cls, results: Sequence[JobResult]) -> Totals:
        statuses = [result.status for result in results]
        return cls(
            done=statuses.count("done"),
            redone=sum(result.redone for result in results),
            skipped=statuses.count("skipped"),
            failed=statuses.count("failed"),
        )

    def as_json(self) -> dict[str, int]:
        return asdict(self)

    def __str__(self) -> str:
        redone = f" ({self.redone} of them again)" if self.redone else ""
        return f"{self.done} done{redone}, {self.skipped} skipped, {self.failed} failed."


class Reporter:
    """Says only what went wrong. `share` is how much of the current song is done, in [0, 1]."""

    def note(self, message: str) -> None:
        """Something that the user must not miss."""
        self.say(f"[bold yellow]Note:[/] {escape(message)}")

    def say(self, message: str) -> None:
        """Prints one line of rich markup on stderr."""
        say(message)

    def planned(self, previews: Sequence[Preview], estimated_seconds: float) -> None:
        """Called instead of all that follows, if nothing is to be done but to say what would be."""
        print_previews(previews)
        print_plan(previews, estimated_seconds)

    def begin(self, durations: Mapping[Path, float | None]) -> None:
        """Called once, with the length of every song in seconds (None: unknown)."""

    def start(self, path: Path) -> None:
        """Called when work on a song begins. Songs that are skipped never start."""

    def progress(self, share: float) -> None:
        """Called whenever more of the current song is done."""

    def busy(self, path: Path) -> None:
        """Called when another process is at work on a song, which is looked at again later."""

    def finish(self, result: JobResult) -> None:
        """Called once per song."""
        for warning in result.warnings:
            self.note(f"{result.input}: {warning}")
        if result.error is not None:
            self.say(f"[bold red]Failed:[/] {shown(result.input)}: {escape(result.error)}")

    def end(self, results: Sequence[JobResult]) -> None:
        """Called once, after the last song or when the run was interrupted."""


class LineReporter(Reporter):
    """Plain lines, for logs and pipes: one for each tenth of a song."""

    def __init__(self, *, lists_files: bool) -> None:
        self._lists_files = lists_files
        self._tenths = 0
        self._num_songs = 0
        self._num_finished = 0

    def begin(self, durations: Mapping[Path, float | None]) -> None:
        self._num_songs = len(durations)

    def start(self, path: Path) -> None:
        self._tenths = 0
        say(f"{self._count()}: {shown(path)}")

    def progress(self, share: float) -> None:
        tenths = int(share * 10)
        if tenths > self._tenths:
            self._tenths = tenths
            say(f"  {tenths * 10} %")

    def busy(self, path: Path) -> None:
        say(f"{shown(path)}: another stemsplit is at work on it; looked at again at the end.")

    def finish(self, result: JobResult) -> None:
        super().finish(result)
        if result.status == "skipped":
            say(
                f"{self._count()}: {shown(result.input)}: already done: skipped (--overwrite "
                "separates it again)"
            )
        self._num_finished += 1

    def _count(self) -> str:
        return f"{self._num_finished + 1} of {self._num_songs}"

    def end(self, results: Sequence[JobResult]) -> None:
        print_results(results, lists_files=self._lists_files)


class TerminalReporter(Reporter):
    """One bar for the whole run, in seconds of music, so that its end is the run's end."""

    def __init__(self, *, lists_files: bool) -> None:
        self._lists_files = lists_files
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=_stderr(),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None)
        self._durations: dict[Path, float] = {}
        self._path = Path()
        self._num_finished = 0
        self._finished_seconds = 0.0

    def begin(self, durations: Mapping[Path, float | None]) -> None:
        # A song of unknown length counts as an average one.
        known = [seconds for seconds in durations.values() if seconds]
        average = sum(known) / len(known) if known else 1.0
        self._durations = {
            path: average if seconds is None else seconds for path, seconds in durations.items()
        }
        self._bar.update(self._task, total=sum(self._durations.values()))
        self._bar.start()

    def say(self, message: str) -> None:
        self._bar.console.print(one_line(message))  # above the bar, not into it

    def start(self, path: Path) -> None:
        self._path = path
        count = f"{self._num_finished + 1} of {len(self._durations)}: "
        label = (count if len(self._durations) > 1 else "") + one_line(path.name)
        self._bar.update(self._task, description=label)

    def progress(self, share: float) -> None:
        current = share * self._durations[self._path]
        self._bar.update(self._task, completed=self._finished_seconds + current)

    def finish(self, result: JobResult) -> None:
        self._num_finished += 1
        self._finished_seconds += self._durations[result.input]
        self._bar.update(self._task, completed=self._finished_seconds)
        super().finish(result)

    def end(self, results: Sequence[JobResult]) -> None:
        self._bar.stop()
        print_results(results, lists_files=self._lists_files)


def print_results(results: Sequence[JobResult], *, lists_files: bool) -> None:
    """What was done, in words on stderr, after the table of the outputs on stdout."""
    if lists_files:
        _print_files(results)
    for result in results:
        for line in _sound_lines(result):
            say(f"{shown(Path(result.input.name))}: {line}")
    if len(results) > 1:
        _print_totals(results)


def _print_files(results: Sequence[JobResult]) -> None:
    """The closing table: where everything is, how long it is, how fast it went.

    Of a batch, only what this run has done: the rest would be most of a library.
    """
    table = _table("stem", "file", right=("length", "x real time"))
    for result in results:
        if result.status == "failed" or (result.status == "skipped" and len(results) > 1):
            continue
        speed = f"{result.realtime_factor:.1f}" if result.status == "done" else "skipped"
        for name, path in result.outputs.items():
            length = clock(result.duration_seconds) if result.status == "done" else ""
            table.add_row(escape(name), shown(path.absolute()), length, speed)
    _print_table(table)


def _print_totals(results: Sequence[JobResult]) -> None:
    """How many songs ended how, and once more why those that failed did: the rest is far above."""
    say(str(Totals.of(results)))
    failed = [result for result in results if result.status == "failed"]
    if failed:
        say(f"[bold red]{len(failed)} of {len(results)} songs failed:[/]")
    for result in failed:
        say(f"  {shown(result.input)}: {escape(result.error or '')}")


_ACTIONS = {"new": "new", "redo": "again", "skip": "skip: done", "fail": "would fail"}


def print_previews(previews: Sequence[Preview]) -> None:
    """A table on stdout: what would become of each song, and where."""
    table = _table("song", "what", "folder", right=("length",))
    for preview in previews:
        length = preview.duration_seconds
        table.add_row(
            shown(preview.input),
            _ACTIONS[preview.action],
            "" if preview.action == "fail" else shown(preview.folder.absolute()),
            "?" if length is None else clock(length),
        )
    _print_table(table)


def print_plan(previews: Sequence[Preview], estimated_seconds: float) -> None:
    """What the whole run would come to."""
    for preview in previews:
        if preview.error is not None:
            say(f"[bold red]Would fail:[/] {shown(preview.input)}: {escape(preview.error)}")
    counts = [
        f"{number} {label}"
        for action, label in _ACTIONS.items()
        if (number := sum(preview.action == action for preview in previews))
    ]
    say(f"{len(previews)} songs: {', '.join(counts)}.")
    say(
        f"{clock(planned_seconds(previews))} of music to separate, about "
        f"{clock(estimated_seconds)} of work (an estimate, from the measured time of one chunk). "
        "Nothing was written."
    )


def planned_seconds(previews: Sequence[Preview]) -> float:
    """The length of all songs that would be separated, as far as it is known."""
    return sum(
        preview.duration_seconds or 0.0 for preview in previews if preview.action in ("new", "redo")
    )


def _table(*headings: str, right: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for heading in right:
        table.add_column(heading, justify="right")
    return table


def _print_table(table: Table) -> None:
    # A pipe gets whole lines: a path that was folded is no path.
    width = None if sys.stdout.isatty() else 10_000
    console = Console(width=width, highlight=False, emoji=False)
    if table.row_count:
        console.print(table)


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
