"""What every decoder hands out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from stemsplit.audio.info import AudioInfo


@dataclass(frozen=True, slots=True)
class Decoded:
    """An open file: its header, and its audio once, as float32 blocks [C, T] of any length."""

    info: AudioInfo
    blocks: Iterator[Tensor]
