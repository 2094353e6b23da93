"""Tracks through the engine: noise as a song, scanned and separated on a CPU."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from stemsplit.audio.formats import SampleRate
from stemsplit.device.runtime import Runtime, choose_runtime
from stemsplit.dsp.overlap_add import StemBlock
from stemsplit.engine.checks import Checks
from stemsplit.engine.ensemble import Ensemble
from stemsplit.engine.excerpt import WHOLE, Excerpt
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.scan import scan
from stemsplit.engine.separate import ProgressCallback, separate_blocks
from stemsplit.stages import StageCallback, unheard


def noise(length: int, num_channels: int = 2) -> Tensor:
    return torch.randn(num_channels, length, generator=torch.Generator().manual_seed(length)) * 0.3


class Track:
    """A mixture that was scanned, and is separated and measured once."""

    def __init__(
        self,
        mixture: Mixture,
        model: Ensemble,
        runtime: Runtime,
        options: SeparationOptions | None = None,
        *,
        sample_rate: SampleRate = "source",
        on_progress: ProgressCallback | None = None,
        on_stage: StageCallback = unheard,
    ) -> None:
        options = options or SeparationOptions()
        self.plan = scan(mixture, model, options, sample_rate=sample_rate, on_stage=on_stage)
        self._runtime = runtime
        self._meters = self.plan.new_meters()
        self._on_progress = on_progress

    @property
    def warnings(self) -> list[str]:
        return list(self.plan.warnings)

    @property
    def checks(self) -> Checks:
        return self._meters.checks()

    def blocks(self) -> Iterator[StemBlock]:
        return separate_blocks(
            self.plan, self._runtime, meters=self._meters, on_progress=self._on_progress
        )

    def stems(self) -> dict[str, Tensor]:
        """The outputs [C, T], by name."""
        blocks = [block.stems for block in self.blocks()]
        nothing = torch.zeros(len(self.plan.outputs), len(self.plan.channels), 0)
        stems = torch.cat(blocks, dim=-1) if blocks else nothing
        assert stems.shape[-1] == self.plan.num_samples
        return dict(zip(self.plan.names, stems, strict=True))


def run(
    audio: Tensor,
    model: Ensemble,
    *,
    batch_size: int = 1,
    sample_rate: int = 44100,
    options: SeparationOptions | None = None,
    excerpt: Excerpt = WHOLE,
    output_rate: SampleRate = "source",
) -> dict[str, Tensor]:
    mixture = Mixture.from_array(audio, sample_rate, excerpt)
    runtime = choose_runtime(device="cpu", batch_size=batch_size)
    return Track(mixture, model, runtime, options, sample_rate=output_rate).stems()
