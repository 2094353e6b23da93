"""How a run talks while it goes on."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from stemsplit.cli.console import plain, say, shown, stderr
from stemsplit.cli.summary import print_page, print_plan, print_previews, print_results, suspicion
from stemsplit.errors import one_line

if TYPE_CHECKING:
    from stemsplit.batch.job import JobResult
    from stemsplit.batch.preview import Preview


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


class Reporter:
    """Says only what went wrong. `share` is how much of a song is done, in [0, 1].

    Several songs may be under way at once, but its methods are called one after the other.
    """

    def note(self, message: str) -> None:
        """Something that the user must not miss."""
        self.say(f"[bold yellow]Note:[/] {plain(message)}")

    def say(self, message: str) -> None:
        """Prints one line of rich markup on stderr."""
        say(message)

    def planned(self, previews: Sequence[Preview], estimated_seconds: float) -> None:
        """Called instead of all that follows, if nothing is to be done but to say what would be."""
        print_previews(previews)
        print_plan(previews, estimated_seconds)

    def begin(self, durations: Mapping[Path, float | None]) -> None:
        """Called with the length of every song in seconds (None: unknown), for each round."""

    def start(self, path: Path) -> None:
        """Called when work on a song begins. Songs that are skipped never start."""

    def progress(self, path: Path, share: float) -> None:
        """Called whenever more of a song is done."""

    def busy(self, path: Path) -> None:
        """Called when another process is at work on a song, which is looked at again later."""

    def finish(self, result: JobResult) -> None:
        """Called once per song."""
        for warning in result.warnings:
            self.note(f"{result.input}: {warning}")
        if result.suspicions and result.status == "done":
            self.say(f"[bold yellow]Probably failed:[/] {suspicion(result)}")
        if result.error is not None:
            self.say(f"[bold red]Failed:[/] {shown(result.input)}: {plain(result.error)}")

    def end(self, results: Sequence[JobResult]) -> None:
        """Called once, after the last song or when the run was interrupted."""

    def page(self, path: Path, *, error: str | None = None) -> None:
        """Called after all that for each page that was written, or could not be written."""
        if error is not None:
            self.say(f"[bold red]Failed:[/] {shown(path)}: {plain(error)}")


class LineReporter(Reporter):
    """Plain lines, for logs and pipes: one for each tenth of a song."""

    def __init__(self, *, lists_files: bool) -> None:
        self._lists_files = lists_files
        self._places: dict[Path, str] = {}
        self._tenths: dict[Path, int] = {}

    def begin(self, durations: Mapping[Path, float | None]) -> None:
        self._places = _places(durations)

    def start(self, path: Path) -> None:
        self._tenths[path] = 0
        say(f"{self._places[path]}: {shown(path)}")

    def progress(self, path: Path, share: float) -> None:
        tenths = int(share * 10)
        if tenths > self._tenths[path]:
            self._tenths[path] = tenths
            of_which = f" of {shown(path)}" if len(self._places) > 1 else ""
            say(f"  {tenths * 10} %{of_which}")

    def busy(self, path: Path) -> None:
        say(f"{shown(path)}: another stemsplit is at work on it; looked at again at the end.")

    def finish(self, result: JobResult) -> None:
        super().finish(result)
        if result.status == "skipped":
            say(
                f"{self._places[result.input]}: {shown(result.input)}: already done: skipped "
                "(--overwrite separates it again)"
            )

    def end(self, results: Sequence[JobResult]) -> None:
        print_results(results, lists_files=self._lists_files)

    def page(self, path: Path, *, error: str | None = None) -> None:
        super().page(path, error=error)
        if error is None:
            print_page(path)


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
            console=stderr(),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None)
        self._durations: dict[Path, float] = {}
        self._shares: dict[Path, float] = {}
        self._completed_seconds = 0.0
        self._places: dict[Path, str] = {}
        self._under_way: list[Path] = []

    def begin(self, durations: Mapping[Path, float | None]) -> None:
        self._shares = dict.fromkeys(durations, 0.0)
        self._completed_seconds = 0.0
        self._places = _places(durations)
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
        self._under_way.append(path)
        self._show_oldest()

    def progress(self, path: Path, share: float) -> None:
        # A running sum: to add up a library of songs would take a millisecond each time.
        self._completed_seconds += (share - self._shares[path]) * self._durations[path]
        self._shares[path] = share
        self._bar.update(self._task, completed=self._completed_seconds)

    def finish(self, result: JobResult) -> None:
        self.progress(result.input, 1.0)
        if result.input in self._under_way:  # was not skipped
            self._under_way.remove(result.input)
            self._show_oldest()
        super().finish(result)

    def _show_oldest(self) -> None:
        """Names the song that was begun first: it has the network, the others what goes beside."""
        if not self._under_way:
            return
        path = self._under_way[0]
        count = f"{self._places[path]}: " if len(self._places) > 1 else ""
        self._bar.update(self._task, description=count + one_line(path.name))

    def end(self, results: Sequence[JobResult]) -> None:
        self._bar.stop()
        print_results(results, lists_files=self._lists_files)

    def page(self, path: Path, *, error: str | None = None) -> None:
        super().page(path, error=error)
        if error is None:
            print_page(path)


def _places(songs: Iterable[Path]) -> dict[Path, str]:
    """The place of each song in the run: "2 of 9"."""
    paths = list(songs)
    return {path: f"{number} of {len(paths)}" for number, path in enumerate(paths, start=1)}
