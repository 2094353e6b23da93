"""How far a command is: a line that moves on a terminal, and plain lines in logs and pipes."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from stemsplit.batch import events as run
from stemsplit.cli.printer import command_events as events
from stemsplit.cli.printer.console import escaped, say, shown, stderr
from stemsplit.cli.printer.progress_line import CountedLine, ProgressLine, in_words
from stemsplit.engine.note import Note
from stemsplit.errors import one_line
from stemsplit.evaluate import evaluation_events as evaluation
from stemsplit.stages import Stage

if TYPE_CHECKING:
    from stemsplit.batch.results import JobResult


class ProgressDisplay(Protocol):
    def show(self, event: object) -> None:
        """Shows how far things are now that this has happened."""

    def stop(self) -> None:
        """Leaves nothing on the terminal that moves."""


def choose_progress(*, quiet: bool) -> ProgressDisplay:
    """What fits stderr: a line can be written anew on most terminals, and nowhere else."""
    if quiet:
        return _NoProgress()
    console = stderr()
    return MovingLine() if console.is_terminal and not console.is_dumb_terminal else PlainLines()


class _NoProgress:
    def show(self, event: object) -> None:
        pass

    def stop(self) -> None:
        pass


class MovingLine:
    """One line for a whole run, in seconds of music, so that its end is the run's end.

    What is said while it moves is printed above it. It is gone before anything else is.
    """

    def __init__(self) -> None:
        self._line = ProgressLine()
        self._tasks: CountedLine | None = None
        self._places: dict[Path, str] = {}
        self._durations: dict[Path, float] = {}
        self._shares: dict[Path, float] = {}
        self._under_way: list[Path] = []

    def stop(self) -> None:
        self._line.stop()
        if self._tasks is not None:
            self._tasks.stop()

    def show(self, event: object) -> None:
        match event:
            case events.Waiting(text):
                self._line.describe(text)
                self._line.start()
            case Stage():
                self._line.stage(event)
                self._line.start()
            case events.Preparing(stage):
                if not _bars_are_unwanted():
                    self.show(stage)
            case events.RunBegan(durations):
                self._begin(durations)
            case run.Started(job):
                self._under_way.append(job.song.input)
                self._show_oldest()
            case run.Staged(job, stage):
                if self._under_way[:1] == [job.song.input]:
                    is_over = stage.share is not None and stage.share >= 1
                    self._show_oldest("" if is_over else f"{stage.kind} ")
            case run.Progressed(job, progress):
                self._advance(job.song.input, progress.share, is_work=True)
            case run.Finished(result=result):
                self._finish(result)
            case evaluation.EvaluationBegan(num_tasks):
                self.stop()
                self._tasks = CountedLine(num_tasks)
            case evaluation.SystemStarted(track, model) if self._tasks is not None:
                self._tasks.next(f"{track}: {model}")
            case Note() | events.Remark() | run.Busy():
                pass
            case evaluation.SystemProgressed() | evaluation.Scored() | evaluation.TrackFailed():
                pass
            case _:
                self.stop()

    def _begin(self, durations: Mapping[Path, float | None]) -> None:
        self._places = _places(durations)
        self._shares = dict.fromkeys(durations, 0.0)
        # A song of unknown length counts as an average one.
        known = [seconds for seconds in durations.values() if seconds]
        average = sum(known) / len(known) if known else 1.0
        self._durations = {
            path: average if seconds is None else seconds for path, seconds in durations.items()
        }
        self._line.begin(sum(self._durations.values()))
        self._line.start()

    def _finish(self, result: JobResult) -> None:
        self._advance(result.input, 1.0, is_work=result.status == "done")
        if result.input in self._under_way:  # was not skipped
            self._under_way.remove(result.input)
            self._show_oldest()

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


class PlainLines:
    """A line for each tenth of a song, each file that comes and each model that is read."""

    def __init__(self) -> None:
        self._places: dict[Path, str] = {}
        self._tenths: dict[Path, int] = {}
        self._stage = ("", "")
        self._num_begun = self._num_tasks = 0

    def stop(self) -> None:
        pass

    def show(self, event: object) -> None:
        match event:
            case Stage(kind=kind, name=name):
                if kind in ("fetching", "loading") and self._stage != (kind, name):
                    self._stage = kind, name
                    num_bytes = event.num_total or 0
                    size = f" ({num_bytes / 1e6:.0f} MB)" if num_bytes >= 1e6 else ""
                    say(escaped(in_words(event)) + size)
            case events.Preparing(stage):
                if not _bars_are_unwanted():
                    self.show(stage)
            case events.RunBegan(durations):
                self._places = _places(durations)
            case run.Started(job):
                path = job.song.input
                self._tenths[path] = 0
                say(f"{self._places[path]}: {shown(path)}")
            case run.Progressed(job, progress):
                path, tenths = job.song.input, int(progress.share * 10)
                if tenths > self._tenths[path]:
                    self._tenths[path] = tenths
                    of_which = f" of {shown(path)}" if len(self._places) > 1 else ""
                    say(f"  {tenths * 10} %{of_which}")
            case run.Busy(job):
                song = shown(job.song.input)
                say(f"{song}: another stemsplit is at work on it; looked at again at the end.")
            case run.Finished(result=result):
                if result.status == "skipped":
                    song = f"{self._places[result.input]}: {shown(result.input)}"
                    say(f"{song}: already done: skipped (--overwrite separates it again)")
            case evaluation.EvaluationBegan(num_tasks):
                self._num_tasks = num_tasks
            case evaluation.SystemStarted(track, model):
                self._num_begun += 1
                place = f"{self._num_begun} of {self._num_tasks}"
                say(f"{place}: {escaped(track)}: {escaped(model)}")


def _places(songs: Collection[Path]) -> dict[Path, str]:
    """The place of each song in the run: "2 of 9"."""
    return {path: f"{number} of {len(songs)}" for number, path in enumerate(songs, start=1)}


def _bars_are_unwanted() -> bool:
    """Whether the environment asks all programs that use the Hub for no bars."""
    return os.environ.get("HF_HUB_DISABLE_PROGRESS_BARS", "").upper() in ("1", "ON", "YES", "TRUE")
