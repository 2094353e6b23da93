"""Signals that come piece by piece, cut into overlapping frames and put together again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from stemsplit.dsp.stft import add_frames


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameStream:
    """What two pieces of a signal have to do with each other: the samples that frames share."""

    hop_length: int
    waiting: Tensor
    """Samples [..., T] that came already, and of which frames to come are made."""
    unfinished: Tensor
    """Samples [..., frame_length - hop_length] to which frames to come add."""
    num_early: int
    """How many samples are put together before the first one that is wanted."""

    @classmethod
    def before(
        cls,
        signal: Tensor,
        *,
        frame_length: int,
        hop_length: int,
        num_silent: int = 0,
        num_early: int = 0,
    ) -> FrameStream:
        """That before the first sample of a signal like [..., T]: frames begin `num_silent` samples
        earlier, in silence."""
        shape = signal.shape[:-1]
        return cls(
            hop_length=hop_length,
            waiting=signal.new_zeros(*shape, num_silent),
            unfinished=signal.new_zeros(*shape, frame_length - hop_length),
            num_early=num_early,
        )

    @property
    def frame_length(self) -> int:
        return self.unfinished.shape[-1] + self.hop_length

    def cut(self, signal: Tensor) -> tuple[Tensor, FrameStream]:
        """The frames [..., N, frame_length] that the next samples [..., T] complete; there must be
        at least one."""
        heard = torch.cat((self.waiting, signal), dim=-1)
        frames = heard.unfold(-1, self.frame_length, self.hop_length)
        waiting = heard[..., frames.shape[-2] * self.hop_length :]
        return frames, replace(self, waiting=waiting)

    def add(self, frames: Tensor) -> tuple[Tensor, FrameStream]:
        """The samples [..., N * hop_length] that are finished with the next frames; fewer by those
        that come too early."""
        num_finished = frames.shape[-2] * self.hop_length
        num_samples = num_finished + self.unfinished.shape[-1]
        added = add_frames(frames, self.hop_length)[..., :num_samples]
        added[..., : self.unfinished.shape[-1]] += self.unfinished
        num_early = min(self.num_early, num_finished)
        return added[..., num_early:num_finished], replace(
            self, unfinished=added[..., num_finished:], num_early=self.num_early - num_early
        )
