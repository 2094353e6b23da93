"""What each event is in JSON: how its lines are called, and their fields in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any

from stemsplit.batch import events as run
from stemsplit.batch.results import JobResult
from stemsplit.cli.bench_results import Measurement, MeasurementFailed
from stemsplit.cli.doctor_checks.finding import Finding
from stemsplit.cli.printer import command_events as events
from stemsplit.cli.printer.songs import Totals, planned_seconds
from stemsplit.engine.note import Note
from stemsplit.evaluate import evaluation_events as evaluation
from stemsplit.stages import Stage

if TYPE_CHECKING:
    from pathlib import Path

    from stemsplit.batch.results import PlannedTrack
    from stemsplit.evaluate.bootstrap import Estimate, Summary
    from stemsplit.evaluate.compare import Comparison

Lines = Iterable[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Form:
    """The lines that an `event` makes: the values of the `fields` for each.

    `name` is what they have as `event`; without one they have neither that nor a time. With
    `steps`, there are at most so many while the field `share` goes from 0 to 1.
    """

    event: type
    name: str
    fields: str
    values: Callable[[Any], Lines]
    steps: int = 0


def _names(record: type) -> str:
    return " ".join(field.name for field in fields(record))


def _song(event: run.Event) -> Path:
    return event.job.song.input


def _picked(names: str, values: Mapping[str, Any]) -> Sequence[Any]:
    return [values[name] for name in names.split()]


def _planned(track: PlannedTrack) -> Sequence[Any]:
    return _picked(_PLANNED, track.as_json())


def _result(result: JobResult) -> Sequence[Any]:
    return _picked(_RESULT, result.as_json())


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def _stage(stage: Stage, song: Path | None = None) -> Lines:
    yield stage.kind, stage.name, _rounded(stage.share), song


def _finished(status: str, event: run.Finished) -> Lines:
    if event.result.status == status:
        yield _result(event.result)


def _progress(event: run.Progressed) -> Lines:
    yield _song(event), _rounded(event.progress.share)


def _totals(event: events.RunEnded | events.NothingToRun) -> Lines:
    suspicious = [result.input for result in event.results if result.suspicions]
    yield *astuple(Totals.of(event.results)), suspicious


def _plan(event: events.DryRun) -> Lines:
    actions: list[str] = [track.action for track in event.tracks]
    counts = [actions.count(action) for action in _ACTIONS]
    yield *counts, planned_seconds(event.tracks), event.estimated_seconds


def _figure(estimate: Estimate | None) -> tuple[object, object]:
    return (None, None) if estimate is None else (estimate.value, estimate.interval)


def _summary(summary: Summary) -> Sequence[Any]:
    return (
        *(summary.stem, summary.metric, *summary.system, summary.protocol),
        *(*_figure(summary.mean), *_figure(summary.median)),
        *(summary.num_tracks, summary.num_excluded),
    )


def _compared(each: Comparison) -> Sequence[Any]:
    return (
        *(each.stem, each.metric, each.protocol, *_figure(each.difference)),
        *(each.num_tracks, each.num_excluded, each.verdict),
    )


_ACTIONS = ("new", "redo", "skip", "fail")
_STAGE = "stage name share input"
_RESULT = f"{_names(JobResult)} realtime_factor"
_TOTALS = f"{_names(Totals)} suspicious"
_PLANNED = "input folder action duration_seconds reason error"
_PLAN = f"{' '.join(_ACTIONS)} duration_seconds estimated_seconds"
_SCORE = (
    "dataset subset track track_bytes stem estimate metric value reason model revision precision "
    "tool_version protocol"
)
_SUMMARY = (
    "stem metric model revision precision protocol mean mean_interval median median_interval "
    "tracks excluded"
)
_COMPARED = "stem metric protocol difference interval tracks excluded verdict"

FORMS: Sequence[Form] = (
    Form(Note, "note", "message", lambda e: [[str(e)]]),
    Form(Stage, "stage", _STAGE, _stage, steps=10),
    Form(run.Staged, "stage", _STAGE, lambda e: _stage(e.stage, _song(e)), steps=10),
    Form(run.Started, "start", "input", lambda e: [[_song(e)]]),
    Form(run.Progressed, "progress", "input share", _progress, steps=100),
    Form(run.Busy, "busy", "input", lambda e: [[_song(e)]]),
    *(
        Form(run.Finished, status, _RESULT, partial(_finished, status))
        for status in ("done", "skipped", "failed")
    ),
    Form(events.NothingToRun, "failed", _RESULT, lambda e: map(_result, e.results)),
    Form(events.NothingToRun, "summary", _TOTALS, _totals),
    Form(events.RunEnded, "summary", _TOTALS, _totals),
    Form(events.DryRun, "planned", _PLANNED, lambda e: map(_planned, e.tracks)),
    Form(events.DryRun, "plan", _PLAN, _plan),
    Form(events.PageWritten, "page", "page error", lambda e: [[e.path, e.error]]),
    # evaluate
    Form(evaluation.SystemStarted, "start", "track model", lambda e: [astuple(e)]),
    Form(
        evaluation.SystemProgressed,
        "progress",
        "track model share",
        lambda e: [[e.track, e.model, _rounded(e.share)]],
        steps=100,
    ),
    Form(evaluation.Scored, "score", _SCORE, lambda e: map(astuple, e.records)),
    Form(evaluation.TrackFailed, "failed", "track error", lambda e: [astuple(e)]),
    Form(events.Summarized, "summary", _SUMMARY, lambda e: map(_summary, e.summaries)),
    Form(events.SystemsCompared, "comparison", _COMPARED, lambda e: map(_compared, e.comparisons)),
    # bench
    Form(Measurement, "measured", _names(Measurement), lambda e: [astuple(e)]),
    Form(MeasurementFailed, "failed", _names(MeasurementFailed), lambda e: [astuple(e)]),
    # doctor
    Form(Finding, "", _names(Finding), lambda e: [astuple(e)]),
)
"""All events that are told to programs; one with two forms makes the lines of both."""
