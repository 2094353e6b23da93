"""The part of a song in which most is going on: where separators are told apart soonest.

A spectrogram with compressed magnitudes, log(1 + 1000 |X|), is large where many frequencies sound,
and its rises are large where many notes and drums begin (spectral flux; Bello et al. 2005, "A
tutorial on onset detection in music signals", section III). A second's busyness is the sum of
both, each as a share of the song's average.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from stemsplit.audio.blocks import regroup
from stemsplit.audio.source import probe, read_blocks
from stemsplit.audio.stretch import Stretch

EXCERPT_SECONDS = 20.0

_COMPRESSION = 1000.0
_FRAME_SECONDS = 0.046


def busiest_range(
    path: Path,
    *,
    stream: int = 0,
    stretch: Stretch | None = None,
    seconds: float = EXCERPT_SECONDS,
) -> tuple[float, float | None]:
    """Where the busiest `seconds` begin and end; they begin with a whole second of the song.

    (0, None), which is all of it, for a song that is no longer. `stretch`: the song is only this of
    the file.

    Raises:
        AudioReadError: the song cannot be read.
    """
    sample_rate = probe(path, stream=stream).sample_rate
    blocks = read_blocks(path, stream=stream, stretch=stretch)
    busyness = _busyness(blocks, sample_rate)  # [seconds of the song]
    width = math.ceil(seconds)
    if len(busyness) <= width:
        return 0.0, None
    sums = busyness.unfold(0, width, 1).sum(dim=-1)
    start = float(sums.argmax())  # the first one of equals
    return start, start + seconds


def _busyness(blocks: Iterable[Tensor], sample_rate: int) -> Tensor:
    """One figure for each second, the last one perhaps of a part of it."""
    level, flux = [], []
    n_fft = 2 ** max(4, round(math.log2(_FRAME_SECONDS * sample_rate)))
    window = torch.hann_window(n_fft)
    for block in regroup(blocks, block_samples=sample_rate):  # second by second
        mono = torch.nn.functional.pad(block.mean(dim=0), (0, max(0, n_fft - block.shape[-1])))
        frames = mono.unfold(0, n_fft, n_fft // 2) * window / n_fft  # [N, n_fft]
        loudness = torch.log1p(_COMPRESSION * torch.fft.rfft(frames).abs())  # [N, F]
        level.append(loudness.mean() * block.shape[-1] / sample_rate)
        flux.append(loudness.diff(dim=0).clamp(min=0).sum() / loudness.numel())
    if not level:
        return torch.zeros(0)
    return _share(level) + _share(flux)


def _share(values: list[Tensor]) -> Tensor:
    """The values as shares of their mean; zeros stay zeros."""
    joined = torch.stack(values)
    return joined / joined.mean().clamp(min=1e-9)
