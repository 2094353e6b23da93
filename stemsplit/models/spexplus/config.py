"""The constructor arguments of SpEx+, as training writes them into `mdl.json`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from stemsplit.models.blocks.arguments import MAX_LAYER_CHANNELS
from stemsplit.models.blocks.declared import arg, reader_of
from stemsplit.models.family import Folder, FolderModel, FolderSystem, NetworkFiles

Activation = Literal["relu", "sigmoid"]

CONFIGURATION, WEIGHTS = "mdl.json", "best.pt.tar"
_FIXED = {"norm": "gLN", "causal": False, "num_spks": 1}
_SHORTEST_PER_SECOND = 400
_BLOCK = re.compile(r"conv_block_1_other\.[0-9]{1,2}\.dconv\.weight")
_REPEAT = re.compile(r"conv_block_[0-9]{1,2}\.dconv\.weight")


@dataclass(frozen=True, kw_only=True, slots=True)
class SpexPlusConfig:
    """The network. The windows of the paper have 2.5, 10 and 20 ms: the shortest tells the rest."""

    short_samples: int = arg("L", 20, low=2, high=4096)
    """Length of the shortest windows, which overlap by half."""
    middle_samples: int | None = arg("L2", low=lambda c: c["short_samples"], high=1 << 14)
    """Of the middle ones, which begin where the shortest do; None: four times as long."""
    long_samples: int | None = arg("L3", low=lambda c: c["short_samples"], high=1 << 15)
    """Of the longest ones; None: eight times as long."""
    own_sample_rate: int | None = arg("sample_rate", low=1000, high=768_000)
    """None: the shortest windows have 2.5 ms."""
    num_filters: int = arg("N", 256, low=1, high=MAX_LAYER_CHANNELS // 3)
    """Features of each length of window."""
    bottleneck_channels: int = arg("B", 256, low=1, high=4096)
    block_channels: int = arg("H", 512, low=1, high=4096)
    kernel_size: int = arg("P", 3, low=1, high=63)
    num_blocks: int = arg("X", 8, low=1, high=16)
    """Blocks in a repeat, each with twice the dilation of the one before."""
    num_repeats: int = arg("R", 4, low=1, high=16)
    """The first block of each hears the voice that is looked for."""
    embedding_size: int = arg("spk_emb_dim", 256, low=1, high=4096)
    activation: Activation = arg("non_linear", "relu")
    """Of the masks."""

    @property
    def window_samples(self) -> tuple[int, int, int]:
        """The lengths of the windows, the shortest first."""
        short = self.short_samples
        return short, self.middle_samples or 4 * short, self.long_samples or 8 * short

    @property
    def sample_rate(self) -> int:
        return self.own_sample_rate or _SHORTEST_PER_SECOND * self.short_samples


read_spexplus_config = reader_of(SpexPlusConfig, "SpEx+", fixed=_FIXED)


def spexplus_arguments(tensors: Mapping[str, Tensor], file_name: str) -> dict[str, object] | None:  # noqa: ARG001
    """The arguments of a checkpoint that has no configuration, by its shapes; None for others.

    Shapes do not tell the masks' activation: it is that of the paper.
    """

    def size(name: str, axis: int) -> int:
        shape = tensors[name].shape
        return shape[axis] if axis < len(shape) else 0

    windows = [f"encoder_1d_{length}.weight" for length in ("short", "middle", "long")]
    needed = [*windows, "proj.weight", "conv_block_1.dconv.weight", "aux_enc3.1.weight"]
    if not all(name in tensors for name in needed):
        return None
    short, middle, long = (size(name, 2) for name in windows)
    return {
        "L": short,
        "L2": middle,
        "L3": long,
        "N": size(windows[0], 0),
        "B": size("proj.weight", 0),
        "H": size("conv_block_1.dconv.weight", 0),
        "P": size("conv_block_1.dconv.weight", 2),
        "X": 1 + sum(1 for name in tensors if _BLOCK.fullmatch(name)),
        "R": sum(1 for name in tensors if _REPEAT.fullmatch(name)),
        "spk_emb_dim": size("aux_enc3.1.weight", 0),
    }


def trained_folder(folder: Folder) -> FolderSystem | None:
    """What training leaves: the best weights and the arguments beside them; None elsewhere."""
    if not {CONFIGURATION, WEIGHTS} <= set(folder.files()):
        return None
    network = NetworkFiles(signature="best", weights={"": WEIGHTS}, configs={"": CONFIGURATION})
    return FolderSystem(models=(FolderModel(networks=(network,)),))
