"""What speech networks have in common that mask what a bank of filters makes of the waveform.

Those of Luo and Mesgarani (2019), arXiv:1809.07454, learn the filters; others have those of an STFT
in their place, cosines first and then sines (Pariente et al. 2020, arXiv:1910.10400).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.models.spec import ModelSpec

MAX_SPEAKERS = 5
"""All their orders are tried for each chunk."""

# Published networks learned from 3 s and were measured on whole utterances, about twice as long.
_CHUNK_SECONDS = 6
_OVERLAP = 0.25
# Three seconds of overlap: in most of them each speaker says something, and so can be known again.
_OVERLAP_OF_SPEAKERS = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Framing:
    """The frames of a bank of filters, and the numbers of them that a network takes."""

    filter_samples: int
    hop_samples: int
    min_frames: int = 1
    frame_step: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.hop_samples <= self.filter_samples:
            raise ValueError(
                f"filters of {self.filter_samples} samples do not go in steps of {self.hop_samples}"
            )

    @property
    def min_samples(self) -> int:
        return self.filter_samples + (self.min_frames - 1) * self.hop_samples

    @property
    def step_samples(self) -> int:
        return self.frame_step * self.hop_samples

    def check(self, num_samples: int) -> None:
        """Raises ValueError for a length that leaves samples over."""
        surplus = num_samples - self.min_samples
        if surplus < 0 or surplus % self.step_samples:
            raise ValueError(f"{num_samples} is not a length that the chunking policy gives")


class _Filters(nn.Module):
    def __init__(self, num_filters: int, filter_samples: int) -> None:
        super().__init__()
        self._filters = nn.Parameter(torch.zeros(num_filters, 1, filter_samples))  # [D, 1, K]


class Filterbank(nn.Module):
    """Either end of a network, `analysis` or `synthesis`. The nested names are the checkpoints'."""

    def __init__(self, num_filters: int, framing: Framing) -> None:
        super().__init__()
        self.filterbank = _Filters(num_filters, framing.filter_samples)
        self._hop_samples = framing.hop_samples

    def analysis(self, mixture: Tensor) -> Tensor:
        """Features [B, D, N] of a waveform [B, 1, T]; no frame reaches beyond its ends."""
        return F.conv1d(mixture, self.filterbank._filters, stride=self._hop_samples)

    def synthesis(self, features: Tensor) -> Tensor:
        """Waveforms [B, S, 1, T] of features [B, S, D, N]: filters times features, added up."""
        stems = F.conv_transpose1d(
            features.flatten(0, 1), self.filterbank._filters, stride=self._hop_samples
        )  # [B * S, 1, T]
        return torch.unflatten(stems.float(), 0, features.shape[:2])


def speech_spec(
    family: str, paper: str, *, num_speakers: int, sample_rate: float, framing: Framing
) -> ModelSpec:
    """That of a network for one speaker, whom it rids of noise, or for several, in any order.

    Frames at the ends of what it reads are incomplete, so it reads as much more as a frame reaches
    beyond the one before.

    Raises:
        ValueError: the sample rate is not whole.
    """
    if sample_rate != int(sample_rate):
        raise ValueError(f"the sample rate is {sample_rate:g} Hz")
    alone = num_speakers == 1
    chunking = ChunkPolicy(
        chunk_samples=_CHUNK_SECONDS * int(sample_rate),
        overlap_samples=0,
        context_samples=framing.filter_samples - framing.hop_samples,
        min_length_samples=framing.min_samples,
        length_step_samples=framing.step_samples,
    )
    return ModelSpec(
        family=family,
        stems=("speech",) if alone else tuple(f"speaker{n + 1}" for n in range(num_speakers)),
        residual_stem="noise" if alone else None,
        sample_rate=int(sample_rate),
        num_channels=1,
        chunking=chunking.resized(overlap=_OVERLAP if alone else _OVERLAP_OF_SPEAKERS),
        scaling=None,
        paper=paper,
        ordered=alone,
    )


def without_windows(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors but for the windows that STFT filters come with, which have them inside."""
    return {name: each for name, each in tensors.items() if not name.endswith(".torch_window")}
