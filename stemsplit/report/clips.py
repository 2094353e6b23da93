"""A stretch of an audio file: its blocks, and how a page can play it.

A page that was opened from a disk may not read other files, but it may play them, and its stems
have to stay together while it does. Which files a browser can place to the sample was measured, by
recording what Chromium 156 and Firefox 153 play: WAV, FLAC and Vorbis are exact wherever they
begin; MP3 is up to 51 ms off after a jump, without saying so; Opus is 6.5 ms off from the start to
the first jump; AIFF and ALAC are not played at all. AAC is exact, and every browser knows it, so it
is what a page carries of a file that it cannot refer to.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from stemsplit.audio.blocks import skip, take
from stemsplit.audio.channels import group_channels
from stemsplit.audio.encode.encoders import Encoding, StreamFormat, open_encoder
from stemsplit.audio.info import AudioInfo
from stemsplit.audio.resample import resample_blocks, resampled_length
from stemsplit.audio.source import probe, read_blocks

COPY_KBIT = 160
COPY_MIME = "audio/mp4"

_COPY_RATES = (44_100, 48_000)
_PLAYED_EXACTLY = {
    "wav": {"pcm_u8", "pcm_16", "pcm_24", "float"},
    "wavex": {"pcm_u8", "pcm_16", "pcm_24", "float"},
    "flac": {"flac"},
    "ogg": {"vorbis"},
}
_MAX_PLAYED_RATE = 192_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """`num_samples` of one of a file's streams from `start` on, at its own rate."""

    info: AudioInfo
    stream: int
    start: int
    num_samples: int

    @classmethod
    def of(
        cls, path: Path, *, stream: int = 0, start_seconds: float = 0.0, duration_seconds: float
    ) -> Clip:
        """The stretch between two times.

        Raises:
            AudioReadError: the file cannot be read.
        """
        info = probe(path, stream=stream)
        return cls(
            info=info,
            stream=stream,
            start=round(start_seconds * info.sample_rate),
            num_samples=round(duration_seconds * info.sample_rate),
        )

    @property
    def start_seconds(self) -> float:
        return self.start / self.info.sample_rate

    @property
    def plays_exactly(self) -> bool:
        """Whether every browser plays the file as it is, in step with others."""
        return (
            self.stream == 0
            and self.info.codec in _PLAYED_EXACTLY.get(self.info.container, ())
            and self.info.num_channels <= 2
            and self.info.sample_rate <= _MAX_PLAYED_RATE
        )

    def blocks(self) -> Iterator[Tensor]:
        """The samples [C, T], as far as the file goes.

        Raises:
            AudioReadError: it cannot be read.
        """
        blocks = read_blocks(self.info.path, stream=self.stream)
        try:
            yield from take(skip(blocks, self.start), self.num_samples)
        finally:
            blocks.close()  # type: ignore[attr-defined]  # a generator, which keeps its file open


def compressed_copy(clip: Clip) -> bytes:
    """The clip as AAC in MP4, in mono or stereo, of exactly its length.

    Raises:
        AudioReadError: the file cannot be read.
    """
    rate = clip.info.sample_rate
    copy_rate = rate if rate in _COPY_RATES else _COPY_RATES[rate % _COPY_RATES[0] != 0]
    num_samples = resampled_length(clip.num_samples, rate, copy_rate)
    num_channels = min(2, clip.info.num_channels)
    form = StreamFormat(
        encoding=Encoding(container="m4a", bitrate=COPY_KBIT),
        sample_rate=copy_rate,
        channels=("FL", "FR") if num_channels == 2 else ("FC",),
        num_samples=num_samples,
    )
    blocks = _padded(clip.blocks(), clip.info.num_channels, clip.num_samples)
    mixed = (_mixed_down(block, clip.info.channels) for block in blocks)
    with tempfile.TemporaryDirectory(prefix="stemsplit-") as folder:
        path = Path(folder) / "copy.m4a"
        encoder = open_encoder(path, form)
        try:
            for block in resample_blocks(mixed, from_rate=rate, to_rate=copy_rate):
                encoder.write(block.clamp(-1, 1))
        finally:
            encoder.close()
        return path.read_bytes()


def _padded(blocks: Iterable[Tensor], num_channels: int, num_samples: int) -> Iterator[Tensor]:
    """The blocks, and silence up to `num_samples` if they end before."""
    for block in blocks:
        num_samples -= block.shape[-1]
        yield block
    if num_samples > 0:
        yield torch.zeros(num_channels, num_samples)


def _mixed_down(block: Tensor, channels: tuple[str, ...]) -> Tensor:
    """The block [C, T] as mono or stereo: every pair of speakers counts the same, bass ones not."""
    if len(channels) <= 2:
        return block
    groups = group_channels(channels, 2).groups
    sides = [[group[0] for group in groups], [group[-1] for group in groups]]
    return torch.stack([block[side].mean(dim=0) for side in sides])  # [2, T]
