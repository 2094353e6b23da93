"""What commands tell their printer: plain values, none of which knows how it is shown.

Others come from below: `engine.note.Note`, `stages.Stage`, the events of a run (`batch.events`) and
of an evaluation (`evaluate.evaluation_events`), doctor's `Finding`, and what bench
measured (`bench_results`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stemsplit.batch.results import JobResult, PlannedTrack
    from stemsplit.cli.bench_results import Measurement
    from stemsplit.evaluate.bootstrap import Summary
    from stemsplit.evaluate.compare import Comparison
    from stemsplit.hub.catalog import CatalogEntry, Purpose
    from stemsplit.stages import Stage


@dataclass(frozen=True, slots=True)
class Remark:
    """A note that whoever wants quiet can do without."""

    message: str


@dataclass(frozen=True, slots=True)
class Talk:
    """Words for people who do not want quiet, and for no program."""

    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One line of what was asked for, for people and, by its tabs, for programs."""

    line: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is done before there is anything to report."""

    text: str


@dataclass(frozen=True, slots=True)
class Preparing:
    """How far something is that comes before what a command is about: a line that moves."""

    stage: Stage


@dataclass(frozen=True, slots=True)
class RunBegan:
    """A round of songs begins, each with its length in seconds: None if unknown."""

    durations: Mapping[Path, float | None]


@dataclass(frozen=True, slots=True)
class RunEnded:
    """No song is left, or the run was interrupted."""

    results: Sequence[JobResult]


@dataclass(frozen=True, slots=True)
class NothingToRun:
    """What became of the songs of a run, none of which can be read."""

    results: Sequence[JobResult]


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a run would do; it comes in place of the run."""

    tracks: Sequence[PlannedTrack]
    estimated_seconds: float


@dataclass(frozen=True, slots=True)
class PageWritten:
    """A page, or what prevented it."""

    path: Path
    error: str | None = None


@dataclass(frozen=True, slots=True)
class StemScore:
    """A stem's file, its SDR and, against the same true stem, the mixture's, in dB; None without
    a true stem."""

    stem: str
    file: Path
    sdr: float | None = None
    mixture_sdr: float | None = None


@dataclass(frozen=True, slots=True)
class DemoScored:
    """How well the demo went, and where its song is."""

    scores: Sequence[StemScore]
    song: Path


@dataclass(frozen=True, slots=True)
class Summarized:
    """The figures of an evaluation over all tracks."""

    summaries: Sequence[Summary]


@dataclass(frozen=True, slots=True)
class SystemsCompared:
    """How two systems differ."""

    comparisons: Sequence[Comparison]


@dataclass(frozen=True, slots=True)
class Measuring:
    """A model is being measured, for as many seconds."""

    model: str
    device: str
    seconds: float


@dataclass(frozen=True, slots=True)
class BenchEnded:
    """All that was measured."""

    measurements: Sequence[Measurement]


@dataclass(frozen=True, slots=True)
class Examined:
    """How many findings of doctor are no good."""

    num_problems: int
    num_notes: int


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model of the catalogue: its best measurement here, and whether its files are."""

    entry: CatalogEntry
    measured: Measurement | None
    downloaded: str


@dataclass(frozen=True, slots=True)
class ModelsListed:
    """Models of the catalogue, in its order; those for a purpose, if there is one, best first.

    `in_full`: where a person has asked for all of them.
    """

    rows: Sequence[ModelRow]
    purpose: Purpose | None = None
    in_full: bool = False


@dataclass(frozen=True, slots=True)
class ModelShown:
    """All that is known about a model."""

    row: ModelRow
