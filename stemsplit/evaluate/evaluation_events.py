"""What happens in an evaluation, told as it goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stemsplit.engine.note import Note

if TYPE_CHECKING:
    from stemsplit.evaluate.results_file import Record


@dataclass(frozen=True, slots=True)
class EvaluationBegan:
    """So often a system has to separate a track."""

    num_tasks: int


@dataclass(frozen=True, slots=True)
class SystemStarted:
    """A system begins with a track."""

    track: str
    model: str


@dataclass(frozen=True, slots=True)
class SystemProgressed:
    """It has done more of it: `share`, in [0, 1]."""

    track: str
    model: str
    share: float


@dataclass(frozen=True, slots=True)
class Scored:
    """It was scored, and the figures are in the file."""

    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class TrackFailed:
    """The track could not be read, or not be separated."""

    track: str
    error: str


EvaluationEvent = EvaluationBegan | SystemStarted | SystemProgressed | Scored | TrackFailed | Note
Listener = Callable[[EvaluationEvent], None]
