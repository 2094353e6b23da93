"""What is said at the end: tables on stdout, words on stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stemsplit.cli.console import clock, plain, say, shown
from stemsplit.quoting import counted

if TYPE_CHECKING:
    from stemsplit.batch.job import JobResult
    from stemsplit.batch.preview import Preview


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
    """How many songs ended how, and once more what is wrong with some: the rest is far above."""
    say(str(Totals.of(results)))
    suspicious = [result for result in results if result.suspicions]
    if suspicious:
        say(
            f"[bold yellow]{len(suspicious)} of {counted(len(results), 'song')} probably failed:[/]"
        )
    for result in suspicious:
        say(f"  {suspicion(result)}")
    failed = [result for result in results if result.status == "failed"]
    if failed:
        say(f"[bold red]{len(failed)} of {counted(len(results), 'song')} failed:[/]")
    for result in failed:
        say(f"  {shown(result.input)}: {plain(result.error or '')}")


def _sound_lines(result: JobResult) -> list[str]:
    """What happened to the level, in words."""
    lines = []
    if result.gain_db:
        lines.append(f"all stems were lowered by {-result.gain_db:.2f} dB so that none clips.")
    if result.residual_db is not None:
        lines.append(f"the stems leave over {result.residual_db:.1f} dB of the mixture.")
    return lines


def suspicion(result: JobResult) -> str:
    """A song that was separated, and why one should listen to it, as rich markup."""
    return f"{shown(result.input)}: {plain(' '.join(result.suspicions))}"


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
            say(f"[bold red]Would fail:[/] {shown(preview.input)}: {plain(preview.error)}")
        elif preview.reason is not None:
            say(f"Again: {shown(preview.input)}: {plain(preview.reason)}")
    counts = [
        f"{number} {label}"
        for action, label in _ACTIONS.items()
        if (number := sum(preview.action == action for preview in previews))
    ]
    say(f"{counted(len(previews), 'song')}: {', '.join(counts)}.")
    say(
        f"{clock(planned_seconds(previews))} of music to separate, about "
        f"{clock(estimated_seconds)} of work (an estimate, from the measured time of one chunk). "
        "Nothing was written."
    )


def print_page(path: Path) -> None:
    """Where a page is, on stdout."""
    from stemsplit.audio.info import display_path

    typer.echo(display_path(path.absolute()))


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
