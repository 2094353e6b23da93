"""What was done to a track: the contents of stemsplit.json, which lies beside the stems.

A record may be of another version, edited by hand or made by somebody else. So it is read without
trust: what does not fit counts as not there, and no output can be named that is outside of the
record's folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

from stemsplit.engine.checks import Checks
from stemsplit.engine.ensemble import Ensemble
from stemsplit.engine.excerpt import WHOLE, Excerpt
from stemsplit.errors import UsageError
from stemsplit.json_data import CACHE, LEFT_OUT, Count, JsonData, UnfitError, from_json, prepare


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelOrigin(JsonData):
    """Where the networks of a model came from, for people."""

    name: str = "unknown"
    origin: str | None = None
    revision: str | None = None
    licence: str | None = None
    shares: Mapping[str, float] = field(default_factory=dict, metadata=LEFT_OUT)
    """In an ensemble, what the model counts for each stem."""
    hears: str | None = field(default=None, metadata=LEFT_OUT)
    """The stem of the ensemble's first model that it takes apart in place of the song."""

    @property
    def parts(self) -> tuple[ModelOrigin, ...]:
        return (self,)


@dataclass(frozen=True, kw_only=True, slots=True)
class EnsembleOrigin(JsonData):
    """The same of several models."""

    name: str = "unknown"
    parts: tuple[ModelOrigin, ...]


Origin = EnsembleOrigin | ModelOrigin


def origin_of(model: Ensemble) -> Origin:
    """Where the networks of a loaded model came from."""
    parts = tuple(
        ModelOrigin(
            name=part.bag.name,
            origin=part.bag.origin,
            revision=part.bag.revision,
            licence=part.bag.licence,
            shares=part.weights,
            hears=part.hears,
        )
        for part in model.parts
    )
    if len(parts) > 1:
        return EnsembleOrigin(name=model.name, parts=parts)
    return replace(parts[0], name=model.name, shares={})


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedStep(JsonData):
    """A step after the model: `children` by the names that its model has for them."""

    parent: str | None = None
    children: Mapping[str, str] = field(default_factory=dict)
    model: Origin = ModelOrigin()


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedTrack(JsonData):
    """A track of a cue sheet; frames are those of a disc, samples those of the file."""

    sheet: Path
    number: int
    name: str
    start_frame: int
    stop_frame: int | None = None
    start_sample: Count | None = None
    stop_sample: Count | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedInput(JsonData):
    """The song that was separated, as it was decoded."""

    path: Path | None = None
    track: RecordedTrack | None = field(default=None, metadata=LEFT_OUT)
    sample_rate: Count | None = None
    num_channels: Count | None = None
    num_samples: Count | None = None
    reference: Path | None = field(default=None, metadata=LEFT_OUT)
    """The recording of the voice that was wanted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenFile(JsonData):
    """A file that stemsplit wrote, and by what it is known again (`batch.written_files`)."""

    stem: str | None = field(default=None, metadata=LEFT_OUT)
    file: str
    """Relative to the record's folder, and below it."""
    sha256: str | None = field(default=None, metadata=LEFT_OUT)
    bytes: Count | None = field(default=None, metadata=LEFT_OUT)
    prefixes: str | None = field(default=None, metadata=LEFT_OUT)
    """Short digests of its first 1, 2, 4, 8, ... bytes."""
    set: str | None = field(default=None, metadata=LEFT_OUT)
    """Of a file of an earlier run: which files it belongs to (`batch.earlier`)."""
    gain_db: float | None = field(default=None, metadata=LEFT_OUT)
    """Of a file of an earlier run: the gain that it was written with."""
    stale: bool = field(default=False, metadata=LEFT_OUT)
    """Of a file of an earlier run: it is to be removed."""

    def __post_init__(self) -> None:
        path = PurePath(self.file)
        if path.anchor or ".." in path.parts or "\0" in self.file:
            raise UnfitError("file", "a path below the record's folder", self.file)


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured(JsonData):
    """What differs between two runs of the same command."""

    seconds: float | None = None
    modified_ns: Mapping[str, int] = field(default_factory=dict)
    """When each file was last changed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackRecord(JsonData):
    """What was done to a track. None stands for what is not known."""

    stemsplit: str | None = field(default=None, metadata=LEFT_OUT)
    """The version that wrote the record."""
    model: Origin = ModelOrigin()
    then: tuple[RecordedStep, ...] = field(default=(), metadata=LEFT_OUT)
    device: str | None = None
    precision: str | None = None
    input: RecordedInput = RecordedInput()
    sample_rate: Count | None = None
    num_samples: Count | None = None
    gain_db: float | None = None
    residual_db: float | None = None
    checks: Checks | None = None
    warnings: tuple[str, ...] = ()
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    """What decides how the outputs sound (`batch.fingerprint`)."""
    outputs: tuple[WrittenFile, ...] = ()
    earlier: tuple[WrittenFile, ...] = ()
    """Files of earlier runs that are still there."""
    measured: Measured = Measured()
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False, metadata=CACHE)
    """All of a record that was read, also what this version does not know."""

    @classmethod
    def from_json(cls, values: object) -> TrackRecord:
        """The record with all that can be understood of the values.

        Raises:
            UsageError: they are no object.
        """
        record = from_json(cls, values, is_lenient=True)
        return replace(record, raw=values)  # type: ignore[arg-type]  # or it would have raised

    @property
    def input_sha256(self) -> str | None:
        """The checksum of the song's file."""
        digest = self.fingerprint.get("input_sha256")
        return digest if isinstance(digest, str) and digest else None

    @property
    def excerpt(self) -> Excerpt:
        """Which part of the song's file it was."""
        try:
            return from_json(Excerpt, self.fingerprint.get("options"), is_lenient=True)
        except UsageError:
            return WHOLE

    @property
    def mixes(self) -> tuple[str, ...]:
        """The named sums of stems that were asked for."""
        try:
            asked = from_json(_Asked, self.fingerprint.get("options"), is_lenient=True)
        except UsageError:
            return ()
        return asked.mixes


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    mixes: tuple[str, ...] = ()


prepare(TrackRecord, Excerpt, _Asked)
