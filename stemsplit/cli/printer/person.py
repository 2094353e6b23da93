"""For people: a progress that moves, words on stderr, results on stdout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from stemsplit.audio.file_names import display_path
from stemsplit.batch import events as run
from stemsplit.cli.bench_results import MeasurementFailed
from stemsplit.cli.doctor_checks.finding import Finding
from stemsplit.cli.flags import in_flags
from stemsplit.cli.printer import command_events as events
from stemsplit.cli.printer.catalogue import print_model, print_models
from stemsplit.cli.printer.console import CAUTION, FAILED, escaped, plain, say, shown
from stemsplit.cli.printer.evaluation import print_comparisons, print_summaries
from stemsplit.cli.printer.findings import print_counts, print_finding, print_topic
from stemsplit.cli.printer.progress import choose_progress
from stemsplit.cli.printer.songs import (
    print_demo,
    print_dry_run,
    print_results,
    print_warnings,
)
from stemsplit.cli.printer.speeds import print_measurements
from stemsplit.cli.streams import note_lost_list
from stemsplit.engine.note import Note
from stemsplit.errors import one_line
from stemsplit.evaluate import evaluation_events as evaluation
from stemsplit.quoting import counted

if TYPE_CHECKING:
    from stemsplit.batch.results import JobResult


class PersonPrinter:
    """Puts events into words.

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

    def close(self) -> None:
        """Leaves nothing on the terminal that moves."""
        self._progress.stop()
        if self._has_listed:
            note_lost_list()

    def show(self, event: object) -> None:
        """Puts it into words, if it needs some, and moves the progress."""
        self._progress.show(event)
        match event:
            case Note():
                self._say_note(event)
            case events.Remark(message):
                self._talk(_as_note(Note(message)))
            case events.Talk(text):
                self._talk(escaped(text))
            case events.Answer(line):
                typer.echo(line)
            case run.Finished(result=result):
                print_warnings(result)
            case events.NothingToRun(results):
                for result in results:
                    print_warnings(result)
                self._list(results)
            case events.RunEnded(results):
                self._list(results)
            case events.DryRun():
                print_dry_run(event)
            case events.PageWritten():
                self._list_page(event)
            case events.DemoScored():
                print_demo(event)
            case evaluation.TrackFailed(track, error):
                say(f"{FAILED} {escaped(track)}: {plain(error)}")
            case events.Summarized():
                print_summaries(event)
            case events.SystemsCompared():
                print_comparisons(event)
            case events.Measuring(model, device, seconds):
                about = counted(round(seconds), "second")
                self._talk(f"{escaped(model)} on {escaped(device)}: about {about}")
            case MeasurementFailed():
                say(f"{FAILED} {plain(event.error)}")
            case events.BenchEnded():
                print_measurements(event)
            case Finding(topic=topic):
                if topic != self._topic:
                    print_topic(topic)
                self._topic = topic
                print_finding(event)
            case events.Examined():
                print_counts(event)
            case events.ModelsListed():
                print_models(event)
            case events.ModelShown():
                print_model(event)

    def _talk(self, message: str | Text) -> None:
        if not self._quiet:
            say(message)

    def _say_note(self, note: Note) -> None:
        if note.is_loud:
            self._loud.append(note)
        say(_as_note(note))
        if self._verbose and note.detail:
            say(plain(note.detail))

    def _list(self, results: Sequence[JobResult]) -> None:
        """Says at the end where everything is, and once more what nobody may have missed."""
        if self._quiet:
            return
        self._has_listed |= self._lists_files
        print_results(results, lists_files=self._lists_files, verbose=self._verbose)
        if any(result.status != "failed" for result in results):  # else nothing ran at all
            for note in self._loud:
                say(_as_note(note))

    def _list_page(self, page: events.PageWritten) -> None:
        if page.error is not None:
            say(f"{FAILED} {shown(page.path)}: {plain(page.error)}")
        elif not self._quiet:
            self._has_listed = True
            typer.echo(display_path(page.path.absolute()))


def _as_note(note: Note) -> Text:
    label, style = Text("Note:", CAUTION), "bold" if note.is_loud else ""
    return Text.assemble(label, " ", (in_flags(one_line(note.message)), style))
