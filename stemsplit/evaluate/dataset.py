"""Songs and speech whose true stems are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import pad

from stemsplit.audio.file_names import display_path
from stemsplit.audio.source import probe, read_blocks
from stemsplit.errors import AudioReadError
from stemsplit.quoting import counted

SPEECH, NOISE = "speech", "noise"
"""The stems of a data set for denoising."""

_FULL_SCALE = 2**15


@dataclass(frozen=True, slots=True)
class Recording:
    """An audio stream of a file, counted from 0."""

    path: Path
    stream: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """A song: its mixture, and for each stem the recordings that add up to it (none: silence).

    Without a mixture it is the sum of all of them, and recordings may end early. `rest`: a further
    stem, which is what they leave over of the mixture.
    """

    name: str
    mixture: Recording | None
    sources: Mapping[str, tuple[Recording, ...]]
    rest: str | None = None

    @property
    def stems(self) -> tuple[str, ...]:
        return (*self.sources, self.rest) if self.rest is not None else tuple(self.sources)

    def files(self) -> set[Path]:
        """The files that it is made of."""
        recordings = [recording for parts in self.sources.values() for recording in parts]
        recordings += [self.mixture] if self.mixture else []
        return {recording.path for recording in recordings}

    def num_bytes(self) -> int:
        """The size of its files, which tells an excerpt from the song of the same name."""
        return sum(path.stat().st_size for path in self.files() if path.is_file())


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackAudio:
    """A track in memory: `mixture` [C, T], `sources` [S, C, T] in the order of `stems`."""

    stems: tuple[str, ...]
    mixture: Tensor
    sources: Tensor
    sample_rate: int

    def regrouped(self, groups: Sequence[Sequence[str]]) -> TrackAudio:
        """The same track with these sums of stems in place of its stems."""
        if [tuple(group) for group in groups] == [(stem,) for stem in self.stems]:
            return self
        rows = [[self.stems.index(stem) for stem in group] for group in groups]
        return TrackAudio(
            stems=tuple("+".join(group) for group in groups),
            mixture=self.mixture,
            sources=torch.stack([self.sources[row].sum(dim=0) for row in rows]),
            sample_rate=self.sample_rate,
        )

    def rest_db(self) -> float:
        """Level of what the sources leave over, against the mixture; far below 0 if they belong.

        The mixture of a stem file was mastered, so it is not exactly their sum.
        """
        rest = (self.mixture - self.sources.sum(dim=0)).double().square().sum()
        return float(10 * torch.log10(rest / self.mixture.double().square().sum()))


def load_track(track: Track) -> TrackAudio:
    """The whole track at 16 bits, float32.

    Data sets are, or were when their published scores were measured: MUSDB18's tools decoded it to
    16 bits until 2020. BSS Eval needs the faint noise of rounding, which is 98 dB below full
    scale: where a lossy codec has left the sources without any energy at all, its filters may do
    what they like. On a MUSDB18 excerpt the SIR of a bass is 6.5 dB with it and -18.8 dB without.

    Raises:
        AudioReadError: a file is missing or damaged, or files do not fit together.
    """
    recordings = [part for parts in track.sources.values() for part in parts]
    first = track.mixture or next(iter(recordings), None)
    if first is None:
        raise AudioReadError(f"{track.name} has neither a mixture nor stems.")
    sample_rate = probe(first.path).sample_rate
    mixture = None if track.mixture is None else _read(track.mixture, sample_rate)
    sums = {
        stem: _sum(track, [_read(part, sample_rate) for part in parts])
        for stem, parts in track.sources.items()
    }
    sources = _aligned(track, sums, mixture)  # [S, C, T]
    mixture = _rounded(sources.sum(dim=0) if mixture is None else mixture)
    sources = _rounded(sources)
    if track.rest is not None:
        sources = torch.cat([sources, (mixture - sources.sum(dim=0))[None]])
    return TrackAudio(stems=track.stems, mixture=mixture, sources=sources, sample_rate=sample_rate)


def _read(recording: Recording, sample_rate: int) -> Tensor:
    """The whole recording [C, T]."""
    own_rate = probe(recording.path).sample_rate
    if own_rate != sample_rate:
        raise AudioReadError(
            f"{display_path(recording.path)} has a sample rate of {own_rate} Hz, and other files "
            f"of the track {sample_rate} Hz.",
            hint="Convert all stems of a track to one rate.",
        )
    blocks = list(read_blocks(recording.path, stream=recording.stream))
    return torch.cat(blocks, dim=-1) if blocks else _SILENCE


_SILENCE = torch.zeros(1, 0)


def _sum(track: Track, parts: Sequence[Tensor]) -> Tensor:
    """The sum [C, T] of signals that may be mono or end early."""
    num_channels, num_samples = _extent(parts or [_SILENCE])
    total = torch.zeros(num_channels, num_samples)
    for part in parts:
        _check_channels(track, part, num_channels)
        total[:, : part.shape[-1]] += part
    return total


def _aligned(track: Track, sums: Mapping[str, Tensor], mixture: Tensor | None) -> Tensor:
    """The stems as one tensor [S, C, T], mono ones in all channels.

    Raises:
        AudioReadError: their channels or lengths are not those of the mixture.
    """
    num_channels, num_samples = _extent(list(sums.values()) if mixture is None else [mixture])
    aligned = []
    for stem, signal in sums.items():
        _check_channels(track, signal, num_channels)
        num_own = signal.shape[-1]
        if mixture is not None and track.sources[stem] and num_own != num_samples:
            raise AudioReadError(
                f"{track.name}: {stem} has {counted(num_own, 'sample')}, and the mixture "
                f"{num_samples}.",
                hint="Stems must begin and end with their mixture.",
            )
        aligned.append(pad(signal, (0, num_samples - num_own)).expand(num_channels, num_samples))
    return torch.stack(aligned)


def _extent(signals: Sequence[Tensor]) -> tuple[int, int]:
    """The most channels and the most samples of any of the signals [C, T]."""
    return max(len(signal) for signal in signals), max(signal.shape[-1] for signal in signals)


def _check_channels(track: Track, signal: Tensor, num_channels: int) -> None:
    if len(signal) not in (1, num_channels):
        raise AudioReadError(
            f"{track.name} has recordings with {len(signal)} and with {num_channels} channels.",
            hint="Convert all of them to stereo, or to mono.",
        )


def _rounded(signal: Tensor) -> Tensor:
    return (signal * _FULL_SCALE).round() / _FULL_SCALE
