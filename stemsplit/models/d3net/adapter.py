"""From the names and shapes of published D3Net tensors to those of our network.

vocals/dense_band/0/us_layers/dense_block4/layers/layer1/layers/layer2/bottleneck/conv1/conv/W
networks.0.bands.0.blocks.4.blocks.1.layers.2.conv.weight
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from stemsplit.models.blocks.batch_norm import fold_batch_norms
from stemsplit.models.d3net.model import D3Net
from stemsplit.models.d3net.network import BandUNet

_RENAMED = (
    (r"dense_band/(\d+)/", r"bands.\1."),
    (r"dense_full/", "full."),
    (r"features_init/(\d+)/conv/", r"bands.\1.first."),
    (r"features_init_full/conv/", "full.first."),
    (r"match_fm_conv/(\d+)/norm/", r"widen.\1.norm."),
    (r"match_fm_conv/(\d+)/conv/conv/", r"widen.\1.conv."),
    (r"final_dense/", "final."),
    (r"out_gate/bn/", "out_norm."),
    (r"out_gate/conv_gate/conv/conv/", "gate."),
    (r"out_gate/conv_filt/conv/conv/", "filter."),
    (r"(?:ds|us)_layers/dense_block(\d+)/", r"blocks.\1."),
    (r"us_layers/upsample(\d+)/upsample/norm/", r"ups.\1.norm."),
    (r"us_layers/upsample(\d+)/upsample/transconv/deconv/", r"ups.\1.conv."),
    # In a dense block, then in a nested one.
    (r"initial_layer/bottleneck/", "layers.0."),
    (r"layers/layer(\d+)/bottleneck/", r"layers.\1."),
    (r"initial_block/", "blocks.0."),
    (r"layers/layer(\d+)/", r"blocks.\1."),
    (r"norm1/", "norm."),
    (r"conv1/conv/", "conv."),
)
_LOWEST = re.compile(r"(bands\.\d+|full)\.bottleneck_block/")
_VECTOR = re.compile(r"/(?:bn/\w+|(?:in|decode)_\w+)$")
_PARTS = {
    "W": "weight",
    "b": "bias",
    "bn/gamma": "weight",
    "bn/beta": "bias",
    "bn/mean": "running_mean",
    "bn/var": "running_var",
}


def adapt_d3net(tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Our names, and norms as gains and offsets. What is not known stays, to be refused by name.

    Published tensors are called `{stem}/{path}`; of a folder's files, `{stem}.{stem}/{path}`.
    """
    assert isinstance(network, D3Net)
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        # Norms have all axes, [1, D, 1, 1], and so have values for each bin, [1, 1, 1, F].
        is_vector = tensor.ndim == 4 and _VECTOR.search(name) and len(tensor) == 1
        found[_our_name(name, network)] = tensor.flatten() if is_vector else tensor
    return fold_batch_norms(found, network.state_dict().keys())


def _our_name(name: str, network: D3Net) -> str:
    stem, slash, path = name.partition("/")
    stem = stem.rpartition(".")[2]
    if not slash or stem not in network.spec.stems:
        return name
    index = network.spec.stems.index(stem)
    for published, ours in _RENAMED:
        path = re.sub(published, ours, path)
    path = _LOWEST.sub(
        lambda match: f"{match[1]}.blocks.{_lowest(network, index, match[1])}.", path
    )
    path = re.sub(r"(?<=[./])(?:bn/)?\w+$", lambda match: _PARTS.get(match[0], match[0]), path)
    return f"networks.{index}.{path}"


def _lowest(network: D3Net, index: int, band: str) -> int:
    """Which of a band's blocks is the lowest, which is not counted among the published ones."""
    found = dict(network.networks[index].named_modules()).get(band)
    return found.num_levels if isinstance(found, BandUNet) else 0
