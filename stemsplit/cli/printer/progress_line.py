"""One line at the bottom of the terminal that says what is being done, and how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

from stemsplit.cli.printer.console import clock, stderr
from stemsplit.errors import one_line
from stemsplit.stages import Stage

_VERBS = {
    "fetching": "Fetching",
    "loading": "Loading",
    "scanning": "Scanning",
    "writing": "Writing",
}


_LEFT_WIDTH = len(" 0:00 left")


def in_words(stage: Stage) -> str:
    return f"{_VERBS[stage.kind]} {stage.name}"


class ProgressLine:
    """The line, from `start` to `stop`."""

    def __init__(self) -> None:
        console = stderr()
        self._pace = Pace(0.0)
        self._bar = _Bar(
            _description(),
            BarColumn(bar_width=max(8, min(40, console.width // 4))),
            TextColumn("{task.fields[amount]}", table_column=Column(no_wrap=True)),
            console=console,
            transient=True,
            expand=True,
            before_frame=self._move,
        )
        self._task = self._bar.add_task("", total=None, amount=" ")

    def start(self) -> None:
        """Shows the line; a second time does nothing."""
        self._bar.start()

    def stop(self) -> None:
        """Removes the line from the terminal."""
        self._bar.stop()

    def describe(self, text: str) -> None:
        """Says what is being done."""
        self._bar.update(self._task, description=one_line(text))

    def stage(self, stage: Stage) -> None:
        """Shows something that comes before all songs."""
        self._pace = Pace(0.0)
        self.describe(in_words(stage))
        self._bar.update(
            self._task,
            total=stage.num_total if stage.kind == "fetching" else None,
            completed=stage.num_done if stage.kind == "fetching" else 0,
            amount=_megabytes(stage) if stage.kind == "fetching" else " ",
        )

    def begin(self, total: float) -> None:
        """From now on `total` is all there is to do. The bar moves once something is done of it."""
        self._pace = Pace(total)
        self._bar.update(self._task, total=None, completed=0, amount=" ")

    def advance(self, amount: float, *, is_work: bool = True) -> None:
        """So much more is done, or needs not be done."""
        self._pace.add(amount, time.monotonic(), is_work=is_work)

    def _move(self) -> None:
        pace = self._pace  # another thread may replace it
        position = pace.position(time.monotonic())
        if position is None:
            return
        seconds_left = (pace.total - position) / pace.speed if pace.speed else 0.0
        left = f" {clock(seconds_left)} left" if seconds_left >= 1 else ""
        # Of one width, or the bar would jump when there is less than a second left.
        amount = f"{100 * position / pace.total:3.0f} %{left:<{_LEFT_WIDTH}}"
        self._bar.update(self._task, total=pace.total, completed=position, amount=amount)


class Pace:
    """How far the work of a run is, also between two reports: then it goes on as it did so far.

    It never gets ahead by more than the last report brought. So the line moves within a song of
    three chunks, and stands still where nothing comes.
    """

    def __init__(self, total: float) -> None:
        self.total = total
        self.speed = 0.0
        """Of the work, per second; 0 until something was done."""
        self._done = 0.0
        self._worked = 0.0
        self._step = 0.0
        self._started = self._reported = time.monotonic()

    def add(self, amount: float, now: float, *, is_work: bool) -> None:
        """Takes into account that `amount` more is done; by itself, if it is no work."""
        self._done += amount
        if is_work and amount > 0 and now > self._started:
            self._worked += amount
            self._step = amount
            self.speed = self._worked / (now - self._started)
        self._reported = now

    def position(self, now: float) -> float | None:
        """How much is done, or will have been; None before anything was."""
        if not self._done or not self.total:
            return None
        ahead = min(self._step, self.speed * (now - self._reported))
        return min(self.total, self._done + ahead)


class CountedLine:
    """A line for tasks that are counted, and of which nobody knows how long they take."""

    def __init__(self, num_tasks: int) -> None:
        self._bar = Progress(
            _description(),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=stderr(),
            transient=True,
            expand=True,
        )
        self._task = self._bar.add_task("", total=num_tasks)
        self._num_begun = 0
        self._bar.start()

    def next(self, text: str) -> None:
        """Another task begins, and those before it are done."""
        self._bar.update(self._task, description=one_line(text), completed=self._num_begun)
        self._num_begun += 1

    def stop(self) -> None:
        """Removes the line from the terminal."""
        self._bar.stop()


def _description() -> TextColumn:
    return TextColumn(
        "{task.description}",
        markup=False,
        table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
    )


def _megabytes(stage: Stage) -> str:
    """How much of a file has come; nothing for those that are there at once."""
    done = f"{stage.num_done / 1e6:.0f}"
    if stage.num_total is None:
        return f"{done} MB"
    return f"{done} of {stage.num_total / 1e6:.0f} MB" if stage.num_total >= 1e6 else ""


class _Bar(Progress):
    """rich's, with a call before each frame."""

    def __init__(self, *columns: Any, before_frame: Callable[[], None], **settings: Any) -> None:
        self._before_frame = before_frame
        super().__init__(*columns, **settings)

    def get_renderables(self) -> Iterable[RenderableType]:
        if self.tasks:  # there are none yet while it is made
            self._before_frame()
        yield from super().get_renderables()
