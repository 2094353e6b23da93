"""One track as a job: separated, written, recorded."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from stemsplit.audio.encode import Encoding
from stemsplit.audio.sink import ClipPolicy, StemWriter, WriteReport
from stemsplit.audio.source import hash_file
from stemsplit.batch.discover import Song
from stemsplit.batch.record import fingerprint, is_finished, read_record, write_record
from stemsplit.batch.template import output_path, record_path
from stemsplit.engine.ensemble import Ensemble
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions, choose_outputs
from stemsplit.engine.runtime import Runtime
from stemsplit.engine.separate import ProgressCallback, TrackSeparation
from stemsplit.errors import UsageError


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A song, where its outputs go, and how they are written."""

    song: Song
    output_dir: Path
    template: str
    encoding: Encoding
    clip: ClipPolicy
    overwrite: bool = False

    def fields(self, model: str, stem: str = "") -> dict[str, str]:
        """The values of the template's fields for one output."""
        return {
            "model": model,
            "dir": self.song.subfolder,
            "track": self.song.path.stem,
            "stem": stem,
            "ext": self.encoding.container,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class JobResult:
    """What became of a job."""

    input: Path
    status: Literal["done", "skipped", "failed"]
    outputs: Mapping[str, Path] = field(default_factory=dict)
    duration_seconds: float = 0.0
    seconds: float = 0.0
    gain_db: float = 0.0
    residual_db: float | None = None
    warnings: Sequence[str] = ()
    error: str | None = None

    @property
    def realtime_factor(self) -> float:
        """Seconds of music per second of work."""
        return self.duration_seconds / self.seconds if self.seconds > 0 else 0.0

    def as_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        values = dataclasses.asdict(self)
        values["input"] = str(self.input.absolute())
        values["outputs"] = {name: str(path.absolute()) for name, path in self.outputs.items()}
        values["warnings"] = list(self.warnings)
        values["realtime_factor"] = round(self.realtime_factor, 3)
        return values


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """What all jobs of a run share. `notes` go into every record, such as a replaced model."""

    ensemble: Ensemble
    runtime: Runtime
    options: SeparationOptions
    notes: Sequence[str] = ()


def plan_outputs(job: Job, session: Session) -> dict[str, Path]:
    """The files that a job will write, by the output's name."""
    return {
        output.name: output_path(
            job.output_dir, job.template, job.fields(session.ensemble.name, output.name)
        )
        for output in choose_outputs(session.ensemble.stems, session.options)
    }


def check_collisions(jobs: Sequence[Job], session: Session) -> None:
    """Finds two songs that would write the same file, before any work starts.

    Raises:
        UsageError: there are two; the message names them.
    """
    owners: dict[str, Path] = {}
    for job in jobs:
        for path in plan_outputs(job, session).values():
            key = str(path.absolute()).casefold()  # some file systems ignore case
            owner = owners.setdefault(key, job.song.path)
            if owner != job.song.path:
                raise UsageError(
                    f"{owner} and {job.song.path} would both write {path}.",
                    hint="Separate them into different folders with -o, or rename one.",
                )


def run_job(
    job: Job, session: Session, *, on_progress: ProgressCallback | None = None
) -> JobResult:
    """Separates one track and writes its stems and its record.

    A track that an earlier run finished with the same input, model and options is skipped.

    Raises:
        StemsplitError: the input cannot be read, or the outputs cannot be written.
    """
    started = time.monotonic()
    mixture = Mixture.from_file(job.song.path)
    paths = plan_outputs(job, session)
    record_file = record_path(job.output_dir, job.template, job.fields(session.ensemble.name))
    wanted = fingerprint(
        input_sha256=hash_file(job.song.path),
        ensemble=session.ensemble,
        options=session.options,
        encoding={**dataclasses.asdict(job.encoding), "clip": job.clip},
    )
    if not job.overwrite and is_finished(read_record(record_file), wanted, record_file.parent):
        return JobResult(input=job.song.path, status="skipped", outputs=paths)
    track = TrackSeparation(
        mixture, session.ensemble, session.runtime, session.options, on_progress=on_progress
    )
    report = _write(track, job, paths)
    result = JobResult(
        input=job.song.path,
        status="done",
        outputs=paths,
        duration_seconds=track.num_samples / track.sample_rate,
        seconds=time.monotonic() - started,
        gain_db=report.gain_db,
        residual_db=track.residual.level_db,
        warnings=[*track.warnings, *report.warnings],
    )
    write_record(record_file, _record(result, track, session, wanted, record_file.parent))
    return result


def _write(track: TrackSeparation, job: Job, paths: Mapping[str, Path]) -> WriteReport:
    with StemWriter(
        paths,
        sample_rate=track.sample_rate,
        num_channels=track.num_channels,
        num_samples=track.num_samples,
        encoding=job.encoding,
        clip=job.clip,
        overwrite=job.overwrite,
    ) as writer:
        for block in track.blocks():
            for name, samples in zip(paths, block.samples, strict=True):
                writer.write(name, samples)
        return writer.commit()


def _record(
    result: JobResult,
    track: TrackSeparation,
    session: Session,
    wanted: Mapping[str, Any],
    folder: Path,
) -> dict[str, Any]:
    ensemble, runtime = session.ensemble, session.runtime
    return {
        "fingerprint": wanted,
        "model": {
            "name": ensemble.name,
            "origin": ensemble.origin,
            "revision": ensemble.revision,
            "licence": ensemble.licence,
        },
        "device": str(runtime.device),
        "precision": runtime.precision,
        "input": {
            "path": str(result.input.absolute()),
            "sample_rate": track.mixture.sample_rate,
            "num_channels": track.mixture.num_channels,
            "num_samples": track.source_samples,
        },
        "outputs": [
            {
                "stem": name,
                "file": os.path.relpath(path, folder),
                "sha256": hash_file(path),
                "bytes": path.stat().st_size,
            }
            for name, path in result.outputs.items()
        ],
        "sample_rate": track.sample_rate,
        "num_samples": track.num_samples,
        "gain_db": result.gain_db,
        "residual_db": result.residual_db,
        "seconds": round(result.seconds, 3),
        "warnings": [*session.notes, *result.warnings],
    }
