"""Networks that hear no more than so much around each sample, on their way through a track.

What they make of a part of a track is what they make of the whole, but for as much at its ends as
they reach. So each part is heard with that much on both sides, and a track of any length comes out
as if it had been heard at once, ends included.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from stemsplit.models.blocks.stream import StreamingModule


class LocalStreamState(NamedTuple):
    """What is remembered of a track."""

    num_samples: int
    """Of the whole track."""
    num_heard: int
    """So far. What there is to say about it ends `reach_samples` before."""
    start: int
    """Where what is heard again begins."""
    heard: Tensor
    """From there on: [B, 1, T]."""


class LocalModule(StreamingModule[LocalStreamState]):
    """Mixture [B, 1, T] -> speech [B, 1, 1, T], as a `StreamingNetwork`.

    A subclass says how far it reaches, and has `enhanced`. Its `spec` has `reach_samples` of
    context.
    """

    reach_samples: int
    """To either side, at most; a number of steps."""
    step_samples: int
    """Parts begin at multiples of it, where the network's frames are those of the whole track."""
    least_samples: int
    """What the network can hear at all."""

    def enhanced(self, mixture: Tensor) -> Tensor:
        """Speech [B, 1, T] of a part of a track [B, 1, T], as if the track were no longer."""
        raise NotImplementedError

    def num_silent_behind(self, num_samples: int) -> int:
        """By how much silence a track's end is continued, so that the network hears it whole.

        As many samples as bring it to the next power of two.
        """
        padded = max(1 << (num_samples - 1).bit_length(), self.least_samples)
        return padded - num_samples

    def start(self, mixture: Tensor, num_samples: int) -> LocalStreamState:
        """The memory before the first sample of a track like `mixture` [B, 1, T]."""
        return LocalStreamState(num_samples, 0, 0, mixture.new_zeros(mixture.shape[0], 1, 0))

    def advance(self, mixture: Tensor, state: LocalStreamState) -> tuple[Tensor, LocalStreamState]:
        """Speech [B, 1, 1, T'] and the memory after the next samples [B, 1, T]."""
        heard = torch.cat((state.heard, mixture.float()), dim=-1)
        heard = heard[..., : max(0, state.num_samples - state.start)]
        num_heard = state.num_heard + mixture.shape[-1]
        begin, end = max(0, state.num_heard - self.reach_samples), num_heard - self.reach_samples
        if begin < state.num_samples:
            speech = self.enhanced(self._with_end(heard, state, num_heard))
            speech = speech[..., begin - state.start : end - state.start]
        else:
            speech = heard[..., :0]
        speech = F.pad(speech, (0, end - begin - speech.shape[-1]))
        start = max(0, end - self.reach_samples) // self.step_samples * self.step_samples
        again = heard[..., start - state.start :]
        return speech[:, None], LocalStreamState(state.num_samples, num_heard, start, again)

    def _with_end(self, heard: Tensor, state: LocalStreamState, num_heard: int) -> Tensor:
        """What is heard, with the silence behind the track if this is its end."""
        if num_heard < state.num_samples:
            return heard
        # More than it can hear is as good as all of it.
        most = max(self.reach_samples, self.least_samples)
        silent = self.num_silent_behind(state.num_samples)
        if silent > most:
            silent = most + (silent - most) % self.step_samples
        return F.pad(heard, (0, silent))
