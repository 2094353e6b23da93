"""Models small enough to know their right answer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.engine.bag import Bag, BagMember
from stemsplit.engine.ensemble import Ensemble
from stemsplit.models.spec import InputScaling, Model, ModelSpec

STEMS = ("drums", "bass", "other", "vocals")
POLICY = ChunkPolicy(chunk_samples=1000, overlap_samples=250)


def community_policy(chunk: int, num_overlaps: int) -> ChunkPolicy:
    """As MSST cuts songs: chunks of one length, faded, with reflections at both ends."""
    return ChunkPolicy(
        chunk_samples=chunk,
        overlap_samples=chunk - chunk // num_overlaps,
        window="fade",
        border="reflect",
        tail="reflect",
        fixed_length=True,
    )


class GainModel:
    """Every stem is the mixture times a gain; with gains that sum to one it takes nothing away."""

    def __init__(
        self,
        gains: Sequence[float] = (0.4, 0.3, 0.2, 0.1),
        *,
        policy: ChunkPolicy = POLICY,
        scaling: InputScaling | None = None,
        sample_rate: int = 44100,
        stems: Sequence[str] = STEMS,
        residual_stem: str | None = None,
    ) -> None:
        self.spec = ModelSpec(
            family="toy",
            stems=tuple(stems[: len(gains)]),
            residual_stem=residual_stem,
            sample_rate=sample_rate,
            num_channels=2,
            chunking=policy,
            scaling=scaling,
            paper="none",
        )
        self._gains = torch.tensor(gains)
        self.batch_sizes: list[int] = []
        self.lengths: list[int] = []

    def __call__(self, mixture: Tensor) -> Tensor:
        self.batch_sizes.append(mixture.shape[0])
        self.lengths.append(mixture.shape[-1])
        return mixture[:, None] * self._gains[:, None, None]  # [B, S, C, T]


class EdgeModel(GainModel):
    """Its estimate depends on where the chunk begins and ends: a nonlinear function of context."""

    def __call__(self, mixture: Tensor) -> Tensor:
        ramp = torch.linspace(0.5, 1.5, mixture.shape[-1])
        return super().__call__(torch.tanh(mixture) * ramp)


def bag_of(*models: Model, weights: Sequence[Sequence[float]] | None = None) -> Bag:
    stem_indices = weights or [[1.0] * len(models[0].spec.stems)] * len(models)
    return Bag(
        name="toy",
        origin="nowhere",
        revision=None,
        licence="unknown",
        members=tuple(
            BagMember(model=model, weights=tuple(row), signature=f"toy{index}", sha256=None)
            for index, (model, row) in enumerate(zip(models, stem_indices, strict=True))
        ),
    )


def model_of(*models: Model, weights: Sequence[Sequence[float]] | None = None) -> Ensemble:
    """What the engine runs: the bag of these, alone."""
    return Ensemble.of(bag_of(*models, weights=weights))
