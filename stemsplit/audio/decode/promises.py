"""How much sound a file that ffmpeg reads should have, if it is whole."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from av.stream import Disposition

from stemsplit.audio.containers.mp4_boxes import read_audio_media, read_movie_timescale
from stemsplit.audio.containers.ogg_pages import ends_marked
from stemsplit.audio.decode.claims import read_claim

# AAC in MP4: the edit list is often rounded to milliseconds, and frames are up to 2048 samples.
_MP4_TOLERANCE_SAMPLES = 4096
# Elsewhere lengths are rounded, count what a decoder drops, or are those of the longest stream.
_TOLERANCE_SECONDS = 0.5
_TOLERANCE_SHARE = 0.01

# What ffmpeg says of the length of a stream is in the headers of these.
_STATED = {"wv", "tta", "ape", "mpc", "mpc8", "tak", "rm", "caf"}
_CLOCK = re.compile(r"(\d{1,3}):(\d\d):(\d\d(?:\.\d+)?)")

_ITUNES_GAPLESS = re.compile(r"\s*[0-9A-Fa-f]{8}(?:\s+[0-9A-Fa-f]{8}){2}\s+([0-9A-Fa-f]{16})\b")

_STREAMINFO_BYTES = 34


@dataclass(frozen=True, slots=True)
class Promise:
    """What an intact file has: `num_samples`, give or take a few; None if it does not say.

    `end`: where the sound ends, if what comes after it may only be padding. `ends_early`: it was
    cut off, by what it says in other ways.
    """

    num_samples: int | None = None
    tolerance_samples: int = 0
    end: int | None = None
    ends_early: bool = False


def read_promise(path: Path, container: Any, stream: Any, sample_rate: int) -> Promise:
    """What the file promises of one of its audio streams."""
    names = set(container.format.name.split(","))
    if "mov" in names:
        is_cut = read_claim(path, container.format.name).is_cut
        return replace(_edited(path, container, stream, sample_rate), ends_early=is_cut)
    if names & {"flac", "mp3"}:
        return _counted(names, stream, sample_rate)
    if "ogg" in names:
        is_cut = not ends_marked(path)
        seconds = _flac_seconds(stream, sample_rate) if is_cut else None
        return _about(seconds, sample_rate, ends_early=is_cut)
    if names & _STATED:
        stated = stream.duration
        seconds = None if stated is None else float(stated * stream.time_base)
        is_cut = read_claim(path, container.format.name).is_cut
        return _about(seconds, sample_rate, ends_early=is_cut)
    return _claimed(path, container, stream, sample_rate)


def _claimed(path: Path, container: Any, stream: Any, sample_rate: int) -> Promise:
    claim = read_claim(path, container.format.name)
    index = container.streams.audio.index(stream)
    seconds = claim.audio_seconds[index] if index < len(claim.audio_seconds) else None
    if seconds is None and "matroska" in container.format.name:
        seconds = _clock_seconds(stream.metadata.get("DURATION", ""))
    if seconds is None and (claim.is_cut or _is_alone(container, stream)):
        # Of several streams, the longest may be another one.
        seconds = claim.seconds
    return _about(seconds, sample_rate, ends_early=claim.is_cut and seconds is None)


def _about(seconds: float | None, sample_rate: int, *, ends_early: bool = False) -> Promise:
    if seconds is None or seconds <= 0:
        return Promise(ends_early=ends_early)
    tolerance = max(_TOLERANCE_SECONDS, _TOLERANCE_SHARE * seconds)
    return Promise(
        round(seconds * sample_rate), round(tolerance * sample_rate), ends_early=ends_early
    )


def _counted(names: set[str], stream: Any, sample_rate: int) -> Promise:
    """Length by headers that count samples; nothing where ffmpeg only estimates."""
    if stream.duration is None:
        return Promise()
    num_samples: Fraction = stream.duration * stream.time_base * sample_rate
    # MP3: without a LAME tag there is no start offset and the duration is a guess from the bitrate;
    # for joined files it is a guess in spite of the tag, and then rarely a whole number of samples.
    is_guess = "mp3" in names and not (stream.start_time and num_samples.denominator == 1)
    return Promise() if is_guess else _exactly(round(num_samples))


def _exactly(num_samples: int) -> Promise:
    return Promise(num_samples, end=num_samples)


def _edited(path: Path, container: Any, stream: Any, sample_rate: int) -> Promise:
    """Length of a track in MP4 or QuickTime, where the edit list says what is played of it."""
    if stream.duration is None:
        return Promise()
    num_samples: Fraction = stream.duration * stream.time_base * sample_rate
    if stream.codec_context.codec.canonical_name == "alac":
        return _exactly(round(num_samples))

    def is_near(end: int | None) -> bool:
        """One that is far off is about something else."""
        return end is not None and end > 0 and abs(end - num_samples) <= _MP4_TOLERANCE_SAMPLES

    end = _gapless_samples(container)
    if not is_near(end):
        if num_samples.denominator == 1 and _edits_count_samples(path, sample_rate):
            return _exactly(round(num_samples))
        end = _edits_end(path, container.streams.audio.index(stream), sample_rate)
    return Promise(round(num_samples), _MP4_TOLERANCE_SAMPLES, end if is_near(end) else None)


def _gapless_samples(container: Any) -> int | None:
    """What iTunes writes: zero, the encoder's delay, the padding, the samples, all hexadecimal."""
    found = _ITUNES_GAPLESS.match(container.metadata.get("iTunSMPB", ""))
    return int(found[1], 16) if found else None


def _edits_end(path: Path, index: int, sample_rate: int) -> int | None:
    """How many samples are played of a track that the edit list shortens; None if it does not.

    Rounded to milliseconds, it would cut up to a millisecond of music. The length of the track is
    exact; where it comes to the same, it also counts the padding of the last frame out.
    """
    tracks = read_audio_media(path)
    if index >= len(tracks):
        return None
    track = tracks[index]
    played = [(duration, start) for duration, start in track.edits if start >= 0 and duration]
    if len(played) != 1 or not track.timescale or not track.movie_timescale:
        return None
    duration, start = played[0]
    listed = Fraction(duration, track.movie_timescale) * sample_rate
    tick = Fraction(sample_rate, track.movie_timescale)
    left = Fraction(track.duration - start, track.timescale) * sample_rate
    return round(left) if abs(listed - left) <= tick else math.ceil(listed + tick)


def _edits_count_samples(path: Path, sample_rate: int) -> bool:
    """Whether the edit list of an MP4 file, which says how much to play, is exact to the sample."""
    timescale = read_movie_timescale(path)
    return timescale > 0 and timescale % sample_rate == 0


def _is_alone(container: Any, stream: Any) -> bool:
    """Whether there is no other stream that takes time; pictures do not."""
    others = [*container.streams.audio, *container.streams.video]
    return all(
        other.index == stream.index or other.disposition & Disposition.attached_pic
        for other in others
    )


def _clock_seconds(text: str) -> float | None:
    """The seconds in "00:03:10.5", as Matroska has them in its tags."""
    found = _CLOCK.match(text)
    if found is None:
        return None
    hours, minutes, seconds = found.groups()
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


def _flac_seconds(stream: Any, sample_rate: int) -> float | None:
    """The length in STREAMINFO (RFC 9639, section 8.2), which stays if a stream is shortened."""
    info = stream.codec_context.extradata or b""
    if stream.codec_context.codec.canonical_name != "flac" or len(info) < _STREAMINFO_BYTES:
        return None
    return (int.from_bytes(info[13:18], "big") & (1 << 36) - 1) / sample_rate
