"""An MDX-Net as it is published: in its training layout, and as an ONNX file."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from stemsplit.models.mdxnet.config import MdxNetConfig
from tests.references import reference_module


class PublishedMdxNet(nn.Module):
    """Maps [B, 4, F, N] -> [B, 4, F, N]: plain torch layers, norms of their own, bins first."""

    def __init__(self, config: MdxNetConfig) -> None:
        super().__init__()
        self.config = config
        width, bins, growth = config.growth, config.num_bins, config.growth
        self.first_conv = _normed(nn.Conv2d(4, width, 1), width)
        self.encoding_blocks, self.ds = nn.ModuleList(), nn.ModuleList()
        self.decoding_blocks, self.us = nn.ModuleList(), nn.ModuleList()
        for _ in range(config.num_levels):
            self.encoding_blocks.append(self._block(width, bins))
            self.ds.append(_normed(nn.Conv2d(width, width + growth, 2, 2), width + growth))
            width, bins = width + growth, bins // 2
        self.bottleneck_block = self._block(width, bins)
        for _ in range(config.num_levels):
            self.us.append(_normed(nn.ConvTranspose2d(width, width - growth, 2, 2), width - growth))
            width, bins = width - growth, bins * 2
            self.decoding_blocks.append(self._block(width, bins))
        self.final_conv = nn.Sequential(nn.Conv2d(width, 4, 1))

    def _block(self, width: int, bins: int) -> nn.ModuleDict:
        config = self.config
        convolutions = nn.ModuleList(
            _normed(
                nn.Conv2d(width, width, config.kernel_size, padding=config.kernel_size // 2), width
            )
            for _ in range(config.num_layers)
        )
        block = nn.ModuleDict({"tfc": nn.ModuleDict({"H": convolutions})})
        if config.bottleneck_factor is not None:
            hidden = [bins // config.bottleneck_factor] if config.bottleneck_factor else []
            lengths = [bins, *hidden, bins]
            products = (
                _normed(nn.Linear(length, following, bias=config.bias), width)
                for length, following in itertools.pairwise(lengths)
            )
            block["tdf"] = nn.Sequential(*(layer for product in products for layer in product))
        return block

    def forward(self, maps: Tensor) -> Tensor:
        x = self.first_conv(maps).transpose(-1, -2)
        skips = []
        for block, halve in zip(self.encoding_blocks, self.ds, strict=True):
            x = _run(block, x)
            skips.append(x)
            x = halve(x)
        x = _run(self.bottleneck_block, x)
        for double, block in zip(self.us, self.decoding_blocks, strict=True):
            x = _run(block, double(x) * skips.pop())
        mapped: Tensor = self.final_conv(x.transpose(-1, -2))
        return mapped

    def export(self, path: Path) -> Path:
        """Writes an ONNX file as the published ones were made, and returns its path."""
        reference_module("onnx")  # torch exports with its help
        example = torch.zeros(1, 4, self.config.num_bins, self.config.num_frames)
        with warnings.catch_warnings():
            # The published files come from this exporter; torch would rather have another used.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                self,
                (example,),
                str(path),
                opset_version=13,
                do_constant_folding=True,
                input_names=["input"],
                output_names=["output"],
                dynamic_axes={"input": {0: "batch_size"}, "output": {0: "batch_size"}},
                dynamo=False,
            )
        return path


def _normed(layer: nn.Module, width: int) -> nn.Sequential:
    return nn.Sequential(layer, nn.BatchNorm2d(width), nn.ReLU())


def _run(block: nn.ModuleDict, x: Tensor) -> Tensor:
    for convolve in block["tfc"]["H"]:  # type: ignore[index]
        x = convolve(x)
    return x + block["tdf"](x) if "tdf" in block else x
