"""How a long mixture is cut into the chunks that a network sees.

Everything here is integers and one window. A `ChunkPolicy` belongs to a model and is plain data;
a `ChunkPlan` applies it to a number of samples. The weight of a sample depends on its chunk and
on nothing else, so results do not depend on batching, on the device or on how audio was streamed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

Window = Literal["triangle"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkPolicy:
    """A model's own rules for cutting a mixture; lengths in samples at the model's rate.

    A chunk covers at most `chunk_samples`; neighbours share `overlap_samples`. What the network
    reads may be longer than the chunk: real audio on both sides where there is any and silence
    beyond the track's ends, and its output is trimmed back to the chunk. How long:

    * `fixed_length`: always `chunk_samples` (a network that knows only its training length);
    * otherwise the smallest length >= the chunk's among
      `min_length_samples + k * length_step_samples`, k = 0, 1, ... (convolutions without leftover
      samples). The defaults, 0 and 1, accept any length.

    `max_chunk_samples` bounds what a user may ask for with `--segment` (None: no bound).
    """

    chunk_samples: int
    overlap_samples: int
    window: Window = "triangle"
    fixed_length: bool = False
    min_length_samples: int = 0
    length_step_samples: int = 1
    max_chunk_samples: int | None = None

    def __post_init__(self) -> None:
        if self.chunk_samples < 1:
            raise ValueError(f"chunk_samples must be at least 1, got {self.chunk_samples}")
        if not 0 <= self.overlap_samples < self.chunk_samples:
            raise ValueError(
                f"overlap_samples must be in [0, {self.chunk_samples}), got {self.overlap_samples}"
            )

    @property
    def hop_samples(self) -> int:
        """Distance between the starts of neighbouring chunks."""
        return self.chunk_samples - self.overlap_samples

    def fitted_length(self, num_samples: int) -> int:
        """Number of samples that the network reads for a chunk of `num_samples`."""
        if self.fixed_length:
            return self.chunk_samples
        missing = max(0, num_samples - self.min_length_samples)
        steps = -(-missing // self.length_step_samples)
        return self.min_length_samples + steps * self.length_step_samples

    def resized(
        self, *, chunk_samples: int | None = None, overlap: float | None = None
    ) -> ChunkPolicy:
        """The same rules with another chunk length, and `overlap` (in [0, 1)) as a share of it.

        A length above `max_chunk_samples` is brought down to it. Without `overlap` the present
        share is kept.
        """
        samples = self.chunk_samples if chunk_samples is None else chunk_samples
        if self.max_chunk_samples is not None:
            samples = min(samples, self.max_chunk_samples)
        share = self.overlap_samples / self.chunk_samples if overlap is None else overlap
        # The hop is rounded down, not the overlap: so does the reference implementation.
        hop_samples = max(1, int((1 - share) * samples))
        return replace(self, chunk_samples=samples, overlap_samples=samples - hop_samples)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Samples [start, stop) of the track, which the network hears as [read_start, read_stop).

    Positions may lie outside the track, where there is silence.
    """

    start: int
    stop: int
    read_start: int
    read_stop: int

    @property
    def num_samples(self) -> int:
        return self.stop - self.start

    @property
    def num_read_samples(self) -> int:
        return self.read_stop - self.read_start

    def trim(self, estimate: Tensor) -> Tensor:
        """The chunk's own samples [..., stop - start] out of a network output [..., T_read]."""
        left = self.start - self.read_start
        return estimate[..., left : left + self.num_samples]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkPlan:
    """The chunks of one track that touch the samples in `wanted` (None: the whole track), in order.

    The grid is the whole track's, whatever is wanted of it. A negative origin shifts it against
    the music: the "shift trick" of Défossez et al. (2019), section 4.4, averages estimates over
    such grids.
    """

    num_samples: int
    policy: ChunkPolicy
    origin: int = 0
    wanted: range | None = None

    @property
    def span(self) -> range:
        """The samples of the track that the chunks are there for."""
        return range(self.num_samples) if self.wanted is None else self.wanted

    def __len__(self) -> int:
        if not self.span:
            return 0
        return -(-(self.span.stop - self.origin) // self.policy.hop_samples) - self._num_skipped

    def __getitem__(self, index: int) -> Chunk:
        if not 0 <= index < len(self):
            raise IndexError(f"chunk {index} of a plan with {len(self)} chunks")
        start = self.origin + (self._num_skipped + index) * self.policy.hop_samples
        stop = min(start + self.policy.chunk_samples, self.num_samples)
        read_samples = self.policy.fitted_length(stop - start)
        read_start = start - (read_samples - (stop - start)) // 2
        return Chunk(start, stop, read_start, read_start + read_samples)

    def __iter__(self) -> Iterator[Chunk]:
        return (self[index] for index in range(len(self)))

    @property
    def _num_skipped(self) -> int:
        """How many chunks of the grid end before the first wanted sample."""
        before = self.span.start - self.origin - self.policy.chunk_samples
        return max(0, before // self.policy.hop_samples + 1)

    def window(self) -> Tensor:
        """Weights [T] of a full chunk, in (0, 1]; a chunk cut short by the end uses the left part.

        Estimates are divided by the sum of the weights, so the ends need no partner.
        """
        return _triangle(self.policy.chunk_samples)


def _triangle(num_samples: int) -> Tensor:
    left = num_samples // 2
    ramp = torch.cat([torch.arange(1, left + 1), torch.arange(num_samples - left, 0, -1)])
    return ramp / ramp.max()
