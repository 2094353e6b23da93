"""What a page needs of a stemsplit.json, taken from it without trusting it.

A record may be of an older version, edited by hand or made by somebody else: whatever is missing or
of the wrong kind is left out, and nothing in it can name a file outside its own folder. (The song
itself may be anywhere, so it is known by its checksum; see `lanes`.)
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from stemsplit.audio.file_names import display_path
from stemsplit.audio.write.stem_layout import STEM_FILE, STEMS
from stemsplit.errors import ReportError

Values = Mapping[str, Any]

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
class TrackRecord:
    """One separation of one song. `raw` is the whole record; None stands for what is not known.

    `offset_seconds`: where the song begins in the input's file, if it is a track of a cue sheet.
    """

    file: Path
    raw: Values
    title: str
    model: str
    input_path: Path | None
    input_sha256: str | None
    offset_seconds: float
    start_seconds: float
    end_seconds: float | None
    audio_track: int
    sample_rate: int
    num_samples: int
    gain_db: float
    residual_db: float | None
    warnings: tuple[str, ...]
    checks: Values
    outputs: tuple[RecordedSound, ...]

    @property
    def duration_seconds(self) -> float:
        return self.num_samples / self.sample_rate

    @property
    def suspicions(self) -> tuple[str, ...]:
        """Why this separation has probably failed, in words; empty if nothing says so."""
        return texts(self.checks.get("suspicions"))

    @property
    def page_file(self) -> Path:
        """Where the page about this track goes: beside the record."""
        return self.file.with_name(self.file.name.removesuffix(_RECORD_NAME_END) + "report.html")


@dataclass(frozen=True, slots=True)
class SongRecords:
    """The separations of the same part of the same song, one for each model."""

    records: tuple[TrackRecord, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """A name for each separation: the model's, and the folder's where that is not enough."""
        models = [record.model for record in self.records]
        return tuple(
            model if models.count(model) == 1 else f"{model} ({display_path(record.file.parent)})"
            for model, record in zip(models, self.records, strict=True)
        )


def parse_record(file: Path, raw: Values) -> TrackRecord:
    """The record that lies at `file`.

    Raises:
        ReportError: it names no outputs, or not how long they are.
    """
    sample_rate, num_samples = whole(raw.get("sample_rate")), whole(raw.get("num_samples"))
    outputs = tuple(_outputs(file.parent, raw))
    if not outputs or not sample_rate or num_samples is None:
        raise ReportError(
            f"{display_path(file)} says nothing about finished stems.",
            hint="Separate the song again.",
        )
    options = dig(raw, "fingerprint", "options")
    path = text(dig(raw, "input").get("path"))
    name = text(dig(raw, "input", "track").get("name"))
    return TrackRecord(
        file=file,
        raw=raw,
        title=display_path(name or (Path(path).stem if path else file.parent.name)),
        model=text(dig(raw, "model").get("name")) or "unknown",
        input_path=Path(path) if path else None,
        input_sha256=text(dig(raw, "fingerprint").get("input_sha256")),
        offset_seconds=_offset_seconds(raw),
        start_seconds=number(options.get("start_seconds")) or 0.0,
        end_seconds=number(options.get("end_seconds")),
        audio_track=whole(options.get("audio_track")) or 1,
        sample_rate=sample_rate,
        num_samples=num_samples,
        gain_db=number(raw.get("gain_db")) or 0.0,
        residual_db=number(raw.get("residual_db")),
        warnings=texts(raw.get("warnings")),
        checks=dig(raw, "checks"),
        outputs=outputs,
    )


def group_songs(records: Iterable[TrackRecord]) -> list[SongRecords]:
    """The records by song: those of one song and range are compared on one page."""
    groups: dict[object, list[TrackRecord]] = {}
    for record in records:
        song = record.input_sha256 or record.file
        key = (song, record.offset_seconds, record.start_seconds, record.end_seconds)
        groups.setdefault(key, []).append(record)
    return [SongRecords(tuple(group)) for group in groups.values()]


def dig(values: Values, *keys: str) -> Values:
    """The object at the end of the path; an empty one if there is none."""
    found: Any = values
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def texts(value: object) -> tuple[str, ...]:
    return tuple(filter(None, map(text, value))) if isinstance(value, list) else ()


def number(value: object) -> float | None:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e300 and math.isfinite(value) else None


def whole(value: object) -> int | None:
    """A count: a whole number, 0 or more."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return value if is_count else None  # type: ignore[return-value]


def _offset_seconds(raw: Values) -> float:
    sample_rate = whole(dig(raw, "input").get("sample_rate"))
    start = whole(dig(raw, "input", "track").get("start_sample"))
    return start / sample_rate if start and sample_rate else 0.0


def _outputs(folder: Path, raw: Values) -> Iterable[RecordedSound]:
    entries = raw.get("outputs")
    entries = (
        [each for each in entries if isinstance(each, Mapping)] if isinstance(entries, list) else []
    )
    mixes = _mix_names(texts(dig(raw, "fingerprint", "options").get("mixes")))
    mixes |= _children(raw, written={text(entry.get("stem")) for entry in entries})
    for entry in entries:
        name, file = text(entry.get("stem")), text(entry.get("file"))
        if not (name and file and _stays_inside(file)):
            continue
        num_bytes = whole(entry.get("bytes"))
        if name == STEM_FILE:
            for stream, stem in enumerate(STEMS, start=1):  # the song itself comes first
                yield RecordedSound(
                    name=stem, path=folder / file, num_bytes=num_bytes, stream=stream
                )
        else:
            is_mix = name in mixes
            yield RecordedSound(name=name, path=folder / file, num_bytes=num_bytes, is_mix=is_mix)


def _mix_names(mixes: Sequence[str]) -> set[str]:
    return {mix.partition("=")[0].strip() for mix in mixes}


def _children(raw: Values, written: Collection[str | None]) -> set[str]:
    """What was made of outputs that were `written` themselves."""
    steps = raw.get("then")
    return {
        str(child)
        for step in (steps if isinstance(steps, list) else ())
        if isinstance(step, Mapping) and step.get("parent") in written
        for child in dig(step, "children").values()
    }


def _stays_inside(file: str) -> bool:
    """Whether a relative path, by the rules of any system, leads nowhere but below its folder."""
    windows = PureWindowsPath(file)
    return not (
        "\0" in file
        or windows.drive
        or windows.root
        or PurePosixPath(file).is_absolute()
        or ".." in windows.parts
    )
