"""`--json`: what happens, as JSON Lines on stdout."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemsplit.batch.note import Note
from stemsplit.cli.flags import in_flags
from stemsplit.cli.reporters import Reporter
from stemsplit.cli.summary import Totals, planned_seconds
from stemsplit.stages import Stage

if TYPE_CHECKING:
    from stemsplit.batch.results import JobResult, PlannedTrack

SCHEMA = 1

_WORDS = {"message", "error", "warnings", "fix"}


class JsonReporter(Reporter):
    """One JSON object per line.

    Every line has `schema` (1), `event` and `time` (seconds since 1970). New fields and events may
    be added to schema 1; nothing is taken away or changes its meaning. Paths are absolute, lengths
    of time are in seconds, levels in dB. `input` of a track of a cue sheet is the sheet with the
    track's name below it, album.cue/01 Title. The events, and their other fields:

        note      message
        stage     stage name share input
        start     input
        progress  input share
        busy      input
        done      input status outputs redone duration_seconds seconds realtime_factor gain_db
                  residual_db warnings checks error
        skipped   as done
        failed    as done
        summary   done redone skipped failed suspicious
        planned   input folder action duration_seconds reason error
        plan      new redo skip fail duration_seconds estimated_seconds
        page      page error

    `note`: something that the user must not miss; it also goes to stderr. `stage`: what takes time
    beside the separation: `fetching` of a file and `loading` of a model before all songs,
    `scanning` of a song before it and `writing` after it (`input` says of which, else it is null).
    `share` of it, in [0, 1], is done, null if that is not known; at most one for each tenth.
    `start`: work on a song begins. `progress`: `share` of it, in [0, 1], is done; at most one for
    each percent. On a GPU several songs are worked on at once and their lines interleave: `input`
    says which one is meant.
    `busy`: another process is at work on the song, which is looked at again later. Each song ends
    in exactly one `done`, `skipped` (it was finished already) or `failed` (`error` says why, else
    it is null). `outputs` maps names to files; `redone` says that an earlier run had begun or
    finished the song. `checks` is what stemsplit.json has under this name, or null: levels of the
    mixture and of each output before the gain, correlations of the stems, and as `suspicions` why
    the separation has probably failed. `summary` is the last line, apart from `page`, and counts
    the songs; those `redone` are among those `done`, and `suspicious` lists the inputs of those
    with suspicions. `page`: with --report or --preview, a page that was written, or the `error`
    that prevented it; where there is no index, also one that was up to date.

    With --dry-run there are only `note`, one `planned` for each song, with what would be done as
    `action` (new, redo, skip, fail; `reason` says why it would be redone), and at the end `plan`,
    which counts them and adds up the lengths of those that are new or to be redone.
    """

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
