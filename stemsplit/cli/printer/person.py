"""For people: a progress that moves, words on stderr, results on stdout."""

from __future__ import annotations

from functools import singledispatchmethod

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
from stemsplit.cli.printer.findings import print_finding, print_topic
from stemsplit.cli.printer.progress import choose_progress
from stemsplit.cli.printer.songs import (
    print_demo,
    print_page,
    print_plan,
    print_planned,
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
    """Has a method for each event that is put into words; others only move the progress.

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
        """Says in words what happened."""

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
    def _(self, answer: events.Answer) -> None:
        typer.echo(answer.line)

    @_put_into_words.register
    def _(self, finished: run.Finished) -> None:
        print_warnings(finished.result)

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
    def _(self, dry_run: events.DryRun) -> None:
        print_planned(dry_run.tracks)
        print_plan(dry_run.tracks, dry_run.estimated_seconds)

    @_put_into_words.register
    def _(self, page: events.PageWritten) -> None:
        if page.error is not None:
            say(f"{FAILED} {shown(page.path)}: {plain(page.error)}")
        elif not self._quiet:
            self._has_listed = True
            print_page(page.path)

    @_put_into_words.register
    def _(self, scored: events.DemoScored) -> None:
        print_demo(scored)

    @_put_into_words.register
    def _(self, failed: evaluation.TrackFailed) -> None:
        say(f"{FAILED} {escaped(failed.track)}: {plain(failed.error)}")

    @_put_into_words.register
    def _(self, summarized: events.Summarized) -> None:
        print_summaries(summarized.summaries)

    @_put_into_words.register
    def _(self, compared: events.SystemsCompared) -> None:
        print_comparisons(compared.comparisons)

    @_put_into_words.register
    def _(self, each: events.Measuring) -> None:
        seconds = counted(round(each.seconds), "second")
        self._talk(f"{escaped(each.model)} on {escaped(each.device)}: about {seconds}")

    @_put_into_words.register
    def _(self, failed: MeasurementFailed) -> None:
        say(f"{FAILED} {plain(failed.error)}")

    @_put_into_words.register
    def _(self, ended: events.BenchEnded) -> None:
        print_measurements(ended.measurements)

    @_put_into_words.register
    def _(self, finding: Finding) -> None:
        if finding.topic != self._topic:
            self._topic = finding.topic
            print_topic(finding.topic)
        print_finding(finding)

    @_put_into_words.register
    def _(self, examined: events.Examined) -> None:
        problems = counted(examined.num_problems, "problem")
        say(f"{problems}, {counted(examined.num_notes, 'note')}.")

    @_put_into_words.register
    def _(self, listed: events.ModelsListed) -> None:
        print_models(listed.rows)

    @_put_into_words.register
    def _(self, model: events.ModelShown) -> None:
        print_model(model.row)


def _say_note(note: Note) -> None:
    label, style = Text("Note:", CAUTION), "bold" if note.is_loud else ""
    say(Text.assemble(label, " ", (in_flags(one_line(note.message)), style)))
