"""From a mixture and its stems to the outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from stemsplit.engine.outputs import Output


class OutputMix:
    """Turns blocks of a mixture and its stems into blocks of the outputs."""

    def __init__(self, outputs: Sequence[Output], stems: Sequence[str]) -> None:
        self._mixture_gains = [output.mixture_gain for output in outputs]
        self._stem_gains = [
            {stems.index(stem): gain for stem, gain in output.stem_gains.items() if gain}
            for output in outputs
        ]

    def __call__(self, mixture: Tensor, stems: Tensor) -> Tensor:
        """Outputs [O, C, T] from a mixture [C, T] and its stems [S, C, T]."""
        out = torch.zeros(len(self._stem_gains), *mixture.shape)
        gains = zip(out, self._mixture_gains, self._stem_gains, strict=True)
        for row, mixture_gain, stem_gains in gains:
            if mixture_gain:
                row.add_(mixture, alpha=mixture_gain)
            for index, gain in stem_gains.items():
                row.add_(stems[index], alpha=gain)
        return out
