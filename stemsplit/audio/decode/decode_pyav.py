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
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from torch import Tensor

from stemsplit.audio.channels import default_channels
from stemsplit.audio.decode.damage import Damage
from stemsplit.audio.decode.decoded import Decoded
from stemsplit.audio.decode.frames import Frame, decoded_frames, is_without_times
from stemsplit.audio.decode.gaps import MAX_PADDING_SAMPLES, CountedGaps, Gaps, TimedGaps, on_time
from stemsplit.audio.decode.open_container import open_container
from stemsplit.audio.decode.promises import read_promise
from stemsplit.audio.decode.stream_notes import stream_notes
from stemsplit.audio.file_names import display_path
from stemsplit.audio.info import AudioInfo
from stemsplit.errors import AudioReadError
from stemsplit.quoting import counted

_PEEKED_BYTES = 16


@contextmanager
def open_pyav(path: Path, stream: int = 0, damage: Damage | None = None) -> Iterator[Decoded]:
    """An audio stream of the file, counted from 0, closed on leaving.

    What is lost in the middle of it becomes silence, and is noted in `damage`.

    Raises:
        AudioReadError: ffmpeg does not know the format, or there is no such audio in it.
    """
    with open_container(path) as container:
        yield _decoded(path, container, stream, damage or Damage())


def _decoded(path: Path, container: Any, index: int, damage: Damage) -> Decoded:
    if not container.streams.audio:
        raise AudioReadError(
            f"{display_path(path)} has no audio in it.",
            hint="It is a picture, or a video without sound.",
        )
    if index >= len(container.streams.audio):
        raise AudioReadError(
            f"{display_path(path)} has {counted(len(container.streams.audio), 'audio track')}, and "
            f"`track` {index + 1} was asked for.",
            hint="Tracks are counted from 1, without the video.",
        )
    stream = container.streams.audio[index]
    if stream.codec_context is None:
        raise AudioReadError(
            f"{display_path(path)} has audio in a codec that ffmpeg cannot decode.",
            hint="Convert it to wav or flac.",
        )
    frames = decoded_frames(path, container, stream, damage)
    # The header may be wrong (HE-AAC states half its rate): the first decoded frame knows.
    first = next(frames, None)
    origin = stream.codec_context if first is None else first[0]
    if not origin.sample_rate:
        raise AudioReadError(
            f"{display_path(path)} does not state a sample rate, and holds no samples.",
            hint="The file is probably damaged; convert or download it again.",
        )
    promise = read_promise(path, container, stream, origin.sample_rate)
    info = AudioInfo(
        path=path,
        container=container.format.name,
        codec=stream.codec_context.codec.canonical_name,
        sample_rate=origin.sample_rate,
        channels=_channel_names(origin.layout),
        num_samples=promise.num_samples,
        bits_per_sample=_bits_per_sample(path, stream),
        tolerance_samples=promise.tolerance_samples,
        ends_early=promise.ends_early,
        notes=stream_notes(container, stream),
    )
    source = _Source(path, index, container, stream)
    blocks = source.blocks(info, chain([] if first is None else [first], frames), damage)
    if promise.end is not None:
        blocks = _without_padding(blocks, promise.end)
    return Decoded(info=info, blocks=blocks)


def _channel_names(layout: Any) -> tuple[str, ...]:
    names = tuple(channel.name for channel in layout.channels)
    return default_channels(len(names)) if "NONE" in names else names


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


@dataclass(frozen=True, slots=True)
class _Source:
    """A file, and which of its audio streams is read."""

    path: Path
    index: int
    container: Any
    stream: Any

    def blocks(
        self, info: AudioInfo, frames: Iterator[tuple[Any, Frame]], damage: Damage
    ) -> Iterator[Tensor]:
        """The samples [C, T] of the frames, with silence where the file is damaged."""
        alike = _alike(info, frames)
        if self.container.format.name == "ogg":
            alike = on_time(alike)
        return self._gaps(info, damage).filled(alike)

    def _gaps(self, info: AudioInfo, damage: Damage) -> Gaps:
        promised = info.num_samples
        if is_without_times(self.container):
            return CountedGaps(
                damage,
                peek=self._peek,
                promised=None if info.tolerance_samples else promised,
                survey=self._survey,
            )
        beyond = info.tolerance_samples + MAX_PADDING_SAMPLES
        return TimedGaps(
            damage,
            sample_rate=info.sample_rate,
            time_base=self.stream.time_base,
            most=None if promised is None else promised + beyond,
        )

    def _peek(self, position: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(position)
            return file.read(_PEEKED_BYTES)

    def _survey(self) -> Iterator[Frame]:
        with open_container(self.path) as container:
            stream = container.streams.audio[self.index]
            for _, frame in decoded_frames(self.path, container, stream, Damage()):
                yield frame


def _alike(info: AudioInfo, frames: Iterator[tuple[Any, Frame]]) -> Iterator[Frame]:
    position = 0
    for raw, frame in frames:
        rate, num_channels = raw.sample_rate, len(raw.layout.channels)
        if (rate, num_channels) != (info.sample_rate, info.num_channels):
            raise AudioReadError(
                f"{display_path(info.path)} changes from {info.sample_rate} Hz with "
                f"{info.num_channels} channels to {rate} Hz with {num_channels} channels "
                f"after {position / info.sample_rate:.3f} seconds.",
                hint="Cut the file there, or convert it to wav.",
            )
        position += frame.num_samples
        yield frame


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
        if position > num_samples + MAX_PADDING_SAMPLES:
            yield from beyond
            beyond.clear()
