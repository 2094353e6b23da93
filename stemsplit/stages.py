"""What takes time before the first chunk and after the last, told as it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

StageKind = Literal["fetching", "loading", "scanning", "writing"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """How far something is that is not separation itself.

    fetching   a file of a model is downloaded: `num_done` of `num_total` bytes
    loading    a model is read and tried: its networks
    scanning   a song is read for the first time: its samples
    writing    the outputs of a song are completed

    `name`: of the file, the model or the song. `num_total` None: not known.
    """

    kind: StageKind
    name: str
    num_done: int = 0
    num_total: int | None = None

    @property
    def share(self) -> float | None:
        """How much of it is done, in [0, 1], as far as that is known."""
        if not self.num_total:
            return None
        return min(1.0, self.num_done / self.num_total)


StageCallback = Callable[[Stage], None]


def unheard(event: object) -> None:
    """What is called where nobody wants to know."""
    del event
