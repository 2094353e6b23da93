"""Decoding with ffmpeg's libraries (PyAV): MP3, FLAC, AAC, ALAC, Opus, WMA, sound of videos.

MP3 is read here and not with libsndfile (mpg123). Measured on files from LAME and ffmpeg, lengths
around the frame size, five sample rates: both remove encoder delay and padding to the sample as
the LAME tag says, both give the same samples (difference below 3e-6), pass after pass. (ffmpeg
leaves padding that spans two frames, at 24 kHz or less, to `_without_padding`.) But for damaged
files mpg123 writes to stderr behind our back and gives up at the first 1024 bytes of junk, and it
stops at the promised length where two songs were joined. FLAC is here for the second reason:
libsndfile loses the rest of a damaged file, and ffmpeg only the damaged frames.
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
from av.audio.plane import AudioPlane
from numpy.typing import NDArray
from torch import Tensor

from stemsplit.audio.channels import default_channels
from stemsplit.audio.container import open_container
from stemsplit.audio.decoded import Decoded
from stemsplit.audio.file_names import display_path
from stemsplit.audio.info import AudioInfo
from stemsplit.audio.mp4_boxes import read_movie_timescale
from stemsplit.errors import AudioReadError

# ffmpeg's sample formats, without the "p" of the planar ones: NumPy's name, and full scale.
_DTYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "flt": "f4", "dbl": "f8"}
_FULL_SCALE = {"u8": 2**7, "s16": 2**15, "s32": 2**31, "flt": 1, "dbl": 1}

# AAC in MP4: the edit list is often rounded to milliseconds, and frames are up to 2048 samples.
_MP4_TOLERANCE_SAMPLES = 4096
# What encoders add to fill their last frames, and ffmpeg does not always drop.
_MAX_PADDING_SAMPLES = 2304


@contextmanager
def open_pyav(path: Path, stream: int = 0) -> Iterator[Decoded]:
    """An audio stream of the file, counted from 0, closed on leaving.

    Raises:
        AudioReadError: ffmpeg does not know the format, or there is no such audio in it.
    """
    with open_container(path) as container:
        yield _decoded(path, container, stream)


def _decoded(path: Path, container: Any, index: int) -> Decoded:
    if not container.streams.audio:
        raise AudioReadError(
            f"{display_path(path)} has no audio in it.",
            hint="It is a picture, or a video without sound.",
        )
    if index >= len(container.streams.audio):
        raise AudioReadError(
            f"{display_path(path)} has {len(container.streams.audio)} audio streams, and number "
            f"{index + 1} was asked for.",
            hint="A stem file has five: the mixture, drums, bass, other and vocals.",
        )
    stream = container.streams.audio[index]
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
    num_samples, tolerance_samples = _promised_samples(path, container, stream, origin.sample_rate)
    info = AudioInfo(
        path=path,
        container=container.format.name,
        codec=stream.codec_context.codec.canonical_name,
        sample_rate=origin.sample_rate,
        channels=_channel_names(origin.layout),
        num_samples=num_samples,
        bits_per_sample=_bits_per_sample(path, stream),
        tolerance_samples=tolerance_samples,
    )
    blocks = _blocks(info, chain([] if first is None else [first], frames))
    if num_samples is not None and not tolerance_samples:
        blocks = _without_padding(blocks, num_samples)
    return Decoded(info=info, blocks=blocks)


def _channel_names(layout: Any) -> tuple[str, ...]:
    names = tuple(channel.name for channel in layout.channels)
    return default_channels(len(names)) if "NONE" in names else names


def _promised_samples(
    path: Path, container: Any, stream: Any, sample_rate: int
) -> tuple[int | None, int]:
    """Length by the header and how far off it may be; (None, 0) where ffmpeg only estimates."""
    names = set(container.format.name.split(","))
    if stream.duration is None or not names & {"flac", "mp3", "mov"}:
        return None, 0
    num_samples = stream.duration * stream.time_base * sample_rate
    if "mov" in names:
        is_exact = stream.codec_context.codec.canonical_name == "alac" or (
            num_samples.denominator == 1 and _edits_count_samples(path, sample_rate)
        )
        return round(num_samples), 0 if is_exact else _MP4_TOLERANCE_SAMPLES
    # MP3: without a LAME tag there is no start offset and the duration is a guess from the bitrate;
    # for joined files it is a guess in spite of the tag, and then rarely a whole number of samples.
    is_guess = "mp3" in names and not (stream.start_time and num_samples.denominator == 1)
    return (None, 0) if is_guess else (round(num_samples), 0)


def _edits_count_samples(path: Path, sample_rate: int) -> bool:
    """Whether the edit list of an MP4 file, which says how much to play, is exact to the sample."""
    timescale = read_movie_timescale(path)
    return timescale > 0 and timescale % sample_rate == 0


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


def _without_padding(blocks: Iterator[Tensor], num_samples: int) -> Iterator[Tensor]:
    """The blocks [C, T] up to the promised end, unless far more comes after it than padding."""
    position = 0
    beyond: list[Tensor] = []
    for block in blocks:
        num_kept = min(max(num_samples - position, 0), block.shape[-1])
        position += block.shape[-1]
        if num_kept:
            yield block[:, :num_kept]
        if num_kept < block.shape[-1]:
            beyond.append(block[:, num_kept:])
        if position > num_samples + _MAX_PADDING_SAMPLES:
            yield from beyond
            beyond.clear()


def _samples(info: AudioInfo, frame: Any) -> Tensor:
    """One frame as float32 [C, T]; integers are divided by the magnitude of their lowest value."""
    name = frame.format.name.removesuffix("p")
    if name not in _FULL_SCALE:
        raise AudioReadError(
            f"{display_path(info.path)} has samples of the kind {name!r}.",
            hint="Convert it to a wav file with 24 bits.",
        )
    array = _planes(frame)  # [C, T], or [1, T * C] where channels are interleaved
    if not frame.format.is_planar:
        array = array.reshape(-1, info.num_channels).T  # [C, T]
    # What does not fit becomes infinite or NaN, and whoever reads the blocks reports it.
    with np.errstate(over="ignore", invalid="ignore"):
        samples = np.array(array, dtype=np.float32, order="C")
        if name == "u8":
            samples -= 128
        samples /= _FULL_SCALE[name]
    return torch.from_numpy(samples)


def _planes(frame: Any) -> NDArray[Any]:
    """The frame's memory: [C, T] of planar samples, else [1, T * C].

    `frame.to_ndarray()` and `frame.planes` count planes until they find a null pointer, which does
    not come behind 8 channels, and only by chance behind more: reading on ends the process.
    """
    num_planes, num_channels = 1, len(frame.layout.channels)
    if frame.format.is_planar:
        num_planes, num_channels = num_channels, 1
    dtype = _DTYPES[frame.format.name.removesuffix("p")]
    count = frame.samples * num_channels
    planes: Iterator[Any] = (AudioPlane(frame, index) for index in range(num_planes))
    return np.stack([np.frombuffer(plane, dtype, count) for plane in planes])
