"""Random access to the recent past of a stream, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from stemsplit.dsp.chunking import Chunk


class SlidingWindow:
    """Any range of a stream of blocks [C, T], as long as it was not forgotten.

    Blocks are pulled only when a range needs them. Outside [0, num_samples) there is silence. The
    stream may begin late, at sample `start`: what comes before counts as forgotten.

    Raises:
        ValueError: the range reaches back into what was forgotten, or the stream ended early.
    """

    def __init__(
        self, blocks: Iterator[Tensor], *, num_channels: int, num_samples: int, start: int = 0
    ) -> None:
        self._blocks = blocks
        self._kept: deque[Tensor] = deque()
        self._kept_start = start
        self._kept_stop = start
        self.num_channels = num_channels
        self.num_samples = num_samples

    def read_chunk(self, chunk: Chunk) -> Tensor:
        """What a network hears of `chunk`, with its reflections: a new tensor [C, T_read]."""
        stop = chunk.read_stop - chunk.reflected_samples
        heard = self.read(chunk.read_start, stop)
        first, last = 0, self.num_samples - 1
        before = range(max(chunk.read_start, -chunk.border_samples), min(stop, 0))
        after = range(max(chunk.read_start, last + 1), min(stop, last + 1 + chunk.border_samples))
        for mirror, positions in ((first, before), (last, after)):
            if positions:
                image = self.read(2 * mirror - positions[-1], 2 * mirror - positions[0] + 1)
                offset = positions[0] - chunk.read_start
                heard[:, offset : offset + len(positions)] = image.flip(-1)
        return F.pad(heard, (0, chunk.reflected_samples), mode="reflect")

    def read(self, start: int, stop: int) -> Tensor:
        """Samples [start, stop): a new tensor [C, stop - start]."""
        out = torch.zeros(self.num_channels, max(0, stop - start))
        first, last = max(0, start), min(stop, self.num_samples)
        if first >= last:
            return out
        if first < self._kept_start:
            raise ValueError(f"sample {first} was forgotten; kept from {self._kept_start}")
        self._pull(last)
        position = self._kept_start
        for block in self._kept:
            low, high = max(first, position), min(last, position + block.shape[-1])
            if low < high:
                out[:, low - start : high - start] = block[:, low - position : high - position]
            position += block.shape[-1]
        return out

    def forget(self, before: int) -> None:
        """Drops whole blocks that end at or before sample `before`."""
        while self._kept and self._kept_start + self._kept[0].shape[-1] <= before:
            self._kept_start += self._kept.popleft().shape[-1]

    def _pull(self, stop: int) -> None:
        while self._kept_stop < stop:
            block = next(self._blocks, None)
            if block is None:
                raise ValueError(
                    f"the stream ended at sample {self._kept_stop} of {self.num_samples}"
                )
            self._kept.append(block)
            self._kept_stop += block.shape[-1]
