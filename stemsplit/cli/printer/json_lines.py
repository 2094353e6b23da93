"""`--json`: what happens, as JSON Lines on stdout."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemsplit.cli.flags import in_flags
from stemsplit.cli.printer.person import Reporter
from stemsplit.cli.printer.songs import Totals, planned_seconds
from stemsplit.engine.note import Note
from stemsplit.stages import Stage

if TYPE_CHECKING:
    from stemsplit.batch.results import JobResult, PlannedTrack

SCHEMA = 1

_WORDS = {"message", "error", "warnings", "fix"}


class JsonReporter(Reporter):
    """One JSON object per line; README.md beside this file has the events and their fields."""

    def __init__(self, *, verbose: bool = False) -> None:
        super().__init__(verbose=verbose)
        self._percents: dict[Path, int] = {}
        self._stages: dict[tuple[Path | None, str, str], int] = {}

    def note(self, note: Note | str) -> None:
        super().note(note)
        self._emit("note", message=str(note))

    def stage(self, stage: Stage) -> None:
        self._emit_stage(None, stage)

    def song_stage(self, path: Path, stage: Stage) -> None:
        self._emit_stage(path, stage)

    def start(self, path: Path) -> None:
        self._percents[path] = -1
        self._emit("start", input=str(path.absolute()))

    def progress(self, path: Path, share: float) -> None:
        percent = int(share * 100)
        if percent > self._percents[path]:
            self._percents[path] = percent
            self._emit("progress", input=str(path.absolute()), share=round(share, 4))

    def busy(self, path: Path) -> None:
        self._emit("busy", input=str(path.absolute()))

    def finish(self, result: JobResult) -> None:
        self._emit(result.status, **result.as_json())

    def end(self, results: Sequence[JobResult]) -> None:
        suspicious = [str(result.input.absolute()) for result in results if result.suspicions]
        self._emit("summary", **Totals.of(results).as_json(), suspicious=suspicious)

    def page(self, path: Path, *, error: str | None = None) -> None:
        super().page(path, error=error)
        self._emit("page", page=str(path.absolute()), error=error)

    def planned(self, planned: Sequence[PlannedTrack], estimated_seconds: float) -> None:
        for track in planned:
            self._emit("planned", **track.as_json())
        actions = [track.action for track in planned]
        self._emit(
            "plan",
            **{action: actions.count(action) for action in ("new", "redo", "skip", "fail")},
            duration_seconds=planned_seconds(planned),
            estimated_seconds=estimated_seconds,
        )

    def _emit_stage(self, path: Path | None, stage: Stage) -> None:
        key = path, stage.kind, stage.name
        tenths = int(10 * (stage.share or 0))
        if tenths > self._stages.get(key, -1):
            self._stages[key] = tenths
            self._emit(
                "stage",
                stage=stage.kind,
                name=stage.name,
                share=None if stage.share is None else round(stage.share, 4),
                input=None if path is None else str(path.absolute()),
            )

    def _emit(self, event: str, **values: Any) -> None:
        emit(event, **values)


def emit(event: str, **values: Any) -> None:
    """Prints one event as a line on stdout. What it says in words names flags, as on stderr."""
    line = {"schema": SCHEMA, "event": event, "time": time.time(), **words_in_flags(values)}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def words_in_flags(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, and where they are words of the library, its arguments as flags."""

    def translated(words: Any) -> Any:
        if isinstance(words, list):
            return [in_flags(each) for each in words]
        return in_flags(words) if isinstance(words, str) else words

    return {name: translated(value) if name in _WORDS else value for name, value in values.items()}
