"""For people: a progress that moves, words on stderr, results on stdout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import singledispatchmethod
from typing import Any

import typer
from rich.text import Text

from stemsplit.batch import events as run
from stemsplit.cli.bench_results import MeasurementFailed
from stemsplit.cli.doctor_checks.finding import Finding
from stemsplit.cli.flags import in_flags
from stemsplit.cli.printer import command_events as events
from stemsplit.cli.printer.catalogue import print_model, print_models
from stemsplit.cli.printer.console import (
    CAUTION,
    FAILED,
    escaped,
    plain,
    say,
    shown,
)
from stemsplit.cli.printer.evaluation import print_comparisons, print_summaries
from stemsplit.cli.printer.findings import print_counts, print_finding, print_topic
from stemsplit.cli.printer.progress import choose_progress
from stemsplit.cli.printer.songs import (
    print_demo,
    print_dry_run,
    print_page,
    print_results,
    print_warnings,
)
from stemsplit.cli.printer.speeds import print_measurements
from stemsplit.cli.streams import note_lost_list
from stemsplit.engine.note import Note
from stemsplit.errors import one_line
from stemsplit.evaluate import evaluation_events as evaluation
from stemsplit.quoting import counted


class PersonPrinter:
    """Has a method for each event whose words depend on its settings, or on what was before.

    `quiet`: only what went wrong, and what was asked for. `verbose`: it says why. `lists_files`: at
    the end it prints on stdout where the outputs are.
    """

    def __init__(
        self, *, quiet: bool = False, verbose: bool = False, lists_files: bool = True
    ) -> None:
        self._quiet, self._verbose, self._lists_files = quiet, verbose, lists_files
        self._progress = choose_progress(quiet=quiet)
        self._loud: list[Note] = []
        self._topic = ""
        self._has_listed = False

    def show(self, event: object) -> None:
        self._progress.show(event)
        self._put_into_words(event)

    def close(self) -> None:
        """Leaves nothing on the terminal that moves."""
        self._progress.stop()
        if self._has_listed:
            note_lost_list()

    def _talk(self, message: str) -> None:
        if not self._quiet:
            say(message)

    @singledispatchmethod
    def _put_into_words(self, event: object) -> None:
        if print_event := _PRINTED.get(type(event)):
            print_event(event)

    @_put_into_words.register
    def _(self, note: Note) -> None:
        if note.is_loud:
            self._loud.append(note)
        _say_note(note)
        if self._verbose and note.detail:
            say(plain(note.detail))

    @_put_into_words.register
    def _(self, remark: events.Remark) -> None:
        if not self._quiet:
            _say_note(Note(remark.message))

    @_put_into_words.register
    def _(self, talk: events.Talk) -> None:
        self._talk(escaped(talk.text))

    @_put_into_words.register
    def _(self, nothing: events.NothingToRun) -> None:
        for result in nothing.results:
            print_warnings(result)
        if not self._quiet:
            print_results(nothing.results, lists_files=False)

    @_put_into_words.register
    def _(self, ended: events.RunEnded) -> None:
        if self._quiet:
            return
        self._has_listed |= self._lists_files
        print_results(ended.results, lists_files=self._lists_files, verbose=self._verbose)
        if any(result.status != "failed" for result in ended.results):  # else nothing ran at all
            for note in self._loud:
                _say_note(note)

    @_put_into_words.register
    def _(self, page: events.PageWritten) -> None:
        if page.error is not None:
            _print_failure(f"{shown(page.path)}: {plain(page.error)}")
        elif not self._quiet:
            self._has_listed = True
            print_page(page.path)

    @_put_into_words.register
    def _(self, each: events.Measuring) -> None:
        seconds = counted(round(each.seconds), "second")
        self._talk(f"{escaped(each.model)} on {escaped(each.device)}: about {seconds}")

    @_put_into_words.register
    def _(self, finding: Finding) -> None:
        if finding.topic != self._topic:
            self._topic = finding.topic
            print_topic(finding.topic)
        print_finding(finding)


def _say_note(note: Note) -> None:
    label, style = Text("Note:", CAUTION), "bold" if note.is_loud else ""
    say(Text.assemble(label, " ", (in_flags(one_line(note.message)), style)))


def _print_failure(message: str) -> None:
    say(f"{FAILED} {message}")


_PRINTED: Mapping[type, Callable[[Any], None]] = {
    run.Finished: lambda finished: print_warnings(finished.result),
    events.Answer: lambda answer: typer.echo(answer.line),
    events.DryRun: print_dry_run,
    events.DemoScored: print_demo,
    events.Summarized: print_summaries,
    events.SystemsCompared: print_comparisons,
    events.BenchEnded: print_measurements,
    events.Examined: print_counts,
    events.ModelsListed: print_models,
    events.ModelShown: print_model,
    evaluation.TrackFailed: lambda failed: _print_failure(
        f"{escaped(failed.track)}: {plain(failed.error)}"
    ),
    MeasurementFailed: lambda failed: _print_failure(plain(failed.error)),
}
"""Events whose words are the same whatever was before, also for whoever wants quiet."""
