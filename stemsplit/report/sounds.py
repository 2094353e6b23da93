"""The lanes of a song's page: the original and every stem of every model, drawn and playable."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from stemsplit.audio.file_names import display_path
from stemsplit.audio.source import hash_file
from stemsplit.errors import AudioReadError
from stemsplit.report.clips import COPY_MIME, Clip, compressed_copy
from stemsplit.report.pictures import NUM_LEVELS, SoundPicture, draw, outline, shade, top_energy
from stemsplit.report.png import mask_png
from stemsplit.report.records import SongRecords

# Decoding, encoding and packing leave Python's lock; more threads would only take more memory.
_NUM_THREADS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Sound:
    """A stream of a file that belongs to a song, and the stretch of it that the page is about.

    `label` is the separation that a stem is from; the original has neither it nor a `stem`.
    `gain_db`: by how much the file is lower than the song, so that nothing clips.
    `num_bytes` and `sha256` are what the record says of the file, as far as it does.
    """

    path: Path
    duration_seconds: float
    start_seconds: float = 0.0
    stream: int = 0
    stem: str | None = None
    label: str | None = None
    gain_db: float = 0.0
    is_mix: bool = False
    num_bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PlayableSound:
    """A sound as the page shows and plays it.

    `copy` is the whole stretch in compressed form, where the page does not refer to the file.
    """

    sound: Sound
    clip: Clip
    picture: SoundPicture
    copy: bytes | None


@dataclass(frozen=True, kw_only=True, slots=True)
class SongSounds:
    """All lanes of a song, the original first if it is there; `notes` say what is missing."""

    records: SongRecords
    lanes: tuple[PlayableSound, ...]
    notes: tuple[str, ...] = ()


def read_song(records: SongRecords, *, embed: bool) -> SongSounds:
    """Decodes everything that the page of the song shows.

    What is missing, damaged or was changed since becomes a note. `embed`: the page carries
    compressed copies of all files, not only of those that browsers cannot play in step.
    """
    with ThreadPoolExecutor(_NUM_THREADS) as threads:
        found = list(threads.map(lambda sound: _lane(sound, embed=embed), _sounds(records)))
    return SongSounds(
        records=records,
        lanes=tuple(lane for lane in found if isinstance(lane, PlayableSound)),
        notes=tuple(dict.fromkeys(note for note in found if isinstance(note, str))),
    )


def lane_data(song: SongSounds, folder: Path) -> list[dict[str, Any]]:
    """The lanes as JSON values for a page in `folder`."""
    peak = max((lane.picture.peak for lane in song.lanes), default=0.0)
    top = top_energy([lane.picture for lane in song.lanes])
    # What is compared must be equally loud, so all are played as low as the lowest.
    lowest_db = min((lane.sound.gain_db for lane in song.lanes), default=0.0)
    return [
        {
            "stem": lane.sound.stem,
            "model": lane.sound.label,
            "isMix": lane.sound.is_mix,
            "gainDb": lowest_db - lane.sound.gain_db,
            "outline": _base64(outline(lane.picture, peak=peak)),
            "spectrogram": _base64(mask_png(shade(lane.picture, top=top), num_levels=NUM_LEVELS)),
            "audio": None if lane.copy is None else _base64(lane.copy),
            "mime": COPY_MIME,
            "files": [] if lane.copy is not None else file_addresses(lane.sound.path, folder),
            # A copy begins where the stems begin; the original's own file perhaps long before.
            "offset": 0.0 if lane.copy is not None else lane.clip.start_seconds,
            "name": display_path(lane.sound.path.name),
        }
        for lane in song.lanes
    ]


def file_addresses(path: Path, folder: Path) -> list[str]:
    """How a page in `folder` can name the file: relative to itself, then absolute.

    The first survives that everything is moved together, the second that the page is moved.
    """
    path, folder = path.absolute(), folder.absolute()
    addresses = []
    with suppress(ValueError):  # Windows: on another drive
        relative = Path(os.path.relpath(path, folder)).as_posix()
        # With "./", as a first part with a colon in it would be taken for a protocol.
        addresses.append("./" + quote(os.fsencode(relative)))
    return [*addresses, path.as_uri()]


def _sounds(records: SongRecords) -> Iterator[Sound]:
    """The original, then the stems, those of one name together."""
    first = records.tracks[0]
    path, sha256 = first.record.input.path, first.record.input_sha256
    if path is not None and sha256 is not None:
        excerpt = first.record.excerpt
        yield Sound(
            path=path,
            stream=excerpt.stream,
            duration_seconds=first.duration_seconds,
            start_seconds=first.offset_seconds + excerpt.start_seconds,
            sha256=sha256,
        )
    labelled = list(zip(records.labels, records.tracks, strict=True))
    for name in dict.fromkeys(output.name for _, track in labelled for output in track.outputs):
        for label, track in labelled:
            for output in track.outputs:
                if output.name == name:
                    yield Sound(
                        path=output.path,
                        duration_seconds=track.duration_seconds,
                        stream=output.stream,
                        stem=name,
                        label=label,
                        gain_db=track.gain_db,
                        is_mix=output.is_mix,
                        num_bytes=output.num_bytes,
                    )


def _lane(sound: Sound, *, embed: bool) -> PlayableSound | str | None:
    """The lane, or why there is none, or None if there is nothing to hear."""
    try:
        if _has_changed(sound):
            return f"{display_path(sound.path)} has changed since, so it is not here."
        clip = Clip.of(
            sound.path,
            stream=sound.stream,
            start_seconds=sound.start_seconds,
            duration_seconds=sound.duration_seconds,
        )
        if not clip.num_samples:
            return None
        picture = draw(
            clip.blocks(), sample_rate=clip.info.sample_rate, num_samples=clip.num_samples
        )
        copy = compressed_copy(clip) if embed or not clip.plays_exactly else None
    except (AudioReadError, ValueError, OSError) as error:
        # ValueError: a path with a NUL character in it, which only a forged record has.
        return f"{display_path(sound.path)} is not here: {error}"
    return PlayableSound(sound=sound, clip=clip, picture=picture, copy=copy)


def _has_changed(sound: Sound) -> bool:
    """Whether the file is not the one that the record tells of, as far as can be seen quickly.

    The original must be the very file, because the record may name any on this machine.
    """
    if sound.sha256 is not None:
        return hash_file(sound.path) != sound.sha256
    return sound.num_bytes is not None and sound.path.stat().st_size != sound.num_bytes


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
