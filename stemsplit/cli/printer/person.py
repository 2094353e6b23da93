"""How a run talks while it goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.text import Text

from stemsplit.cli.flags import in_flags
from stemsplit.cli.printer.console import CAUTION, NOTE, about, plain, say, shown
from stemsplit.cli.printer.progress_line import ProgressLine, StageLines, can_show_progress
from stemsplit.cli.printer.songs import (
    print_page,
    print_plan,
    print_planned,
    print_results,
    suspicion,
)
from stemsplit.engine.note import Note
from stemsplit.errors import one_line
from stemsplit.stages import Stage

if TYPE_CHECKING:
    from stemsplit.batch.results import JobResult, PlannedTrack


def make_reporter(
    *, as_json: bool, quiet: bool, verbose: bool = False, lists_files: bool = True
) -> Reporter:
    """The reporter that fits what was asked for and what stderr is.

    `lists_files`: at the end it prints on stdout where the outputs are. `verbose`: it says why.
    """
    if as_json:
        from stemsplit.cli.printer.json_lines import JsonReporter

        return JsonReporter(verbose=verbose)
    if quiet:
        return Reporter(verbose=verbose)
    reporter = TerminalReporter if can_show_progress() else LineReporter
    return reporter(lists_files=lists_files, verbose=verbose)


class Reporter:
    """Says only what went wrong. `share` is how much of a song is done, in [0, 1].

    Several songs may be under way at once, but its methods are called one after the other. As a
    context it leaves nothing on the terminal that moves.
    """

    def __init__(self, *, verbose: bool = False) -> None:
        self._verbose = verbose
        self._loud: list[Note] = []

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Called once nothing more is to be shown."""

    def note(self, note: Note | str) -> None:
        """Something that the user must not miss."""
        note = Note(note) if isinstance(note, str) else note
        if note.is_loud:
            self._loud.append(note)
        self._say_note(note)
        if self._verbose and note.detail:
            say(plain(note.detail))

    def waiting(self, text: str) -> None:
        """Called with what is done before there is anything to report."""

    def planned(self, planned: Sequence[PlannedTrack], estimated_seconds: float) -> None:
        """Called instead of all that follows, if nothing is to be done but to say what would be."""
        print_planned(planned)
        print_plan(planned, estimated_seconds)

    def stage(self, stage: Stage) -> None:
        """Called while models are fetched and loaded."""

    def begin(self, durations: Mapping[Path, float | None]) -> None:
        """Called with the length of every song in seconds (None: unknown), for each round."""

    def start(self, path: Path) -> None:
        """Called when work on a song begins. Songs that are skipped never start."""

    def song_stage(self, path: Path, stage: Stage) -> None:
        """Called while a song is scanned before its first chunk, and written after the last."""

    def progress(self, path: Path, share: float) -> None:
        """Called whenever more of a song is done."""

    def busy(self, path: Path) -> None:
        """Called when another process is at work on a song, which is looked at again later."""

    def finish(self, result: JobResult) -> None:
        """Called once per song."""
        for warning in result.warnings:
            say(f"{NOTE} {about(result.input, warning)}")
        if result.suspicions and result.status == "done":
            say(f"[{CAUTION}]Probably failed:[/] {suspicion(result)}")
        if result.error is not None:
            say(f"[bold red]Failed:[/] {about(result.input, result.error)}")

    def end(self, results: Sequence[JobResult]) -> None:
        """Called once, after the last song or when the run was interrupted."""

    def page(self, path: Path, *, error: str | None = None) -> None:
        """Called after all that for each page that was written, or could not be written."""
        if error is not None:
            say(f"[bold red]Failed:[/] {shown(path)}: {plain(error)}")

    def _say_note(self, note: Note) -> None:
        label, style = Text("Note:", CAUTION), "bold" if note.is_loud else ""
        say(Text.assemble(label, " ", (in_flags(one_line(note.message)), style)))


class _TalkingReporter(Reporter):
    """Says at the end where everything is, and once more what nobody may have missed."""

    def __init__(self, *, lists_files: bool, verbose: bool) -> None:
        super().__init__(verbose=verbose)
        self._lists_files = lists_files
        self._places: dict[Path, str] = {}

    def begin(self, durations: Mapping[Path, float | None]) -> None:
        self._places = _places(durations)

    def end(self, results: Sequence[JobResult]) -> None:
        print_results(results, lists_files=self._lists_files, verbose=self._verbose)
        if any(result.status != "failed" for result in results):  # else nothing ran at all
            for note in self._loud:
                self._say_note(note)

    def page(self, path: Path, *, error: str | None = None) -> None:
        super().page(path, error=error)
        if error is None:
            print_page(path)


class LineReporter(_TalkingReporter):
    """Plain lines, for logs and pipes: one for each tenth of a song."""

    def __init__(self, *, lists_files: bool, verbose: bool) -> None:
        super().__init__(lists_files=lists_files, verbose=verbose)
        self._tenths: dict[Path, int] = {}
        self.stage = StageLines()  # type: ignore[method-assign]

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


class TerminalReporter(_TalkingReporter):
    """One bar for the whole run, in seconds of music, so that its end is the run's end."""

    def __init__(self, *, lists_files: bool, verbose: bool) -> None:
        super().__init__(lists_files=lists_files, verbose=verbose)
        self._line = ProgressLine()
        self._durations: dict[Path, float] = {}
        self._shares: dict[Path, float] = {}
        self._under_way: list[Path] = []

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._line.stop()

    def waiting(self, text: str) -> None:
        self._line.describe(text)
        self._line.start()

    def planned(self, planned: Sequence[PlannedTrack], estimated_seconds: float) -> None:
        self._line.stop()
        super().planned(planned, estimated_seconds)

    def stage(self, stage: Stage) -> None:
        self._line.stage(stage)
        self._line.start()

    def begin(self, durations: Mapping[Path, float | None]) -> None:
        super().begin(durations)
        self._shares = dict.fromkeys(durations, 0.0)
        # A song of unknown length counts as an average one.
        known = [seconds for seconds in durations.values() if seconds]
        average = sum(known) / len(known) if known else 1.0
        self._durations = {
            path: average if seconds is None else seconds for path, seconds in durations.items()
        }
        self._line.begin(sum(self._durations.values()))
        self._line.start()

    def start(self, path: Path) -> None:
        self._under_way.append(path)
        self._show_oldest()

    def song_stage(self, path: Path, stage: Stage) -> None:
        if self._under_way[:1] == [path]:
            doing = f"{stage.kind} " if stage.share is None or stage.share < 1 else ""
            self._show_oldest(doing)

    def progress(self, path: Path, share: float) -> None:
        self._advance(path, share, is_work=True)

    def finish(self, result: JobResult) -> None:
        self._advance(result.input, 1.0, is_work=result.status == "done")
        if result.input in self._under_way:  # was not skipped
            self._under_way.remove(result.input)
            self._show_oldest()
        super().finish(result)

    def _advance(self, path: Path, share: float, *, is_work: bool) -> None:
        # Only what is new: to add up a library of songs would take a millisecond each time.
        self._line.advance((share - self._shares[path]) * self._durations[path], is_work=is_work)
        self._shares[path] = share

    def _show_oldest(self, doing: str = "") -> None:
        """Names the song that was begun first: it has the network, the others what goes beside."""
        if not self._under_way:
            return
        path = self._under_way[0]
        count = f"{self._places[path]}: " if len(self._places) > 1 else ""
        self._line.describe(count + doing + one_line(path.name))

    def end(self, results: Sequence[JobResult]) -> None:
        self._line.stop()
        super().end(results)


def _places(songs: Iterable[Path]) -> dict[Path, str]:
    """The place of each song in the run: "2 of 9"."""
    paths = list(songs)
    return {path: f"{number} of {len(paths)}" for number, path in enumerate(paths, start=1)}
