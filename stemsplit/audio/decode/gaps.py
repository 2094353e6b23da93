"""Silence in the place of what a damaged file has lost, so that the rest stays where it was.

```
in the file   |-----------------|## damaged ##|----------------------|
handed out    |-----------------|   silence   |----------------------|
```
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from statistics import median

import torch
from torch import Tensor

from stemsplit.audio.decode.damage import Damage
from stemsplit.audio.decode.frames import Frame
from stemsplit.audio.decode.linear import TAGS

MAX_PADDING_SAMPLES = 2304
"""What encoders add to fill their last frames, and ffmpeg does not always drop."""

_TOLERANCE_SECONDS = 0.005
_TOLERANCE_TICKS = 3
# How much more than usual the lost bytes may have held: quiet music takes fewer.
_DENSITY = 8
_NUM_LENGTHS = 32
_SETTLING_FRAMES = 32
_PIECE_SAMPLES = 1 << 16
# Of Ogg.
_MAX_PAGE_HEADER_BYTES = 27 + 255
_LATE_PAGES = 2


class Gaps(ABC):
    """Fills the gaps between the frames of one stream, once, and notes them in `damage`."""

    def __init__(self, damage: Damage) -> None:
        self._damage = damage
        self._lengths: deque[int] = deque(maxlen=_NUM_LENGTHS)
        self._position = 0
        self.num_good = 0

    def filled(self, frames: Iterable[Frame]) -> Iterator[Tensor]:
        """The samples [C, T] of the frames, and silence where some are lost."""
        for frame in frames:
            num_lost = self._num_lost(frame)
            if num_lost > 0:
                self._damage.lose(self._position, num_lost)
                yield from _silence(frame.samples.shape[0], num_lost)
            yield frame.samples[:, max(0, -num_lost) :]
            self._position += max(num_lost + frame.num_samples, 0)
            self.num_good += frame.num_samples
            self._lengths.append(frame.num_samples)

    @abstractmethod
    def _num_lost(self, frame: Frame) -> int:
        """How many samples are lost before the frame; negative if its first ones are too many."""

    @property
    def _length(self) -> int:
        """The samples of a frame, usually."""
        return round(median(self._lengths)) if self._lengths else 0

    def _usual_samples(self, frame: Frame) -> float:
        """What the lost bytes would hold if they were like those before."""
        return frame.lost_bytes * self.num_good / max(1, frame.read_bytes - frame.lost_bytes)


class TimedGaps(Gaps):
    """Gaps in the time stamps.

    Intact files have some too: live streams, speech without its pauses, files that were joined. So
    one counts only where something of the file was passed over, and only as far as that can have
    held sound.

    `time_base`: that of the stamps in seconds. `most`: the samples that the stream can have in all;
    None if the file does not say.
    """

    def __init__(
        self, damage: Damage, *, sample_rate: int, time_base: Fraction, most: int | None
    ) -> None:
        super().__init__(damage)
        self._tick = float(time_base * sample_rate)
        self._tolerance = max(_TOLERANCE_SECONDS * sample_rate, _TOLERANCE_TICKS * self._tick)
        self._most = math.inf if most is None else most
        self._offset: float | None = None
        self._num_after = _SETTLING_FRAMES

    def _num_lost(self, frame: Frame) -> int:
        if frame.time is None:
            return 0
        offset = frame.time - self._position
        if self._offset is None:
            self._offset = _first_offset(frame, offset)
        gap = offset - self._offset
        self._num_after += 1
        if abs(gap) <= self._tolerance:
            # What a decoder makes of damage, and of the first frames after it, has any length.
            is_exact = self._tick <= 1
            return round(gap) if is_exact and self._num_after < _SETTLING_FRAMES else 0
        if gap > 0 and self._is_loss(frame, gap):
            self._num_after = 0
            return self._rounded(gap)
        self._offset = offset
        return 0

    def _is_loss(self, frame: Frame, gap: float) -> bool:
        """Whether what was passed over can have held so much sound."""
        if self._position + gap + frame.num_samples > self._most:
            return False
        can_be = _DENSITY * self._usual_samples(frame)
        return gap <= max(frame.lost_samples + self._tolerance, can_be)

    def _rounded(self, gap: float) -> int:
        """Whole frames, where that is what the gap comes to but for the inexact time stamps."""
        whole = self._length and round(gap / self._length) * self._length
        if self._tick > 1 and whole and abs(gap - whole) <= self._tolerance:
            return whole
        return round(gap)


class CountedGaps(Gaps):
    """Gaps in a stream without time stamps: the lost bytes say how many frames are missing.

    `peek` gives the first bytes at a place of the file. Where the file says how many samples it has
    (`promised`), as many frames are filled in as are missing; `survey` decodes it anew.
    """

    def __init__(
        self,
        damage: Damage,
        *,
        peek: Callable[[int], bytes],
        promised: int | None = None,
        survey: Callable[[], Iterable[Frame]] | None = None,
    ) -> None:
        super().__init__(damage)
        self._peek = peek
        self._promised = promised
        self._survey = survey
        self._scale: float | None = None
        self._wanted = 0.0  # frames
        self._num_filled = 0

    def _num_lost(self, frame: Frame) -> int:
        if not frame.lost_bytes or not self._length:
            return 0
        if self._peek(frame.lost_from).startswith(TAGS):
            return 0
        estimate = round(self._usual_samples(frame) / self._length)
        if estimate and self._scale is None:
            self._scale = self._share_missing(self._length)
        self._wanted += estimate * (self._scale or 0)
        num_frames = round(self._wanted) - self._num_filled
        self._num_filled += num_frames
        return num_frames * self._length

    def _share_missing(self, length: int) -> float:
        """How many frames are missing for each that is estimated to be."""
        if self._promised is None or self._survey is None:
            return 1.0
        found = Damage()
        trial = CountedGaps(found, peek=self._peek)
        for _ in trial.filled(self._survey()):
            pass
        estimate = sum(loss.num_samples for loss in found.losses) // length
        missing = self._promised - trial.num_good
        least, most = math.ceil(missing / length), (missing + MAX_PADDING_SAMPLES) // length
        return max(0, min(max(estimate, least), most)) / max(1, estimate)


def _first_offset(frame: Frame, offset: float) -> float:
    """By how much time stamps are ahead, where the first packets may be lost themselves."""
    if not frame.lost_bytes or frame.first_time is None:
        return offset
    # What comes before zero is what encoders put there, and is left out.
    return min(offset, max(0.0, frame.first_time))


def on_time(frames: Iterable[Frame]) -> Iterator[Frame]:
    """The frames of an Ogg file with time stamps that have a gap where something is lost.

    A page says when its last packet ends. Behind one that is lost ffmpeg goes on counting, and
    knows the time again from the next page but one on.

    ```
    pages         | 1 | 2 |## 3 ##| 4 | 5 |
    time stamps     1   2           3   5
    ```
    """
    held: list[Frame] = []
    pages: set[int] = set()
    for frame in frames:
        pages.add(frame.packet_at)
        if held and (late := _jump(held[-1], frame)):
            yield from (replace(each, time=(each.time or 0.0) + late) for each in held)
            held.clear()
        elif held and len(pages) > _LATE_PAGES:
            yield from held
            held.clear()
        if not held and frame.lost_bytes > _MAX_PAGE_HEADER_BYTES:
            pages = {frame.packet_at}
            held.append(frame)
        elif held:
            held.append(frame)
        else:
            yield frame
    yield from held


def _jump(last: Frame, frame: Frame) -> float:
    """By how many samples more than those of the last frame the next one is later."""
    if last.time is None or frame.time is None:
        return 0.0
    return max(0.0, frame.time - last.time - last.num_samples)


def _silence(num_channels: int, num_samples: int) -> Iterator[Tensor]:
    for start in range(0, num_samples, _PIECE_SAMPLES):
        yield torch.zeros(num_channels, min(_PIECE_SAMPLES, num_samples - start))
