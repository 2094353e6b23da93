"""Which part of a file is wanted, whichever model takes it apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stemsplit.errors import UsageError, check_number


@dataclass(frozen=True, kw_only=True, slots=True)
class Excerpt:
    """A part of a song, as it sounds when the whole song is separated."""

    start_seconds: float = 0.0
    """It begins with the sample nearest to this."""
    end_seconds: float | None = None
    """None: the song's end."""
    audio_track: int = 1
    """Which of a file's audio tracks is the song, counted from 1."""

    def __post_init__(self) -> None:
        start, end = self.start_seconds, self.end_seconds
        check_number("start", start)
        check_number("track", self.audio_track, whole=True)
        if end is not None:
            check_number("end", end)
        if not (math.isfinite(start) and start >= 0):
            raise UsageError(f"`start` must be 0 seconds or later, got {start:g}.")
        if end is not None and not (math.isfinite(end) and end > start):
            raise UsageError(f"`end` must be later than `start` ({start:g} s), got {end:g}.")
        if self.audio_track < 1:
            raise UsageError(f"`track` counts from 1, got {self.audio_track}.")

    @property
    def stream(self) -> int:
        """The audio track, counted from 0 as decoders do."""
        return self.audio_track - 1


WHOLE = Excerpt()
"""All of a file's first audio track."""
