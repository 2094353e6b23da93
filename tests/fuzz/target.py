"""A kind of file that is fuzzed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.fuzz.mutate import mutate


@dataclass(frozen=True, slots=True)
class Target:
    """A kind of file: `seeds` makes intact ones in a folder, `read` takes one that may not be.

    `finish` is the last step of making a mutated file, such as right checksums. `weight` is the
    share of the inputs, for kinds that take much longer than the others.
    """

    suffix: str
    seeds: Callable[[Path], Sequence[bytes]]
    read: Callable[[Path], None]
    words: Sequence[bytes] = ()
    finish: Callable[[Random, bytes], bytes] = lambda _, data: data
    weight: float = 1.0

    def make(self, seeds: Sequence[bytes], seed: str) -> bytes:
        """The mutated file that belongs to the text `seed`."""
        rng = Random(seed)
        return self.finish(rng, mutate(rng, seeds, self.words))
