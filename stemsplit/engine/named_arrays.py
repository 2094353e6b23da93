"""What a separation gives in Python: arrays by the names of their stems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np


class NamedArrays(Mapping[str, np.ndarray]):
    """Arrays [C, T] by the names of their stems; equal to itself and nothing else."""

    __slots__ = ()

    stems: Mapping[str, np.ndarray]

    def __getitem__(self, stem: str) -> np.ndarray:
        return self.stems[stem]

    def __iter__(self) -> Iterator[str]:
        return iter(self.stems)

    def __len__(self) -> int:
        return len(self.stems)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    @property
    def num_samples(self) -> int:
        """The length of each array."""
        return next((array.shape[-1] for array in self.stems.values()), 0)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SeparatedBlock(NamedArrays):
    """A stretch of every stem: a mapping to float32 arrays [C, T] that begin at sample `start`."""

    start: int
    stems: Mapping[str, np.ndarray]

    def __repr__(self) -> str:
        stop = self.start + self.num_samples
        return f"<SeparatedBlock {self.start}:{stop} of {', '.join(self)}>"
