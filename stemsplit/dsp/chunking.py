"""How a long mixture is cut into the chunks that a network sees.

Everything here is integers and one window. A `ChunkPolicy` belongs to a model and is plain data;
a `ChunkPlan` applies it to a number of samples; a `Chunk` says what the network reads and which
part of its output counts. The weight of a sample depends on its chunk and on nothing else, so
results do not depend on batching, on the device or on how audio was streamed.

              read_start        start              stop        read_stop
    a chunk       |<-- context -->|<---- chunk ---->|<-- context -->|
    the next one                         |<---- chunk ---->|
                                         |<overlap->|
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

Window = Literal["triangle", "fade", "cut", "hann", "even", "sum"]
"""The weight of a chunk's samples where chunks overlap.

`triangle`: highest in the middle, nowhere zero. `fade`: 1, with a linear ramp from and to 0 over a
tenth of the chunk, or over the overlap where that is shorter. The track's first chunk does not fade
in and its last one does not fade out. `cut`: 1, and 0 beyond the middle of an overlap, so that
each sample comes from one chunk; the track's first and last chunk keep its ends. `hann`: a raised
cosine, 0 at the chunk's first and last sample, wherever that lies; 1 everywhere if chunks share no
more than these.

`even`: hop / chunk, which adds up to 1 on average only: estimates are not divided by the sum of the
weights. Where now more, now fewer chunks lie, what is made of them is that much louder or quieter.
So it is a network's own overlap alone that is added up so; another one has a triangle.

`sum`: estimates are not weighted but added up where chunks overlap: each holds a part of what is
there, as a transform's frames do. Such chunks are the network's own, so nobody may resize them.
"""

Border = Literal["silence", "reflect"]
"""What surrounds the track: silence; or, where the track is longer than two overlaps, one overlap
of its own reflection at each end, which is cut into chunks together with the track."""

Tail = Literal["centre", "left", "reflect", "whole"]
"""Where a last chunk that came out short lies in what the network reads.

`centre`: in the middle, so that it has more of the music before it. `left`: where the start of any
chunk lies, with silence behind it. `reflect`: the same, but behind it is its own reflection if it
has more than half of the samples of a full chunk. `whole`: no last chunk comes out short, since
silence brings the track to a multiple of a chunk and none reaches beyond that; in a track that is
shorter than one, it is as with `left`.
"""

_FADES_PER_CHUNK = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkPolicy:
    """A model's own rules for cutting a mixture; lengths in samples at the model's rate.

    A chunk covers at most `chunk_samples`; neighbours share `overlap_samples`. What the network
    reads is longer by `context_samples` or more on both sides, and its output is trimmed back to
    the chunk. How much it reads:

    * `fixed_length`: always a full chunk and its context (a network that knows only its training
      length), but of a track that is shorter than a chunk no more than that track, or than the
      network's `own_chunk_samples` if these are more;
    * otherwise the smallest sufficient length among `min_length_samples + k * length_step_samples`,
      k = 0, 1, ... (convolutions without leftover samples). The defaults, 0 and 1, accept any.

    `margin_samples` of silence at each end are cut into chunks together with the track, and behind
    it as many more as bring the track to the next multiple of a chunk without two margins.

    `sequential`: the network continues from one chunk to the next, with a memory of all that was
    before. So it gets every chunk from the track's first one on, whatever is wanted, one at a time.
    Such chunks meet without an overlap, and `context_samples` are what it needs to look ahead.

    `max_chunk_samples` bounds what a user may ask for with `--segment` (None: no bound).
    `own_chunk_samples`: what a chunk had before it was `resized` (None: what it has).
    """

    chunk_samples: int
    overlap_samples: int
    context_samples: int = 0
    margin_samples: int = 0
    window: Window = "triangle"
    border: Border = "silence"
    tail: Tail = "centre"
    fixed_length: bool = False
    sequential: bool = False
    min_length_samples: int = 0
    length_step_samples: int = 1
    max_chunk_samples: int | None = None
    own_chunk_samples: int | None = None

    def __post_init__(self) -> None:
        if self.chunk_samples < 1:
            raise ValueError(f"chunk_samples must be at least 1, got {self.chunk_samples}")
        if not 0 <= self.overlap_samples < self.chunk_samples:
            raise ValueError(
                f"overlap_samples must be in [0, {self.chunk_samples}), got {self.overlap_samples}"
            )
        for name in ("context_samples", "margin_samples"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        if self.margin_samples and self.border != "silence":
            raise ValueError("a margin is silence, so the track cannot be reflected there")
        if self.window == "hann" and not self.margin_samples:
            raise ValueError("a Hann window leaves nothing of a track's ends that have no margin")
        if self.tail == "reflect" and not self.fixed_length:
            raise ValueError("a tail can only be filled up by reflection to a fixed length")
        if self.sequential and (
            self.window != "sum" or self.tail != "left" or self.overlap_samples
        ):
            raise ValueError("sequential chunks meet: window 'sum', tail 'left' and no overlap")

    @classmethod
    def in_sequence(
        cls, chunk_samples: int, *, look_ahead_samples: int, length_step_samples: int = 1
    ) -> ChunkPolicy:
        """That of a network with a memory: chunks that meet, and are heard in their order."""
        return cls(
            chunk_samples=chunk_samples,
            overlap_samples=0,
            context_samples=look_ahead_samples,
            window="sum",
            tail="left",
            sequential=True,
            length_step_samples=length_step_samples,
        )

    @property
    def is_resizable(self) -> bool:
        """Whether length and overlap are a matter of choice, and where the first chunk begins."""
        return self.window != "sum"

    @property
    def adds_up(self) -> bool:
        """Whether the weighted estimates are what is there, and not to be divided by anything."""
        return self.window in ("even", "sum")

    @property
    def hop_samples(self) -> int:
        """Distance between the starts of neighbouring chunks."""
        return self.chunk_samples - self.overlap_samples

    def fitted_length(self, num_samples: int) -> int:
        """Number of samples that the network reads for a chunk of `num_samples`."""
        if self.fixed_length:
            return self.chunk_samples + 2 * self.context_samples
        needed = num_samples + 2 * self.context_samples
        steps = -(-max(0, needed - self.min_length_samples) // self.length_step_samples)
        return self.min_length_samples + steps * self.length_step_samples

    def resized(
        self, *, chunk_samples: int | None = None, overlap: float | None = None
    ) -> ChunkPolicy:
        """The same rules with another chunk length, and `overlap` (in [0, 1)) as a share of it.

        A length above `max_chunk_samples` is brought down to it. Without `overlap` the present
        share is kept. Chunks that are summed stay as they are.
        """
        if not self.is_resizable or (chunk_samples is None and overlap is None):
            return self
        samples = self.chunk_samples if chunk_samples is None else chunk_samples
        if self.max_chunk_samples is not None:
            samples = min(samples, self.max_chunk_samples)
        own_samples = self.own_chunk_samples or self.chunk_samples
        # The hop is rounded down, not the overlap: so do the reference implementations.
        if overlap is None:
            hop_samples = self.hop_samples * samples // self.chunk_samples
        else:
            hop_samples = int((1 - overlap) * samples)
        return replace(
            self,
            chunk_samples=samples,
            overlap_samples=samples - max(1, hop_samples),
            window="triangle" if self.window == "even" else self.window,
            own_chunk_samples=None if own_samples == samples else own_samples,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """Samples [start, stop) of the track, which the network hears as [read_start, read_stop).

    Positions may lie outside the track, where there is its reflection for `border_samples` on
    either side, and then silence. But the last `reflected_samples` of what the network hears are
    the reflection of what it hears before them.
    """

    start: int
    stop: int
    read_start: int
    read_stop: int
    border_samples: int = 0
    reflected_samples: int = 0

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

    @property
    def border_samples(self) -> int:
        """How much of its reflection the track is continued by, at both ends."""
        overlap = self.policy.overlap_samples
        reflects = self.policy.border == "reflect" and self.num_samples > 2 * overlap
        return overlap if reflects else 0

    @property
    def grid(self) -> range:
        """What is cut into chunks: the track, its borders, and the shift in front of them."""
        policy = self.policy
        border, stop = self.border_samples + policy.margin_samples, self.num_samples
        if policy.margin_samples:
            step = max(1, policy.chunk_samples - 2 * policy.margin_samples)
            stop += step - stop % step
        start, stop = self.origin - border, stop + border
        if policy.tail == "whole" and stop - start > policy.chunk_samples:
            stop += (start - stop) % policy.chunk_samples
        return range(start, stop)

    @property
    def longest_chunk(self) -> int:
        """The most samples that any chunk has: there may be less than a full one to cut."""
        return min(self.policy.chunk_samples, len(self.grid))

    def __len__(self) -> int:
        if not self.span:
            return 0
        starting_before = -(-(self.span.stop - self.grid.start) // self.policy.hop_samples)
        return min(starting_before, self._last_of_grid + 1) - self._num_skipped

    def __getitem__(self, index: int) -> Chunk:
        if not 0 <= index < len(self):
            raise IndexError(f"chunk {index} of a plan with {len(self)} chunks")
        policy, grid = self.policy, self.grid
        start = grid.start + (self._num_skipped + index) * policy.hop_samples
        stop = min(start + policy.chunk_samples, grid.stop)
        read_samples = self._read_samples(stop - start)
        centred = policy.tail == "centre"
        left = (read_samples - (stop - start)) // 2 if centred else policy.context_samples
        read_stop = start - left + read_samples
        reflects = policy.tail == "reflect" and stop - start > policy.chunk_samples // 2
        return Chunk(
            start=start,
            stop=stop,
            read_start=start - left,
            read_stop=read_stop,
            border_samples=self.border_samples,
            reflected_samples=max(0, read_stop - grid.stop) if reflects else 0,
        )

    def _read_samples(self, num_samples: int) -> int:
        """What the network reads for a chunk of `num_samples`."""
        policy = self.policy
        fitted = policy.fitted_length(num_samples)
        if not policy.fixed_length:
            return fitted
        enough = max(len(self.grid), policy.own_chunk_samples or policy.chunk_samples)
        return min(fitted, enough + 2 * policy.context_samples)

    def __iter__(self) -> Iterator[Chunk]:
        return (self[index] for index in range(len(self)))

    @property
    def _last_of_grid(self) -> int:
        """The index of the grid's last chunk, whatever is wanted."""
        policy = self.policy
        from_its_start = policy.chunk_samples if policy.tail == "whole" else policy.hop_samples
        return -(-max(0, len(self.grid) - from_its_start) // policy.hop_samples)

    @property
    def _num_skipped(self) -> int:
        """How many chunks of the grid end before the first wanted sample, and are of no use."""
        if self.policy.sequential:
            return 0
        before = self.span.start - self.grid.start - self.policy.chunk_samples
        return max(0, before // self.policy.hop_samples + 1)

    def needs_from(self, index: int) -> int:
        """The first sample of the track that the chunks from `index` on are made of, or earlier."""
        read_start = self[index].read_start
        # Before the end lies what is reflected there. A chunk that does not reach the end begins
        # no later than that, so this never goes back.
        border = self.border_samples
        return min(read_start, self.num_samples - 1 - border) if border else read_start

    def weights(self, chunk: Chunk) -> Tensor:
        """Weights [T] of the samples of one of the plan's chunks, in [0, 1].

        Estimates are divided by the sum of the weights, which is above 0 for every wanted sample,
        unless the policy `adds_up`.
        A chunk cut short by the end has the left part of a full one's, but for Hann windows, which
        end where it ends.
        """
        full, hop, length = self.policy.chunk_samples, self.policy.hop_samples, chunk.num_samples
        if self.policy.window == "sum":
            return torch.ones(length)
        if self.policy.window == "even":
            return torch.full((length,), hop / full)
        if self.policy.window == "triangle":
            return _triangle(full, length)
        if self.policy.window == "hann":
            # Where two chunks share no more than a sample, it would be 0 in both of them.
            overlaps = self.policy.overlap_samples > 1
            return _hann(length) if overlaps else torch.ones(length)
        window = torch.ones(length)
        is_first = chunk.start == self.grid.start
        is_last = chunk.start == self.grid.start + self._last_of_grid * hop
        if self.policy.window == "cut":
            cut = self.policy.overlap_samples // 2
            window[cut + hop :] = float(is_last)
            window[:cut] = float(is_first)
            return window
        # Ramps no longer than the overlap: where one chunk has weight 0 another one has more.
        fade = min(full // _FADES_PER_CHUNK, self.policy.overlap_samples)
        fading_out = length - (full - fade)
        if not is_last and fading_out > 0:
            window[full - fade :] = torch.linspace(1, 0, fade)[:fading_out]
        if not is_first:
            window[:fade] = torch.linspace(0, 1, fade)[:length]
        return window


def _triangle(num_samples: int, length: int) -> Tensor:
    """The first `length` of its `num_samples`: a user's chunk may be longer than memory."""
    left = min(num_samples // 2, length)
    highest = num_samples - num_samples // 2
    window = torch.empty(length)
    torch.arange(1, left + 1, out=window[:left])
    torch.arange(highest, highest - (length - left), -1, out=window[left:])
    return window.div_(highest)


def _hann(num_samples: int) -> Tensor:
    # In double precision: close to its ends, 1 - cos is nothing but rounding in single precision.
    return torch.hann_window(num_samples, periodic=False, dtype=torch.float64).float()
