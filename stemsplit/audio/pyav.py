"""Decoding with ffmpeg's libraries (PyAV): MP3, FLAC, AAC, ALAC, Opus, WMA, sound of videos.

MP3 is read here and not with libsndfile (mpg123). Measured on files from LAME and ffmpeg, lengths
around the frame size, five sample rates: both remove encoder delay and padding to the sample as
the LAME tag says, both give the same samples (difference below 3e-6), pass after pass. (Tracks
under 40 samples at 24 kHz or less, whose padding spans two frames, come out 529 samples long.)
But for damaged files mpg123 writes to stderr behind our back and gives up at the first 1024 bytes
of junk, and it stops at the promised length where two songs were joined. FLAC is here for the
second reason: libsndfile loses the rest of a damaged file, and ffmpeg only the damaged frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from torch import Tensor

from stemsplit.audio.decoded import Decoded
from stemsplit.audio.info import AudioInfo, display_path
from stemsplit.errors import AudioReadError

# Full scale of ffmpeg's sample formats, without the "p" of the planar ones.
_FULL_SCALE = {"u8": 2**7, "s16": 2**15, "s32": 2**31, "flt": 1, "dbl": 1}

# AAC in MP4: the edit list is rounded to milliseconds, and frames are up to 2048 samples long.
_MP4_TOLERANCE_SAMPLES = 4096

# A playlist named song.mp3 must not make ffmpeg open other files or the network. The file itself
# is opened by Python, so no protocol is needed at all.
_NO_PROTOCOLS = {"protocol_whitelist": "none"}


@contextmanager
def open_pyav(path: Path) -> Iterator[Decoded]:
    """The first audio stream of the file, closed on leaving.

    Raises:
        AudioReadError: ffmpeg does not know the format, or there is no audio in it.
    """
    with path.open("rb") as file:
        try:
            container = av.open(file, metadata_errors="replace", options=_NO_PROTOCOLS)
        except (av.FFmpegError, ValueError) as error:
            raise AudioReadError(
                f"{display_path(path)} is not audio that stemsplit can read.",
                hint="If it plays elsewhere, convert it to wav or flac.",
            ) from error
        with container:
            yield _decoded(path, container)


def _decoded(path: Path, container: Any) -> Decoded:
    if not container.streams.audio:
        raise AudioReadError(
            f"{display_path(path)} has no audio in it.",
            hint="It is a picture, or a video without sound.",
        )
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise AudioReadError(
            f"{display_path(path)} has audio in a codec that ffmpeg cannot decode.",
            hint="Convert it to wav or flac.",
        )
    frames = _frames(path, container, stream)
    # The header may be wrong (HE-AAC states half its rate): the first decoded frame knows.
    first = next(frames, None)
    origin = stream.codec_context if first is None else first
    if not origin.sample_rate:
        raise AudioReadError(
            f"{display_path(path)} does not state a sample rate, and holds no samples.",
            hint="The file is probably damaged; convert or download it again.",
        )
    num_samples, tolerance_samples = _promised_samples(container, stream, origin.sample_rate)
    info = AudioInfo(
        path=path,
        container=container.format.name,
        codec=stream.codec_context.codec.canonical_name,
        sample_rate=origin.sample_rate,
        num_channels=len(origin.layout.channels),
        num_samples=num_samples,
        bits_per_sample=_bits_per_sample(path, stream),
        tolerance_samples=tolerance_samples,
    )
    return Decoded(info=info, blocks=_blocks(info, chain([] if first is None else [first], frames)))


def _promised_samples(container: Any, stream: Any, sample_rate: int) -> tuple[int | None, int]:
    """Length by the header and how far off it may be; (None, 0) where ffmpeg only estimates."""
    names = set(container.format.name.split(","))
    if stream.duration is None or not names & {"flac", "mp3", "mov"}:
        return None, 0
    num_samples = stream.duration * stream.time_base * sample_rate
    if "mov" in names:
        is_lossless = stream.codec_context.codec.canonical_name == "alac"
        return round(num_samples), 0 if is_lossless else _MP4_TOLERANCE_SAMPLES
    # MP3: without a LAME tag there is no start offset and the duration is a guess from the bitrate;
    # for joined files it is a guess in spite of the tag, and then rarely a whole number of samples.
    is_guess = "mp3" in names and not (stream.start_time and num_samples.denominator == 1)
    return (None, 0) if is_guess else (round(num_samples), 0)


def _bits_per_sample(path: Path, stream: Any) -> int | None:
    """Bits that the file stores; None for lossy codecs, and where only ffmpeg's container knows."""
    codec = stream.codec_context.codec.canonical_name
    if codec == "flac":
        return _flac_bits(path)
    if codec.startswith("pcm_"):
        digits = "".join(filter(str.isdigit, codec[4:7]))
        return int(digits) if digits else None
    return None


def _flac_bits(path: Path) -> int | None:
    """Bits per sample from STREAMINFO (RFC 9639, section 8.2); None inside other containers."""
    with path.open("rb") as file:
        head = file.read(22)
    if len(head) < 22 or head[:4] != b"fLaC":
        return None
    # 20 bits sample rate, 3 bits channels - 1, 5 bits depth - 1.
    return ((head[20] & 1) << 4 | head[21] >> 4) + 1


def _frames(path: Path, container: Any, stream: Any) -> Iterator[Any]:
    """The decoded frames. A packet that cannot be decoded is skipped, as every player does.

    A cut-off file ends where its last whole packet ends.
    """
    num_frames = num_bad = 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            num_bad += 1
            break
        if packet is None:
            break
        try:
            frames = packet.decode()
        except av.FFmpegError:
            num_bad += 1
            continue
        num_frames += len(frames)
        yield from frames
    if num_bad and not num_frames:
        raise AudioReadError(
            f"{display_path(path)} cannot be decoded: all of its packets are damaged.",
            hint="Check that it plays, or download it again.",
        )


def _blocks(info: AudioInfo, frames: Iterator[Any]) -> Iterator[Tensor]:
    position = 0
    for frame in frames:
        rate, num_channels = frame.sample_rate, len(frame.layout.channels)
        if (rate, num_channels) != (info.sample_rate, info.num_channels):
            raise AudioReadError(
                f"{display_path(info.path)} changes from {info.sample_rate} Hz with "
                f"{info.num_channels} channels to {rate} Hz with {num_channels} channels "
                f"after {position / info.sample_rate:.3f} seconds.",
                hint="Cut the file there, or convert it to wav.",
            )
        position += frame.samples
        yield _samples(info, frame)


def _samples(info: AudioInfo, frame: Any) -> Tensor:
    """One frame as float32 [C, T]; integers are divided by the magnitude of their lowest value."""
    name = frame.format.name.removesuffix("p")
    if name not in _FULL_SCALE:
        raise AudioReadError(
            f"{display_path(info.path)} has samples of the kind {name!r}.",
            hint="Convert it to a wav file with 24 bits.",
        )
    array = frame.to_ndarray()  # [C, T], or [1, T * C] where channels are interleaved
    if not frame.format.is_planar:
        array = array.reshape(-1, info.num_channels).T  # [C, T]
    samples = np.array(array, dtype=np.float32, order="C")
    if name == "u8":
        samples -= 128
    samples /= _FULL_SCALE[name]
    return torch.from_numpy(samples)
