"""What a page needs of records: which sounds there are, and which separations are of one song.

Nothing in a record can name a file outside its own folder. (The song itself may be anywhere, so it
is known by its checksum; see `sounds`.)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from stemsplit.audio.file_names import display_path
from stemsplit.audio.write.stem_layout import STEM_FILE, STEMS
from stemsplit.engine.record import TrackRecord
from stemsplit.errors import ReportError

_RECORD_NAME_END = "stemsplit.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedSound:
    """One sound of a track, which is stream number `stream` of a file.

    `is_mix`: what is there on top of the stems: a sum that the user asked for, or a part of a stem.
    """

    name: str
    path: Path
    num_bytes: int | None
    stream: int = 0
    is_mix: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class SeparatedTrack:
    """One separation of one song: the record at `file`, and the sounds beside it."""

    file: Path
    record: TrackRecord
    outputs: tuple[RecordedSound, ...]
    sample_rate: int
    num_samples: int

    @classmethod
    def of(cls, file: Path, record: TrackRecord) -> SeparatedTrack:
        """What lies at `file`.

        Raises:
            ReportError: the record names no outputs, or not how long they are.
        """
        outputs = tuple(_outputs(file.parent, record))
        if not outputs or not record.sample_rate or record.num_samples is None:
            raise ReportError(
                f"{display_path(file)} says nothing about finished stems.",
                hint="Separate the song again.",
            )
        return cls(
            file=file,
            record=record,
            outputs=outputs,
            sample_rate=record.sample_rate,
            num_samples=record.num_samples,
        )

    @property
    def title(self) -> str:
        """The song's name: a track's, a file's, or else the folder's."""
        song = self.record.input
        if song.track is not None and song.track.name:
            return display_path(song.track.name)
        return display_path(self.file.parent.name if song.path is None else song.path.stem)

    @property
    def model(self) -> str:
        return self.record.model.name

    @property
    def duration_seconds(self) -> float:
        return self.num_samples / self.sample_rate

    @property
    def offset_seconds(self) -> float:
        """Where the song begins in the input's file, if it is a track of a cue sheet."""
        song = self.record.input
        start = None if song.track is None else song.track.start_sample
        return start / song.sample_rate if start and song.sample_rate else 0.0

    @property
    def gain_db(self) -> float:
        return self.record.gain_db or 0.0

    @property
    def suspicions(self) -> tuple[str, ...]:
        """Why this separation has probably failed, in words; empty if nothing says so."""
        return () if self.record.checks is None else self.record.checks.suspicions

    @property
    def page_file(self) -> Path:
        """Where the page about this track goes: beside the record."""
        return self.file.with_name(self.file.name.removesuffix(_RECORD_NAME_END) + "report.html")


@dataclass(frozen=True, slots=True)
class SongRecords:
    """The separations of the same part of the same song, one for each model."""

    tracks: tuple[SeparatedTrack, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """A name for each separation: the model's, and the folder's where that is not enough."""
        models = [track.model for track in self.tracks]
        return tuple(
            model if models.count(model) == 1 else f"{model} ({display_path(track.file.parent)})"
            for model, track in zip(models, self.tracks, strict=True)
        )


def group_songs(tracks: Iterable[SeparatedTrack]) -> list[SongRecords]:
    """The separations by song: those of one song and range are compared on one page."""
    groups: dict[object, list[SeparatedTrack]] = {}
    for track in tracks:
        song, excerpt = track.record.input_sha256 or track.file, track.record.excerpt
        key = (song, track.offset_seconds, excerpt.start_seconds, excerpt.end_seconds)
        groups.setdefault(key, []).append(track)
    return [SongRecords(tuple(group)) for group in groups.values()]


def _outputs(folder: Path, record: TrackRecord) -> Iterable[RecordedSound]:
    mixes = {mix.partition("=")[0].strip() for mix in record.mixes}
    mixes |= _children(record, written={output.stem for output in record.outputs})
    for output in record.outputs:
        name, path, num_bytes = output.stem, folder / output.file, output.bytes
        if not name or not _stays_inside(output.file):
            continue
        if name == STEM_FILE:
            for stream, stem in enumerate(STEMS, start=1):  # the song itself comes first
                yield RecordedSound(name=stem, path=path, num_bytes=num_bytes, stream=stream)
        else:
            yield RecordedSound(name=name, path=path, num_bytes=num_bytes, is_mix=name in mixes)


def _children(record: TrackRecord, written: Collection[str | None]) -> set[str]:
    """What was made of outputs that were `written` themselves."""
    return {
        child for step in record.then if step.parent in written for child in step.children.values()
    }


def _stays_inside(file: str) -> bool:
    """Whether a relative path, by the rules of any system, leads nowhere but below its folder."""
    windows = PureWindowsPath(file)
    return not (
        not file
        or windows.drive
        or windows.root
        or PurePosixPath(file).is_absolute()
        or ".." in windows.parts
    )
