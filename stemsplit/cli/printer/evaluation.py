"""How `stemsplit evaluate` talks: progress on stderr, figures on stdout."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

from stemsplit.cli.printer.console import NOTE, escaped, plain, say, stderr
from stemsplit.cli.printer.json_lines import emit
from stemsplit.cli.printer.progress_line import can_show_progress
from stemsplit.cli.printer.tables import print_table
from stemsplit.errors import StemsplitError, one_line

if TYPE_CHECKING:
    from stemsplit.evaluate.bootstrap import Estimate, Summary
    from stemsplit.evaluate.compare import Comparison
    from stemsplit.evaluate.dataset import Track
    from stemsplit.evaluate.results_file import Record
    from stemsplit.evaluate.systems import System

INTERVAL = "95 %"
_FIGURES = ("mean", "median", "difference", INTERVAL, "tracks", "excluded")


def make_evaluation_reporter(*, as_json: bool, quiet: bool) -> EvaluationReporter:
    """The reporter that fits what was asked for and what stderr is."""
    if as_json:
        return JsonEvaluationReporter()
    if quiet:
        return EvaluationReporter()
    return TerminalEvaluationReporter() if can_show_progress() else LineEvaluationReporter()


class EvaluationReporter:
    """Says only what went wrong, and prints the table."""

    def note(self, message: str) -> None:
        """Something that the user must not miss."""
        say(f"{NOTE} {plain(message)}")

    @contextlib.contextmanager
    def running(self, num_tasks: int) -> Iterator[None]:
        """Around the work: so often a system has to separate a track."""
        del num_tasks
        yield

    def start(self, track: Track, system: System) -> None:
        """Called when a system begins with a track."""

    def progress(self, share: float) -> None:
        """Called whenever it has done more of the track."""

    def scored(self, records: Sequence[Record]) -> None:
        """Called when it was scored, and the figures are in the file."""

    def failed(self, track: Track, error: StemsplitError) -> None:
        """Called instead if the track could not be read or separated."""
        say(f"[bold red]Failed:[/] {escaped(track.name)}: {plain(str(error))}")

    def summaries(self, summaries: Sequence[Summary]) -> None:
        """The closing table."""
        names = label_systems([summary.system for summary in summaries])
        figures = ("mean", INTERVAL, "median", INTERVAL, "tracks", "excluded")
        rows = [
            (
                summary.stem,
                summary.metric,
                names[summary.system],
                *_cells(summary.mean, summary.metric),
                *_cells(summary.median, summary.metric),
                str(summary.num_tracks),
                str(summary.num_excluded),
            )
            for summary in summaries
        ]
        print_table(
            ("stem", "metric", "model", *figures),
            rows,
            right=_FIGURES,
            spare=("excluded", "tracks", INTERVAL, "median"),
        )

    def comparisons(self, comparisons: Sequence[Comparison]) -> None:
        """The table of `--compare`."""
        header = ("stem", "metric", "difference", INTERVAL, "tracks", "excluded", "verdict")
        rows = [
            (
                each.stem,
                each.metric,
                *_cells(each.difference, each.metric, sign="+"),
                str(each.num_tracks),
                str(each.num_excluded),
                each.verdict,
            )
            for each in comparisons
        ]
        print_table(header, rows, right=_FIGURES, spare=("excluded", "tracks", INTERVAL))


class LineEvaluationReporter(EvaluationReporter):
    """Plain lines, for logs and pipes: one for each system on each track."""

    def __init__(self) -> None:
        self._num_started = 0
        self._num_tasks = 0

    @contextlib.contextmanager
    def running(self, num_tasks: int) -> Iterator[None]:
        self._num_tasks = num_tasks
        yield

    def start(self, track: Track, system: System) -> None:
        self._num_started += 1
        say(
            f"{self._num_started} of {self._num_tasks}: {escaped(track.name)}: "
            f"{escaped(system.key[0])}"
        )


class TerminalEvaluationReporter(EvaluationReporter):
    """One bar for the whole run."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn(
                "{task.description}",
                markup=False,
                table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
            ),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=stderr(),
            transient=True,
            expand=True,
        )
        self._task = self._bar.add_task("", total=None)
        self._num_done = 0

    @contextlib.contextmanager
    def running(self, num_tasks: int) -> Iterator[None]:
        self._bar.update(self._task, total=num_tasks)
        with self._bar:
            yield

    def start(self, track: Track, system: System) -> None:
        label = one_line(f"{track.name}: {system.key[0]}")
        self._bar.update(self._task, description=label, completed=self._num_done)
        self._num_done += 1


class JsonEvaluationReporter(EvaluationReporter):
    """One JSON object per line on stdout; the events are those of `cli.evaluate`."""

    def __init__(self) -> None:
        self._percent = -1
        self._work: dict[str, str] = {}

    def note(self, message: str) -> None:
        super().note(message)
        emit("note", message=message)

    def start(self, track: Track, system: System) -> None:
        self._percent = -1
        self._work = {"track": track.name, "model": system.key[0]}
        emit("start", **self._work)

    def progress(self, share: float) -> None:
        percent = int(share * 100)
        if percent > self._percent:
            self._percent = percent
            emit("progress", **self._work, share=round(share, 4))

    def scored(self, records: Sequence[Record]) -> None:
        for record in records:
            emit("score", **record.as_json())

    def failed(self, track: Track, error: StemsplitError) -> None:
        emit("failed", track=track.name, error=str(error))

    def summaries(self, summaries: Sequence[Summary]) -> None:
        for summary in summaries:
            model, revision, precision = summary.system
            emit(
                "summary",
                stem=summary.stem,
                metric=summary.metric,
                model=model,
                revision=revision,
                precision=precision,
                protocol=summary.protocol,
                **_values("mean", "mean_interval", summary.mean),
                **_values("median", "median_interval", summary.median),
                tracks=summary.num_tracks,
                excluded=summary.num_excluded,
            )

    def comparisons(self, comparisons: Sequence[Comparison]) -> None:
        for each in comparisons:
            emit(
                "comparison",
                stem=each.stem,
                metric=each.metric,
                protocol=each.protocol,
                **_values("difference", "interval", each.difference),
                tracks=each.num_tracks,
                excluded=each.num_excluded,
                verdict=each.verdict,
            )


def label_systems(keys: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """A name for each system, with as much of its key as tells it from the others."""
    labels = {}
    for key in keys:
        model, revision, precision = key
        others = [other for other in keys if other != key and other[0] == model]
        label = model
        if any(other[1] != revision for other in others):
            label += f"@{revision.removeprefix('sha256:')[:12]}"
        if any(other[2] != precision for other in others):
            label += f" ({precision})"
        labels[key] = label
    return labels


def _cells(estimate: Estimate | None, metric: str, sign: str = "") -> tuple[str, str]:
    """The figure and its interval."""
    if estimate is None:
        return "-", "-"
    form = f"{sign}.3f" if metric in ("pesq", "stoi") else f"{sign}.2f"
    interval = "-"
    if estimate.interval is not None:
        interval = " to ".join(format(bound, form) for bound in estimate.interval)
    return format(estimate.value, form), interval


def _values(name: str, interval_name: str, estimate: Estimate | None) -> dict[str, Any]:
    if estimate is None:
        return {name: None, interval_name: None}
    return {name: estimate.value, interval_name: estimate.interval}
