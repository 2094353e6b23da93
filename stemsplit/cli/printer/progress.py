"""How far a command is: a line that moves on a terminal, and plain lines in logs and pipes."""

from __future__ import annotations

import os
from functools import singledispatchmethod
from pathlib import Path
from typing import Protocol

from stemsplit.batch import events as run
from stemsplit.cli.printer import command_events as events
from stemsplit.cli.printer.console import escaped, say, shown, stderr
from stemsplit.cli.printer.progress_line import CountedLine, ProgressLine, in_words
from stemsplit.engine.note import Note
from stemsplit.errors import one_line
from stemsplit.evaluate import evaluation_events as evaluation
from stemsplit.stages import Stage


class Progress(Protocol):
    def show(self, event: object) -> None:
        """Shows how far things are now that this has happened."""

    def stop(self) -> None:
        """Leaves nothing on the terminal that moves."""


def choose_progress(*, quiet: bool) -> Progress:
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


_LEAVE_IT = (
    *(Note, events.Remark, run.Busy),
    *(evaluation.SystemProgressed, evaluation.Scored, evaluation.TrackFailed),
)
"""Events that come while something moves, and are printed above it."""


class MovingLine:
    """One line for a whole run, in seconds of music, so that its end is the run's end."""

    def __init__(self) -> None:
        self._line = ProgressLine()
        self._counted: CountedLine | None = None
        self._places: dict[Path, str] = {}
        self._durations: dict[Path, float] = {}
        self._shares: dict[Path, float] = {}
        self._under_way: list[Path] = []

    def stop(self) -> None:
        self._line.stop()
        if self._counted is not None:
            self._counted.stop()

    @singledispatchmethod
    def show(self, event: object) -> None:
        if not isinstance(event, _LEAVE_IT):
            self.stop()

    @show.register
    def _(self, waiting: events.Waiting) -> None:
        self._line.describe(waiting.text)
        self._line.start()

    @show.register
    def _(self, stage: Stage) -> None:
        self._line.stage(stage)
        self._line.start()

    @show.register
    def _(self, preparing: events.Preparing) -> None:
        if not _bars_are_unwanted():
            self.show(preparing.stage)

    @show.register
    def _(self, began: events.RunBegan) -> None:
        self._places = _places(began)
        self._shares = dict.fromkeys(began.durations, 0.0)
        # A song of unknown length counts as an average one.
        known = [seconds for seconds in began.durations.values() if seconds]
        average = sum(known) / len(known) if known else 1.0
        self._durations = {
            path: average if seconds is None else seconds
            for path, seconds in began.durations.items()
        }
        self._line.begin(sum(self._durations.values()))
        self._line.start()

    @show.register
    def _(self, started: run.Started) -> None:
        self._under_way.append(started.job.song.input)
        self._show_oldest()

    @show.register
    def _(self, staged: run.Staged) -> None:
        stage = staged.stage
        if self._under_way[:1] == [staged.job.song.input]:
            self._show_oldest(f"{stage.kind} " if stage.share is None or stage.share < 1 else "")

    @show.register
    def _(self, progressed: run.Progressed) -> None:
        self._advance(progressed.job.song.input, progressed.progress.share, is_work=True)

    @show.register
    def _(self, finished: run.Finished) -> None:
        result = finished.result
        self._advance(result.input, 1.0, is_work=result.status == "done")
        if result.input in self._under_way:  # was not skipped
            self._under_way.remove(result.input)
            self._show_oldest()

    @show.register
    def _(self, began: evaluation.EvaluationBegan) -> None:
        self.stop()
        self._counted = CountedLine(began.num_tasks)

    @show.register
    def _(self, started: evaluation.SystemStarted) -> None:
        if self._counted is not None:
            self._counted.next(f"{started.track}: {started.model}")

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
        self._stage: tuple[str, str] | None = None
        self._num_started = self._num_tasks = 0

    def stop(self) -> None:
        pass

    @singledispatchmethod
    def show(self, event: object) -> None:
        pass

    @show.register
    def _(self, stage: Stage) -> None:
        if stage.kind not in ("fetching", "loading") or self._stage == (stage.kind, stage.name):
            return
        self._stage = stage.kind, stage.name
        num_bytes = stage.num_total or 0
        size = f" ({num_bytes / 1e6:.0f} MB)" if num_bytes >= 1e6 else ""
        say(escaped(in_words(stage)) + size)

    @show.register
    def _(self, preparing: events.Preparing) -> None:
        if not _bars_are_unwanted():
            self.show(preparing.stage)

    @show.register
    def _(self, began: events.RunBegan) -> None:
        self._places = _places(began)

    @show.register
    def _(self, started: run.Started) -> None:
        self._tenths[started.job.song.input] = 0
        say(f"{self._places[started.job.song.input]}: {shown(started.job.song.input)}")

    @show.register
    def _(self, progressed: run.Progressed) -> None:
        path, tenths = progressed.job.song.input, int(progressed.progress.share * 10)
        if tenths > self._tenths[path]:
            self._tenths[path] = tenths
            of_which = f" of {shown(path)}" if len(self._places) > 1 else ""
            say(f"  {tenths * 10} %{of_which}")

    @show.register
    def _(self, busy: run.Busy) -> None:
        song = shown(busy.job.song.input)
        say(f"{song}: another stemsplit is at work on it; looked at again at the end.")

    @show.register
    def _(self, finished: run.Finished) -> None:
        result = finished.result
        if result.status == "skipped":
            say(
                f"{self._places[result.input]}: {shown(result.input)}: already done: skipped "
                "(--overwrite separates it again)"
            )

    @show.register
    def _(self, began: evaluation.EvaluationBegan) -> None:
        self._num_tasks = began.num_tasks

    @show.register
    def _(self, started: evaluation.SystemStarted) -> None:
        self._num_started += 1
        place = f"{self._num_started} of {self._num_tasks}"
        say(f"{place}: {escaped(started.track)}: {escaped(started.model)}")


def _places(began: events.RunBegan) -> dict[Path, str]:
    """The place of each song in the run: "2 of 9"."""
    count = len(began.durations)
    return {path: f"{number} of {count}" for number, path in enumerate(began.durations, start=1)}


def _bars_are_unwanted() -> bool:
    """Whether the environment asks all programs that use the Hub for no bars."""
    return os.environ.get("HF_HUB_DISABLE_PROGRESS_BARS", "").upper() in ("1", "ON", "YES", "TRUE")
