"""One track as a job: what is wanted, where it goes, and what became of it."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from stemsplit.audio.file_names import display_path
from stemsplit.audio.formats import ClipPolicy, Encoding, SampleRate
from stemsplit.audio.readable import changed, reading_errors
from stemsplit.audio.source import Look, hash_file, look, no_such_stretch
from stemsplit.audio.write.output_files import track_key
from stemsplit.audio.write.stem_layout import STEM_FILE
from stemsplit.batch.fingerprint import Change, changes, fingerprint
from stemsplit.batch.originals import kinship, recorded_song
from stemsplit.batch.record_file import missing_outputs, owns
from stemsplit.batch.song import Song
from stemsplit.batch.template import output_path, record_path
from stemsplit.batch.written_files import is_blank
from stemsplit.engine.excerpt import WHOLE, Excerpt
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.record import TrackRecord
from stemsplit.engine.session import Session
from stemsplit.errors import OutputExistsError
from stemsplit.files import FileState
from stemsplit.json_data import JsonData, prepare

Action = Literal["new", "redo", "skip"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Job(JsonData):
    """A song, what of it is wanted, where its outputs go, and how they are written.

    `sample_rate`: of the outputs in Hz, or the song's, or the model's. `reference`: a recording of
    the voice that is wanted, for a model that needs one. `tags`: the song's go into them.
    """

    song: Song
    output_dir: Path
    template: str
    encoding: Encoding
    clip: ClipPolicy
    sample_rate: SampleRate = "source"
    reference: Path | None = None
    excerpt: Excerpt = WHOLE
    tags: bool = True
    overwrite: bool = False

    def __post_init__(self) -> None:
        self.encoding.check_sample_rate(self.sample_rate)

    def fields(self, model: str, stem: str = "") -> dict[str, str]:
        """The values of the template's fields for one output."""
        song = self.song
        return {
            "model": model,
            # These take time, and hardly anyone needs them.
            "root": song.root if "{root}" in self.template else "",
            "id": song.id if "{id}" in self.template else "",
            "dir": song.subfolder,
            "track": song.name,
            "original_ext": song.path.suffix[1:],
            "stem": stem,
            "ext": self.encoding.extension,
        }


prepare(Job)


def plan_outputs(job: Job, session: Session) -> dict[str, Path]:
    """The files that a job will write, by the output's name; a stem file has the track's name."""
    if session.options.stem_file:
        fields = job.fields(session.model.name, job.song.name)
        return {STEM_FILE: output_path(job.output_dir, job.template, fields)}
    return {
        name: output_path(job.output_dir, job.template, job.fields(session.model.name, name))
        for name in session.chain.outputs
    }


def plan_record(job: Job, session: Session) -> Path:
    """The record that a job will write."""
    return record_path(job.output_dir, job.template, job.fields(session.model.name))


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackPlan:
    """What a job comes to for the input as it is now. Making one decodes nothing."""

    job: Job
    mixture: Mixture
    outputs: Mapping[str, Path]
    record_file: Path
    wanted: Mapping[str, Any]
    any_precision: bool
    look: Look

    @classmethod
    def of(cls, job: Job, session: Session) -> TrackPlan:
        """Looks at the input, if nobody has since it changed, and hashes it.

        Raises:
            AudioReadError: the input cannot be read.
        """
        path = job.song.path
        if job.song.problem is not None:
            raise job.song.problem
        seen = job.song.look
        stream = job.excerpt.stream
        if stream or seen is None or not seen.is_current():
            seen = look(path, stream=stream)
        return cls(
            job=job,
            mixture=_mixture(job, seen),
            outputs=plan_outputs(job, session),
            record_file=plan_record(job, session),
            any_precision=session.runtime.precision == "auto",
            look=seen,
            wanted=_reference(job)
            | fingerprint(
                input_sha256=_digest(job.song, seen),
                track=_track(job),
                chain=session.chain,
                excerpt=job.excerpt,
                sample_rate=job.sample_rate,
                encoding={
                    **dataclasses.asdict(job.encoding),
                    "clip": job.clip,
                    "tags": job.tags,
                },
            ),
        )

    @property
    def folder(self) -> Path:
        """Where the record lies, which names its files relative to it."""
        return self.record_file.parent

    @property
    def key(self) -> str:
        return track_key(self.record_file)

    def action(self, record: TrackRecord | None) -> Action:
        """What there is to do if `record` is what earlier runs left.

        Raises:
            OutputExistsError: it is about another song, and its stems may not be replaced.
        """
        if record is None:
            return "new"
        if self.job.overwrite:
            return "redo"
        if not self.changes(record) and not self.missing(record):
            return "skip"
        if not kinship(record, self.job.song, lambda _: str(self.wanted["input_sha256"])):
            other = recorded_song(record)
            raise OutputExistsError(
                f"The stems of {'another song' if other is None else display_path(other.input)} "
                f"are where those of {display_path(self.job.song.input)} should go.",
                hint="Use `overwrite` to replace them, or a `template` that tells the songs apart, "
                "by {original_ext} or {root}.",
            )
        return "redo"

    def changes(self, record: TrackRecord) -> list[Change]:
        """In what the outputs of `record` differ from what is wanted."""
        # Who left the precision to us has what was wanted, whatever an earlier run computed in.
        ignored = ["precision"] if self.any_precision else []
        return changes(record.fingerprint, self.wanted, ignored=ignored)

    def missing(self, record: TrackRecord) -> list[str]:
        """The names of the outputs that are not where they should be, or not as we left them."""
        return missing_outputs(record, self.outputs, self.folder)

    def replaceable(self, record: TrackRecord | None) -> Callable[[Path], bool]:
        """Tells which files may be replaced: any, if the user says so, or those in `record`.

        Of a record that a power cut emptied nothing can be known but that the files that it emptied
        as well were ours.
        """
        record_is_lost = is_blank(self.record_file)

        def may_replace(path: Path) -> bool:
            is_ours = owns(record, self.folder, path) or (record_is_lost and is_blank(path))
            return self.job.overwrite or is_ours

        return may_replace

    def check_input(self) -> None:
        """Finds out that the input was written to since the plan was made.

        Raises:
            AudioReadError: it was.
        """
        if not self.look.is_current():
            raise changed(self.job.song.path)


def _mixture(job: Job, seen: Look) -> Mixture:
    song = job.song
    if song.track is None:
        return Mixture.from_file(song.path, seen, excerpt=job.excerpt)
    stretch = song.track.stretch
    if stretch.of(seen.info).num_samples == 0:
        raise no_such_stretch(seen.info, stretch.samples(seen.info.sample_rate)[0])
    return Mixture.from_file(
        song.path, seen, excerpt=job.excerpt, stretch=stretch, name=song.track.name
    )


def _digest(song: Song, seen: Look) -> str:
    # All tracks of a sheet have one file, which may be large.
    return hash_file(song.path) if song.track is None else _digest_of(song.path, seen.state)


@functools.lru_cache(maxsize=16)
def _digest_of(path: Path, state: FileState) -> str:
    del state  # another state of the file is another file
    return hash_file(path)


def _reference(job: Job) -> dict[str, Any]:
    """The recording of the wanted voice, if there is one, for a fingerprint."""
    if job.reference is None:
        return {}
    # All recordings may have the same one.
    with reading_errors(job.reference):
        state = FileState.of(job.reference)
    return {"reference_sha256": _digest_of(job.reference, state)}


def _track(job: Job) -> dict[str, Any] | None:
    """What a track of a cue sheet is, for a fingerprint."""
    track = job.song.track
    if track is None:
        return None
    described: dict[str, Any] = {
        "start_frame": track.stretch.start,
        "stop_frame": track.stretch.stop,
    }
    if job.tags:
        tags = json.dumps(track.tags, sort_keys=True).encode()
        described["tags"] = hashlib.sha256(tags).hexdigest()[:8]
    return described
