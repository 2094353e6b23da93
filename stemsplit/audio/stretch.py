"""A stretch of an audio file, as a cue sheet cuts it out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stemsplit.audio.info import AudioInfo

FRAMES_PER_SECOND = 75
"""Sectors of a compact disc, in which cue sheets count."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """What lies between two times, which count frames of a compact disc; `stop` None: the end."""

    start: int
    stop: int | None = None

    def samples(self, sample_rate: int) -> tuple[int, int | None]:
        """The first sample, and the first one behind it: those nearest to the times.

        Where parts meet, nothing is lost and nothing is twice. At 44100 Hz a frame is 588 samples.
        """
        stop = None if self.stop is None else _position(self.stop, sample_rate)
        return _position(self.start, sample_rate), stop

    def of(self, info: AudioInfo) -> AudioInfo:
        """What the header claims of this part of the file; its length is as far as both know it."""
        start, stop = self.samples(info.sample_rate)
        ends = [end for end in (stop, info.num_samples) if end is not None]
        return replace(info, num_samples=max(0, min(ends) - start) if ends else None)


def _position(frames: int, sample_rate: int) -> int:
    return (2 * frames * sample_rate + FRAMES_PER_SECOND) // (2 * FRAMES_PER_SECOND)
