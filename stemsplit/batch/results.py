"""What became of a job, and what would become of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from stemsplit.audio.addresses import absolute_name
from stemsplit.engine.checks import Checks
from stemsplit.json_data import JsonData, prepare


@dataclass(frozen=True, kw_only=True, slots=True)
class JobResult(JsonData):
    """What became of a job. `redone`: an earlier run had begun or finished the track already.

    `checks`: as in stemsplit.json (`stemsplit.engine.checks`); of a skipped track, those of the run
    that finished it, if it made any.
    """

    input: Path
    status: Literal["done", "skipped", "failed"]
    outputs: Mapping[str, Path] = field(default_factory=dict)
    duration_seconds: float = 0.0
    seconds: float = 0.0
    redone: bool = False
    gain_db: float = 0.0
    residual_db: float | None = None
    warnings: tuple[str, ...] = ()
    checks: Checks | None = None
    error: str | None = None

    @property
    def realtime_factor(self) -> float:
        """Seconds of music per second of work."""
        return self.duration_seconds / self.seconds if self.seconds > 0 else 0.0

    @property
    def suspicions(self) -> tuple[str, ...]:
        """Why the separation has probably failed, though nothing went wrong on the way."""
        return () if self.checks is None else self.checks.suspicions

    def as_json(self) -> dict[str, Any]:
        """The result as `--json` has it: where things are, whatever folder one is in."""
        return {
            **self.to_json(),
            "input": absolute_name(self.input),
            "outputs": {name: str(path.absolute()) for name, path in self.outputs.items()},
            "realtime_factor": round(self.realtime_factor, 3),
        }


prepare(JobResult)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedTrack:
    """What would become of a job.

    `duration_seconds`: of the outputs, by what the header claims; None if it claims nothing.
    `passes`: how many times the model would go over it, once for each set of its channels, at most.
    `reason`: why it would be done again.
    """

    input: Path
    folder: Path
    action: Literal["new", "redo", "skip", "fail"]
    duration_seconds: float | None = None
    passes: int = 0
    reason: str | None = None
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return {
            "input": absolute_name(self.input),
            "folder": str(self.folder.absolute()),
            "action": self.action,
            "duration_seconds": self.duration_seconds,
            "reason": self.reason,
            "error": self.error,
        }
