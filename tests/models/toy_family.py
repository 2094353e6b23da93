"""A family made by the steps of stemsplit/models/README.md, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.models import registry
from stemsplit.models.blocks.declared import arg, reader_of
from stemsplit.models.family import Family
from stemsplit.models.spec import InputScaling, ModelSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class ToyConfig:
    sample_rate: int = arg("sample_rate", 16000, low=1000, high=768_000)
    num_features: int = arg("hidden", 8, low=1, high=64)
    kernel_size: int = arg("kernel", 5, low=1, high=63)


read_toy_config = reader_of(ToyConfig, "Toy")


class ToyDenoiser(nn.Module):
    """Mixture [B, 1, T] -> speech [B, 1, 1, T], any T >= 1."""

    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        kernel_size = config.kernel_size
        self.toy = nn.Sequential(
            nn.Conv1d(1, config.num_features, kernel_size, padding="same"),
            nn.GELU(),
            nn.Conv1d(config.num_features, 1, kernel_size, padding="same"),
        )
        self.spec = ModelSpec(
            family="toy",
            stems=("speech",),
            residual_stem="noise",
            sample_rate=config.sample_rate,
            num_channels=1,
            chunking=ChunkPolicy(chunk_samples=4000, overlap_samples=1000),
            scaling=InputScaling(centred=False, floor=1e-3),
            paper="Nobody (2026), doi:10.0000/toy",
        )

    def forward(self, mixture: Tensor) -> Tensor:
        speech: Tensor = F.hardtanh(self.toy(mixture).float())
        return speech[:, None]  # [B, 1, 1, T]


def arguments_of(tensors: Mapping[str, Tensor], file_name: str) -> dict[str, object] | None:  # noqa: ARG001
    first = tensors.get("toy.0.weight")
    return None if first is None else {"hidden": first.shape[0], "kernel": first.shape[2]}


FAMILIES = (
    Family(
        name="toy",
        build=lambda given: ToyDenoiser(read_toy_config(given.kwargs)),
        bare=arguments_of,
    ),
)


@contextmanager
def registered() -> Iterator[None]:
    """In place of the one line in the registry."""
    with pytest.MonkeyPatch.context() as patch:
        known = {**registry.FAMILIES, **{family.name: family for family in FAMILIES}}
        patch.setattr(registry, "FAMILIES", known)
        yield
