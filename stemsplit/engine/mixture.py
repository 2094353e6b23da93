"""The song that is taken apart: anything that can be played twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stemsplit.audio.channels import MAX_CHANNELS, default_channels
from stemsplit.audio.decode.damage import Damage
from stemsplit.audio.source import AudioInfo, Look, look, read_blocks
from stemsplit.audio.stretch import Stretch
from stemsplit.device.cancel import Check
from stemsplit.engine.excerpt import WHOLE, Excerpt
from stemsplit.errors import AudioReadError

_BLOCK_SAMPLES = 65_536


@dataclass(frozen=True, slots=True)
class Mixture:
    """`open_blocks()` plays the song from its start, in blocks [C, T], the same ones each time.

    `channels` are named as in `stemsplit.audio.channels`; `info` is what a file's header claims,
    `damage` what the last time found lost, and `excerpt` what of it is to be separated.
    """

    name: str
    sample_rate: int
    channels: tuple[str, ...]
    open_blocks: Callable[[], Iterator[Tensor]]
    info: AudioInfo | None = None
    damage: Damage = field(default_factory=Damage)
    excerpt: Excerpt = WHOLE

    @property
    def num_channels(self) -> int:
        return len(self.channels)

    @property
    def warnings(self) -> list[str]:
        """What is odd about the song, once it was played."""
        notes = () if self.info is None else self.info.notes
        odd = [f"{self.name} {note}" for note in notes]
        return [*odd, *self.damage.warnings(self.name, self.sample_rate)]

    def watched(self, check: Check) -> Mixture:
        """The same song, with `check` called before each block."""

        def open_blocks() -> Iterator[Tensor]:
            check()
            for block in self.open_blocks():
                yield block
                check()

        return replace(self, open_blocks=open_blocks)

    @classmethod
    def from_file(
        cls,
        path: Path,
        seen: Look | None = None,
        *,
        excerpt: Excerpt = WHOLE,
        stretch: Stretch | None = None,
        name: str | None = None,
    ) -> Mixture:
        """The audio track of a file that `excerpt` names; the file must stay as it was `seen`.

        `seen`: None for now. `stretch`: only this of it, which has a `name` of its own.

        Raises:
            AudioReadError: the file is missing or holds no audio that can be decoded.
        """
        seen = look(path, stream=excerpt.stream) if seen is None else seen
        info = seen.info
        damage = Damage()
        return cls(
            name=name or path.name,
            sample_rate=info.sample_rate,
            channels=info.channels,
            open_blocks=lambda: read_blocks(
                path, stream=excerpt.stream, damage=damage, state=seen.state, stretch=stretch
            ),
            info=info if stretch is None else stretch.of(info),
            damage=damage,
            excerpt=excerpt,
        )

    @classmethod
    def from_array(
        cls, samples: np.ndarray | Tensor, sample_rate: int, excerpt: Excerpt = WHOLE
    ) -> Mixture:
        """Samples [C, T] or [T], floating point, full scale at ±1.

        Raises:
            AudioReadError: another shape or type, or values that are not finite.
        """
        wrong = AudioReadError(
            f"Audio must be a floating-point array [C, T], got {samples.dtype} with shape "
            f"{tuple(samples.shape)}.",
            hint="Channels come first; integers are divided by full scale before.",
        )
        try:
            tensor = torch.as_tensor(samples)
        except TypeError:  # an array of texts, say
            raise wrong from None
        if tensor.dim() == 1:
            tensor = tensor[None]  # [1, T]
        if tensor.dim() != 2 or not tensor.is_floating_point() or tensor.shape[0] == 0:
            raise wrong
        if tensor.shape[0] > MAX_CHANNELS >= tensor.shape[1]:
            raise wrong  # turned round
        if not torch.isfinite(tensor).all():
            raise AudioReadError("The array holds samples that are NaN or infinite.")
        tensor = tensor.detach().to(device="cpu", dtype=torch.float32)
        return cls(
            name="array",
            sample_rate=sample_rate,
            channels=default_channels(tensor.shape[0]),
            open_blocks=lambda: iter(torch.split(tensor, _BLOCK_SAMPLES, dim=-1)),
            excerpt=excerpt,
        )
