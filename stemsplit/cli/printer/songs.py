"""What is said at the end: what is where on stdout, words on stderr."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from stemsplit.audio.addresses import with_scheme
from stemsplit.audio.file_names import display_path
from stemsplit.cli.printer.console import (
    CAUTION,
    FAILED,
    NOTE,
    about,
    clock,
    elapsed,
    put,
    say,
    shown,
    stdout,
)
from stemsplit.cli.printer.tables import print_indented, print_table
from stemsplit.quoting import counted

if TYPE_CHECKING:
    from stemsplit.batch.results import JobResult, PlannedTrack
    from stemsplit.cli.printer.command_events import DemoScored, DryRun


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

    def __str__(self) -> str:
        redone = f" ({self.redone} of them again)" if self.redone else ""
        return f"{self.done} done{redone}, {self.skipped} skipped, {self.failed} failed."


def print_warnings(result: JobResult) -> None:
    """What nobody must miss of a song, on stderr."""
    for warning in result.warnings:
        say(f"{NOTE} {about(result.input, warning)}")
    if result.suspicions and result.status == "done":
        say(f"[{CAUTION}]Probably failed:[/] {_suspicion(result)}")
    if result.error is not None:
        say(f"{FAILED} {about(result.input, result.error)}")


def print_results(
    results: Sequence[JobResult], *, lists_files: bool, verbose: bool = False
) -> None:
    """Where everything is, in a line on stdout for each song, and how the songs ended on stderr.

    Of a batch, only what this run has done is listed: the rest would be most of a library.
    `verbose`: also how much the stems of each song leave over.
    """
    for result in results:
        if result.status == "done" or (result.status == "skipped" and len(results) == 1):
            line = _song_line(result, verbose=verbose)
            if lists_files:
                put(stdout(), line)
            elif remarks := _remarks(result, verbose=verbose):
                say(f"{shown(Path(result.input.name))}:{remarks}")
    if len(results) > 1:
        _print_totals(results)


def _song_line(result: JobResult, *, verbose: bool) -> Text:
    """What became of a song, where it is and how long it took."""
    name = Text(display_path(result.input.name), "bold")
    paths = [_place(path) for path in result.outputs.values()]
    what = display_path(paths[0])
    if len(paths) > 1:
        folder = Path(os.path.commonpath([path.parent for path in paths]))
        files = ", ".join(display_path(path.relative_to(folder)) for path in paths)
        what = f"{files} in {display_path(folder)}"
    if result.status == "skipped":
        return Text.assemble(name, f": already done: {what} (--overwrite separates it again)")
    took = f"{elapsed(result.duration_seconds)} in {elapsed(result.seconds)}"
    remarks = _remarks(result, verbose=verbose)
    return Text.assemble(name, f": {what} ({took}){'.' if remarks else ''}{remarks}")


def _place(path: Path) -> Path:
    """A path as stdout should show it: who reads a log may be in another folder."""
    return path if stdout().is_terminal else path.absolute()


def _remarks(result: JobResult, *, verbose: bool) -> str:
    """What happened to the level, in sentences that each begin with a space."""
    remarks = ""
    if result.gain_db:
        remarks += f" All stems were lowered by {-result.gain_db:.2f} dB so that none clips."
    # Where it is bad it is a suspicion, which nobody has to ask for.
    if verbose and result.residual_db is not None:
        remarks += f" The stems leave over {result.residual_db:.1f} dB of the mixture."
    return remarks


def _print_totals(results: Sequence[JobResult]) -> None:
    """How many songs ended how, and once more what is wrong with some: the rest is far above."""
    say(str(Totals.of(results)))
    suspicious = [result for result in results if result.suspicions]
    if suspicious:
        songs = f"{len(suspicious)} of {counted(len(results), 'song')}"
        say(f"[{CAUTION}]{songs} probably failed:[/]")
    for result in suspicious:
        say(f"  {_suspicion(result)}")
    failed = [result for result in results if result.status == "failed"]
    if failed:
        say(f"[bold red]{len(failed)} of {counted(len(results), 'song')} failed:[/]")
    for result in failed:
        say(f"  {about(result.input, result.error or '')}")


def _suspicion(result: JobResult) -> str:
    """A song that was separated, and why one should listen to it, as rich markup."""
    return about(result.input, " ".join(result.suspicions))


_ACTIONS = {"new": "new", "redo": "again", "skip": "skip: done", "fail": "would fail"}


def print_dry_run(dry_run: DryRun) -> None:
    """A table on stdout: what would become of each song, and where; and what it comes to."""
    print_table(
        ("song", "what", "folder", "length"),
        [
            (
                with_scheme(track.input),
                _ACTIONS[track.action],
                "" if track.action == "fail" else os.fsdecode(_place(track.folder)),
                "?" if track.duration_seconds is None else clock(track.duration_seconds),
            )
            for track in dry_run.tracks
        ],
        right=("length",),
        wraps=("song", "folder"),
    )
    for track in dry_run.tracks:
        if track.error is not None:
            say(f"[bold red]Would fail:[/] {about(track.input, track.error)}")
        elif track.reason is not None:
            say(f"Again: {about(track.input, track.reason)}")
    counts = [
        f"{number} {label}"
        for action, label in _ACTIONS.items()
        if (number := sum(track.action == action for track in dry_run.tracks))
    ]
    say(f"{counted(len(dry_run.tracks), 'song')}: {', '.join(counts)}.")
    say(
        f"{clock(planned_seconds(dry_run.tracks))} of music to separate, about "
        f"{clock(dry_run.estimated_seconds)} of work (an estimate, from the measured time of one "
        "chunk). Nothing was written."
    )


def print_demo(scored: DemoScored) -> None:
    """A table of how well each stem was separated, and where it all is."""
    rows = [
        (
            each.stem,
            _decibels(each.sdr),
            _decibels(each.mixture_sdr),
            os.fsdecode(_place(each.file)),
        )
        for each in scored.scores
    ]
    figures = ("SDR", "mixture's SDR")
    print_table(("stem", *figures, "file"), rows, right=figures)
    print_indented("", f"The song and its true sources: {os.fsdecode(_place(scored.song))}")


def _decibels(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} dB"


def planned_seconds(planned: Sequence[PlannedTrack]) -> float:
    """The length of all songs that would be separated, as far as it is known."""
    return sum(
        track.duration_seconds or 0.0 for track in planned if track.action in ("new", "redo")
    )
